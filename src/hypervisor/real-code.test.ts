/** Guest code on the real engine: what its instructions make of the moderator's answers. */
import { describe, expect, test } from "vitest";
import type { CellConfig } from "../config/types.ts";
import { demo, expectOk } from "./testing/machine.ts";
import { CELL_RAM, memoryRegions, RealMachine } from "./testing/real-machine.ts";

/** Starts a cell with machine code at its addresses and lets it run for a virtual millisecond. */
function runCell(code: Record<number, string>, change: Partial<CellConfig> = {}) {
  const machine = new RealMachine();
  const config = demo("tiny-demo", 12, { memoryRegions: memoryRegions(), ...change });
  const cell = machine.startCell(config, code);
  machine.lines.length = 0;
  machine.run();
  const { board, lines, serial } = machine;
  return { memory: board.memory, lines, serial, vcpus: board.vcpus, cell };
}

test("a cell prints through its serial port and halts", () => {
  // mov dx,2f8h; out dx,'H'; out dx,'i'; out dx,10; hlt
  const { serial, vcpus, cell } = runCell({ 0: "baf802b048eeb069eeb00aeef4" });
  expect(serial.join("")).toBe("Hi\n");
  expect(vcpus[2].halted).toBe(true);
  expect(vcpus[2].retired).toBe(8);
  expect(cell.stateName).toBe("running");
});

test("a forbidden port is reported with RIP at the instruction", () => {
  // nop; mov dx,3fdh; in al,dx; hlt
  const ports = [{ base: 0x2f8, length: 8 }];
  const { lines, cell, vcpus } = runCell({ 0: "90bafd03ecf4" }, { ports });
  expect(lines[0]).toBe("FATAL: Invalid PIO read, port: 3fd size: 1");
  expect(lines[1]).toBe("RIP: 0x0000000000000004 RSP: 0x0000000000000000 FLAGS: 2");
  expect(lines[4]).toBe("CS: 0 BASE: 0x0000000000000000 AR-BYTES: 9b EFER.LMA 0");
  expect(lines.at(-1)).toBe('Parking CPU 2 (Cell: "tiny-demo")');
  expect(cell.stateName).toBe("failed");
  expect(vcpus[2].retired).toBe(2);
});

test("a triple fault", () => {
  // lidt with limit 0; int3
  const { lines, cell } = runCell({ 0: "0f011e0600cc000000000000" });
  expect(lines.slice(0, 3)).toEqual([
    "FATAL: Unhandled VM-Exit, reason 2",
    "qualification 0",
    "vectoring info: 0 interrupt info: 0",
  ]);
  expect(cell.stateName).toBe("failed");
});

test("moderated memory takes part in every kind of access", () => {
  // mov dword [9ff8h],11223344h; mov al,[9ff9h]; mov [100h],al; add word [9ffch],1234h; hlt
  const { memory, cell, vcpus, lines } = runCell({
    0: "66c706f89f44332211a0f99fa200018106fc9f3412f4",
  });
  expect(lines).toEqual([]);
  expect(vcpus[2].halted).toBe(true);
  expect(memory.u8[CELL_RAM + 0x100]).toBe(0x33);
  expect(memory.view.getUint32(cell.comm.page + 0xff8, true)).toBe(0x1122_3344);
  expect(memory.view.getUint16(cell.comm.page + 0xffc, true)).toBe(0x1234);
});

test("CPUID tells who is below", () => {
  // cpuid with eax 40000000h, ebx, ecx, edx to 100h; hlt
  const { memory } = runCell({ 0: "66b8000000400fa266891e000166890e04016689160801f4" });
  expect(new TextDecoder().decode(memory.bytes(CELL_RAM + 0x100, 9))).toBe("Jailhouse");
});

test("one CPU of a cell restarts another by INIT and SIPI", () => {
  // CPU 1 waits for CPU 2, sends it INIT and SIPI with vector 10h, and waits for its new code at 10000h
  const boot =
    "66b9020800000f323c017530803e00020175f966b93008000066ba0200000066b8004500000f3066b8104600000f30803e00020275f9c606010201f4c606000201ebfe";
  const { memory, lines, vcpus } = runCell(
    { 0: boot, 65536: "b800008ed8c606000202f4" },
    { cpus: [1, 2] },
  );
  expect(lines).toEqual(["CPU 2 received SIPI, vector 10"]);
  expect([memory.u8[CELL_RAM + 0x200], memory.u8[CELL_RAM + 0x201]]).toEqual([2, 1]);
  expect([vcpus[1].halted, vcpus[2].halted]).toEqual([true, true]);
});

describe("root", () => {
  test("a guest of root calls the hypervisor", () => {
    const machine = new RealMachine();
    const { hypervisor, board } = machine;
    const { memory, vcpus } = board;
    // mov eax,5; mov edi,4; vmcall; hlt
    memory.u8.set([0x66, 0xb8, 5, 0, 0, 0, 0x66, 0xbf, 4, 0, 0, 0, 0x0f, 1, 0xc1, 0xf4], 0x1000);
    expectOk(
      hypervisor.startRoot(0, ({ registers }) => {
        registers.setSegment("cs", { selector: 0, base: 0n, limit: 0xffff, attributes: 0x9b });
        registers.set("rip", 0x1000n);
      }),
    );
    machine.run();
    expect(vcpus[0].registers.get("rax")).toBe(1n);
    expect(vcpus[0].registers.get("rip")).toBe(0x1010n);
    expect(vcpus[0].halted).toBe(true);
  });

  test("nobody runs before it is started", () => {
    const machine = new RealMachine();
    const { vcpus } = machine.board;
    expect(machine.run()).toBe("idle");
    expect(vcpus.map(({ retired }) => retired)).toEqual([0, 0, 0, 0]);
  });
});
