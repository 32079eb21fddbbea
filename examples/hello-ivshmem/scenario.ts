/**
 * A program at the root cell and an inmate in C greet each other through shared memory:
 *
 *     ./gaoler run examples/hello-ivshmem/scenario.ts
 */
import { defineScenario, q35 } from "gaoler";
import cell, { link } from "./cell.ts";

/** The state in which the cell waits for interrupts; those before would be lost. */
const READY = 1;

export default defineScenario({
  system: q35(14, [link]),
  cells: [{ config: cell, load: [{ image: "hello-ivshmem.bin" }] }],
  script: async (session) => {
    const end = session.openLink();
    const memory = end.input();
    session.print("IVSHMEM area is mapped");
    session.print("Virtual PCI registers area is mapped");

    await end.waitForState(READY);
    end.takeInterrupts(); // that was the news of its state

    session.print("Send IRQ to Cell");
    end.ring();
    session.print("Wait IRQ from Cell");
    await end.interrupt();
    session.print("IRQ Received");
    session.print(`Cell's message : "${memory.text()}"`);

    await session.shutdownCell("hello-ivshmem");
  },
});
