import { beforeEach, describe, expect, test } from "vitest";
import { type Bare, bare, enterLongMode } from "../testing/run-code.ts";
import { cpuid } from "./cpuid.ts";
import * as msr from "./msr.ts";

let machine: Bare;
beforeEach(() => {
  machine = bare();
});

const read = (index: number) => msr.readMsr(machine.vcpu.core, index);
const write = (index: number, value: bigint) => msr.writeMsr(machine.vcpu.core, index, value);

describe("power-on values", () => {
  test.each([
    [msr.IA32_PAT, 0x0007_0406_0007_0406n],
    [msr.IA32_MTRRCAP, 0x508n],
    [msr.IA32_MTRR_DEF_TYPE, 0n],
    [msr.IA32_EFER, 0n],
    [msr.IA32_APIC_BASE, 0xfee0_0900n],
    [msr.MSR_SMI_COUNT, 0n],
    [msr.IA32_TSC_ADJUST, 0n],
  ])("%x", (index, value) => {
    expect(read(index)).toBe(value);
  });

  test("an unknown register does not exist", () => {
    expect(read(0x1234)).toBeUndefined();
    expect(write(0x1234, 0n)).toBe(false);
  });
});

describe("reserved values", () => {
  test.each([
    [msr.IA32_EFER, 0x1000n],
    [msr.IA32_LSTAR, 0x8000_0000_0000n],
    [msr.IA32_FS_BASE, 0xffff_0000_0000_0000n],
    [msr.IA32_PAT, 2n],
    [msr.IA32_PAT, 8n << 56n],
    [msr.IA32_MTRR_DEF_TYPE, 2n],
    [msr.IA32_MTRR_DEF_TYPE, 0x100n],
    [msr.IA32_MTRR_PHYSBASE0, 1n << 40n],
    [msr.IA32_MTRR_PHYSBASE0 + 1, 0x400n],
    [msr.IA32_TSC_AUX, 1n << 32n],
    [msr.IA32_MTRRCAP, 0n],
  ])("%x does not take %x", (index, value) => {
    const before = read(index);
    expect(write(index, value)).toBe(false);
    expect(read(index)).toBe(before);
  });

  test("EFER.LME cannot change while paging is on", () => {
    enterLongMode(machine);
    expect(write(msr.IA32_EFER, 0xc01n)).toBe(false);
    expect(write(msr.IA32_EFER, 0x101n)).toBe(true);
    // LMA is not writable
    expect(read(msr.IA32_EFER)).toBe(0x501n);
  });
});

describe("time-stamp counter (SDM vol. 3, 18.17.3)", () => {
  test("counts nanoseconds, and both registers adjust it", () => {
    machine.vcpu.nanosecondsPerInstruction = 0;
    machine.vcpu.skipped = 5_000_000_000;
    expect(read(msr.IA32_TSC)).toBe(5_000_000_000n);
    write(msr.IA32_TSC, 100n);
    expect(read(msr.IA32_TSC_ADJUST)).toBe(BigInt.asUintN(64, 100n - 5_000_000_000n));
    machine.vcpu.skipped += 7;
    expect(read(msr.IA32_TSC)).toBe(107n);
    write(msr.IA32_TSC_ADJUST, 0x1_0000_0000n);
    expect(read(msr.IA32_TSC)).toBe(5_000_000_007n + 0x1_0000_0000n);
  });
});

describe("CPUID", () => {
  const ask = (leaf: number, subleaf = 0) => {
    const answer = {
      kind: "cpuid",
      constant: false,
      leaf,
      subleaf,
      eax: 0,
      ebx: 0,
      ecx: 0,
      edx: 0,
    } as const;
    const result = { ...answer };
    cpuid(machine.vcpu.core, result);
    return result;
  };
  const text = (...words: number[]) => {
    const bytes = new Uint8Array(new Uint32Array(words).buffer);
    return String.fromCharCode(...bytes).replace(/\0+$/, "");
  };

  test("names itself", () => {
    const { eax, ebx, ecx, edx } = ask(0);
    expect(text(ebx, edx, ecx)).toBe("GenuineIntel");
    expect(eax).toBe(0x16);
    const words = [0x8000_0002, 0x8000_0003, 0x8000_0004].flatMap((leaf) => {
      const part = ask(leaf);
      return [part.eax, part.ebx, part.ecx, part.edx];
    });
    expect(text(...words)).toBe("Gaoler virtual CPU");
  });

  test("shows OSXSAVE as CR4 has it", () => {
    expect(ask(1).ecx & (1 << 27)).toBe(0);
    machine.vcpu.registers.set("cr4", 1n << 18n);
    expect(ask(1).ecx & (1 << 27)).not.toBe(0);
  });

  test("hides what the engine does not have: VMX, SSE4A's and AVX-512's", () => {
    expect(ask(1).ecx & (1 << 5)).toBe(0);
    expect(ask(7).ebx & (1 << 16)).toBe(0);
    expect(ask(0x8000_0001).ecx & (1 << 6)).toBe(0);
  });

  // FMA, AVX, F16C; AVX2, BMI1, BMI2; LZCNT. SSE3, SSSE3, CX16, SSE4.1, SSE4.2, POPCNT; LAHF.
  const third = { leaf1: 0x3000_1000, leaf7: 0x128, leaf81: 0x20 };
  const second = { leaf1: 0x98_2201, leaf7: 0, leaf81: 1 };
  test.each([
    ["x86-64-v1", [], [second, third], 3, 576],
    ["x86-64-v2", [second], [third], 3, 576],
    ["x86-64-v3", [second, third], [], 7, 832],
  ] as const)("shows what %s has", (features, shown, hidden, components, bytes) => {
    machine.vcpu.features = features;
    expect(machine.vcpu.features).toBe(features);
    const isWhole = { leaf1: ask(1).ecx, leaf7: ask(7).ebx, leaf81: ask(0x8000_0001).ecx };
    for (const leaf of ["leaf1", "leaf7", "leaf81"] as const) {
      for (const level of shown) expect(isWhole[leaf] & level[leaf]).toBe(level[leaf]);
      for (const level of hidden) expect(isWhole[leaf] & level[leaf]).toBe(0);
    }
    expect(ask(0xd)).toMatchObject({ eax: components, ebx: 576, ecx: bytes, edx: 0 });
    machine.vcpu.registers.set("xcr0", BigInt(components));
    expect(ask(0xd).ebx).toBe(bytes);
    expect(ask(0xd, 2)).toMatchObject(components === 7 ? { eax: 256, ebx: 576 } : { eax: 0 });
  });

  test("answers beyond the highest leaf as for the highest", () => {
    const { eax, ebx, ecx, edx } = ask(0x16);
    expect(ask(0x1234)).toMatchObject({ eax, ebx, ecx, edx });
  });
});
