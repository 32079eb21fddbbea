/**
 * Two inmates side by side on one machine, and a person at the root cell who stops one of them:
 *
 *     ./gaoler run examples/two-cells.ts
 */
import { defineScenario, demoCell, q35 } from "gaoler";

export default defineScenario({
  system: q35(),
  cells: [
    { config: demoCell("tiny-demo"), load: [{ image: "../inmates/tiny-demo/tiny-demo.bin" }] },
    { config: demoCell("apic-demo"), load: [{ image: "../inmates/apic-demo/apic-demo.bin" }] },
  ],
  script: async (session) => {
    await session.waitForLine(/PM Timer/, 3);
    await session.destroyCell("tiny-demo");
    // the other one does not notice
    await session.waitForLine(/Timer fired, jitter/, 5);
  },
});
