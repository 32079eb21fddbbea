import { describe, expect, it } from "vitest";
import { STATUS_WORD, TAGS } from "../../x87/layout.ts";
import { CR4_OSFXSR, CR4_OSXMMEXCPT } from "../control-bits.ts";
import { X87 } from "../state.ts";
import { CODE, machineIn, step } from "./testing/machine.ts";

const DATA = 0x20000;
const ADDPS = [0x0f, 0x58, 0xc1];
const DIVSD = [0xf2, 0x0f, 0x5e, 0xc1];
const PADDB_MMX = [0x0f, 0xfc, 0xc1];

describe("availability (Intel SDM vol. 3, table 2-2)", () => {
  const forbidden = (cr0: bigint, cr4: bigint, code: readonly number[]): number => {
    const machine = machineIn(64);
    const { registers } = machine.vcpu;
    registers.set("cr0", registers.get("cr0") | cr0);
    registers.set("cr4", registers.get("cr4") & ~cr4);
    return step(machine, code);
  };
  it("#UD with CR0.EM, #NM with CR0.TS, #UD without CR4.OSFXSR for SSE only", () => {
    expect([ADDPS, PADDB_MMX].map((code) => forbidden(4n, 0n, code))).toEqual([6, 6]);
    expect([ADDPS, PADDB_MMX].map((code) => forbidden(8n, 0n, code))).toEqual([7, 7]);
    expect([ADDPS, PADDB_MMX].map((code) => forbidden(0n, BigInt(CR4_OSFXSR), code))).toEqual([
      6, -1,
    ]);
    expect([ADDPS, PADDB_MMX].map((code) => forbidden(0n, 0n, code))).toEqual([-1, -1]);
  });

  it("LOCK is undefined", () => {
    expect(forbidden(0n, 0n, [0xf0, ...ADDPS])).toBe(6);
  });
});

describe("unmasked floating-point exceptions", () => {
  it("raise #XM and change nothing but MXCSR, or #UD without CR4.OSXMMEXCPT", () => {
    for (const [clear, vector] of [
      [0, 19],
      [CR4_OSXMMEXCPT, 6],
    ] as const) {
      const machine = machineIn(64);
      const { registers } = machine.vcpu;
      registers.set("cr4", registers.get("cr4") & ~BigInt(clear));
      registers.setXmm(0, 0x3ff0_0000_0000_0000n);
      registers.setXmm(1, 0n);
      registers.mxcsr = 0x1d80;
      expect(step(machine, DIVSD)).toBe(vector);
      expect(registers.xmm(0)).toBe(0x3ff0_0000_0000_0000n);
      expect(registers.mxcsr).toBe(0x1d84);
      // The handler's frame holds the address of the division itself.
      expect(machine.memory.view.getUint32(Number(registers.get("rsp")), true)).toBe(CODE);
    }
  });
});

describe("memory operands", () => {
  it("of 16 bytes must be aligned in every mode, except for the unaligned moves", () => {
    for (const mode of [32, 64] as const) {
      const machine = machineIn(mode);
      machine.vcpu.registers.set("rsi", BigInt(DATA + 8));
      expect(step(machine, [0x0f, 0x58, 0x06])).toBe(13);
    }
    const machine = machineIn(32);
    machine.vcpu.registers.set("rsi", BigInt(DATA + 8));
    expect(step(machine, [0x0f, 0x10, 0x06])).toBe(-1);
  });

  it("may cross a page", () => {
    const machine = machineIn(64);
    const { memory, vcpu } = machine;
    for (let k = 0; k < 16; k++) memory.u8[DATA + 0xff9 + k] = k + 1;
    vcpu.registers.set("rsi", BigInt(DATA + 0xff9));
    vcpu.registers.set("rdi", BigInt(DATA + 0x1ffb));
    expect(step(machine, [0xf3, 0x0f, 0x6f, 0x06])).toBe(-1);
    expect(vcpu.registers.xmm(0)).toBe(0x100f_0e0d_0c0b_0a09_0807_0605_0403_0201n);
    expect(step(machine, [0xf3, 0x0f, 0x7f, 0x07])).toBe(-1);
    expect([...memory.u8.subarray(DATA + 0x1ffb, DATA + 0x200b)]).toEqual(
      Array.from({ length: 16 }, (_, k) => k + 1),
    );
  });

  it("that fault leave the x87 state as it was", () => {
    const machine = machineIn(64);
    const { core, registers } = machine.vcpu;
    core.set(X87 + STATUS_WORD, 0x1800);
    core.set(X87 + TAGS, 0x21);
    // Not mapped.
    registers.set("rsi", 0x8000_0000n);
    expect(step(machine, [0x0f, 0xfc, 0x06])).toBe(14);
    expect([core.get(X87 + STATUS_WORD), core.get(X87 + TAGS)]).toEqual([0x1800, 0x21]);
  });
});

describe("MASKMOVDQU", () => {
  it("writes what the mask chooses, at DS:RDI or in the segment of a prefix", () => {
    for (const [prefix, base] of [
      [[], 0],
      [[0x64], 0x100],
    ] as const) {
      const machine = machineIn(64);
      const { memory, vcpu } = machine;
      vcpu.registers.setSegment("fs", {
        selector: 0,
        base: 0x100n,
        limit: 0xffff_ffff,
        attributes: 0xc093,
      });
      vcpu.registers.set("rdi", BigInt(DATA));
      vcpu.registers.setXmm(0, 0x100f_0e0d_0c0b_0a09_0807_0605_0403_0201n);
      vcpu.registers.setXmm(1, 0x8000_0000_0000_0000_0000_0000_0000_ff7fn);
      expect(step(machine, [...prefix, 0x66, 0x0f, 0xf7, 0xc1])).toBe(-1);
      expect([0, 1, 2, 15].map((k) => memory.u8[DATA + base + k])).toEqual([0, 2, 0, 16]);
    }
  });

  it("writes nothing if a chosen byte faults, and does not look at others", () => {
    const machine = machineIn(64);
    const { memory, vcpu } = machine;
    // The identity map ends at 1 GiB, RAM long before: map one page of RAM below the end.
    memory.view.setUint32(0x3000 + 8 * 511, 0x83, true);
    const start = 0x4000_0000 - 8;
    vcpu.registers.set("rdi", BigInt(start));
    vcpu.registers.setXmm(0, (1n << 128n) - 1n);
    vcpu.registers.setXmm(1, (0x80n << 64n) | 0x80n);
    const inRam = 0x1f_fff8;
    expect(step(machine, [0x66, 0x0f, 0xf7, 0xc1])).toBe(14);
    expect(memory.u8[inRam]).toBe(0);
    vcpu.registers.setXmm(1, 0x80n);
    expect(step(machine, [0x66, 0x0f, 0xf7, 0xc1])).toBe(-1);
    expect(memory.u8[inRam]).toBe(0xff);
  });
});

describe("LDMXCSR", () => {
  it("refuses reserved bits", () => {
    const machine = machineIn(64);
    machine.vcpu.registers.set("rsi", BigInt(DATA));
    machine.memory.view.setUint32(DATA, 0x1_1f80, true);
    expect(step(machine, [0x0f, 0xae, 0x16])).toBe(13);
    machine.memory.view.setUint32(DATA, 0xffff, true);
    expect(step(machine, [0x0f, 0xae, 0x16])).toBe(-1);
    expect(machine.vcpu.registers.mxcsr).toBe(0xffff);
  });
});
