import { beforeEach, describe, expect, it } from "vitest";
import { type Bare, bare, enterLongMode, load } from "../testing/run-code.ts";

/**
 * Privileged instructions that neither the programs of testing/ nor the other tests execute: what
 * they do at CPL 0 (Intel SDM vol. 2), where the host CPU cannot be asked.
 */

const CODE = 0x1_0000;
const DATA = 0x2_0000;
const HLT = 0xf4;

describe("in 64-bit mode at CPL 0", () => {
  let machine: Bare;
  beforeEach(() => {
    machine = bare();
    enterLongMode(machine);
  });

  /** The vector that an instruction raises, or -1; an IDT without entries ends the run there. */
  function vectorOf(code: readonly number[]): number {
    const { vcpu } = machine;
    load(machine, CODE, [...code, HLT]);
    vcpu.registers.setIdtr({ base: 0n, limit: 0 });
    vcpu.halted = false;
    const stop = vcpu.run(10);
    if (stop.kind === "halted") return -1;
    expect(stop.kind).toBe("triple-fault");
    expect(vcpu.registers.get("rip")).toBe(BigInt(CODE));
    return 13;
  }

  it("LMSW sets PE, MP, EM and TS, clears all but PE, and touches nothing else", () => {
    const { registers } = machine.vcpu;
    const before = registers.get("cr0");
    registers.set("rax", 0xffffn);
    expect(vectorOf([0x0f, 0x01, 0xf0])).toBe(-1);
    expect(registers.get("cr0")).toBe(before | 0xfn);
    registers.set("rax", 0n);
    expect(vectorOf([0x0f, 0x01, 0xf0])).toBe(-1);
    expect(registers.get("cr0")).toBe((before & ~0xfn) | 1n);
  });

  const invpcid = [0x66, 0x0f, 0x38, 0x82, 0x01];
  it.each([
    // type, process, linear address, whether CR4.PCIDE is set; whether it is refused
    ["one address", 0n, 0n, 0x1234n, false, false],
    ["one address that is not canonical", 0n, 0n, 0x8000_0000_0000n, false, true],
    ["one process", 1n, 5n, 0n, true, false],
    ["one process without PCIDs", 1n, 5n, 0n, false, true],
    ["one process beyond 12 bits", 1n, 0x1000n, 0n, true, true],
    ["everything", 2n, 0n, 0n, false, false],
    ["everything but global pages, whatever the process", 3n, 5n, 0n, false, false],
    ["everything but global pages, with reserved bits", 3n, 0x1000n, 0n, false, true],
    ["a type that there is not", 4n, 0n, 0n, false, true],
  ] as const)("INVPCID of %s", (_name, type, process, linear, processes, refused) => {
    const { memory, vcpu } = machine;
    const { registers } = vcpu;
    if (processes) registers.set("cr4", registers.get("cr4") | 0x2_0000n);
    registers.set("rax", type);
    registers.set("rcx", BigInt(DATA));
    memory.view.setBigUint64(DATA, process, true);
    memory.view.setBigUint64(DATA + 8, linear, true);
    expect(vectorOf(invpcid)).toBe(refused ? 13 : -1);
  });

  it("INVPCID forgets a translation that changed", () => {
    const { memory, vcpu } = machine;
    const { registers } = vcpu;
    // mov rdx,[rbx]; (the page table changes); invpcid rax,[rcx]; mov rsi,[rbx]; hlt
    const code = [0x48, 0x8b, 0x13, ...invpcid, 0x48, 0x8b, 0x33, HLT];
    load(machine, CODE, code);
    memory.view.setUint32(0x3008, 0x20_0087, true);
    memory.view.setUint32(0x20_0000, 1, true);
    memory.view.setUint32(0x0, 2, true);
    registers.set("rbx", 0x20_0000n);
    registers.set("rax", 2n);
    registers.set("rcx", BigInt(DATA));
    vcpu.run(1);
    memory.view.setUint32(0x3008, 0x87, true);
    expect(vcpu.run(10).kind).toBe("halted");
    expect(Number(registers.get("rdx")) & 0xff).toBe(1);
    expect(Number(registers.get("rsi")) & 0xff).toBe(2);
  });

  it("MONITOR refuses extensions; MWAIT those but the one for interrupts", () => {
    const { registers } = machine.vcpu;
    registers.set("rax", BigInt(DATA));
    registers.set("rcx", 0n);
    expect(vectorOf([0x0f, 0x01, 0xc8])).toBe(-1);
    registers.set("rcx", 1n);
    expect(vectorOf([0x0f, 0x01, 0xc8])).toBe(13);
    expect(vectorOf([0x0f, 0x01, 0xc9])).toBe(-1);
    registers.set("rcx", 2n);
    expect(vectorOf([0x0f, 0x01, 0xc9])).toBe(13);
  });

  it("MWAIT waits", () => {
    const { vcpu } = machine;
    load(machine, CODE, [0x0f, 0x01, 0xc9, HLT]);
    expect(vcpu.run(10).kind).toBe("halted");
    expect(vcpu.registers.get("rip")).toBe(BigInt(CODE + 3));
  });
});
