import { describe, expect, it } from "vitest";
import {
  type Bare,
  bare,
  enterLongMode,
  enterProtectedMode,
  enterRealMode,
  load,
} from "../testing/run-code.ts";
import { instructionAtRip, linearBytes, linearToPhysical } from "./inspect.ts";
import { translate } from "./paging.ts";
import { SUPERVISOR } from "./tlb.ts";

/** Behind the paging structures of all tests. */
const TABLES_END = 0x5000;
const PRESENT_WRITABLE = 3n;
const LARGE = 0x80n;

/** Write entries (without accessed and dirty bits) and switch paging on. */
function page(
  machine: Bare,
  size: 4 | 8,
  cr4: bigint,
  entries: [at: number, value: bigint][],
): void {
  const { memory, vcpu } = machine;
  for (const [at, value] of entries)
    if (size === 4) memory.view.setUint32(at, Number(value), true);
    else memory.view.setBigUint64(at, value, true);
  vcpu.registers.set("cr3", 0x1000n);
  vcpu.registers.set("cr4", cr4);
  vcpu.registers.set("cr0", 0x8001_0033n);
}

function fourLevels(machine: Bare): void {
  enterLongMode(machine);
  page(machine, 8, 0x620n, [
    [0x1000, 0x2000n | PRESENT_WRITABLE],
    [0x1ff8, 0x2000n | PRESENT_WRITABLE],
    [0x2000, 0x3000n | PRESENT_WRITABLE],
    [0x2008, 0n | LARGE | PRESENT_WRITABLE],
    [0x3000, 0x4000n | PRESENT_WRITABLE],
    [0x3008, 0x20_0000n | LARGE | PRESENT_WRITABLE],
    [0x4008, 0x12_3000n | PRESENT_WRITABLE],
    [0x4010, 0x12_1000n | PRESENT_WRITABLE],
  ]);
}

function threeLevels(machine: Bare): void {
  enterProtectedMode(machine);
  page(machine, 8, 0x620n, [
    [0x1018, 0x3001n],
    [0x3000, 0x4000n | PRESENT_WRITABLE],
    [0x3008, 0x20_0000n | LARGE | PRESENT_WRITABLE],
    [0x4008, 0x12_3000n | PRESENT_WRITABLE],
  ]);
}

function twoLevels(machine: Bare): void {
  enterProtectedMode(machine);
  page(machine, 4, 0x610n, [
    [0x1000, 0x3000n | PRESENT_WRITABLE],
    [0x1004, 0n | LARGE | PRESENT_WRITABLE],
    [0x3004, 0x12_3000n | PRESENT_WRITABLE],
  ]);
}

describe("linear to physical", () => {
  it.each([
    ["4 levels, 4 KiB", fourLevels, 0x1abcn, 0x12_3abcn],
    ["4 levels, 2 MiB", fourLevels, 0x21_2345n, 0x21_2345n],
    ["4 levels, 1 GiB", fourLevels, 0x4012_3456n, 0x12_3456n],
    ["4 levels, upper half", fourLevels, 0xffff_ff80_0000_1008n, 0x12_3008n],
    ["3 levels, 4 KiB", threeLevels, 0xc000_1abcn, 0x12_3abcn],
    ["3 levels, 2 MiB", threeLevels, 0xc021_2345n, 0x21_2345n],
    ["2 levels, 4 KiB", twoLevels, 0x1abcn, 0x12_3abcn],
    ["2 levels, 4 MiB", twoLevels, 0x52_3456n, 0x12_3456n],
    ["no paging", enterProtectedMode, 0x12_3456n, 0x12_3456n],
  ])("%s: as the engine, and without a trace", (_name, enter, linear, physical) => {
    const machine = bare();
    enter(machine);
    const { vcpu, memory } = machine;
    const before = memory.u8.slice(0, TABLES_END);
    expect(linearToPhysical(vcpu, memory, linear)).toBe(physical);
    expect(memory.u8.subarray(0, TABLES_END)).toEqual(before);
    const host = translate(vcpu.core, Number(BigInt.asIntN(64, linear)), "read", SUPERVISOR);
    expect(host - memory.ramOffset).toBe(Number(physical));
  });

  it.each([
    ["page", fourLevels, 0x5000n],
    ["level 3", fourLevels, 0x8000_0000n],
    ["level 4", fourLevels, 0x80_0000_0000n],
    ["not canonical", fourLevels, 0x8000_0000_0000n],
    ["3 levels", threeLevels, 0x1000n],
    ["2 levels", twoLevels, 0xc000_0000n],
  ])("%s: nothing there", (_name, enter, linear) => {
    const machine = bare();
    enter(machine);
    expect(linearToPhysical(machine.vcpu, machine.memory, linear)).toBeUndefined();
  });

  it("4 MiB pages above 4 GiB (PSE-36)", () => {
    const machine = bare();
    twoLevels(machine);
    machine.memory.view.setUint32(0x1004, 0x40_2083, true);
    expect(linearToPhysical(machine.vcpu, machine.memory, 0x52_3456n)).toBe(0x1_0052_3456n);
  });

  it("a table outside RAM holds nothing", () => {
    const machine = bare();
    fourLevels(machine);
    machine.vcpu.registers.set("cr3", 0x4000_0000n);
    expect(linearToPhysical(machine.vcpu, machine.memory, 0x1000n)).toBeUndefined();
  });
});

describe("instruction at RIP", () => {
  it("across pages that are not neighbours, up to the last mapped byte", () => {
    const machine = bare();
    fourLevels(machine);
    const { vcpu, memory } = machine;
    memory.u8.set([0x0f], 0x12_3fff);
    memory.u8.set([0x58, 0xc1], 0x12_1000);
    vcpu.registers.set("rip", 0x1fffn);
    const before = memory.u8.slice(0, TABLES_END);
    const bytes = "0f 58 c1";
    expect(instructionAtRip(vcpu, memory)).toEqual({
      text: "addps  xmm0,xmm1",
      bytes,
      unit: "sse",
    });
    expect(memory.u8.subarray(0, TABLES_END)).toEqual(before);
    expect(linearBytes(vcpu, memory, 0x2ff0n, 32).length).toBe(16);
  });

  it("is unknown if its end is not mapped", () => {
    const machine = bare();
    fourLevels(machine);
    machine.memory.u8[0x12_1fff] = 0x0f;
    machine.vcpu.registers.set("rip", 0x2fffn);
    expect(instructionAtRip(machine.vcpu, machine.memory)).toBeUndefined();
  });

  it("follows the code segment's base and size", () => {
    const machine = bare();
    enterRealMode(machine);
    const { vcpu, memory } = machine;
    load(machine, 0x1_2345, [0xb8, 0x34, 0x12]);
    vcpu.registers.setSegment("cs", {
      selector: 0x1234,
      base: 0x1_2340n,
      limit: 0xffff,
      attributes: 0x9b,
    });
    vcpu.registers.set("rip", 5n);
    expect(instructionAtRip(vcpu, memory)).toEqual({ text: "mov    ax,0x1234", bytes: "b8 34 12" });
  });
});
