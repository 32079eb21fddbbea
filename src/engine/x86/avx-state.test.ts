import { describe, expect, it } from "vitest";
import type { Bare } from "../testing/run-code.ts";
import { CR4_OSXSAVE } from "./control-bits.ts";
import { machineIn, step } from "./sse/testing/machine.ts";

/** AVX state in XSAVE areas and XCR0 (Intel SDM vol. 1, chapter 13). */

const AREA = 0x20000;
const XSAVE = [0x0f, 0xae, 0x26]; // [rsi]
const XRSTOR = [0x0f, 0xae, 0x2e];
const XSETBV = [0x0f, 0x01, 0xd1];

function machine(mode: 32 | 64 = 64): Bare {
  const made = machineIn(mode);
  const { registers } = made.vcpu;
  registers.set("cr4", registers.get("cr4") | BigInt(CR4_OSXSAVE));
  registers.set("xcr0", 7n);
  registers.set("rsi", BigInt(AREA));
  for (let k = 0; k < 16; k++) registers.setYmm(k, (BigInt(k + 1) << 128n) | BigInt(k + 101));
  return made;
}

function request({ vcpu }: Bare, components: bigint): void {
  vcpu.registers.set("rax", components);
  vcpu.registers.set("rdx", 0n);
}

describe("XSAVE and XRSTOR of AVX state", () => {
  it("keep the upper halves at offset 576", () => {
    const made = machine();
    const { registers } = made.vcpu;
    request(made, 7n);
    expect(step(made, XSAVE)).toBe(-1);
    const view = made.memory.view;
    expect(view.getUint32(AREA + 512, true)).toBe(7);
    for (let k = 0; k < 16; k++) {
      expect(view.getUint32(AREA + 160 + 16 * k, true)).toBe(k + 101);
      expect(view.getUint32(AREA + 576 + 16 * k, true)).toBe(k + 1);
    }
    for (let k = 0; k < 16; k++) registers.setYmm(k, 0n);
    request(made, 4n);
    expect(step(made, XRSTOR)).toBe(-1);
    for (let k = 0; k < 16; k++) expect(registers.ymm(k)).toBe(BigInt(k + 1) << 128n);
  });

  it("leave AVX state alone if it is not asked for, and clear it if the area does not have it", () => {
    const made = machine();
    const { registers } = made.vcpu;
    request(made, 3n);
    expect(step(made, XSAVE)).toBe(-1);
    expect(made.memory.view.getUint32(AREA + 512, true)).toBe(3);
    expect(made.memory.view.getUint32(AREA + 576, true)).toBe(0);
    expect(step(made, XRSTOR)).toBe(-1);
    expect(registers.ymm(3)).toBe((4n << 128n) | 104n);
    request(made, 7n);
    expect(step(made, XRSTOR)).toBe(-1);
    expect(registers.ymm(3)).toBe(104n);
  });

  it("save it as not in use while it is zero", () => {
    const made = machine();
    for (let k = 0; k < 16; k++) made.vcpu.registers.setYmm(k, 5n);
    request(made, 7n);
    expect(step(made, XSAVE)).toBe(-1);
    expect(made.memory.view.getUint32(AREA + 512, true)).toBe(3);
  });

  it("load MXCSR with it, and fault for reserved bits", () => {
    const made = machine();
    const { registers } = made.vcpu;
    registers.mxcsr = 0x1fa0;
    request(made, 4n);
    expect(step(made, XSAVE)).toBe(-1);
    registers.mxcsr = 0x1f80;
    expect(step(made, XRSTOR)).toBe(-1);
    expect(registers.mxcsr).toBe(0x1fa0);
    made.memory.view.setUint32(AREA + 24, 0x1_0000, true);
    expect(step(made, XRSTOR)).toBe(13);
  });

  it("know eight registers outside 64-bit mode", () => {
    const made = machine(32);
    request(made, 7n);
    expect(step(made, XSAVE)).toBe(-1);
    expect(made.memory.view.getUint32(AREA + 576 + 16 * 7, true)).toBe(8);
    expect(made.memory.view.getUint32(AREA + 576 + 16 * 8, true)).toBe(0);
    made.vcpu.registers.setYmm(7, 0n);
    made.vcpu.registers.setYmm(8, 0n);
    expect(step(made, XRSTOR)).toBe(-1);
    expect(made.vcpu.registers.ymm(7)).toBe((8n << 128n) | 108n);
    expect(made.vcpu.registers.ymm(8)).toBe(0n);
  });

  it("refuse components that XCR0 does not have", () => {
    const made = machine();
    request(made, 7n);
    expect(step(made, XSAVE)).toBe(-1);
    made.vcpu.registers.set("xcr0", 3n);
    expect(step(made, XRSTOR)).toBe(13);
  });
});

describe("XSETBV", () => {
  it.each([
    [7n, "x86-64-v3", -1],
    [3n, "x86-64-v3", -1],
    [5n, "x86-64-v3", 13],
    [6n, "x86-64-v3", 13],
    [15n, "x86-64-v3", 13],
    [7n, "x86-64-v2", 13],
    [3n, "x86-64-v2", -1],
  ] as const)("XCR0 = %i on %s", (value, features, vector) => {
    const made = machine();
    made.vcpu.features = features;
    made.vcpu.registers.set("xcr0", 1n);
    made.vcpu.registers.set("rcx", 0n);
    request(made, value);
    expect(step(made, XSETBV)).toBe(vector);
    expect(made.vcpu.registers.get("xcr0")).toBe(vector < 0 ? value : 1n);
  });
});
