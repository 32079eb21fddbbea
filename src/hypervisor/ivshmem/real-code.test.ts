/** Two cells and root over one link, in machine code on the real engine. */
import { expect, test } from "vitest";
import { linkEnd } from "../../config/boards/q35-links.ts";
import { demo, expectOk } from "../testing/machine.ts";
import { CELL_RAM, memoryRegions, RealMachine } from "../testing/real-machine.ts";

/**
 * Real mode, at 200h: programs device 00:0e.0 (registers at a000h, MSI-X table at b000h, vector 0 to
 * interrupt 40h of the CPU whose APIC id stands at 7ffch), switches INT_CTRL and the local APIC on,
 * sets STATE to what stands at 7ff8h, and halts. The handler at 271h prints the device's ID, writes
 * what stands at 7ff4h to DOORBELL, and ends the interrupt.
 */
const PROGRAM =
  "31c08ed88ed0bc0070be9102668b046685c07413baf80c66ef668b4404bafc0c66ef83c608ebe566a1fc7f66c1e00c66" +
  "0d0000e0fe66a300b066c70608b04000000066c7060cb00000000066c70608a00100000066b90f08000066b8ff010000" +
  "6631d20f3066a1f87f66a310a0fbf4ebfdbaf802a000a00430ee66a1f47f66a30ca066b90b0800006631c06631d20f30" +
  "cf1070008000a000001470008000b000000470008006000000607000800000008000000000";

function dword(value: number): string {
  return [0, 8, 16, 24]
    .map((shift) => ((value >>> shift) & 0xff).toString(16).padStart(2, "0"))
    .join("");
}

function setUp() {
  const machine = new RealMachine();
  machine.board.memory.u8.fill(0, 0x3f0f_0000, 0x3f10_0000);
  /** End `id` on the CPU of that number: rings `doorbell` at every interrupt. */
  const start = (id: number, state: number, doorbell: number) => {
    const { regions } = linkEnd("demo", id, 12);
    const config = demo("ivshmem-demo", 12, { name: `end ${id}`, cpus: [id] });
    return machine.startCell(
      {
        ...config,
        memoryRegions: [...regions, ...memoryRegions(CELL_RAM - id * 0x10_0000)],
        pciDevices: config.pciDevices.map((each) => ({ ...each, shmemDevId: id })),
      },
      {
        // jmp 200h; interrupt vector 40h to 0:271h
        0: "e9fd01",
        256: "71020000",
        512: PROGRAM,
        32756: dword(doorbell),
        32760: dword(state),
        32764: dword(id),
      },
    );
  };
  return { machine, start };
}

test("a state and a doorbell between two cells", () => {
  const { machine, start } = setUp();
  start(2, 0, 0x0001_0000);
  machine.run();
  expect(machine.serial).toEqual([]);
  // its state interrupts end 2, which rings end 1, which rings nobody
  start(1, 7, 0x000c_0000);
  machine.run();
  expect(machine.serial.join("")).toBe("21");
  expect(machine.board.memory.u32[0x3f0f_0004 / 4]).toBe(7);
  machine.run();
  expect(machine.serial.join("")).toBe("21");
});

test("between a cell and root: the cell answers each of root's doorbells", () => {
  const { machine, start } = setUp();
  const { clock } = machine.board;
  const link = expectOk(machine.hypervisor.openRootLink(0x70));
  const taken: [number, number, number][] = [];
  const rungAt: number[] = [];
  link.onInterrupt((vector) => {
    taken.push([vector, link.peerState(1), clock.now]);
    if (taken.length > 3) return;
    rungAt.push(clock.now);
    link.ring(1, 0);
  });
  start(1, 7, 0x0000_0005);
  machine.run();
  expect(taken.map(([vector, state]) => [vector, state])).toEqual([
    [0, 7],
    [5, 7],
    [5, 7],
    [5, 7],
  ]);
  expect(machine.serial.join("")).toBe("111");
  // each answer comes some instructions after the question, one of them an OUT of a microsecond
  for (const [index, rung] of rungAt.entries()) {
    const answer = taken[index + 1][2] - rung;
    expect(answer).toBeGreaterThan(1000);
    expect(answer).toBeLessThan(1250);
  }
});

test("the same run twice is the same to the instruction", () => {
  const runs = [0, 1].map(() => {
    const { machine, start } = setUp();
    start(2, 0, 0x0001_0000);
    machine.run();
    start(1, 7, 0x0002_0000);
    machine.run();
    return [machine.serial.join(""), ...machine.board.vcpus.map(({ retired }) => retired)];
  });
  expect(runs[0]).toEqual(runs[1]);
  expect(runs[0][0]).toMatch(/^(21){100}/);
});
