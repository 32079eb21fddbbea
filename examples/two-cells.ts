/**
 * Two inmates side by side on one machine, and a person at the root cell who wants to destroy one of
 * them while the other does not let anybody change the configuration:
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
    // refused: apic-demo locks the configuration as long as it runs
    await session.destroyCell("tiny-demo");
    // it rejects the first request to shut down, and follows the second
    await session.shutdownCell("apic-demo");
    await session.shutdownCell("apic-demo");
    await session.destroyCell("tiny-demo");
  },
});
