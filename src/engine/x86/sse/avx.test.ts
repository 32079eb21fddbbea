import { describe, expect, it } from "vitest";
import { type Bare, bare, enterRealMode, load } from "../../testing/run-code.ts";
import { FEATURE_LEVELS } from "../../vcpu.ts";
import { CR4_OSXSAVE } from "../control-bits.ts";
import { machineIn, step } from "./testing/machine.ts";

const DATA = 0x20000;
/** The first linear address that is not mapped, and RAM right before it. */
const UNMAPPED = 0x4000_0000;
const LAST_PAGE = 0x1f_f000;
const ALL = (1n << 256n) - 1n;

/** AVX switched on, as an operating system does. */
function avxIn(mode: 32 | 64): Bare {
  const machine = machineIn(mode);
  const { registers } = machine.vcpu;
  registers.set("cr4", registers.get("cr4") | BigInt(CR4_OSXSAVE));
  registers.set("xcr0", 7n);
  return machine;
}

/** As {@link avxIn} 64, with the last page before {@link UNMAPPED} in RAM. */
function atTheEdge(): Bare {
  const machine = avxIn(64);
  machine.memory.view.setUint32(0x3000 + 8 * 511, 0x83, true);
  return machine;
}

/** vaddps ymm0,ymm1,ymm2 by two bytes of VEX, and by three. */
const VADDPS = [0xc5, 0xf4, 0x58, 0xc2];
const VADDPS_LONG = [0xc4, 0xe1, 0x74, 0x58, 0xc2];

describe("availability (Intel SDM vol. 2, 2.4)", () => {
  it("needs CR4.OSXSAVE, SSE and AVX state in XCR0, and CR0.TS clear", () => {
    const change = (work: (machine: Bare) => void): number => {
      const machine = avxIn(64);
      work(machine);
      return step(machine, VADDPS);
    };
    expect(change(() => {})).toBe(-1);
    expect(change(({ vcpu }) => vcpu.registers.set("cr4", 0x620n))).toBe(6);
    expect(change(({ vcpu }) => vcpu.registers.set("xcr0", 3n))).toBe(6);
    expect(change(({ vcpu }) => vcpu.registers.set("xcr0", 1n))).toBe(6);
    expect(change(({ vcpu }) => vcpu.registers.set("cr0", 0x8001_003bn))).toBe(7);
    // CR0.EM and CR4.OSFXSR are none of its business.
    expect(change(({ vcpu }) => vcpu.registers.set("cr0", 0x8001_0037n))).toBe(-1);
    expect(change(({ vcpu }) => vcpu.registers.set("cr4", 0x4_0020n))).toBe(-1);
  });

  it("is there with x86-64-v3 only", () => {
    for (const [features, vector] of [
      ["x86-64-v1", 6],
      ["x86-64-v2", 6],
      ["x86-64-v3", -1],
    ] as const) {
      const machine = avxIn(64);
      machine.vcpu.features = features;
      expect(step(machine, VADDPS)).toBe(vector);
    }
  });

  it("does not exist in real mode, where C4 and C5 are LES and LDS", () => {
    const machine = bare();
    enterRealMode(machine);
    machine.memory.view.setUint32(0x20, 0x1234_5678, true);
    machine.vcpu.registers.set("rbx", 0x20n);
    load(machine, 0x8000, [0xc5, 0x37]); // lds si,[bx]
    machine.vcpu.run(1);
    expect(machine.vcpu.registers.get("rsi")).toBe(0x5678n);
    expect(machine.vcpu.registers.segment("ds").selector).toBe(0x1234);
    machine.vcpu.registers.set("cr4", BigInt(CR4_OSXSAVE));
    machine.vcpu.registers.set("xcr0", 7n);
    machine.memory.view.setUint32(6 * 4, 0x9000, true);
    load(machine, 0x8000, VADDPS);
    machine.vcpu.run(1);
    expect(machine.vcpu.registers.get("rip")).toBe(0x9000n);
  });

  it("shares its bytes with LES and LDS in 32-bit mode", () => {
    const machine = avxIn(32);
    expect(step(machine, VADDPS)).toBe(-1);
    expect(step(machine, VADDPS_LONG)).toBe(-1);
    // lds with a null selector
    machine.vcpu.registers.set("rbx", BigInt(DATA));
    machine.memory.view.setUint32(DATA, 0x1234_5678, true);
    expect(step(machine, [0xc5, 0x33])).toBe(-1);
    expect(machine.vcpu.registers.get("rsi")).toBe(0x1234_5678n);
  });
});

describe("invalid encodings", () => {
  it.each([
    ["66 before VEX", [0x66, ...VADDPS]],
    ["F2 before VEX", [0xf2, ...VADDPS]],
    ["F3 before VEX", [0xf3, ...VADDPS_LONG]],
    ["LOCK before VEX", [0xf0, ...VADDPS]],
    ["REX before VEX", [0x48, ...VADDPS]],
    ["vvvv where it names nothing", [0xc5, 0xf0, 0x28, 0xc1]],
    ["VEX.L where vectors have 128 bits", [0xc5, 0xfd, 0x6e, 0xc0]],
    ["VEX.L clear where they have 256", [0xc4, 0xe3, 0x79, 0x19, 0xc1, 0]],
    ["VEX.W where it must be 0", [0xc4, 0xe2, 0xf9, 0x18, 0xc0]],
    ["VEX.W where it must be 1", [0xc4, 0xe3, 0x7d, 0x00, 0xc1, 0]],
    ["a map that is not there", [0xc4, 0xe4, 0x74, 0x58, 0xc2]],
    ["a gather with equal registers", [0xc4, 0xe2, 0x71, 0x90, 0x04, 0x0e]],
    ["a gather without SIB", [0xc4, 0xe2, 0x71, 0x90, 0x06]],
  ])("%s", (_, code) => {
    expect(step(avxIn(64), code)).toBe(6);
  });

  it("REX counts only right before the opcode", () => {
    expect(step(avxIn(64), [0x48, 0x2e, ...VADDPS])).toBe(-1);
  });
});

describe("memory", () => {
  it("need not be aligned, except for aligned moves", () => {
    for (const [code, vector] of [
      [[0xc5, 0xf4, 0x58, 0x06], -1], // vaddps ymm0,ymm1,[rsi]
      [[0xc5, 0xfc, 0x28, 0x06], 13], // vmovaps ymm0,[rsi]
      [[0xc5, 0xfc, 0x29, 0x06], 13],
      [[0xc5, 0xfc, 0x2b, 0x06], 13], // vmovntps [rsi],ymm0
      [[0xc5, 0xfc, 0x11, 0x06], -1],
    ] as const) {
      const machine = avxIn(64);
      machine.vcpu.registers.set("rsi", BigInt(DATA + 16));
      expect(step(machine, code)).toBe(vector);
    }
  });

  it("is written whole or not at all", () => {
    const machine = atTheEdge();
    const { memory, vcpu } = machine;
    vcpu.registers.setYmm(0, ALL);
    vcpu.registers.set("rsi", BigInt(UNMAPPED - 16));
    expect(step(machine, [0xc5, 0xfc, 0x11, 0x06])).toBe(14);
    expect(vcpu.registers.get("cr2")).toBe(BigInt(UNMAPPED));
    expect(memory.u8[LAST_PAGE + 0xff0]).toBe(0);
    vcpu.registers.set("rsi", BigInt(UNMAPPED - 32));
    expect(step(machine, [0xc5, 0xfc, 0x11, 0x06])).toBe(-1);
    expect(memory.u8[LAST_PAGE + 0xff0]).toBe(0xff);
  });
});

describe("upper halves", () => {
  it("are zeroed by VEX forms and kept by others", () => {
    const machine = avxIn(64);
    const { registers } = machine.vcpu;
    registers.setYmm(0, ALL);
    expect(step(machine, [0x0f, 0x57, 0xc0])).toBe(-1); // xorps
    expect(registers.ymm(0)).toBe(ALL ^ ((1n << 128n) - 1n));
    expect(step(machine, [0xc5, 0xf8, 0x28, 0xc0])).toBe(-1); // vmovaps xmm0,xmm0
    expect(registers.ymm(0)).toBe(0n);
  });
});

describe("masked moves", () => {
  const LOAD = [0xc4, 0xe2, 0x75, 0x2c, 0x06]; // vmaskmovps ymm0,ymm1,[rsi]
  const STORE = [0xc4, 0xe2, 0x75, 0x2e, 0x06];
  /** Elements 0 .. `count` - 1 chosen. */
  const mask = (count: number): bigint => {
    let bits = 0n;
    for (let k = 0; k < count; k++) bits |= 0x8000_0000n << BigInt(32 * k);
    return bits;
  };

  it("do not touch what is not chosen", () => {
    const machine = atTheEdge();
    const { memory, vcpu } = machine;
    vcpu.registers.set("rsi", BigInt(UNMAPPED - 12));
    vcpu.registers.setYmm(1, mask(3));
    memory.u8.fill(0x11, LAST_PAGE + 0xff4, LAST_PAGE + 0x1000);
    expect(step(machine, LOAD)).toBe(-1);
    expect(vcpu.registers.ymm(0)).toBe((1n << 96n) / 15n);
    vcpu.registers.setYmm(0, ALL);
    expect(step(machine, STORE)).toBe(-1);
    expect(memory.u8[LAST_PAGE + 0xfff]).toBe(0xff);
  });

  it("fault for the first chosen element that is not there, before anything is written", () => {
    const machine = atTheEdge();
    const { memory, vcpu } = machine;
    vcpu.registers.set("rsi", BigInt(UNMAPPED - 12));
    vcpu.registers.setYmm(0, ALL);
    for (const chosen of [mask(4), mask(8)]) {
      vcpu.registers.setYmm(1, chosen);
      expect(step(machine, STORE)).toBe(14);
      expect(vcpu.registers.get("cr2")).toBe(BigInt(UNMAPPED));
      expect(memory.u8[LAST_PAGE + 0xff4]).toBe(0);
      expect(step(machine, LOAD)).toBe(14);
      expect(vcpu.registers.ymm(0)).toBe(ALL);
    }
  });
});

describe("gathers", () => {
  it("go on after a fault with the elements that are left", () => {
    const machine = atTheEdge();
    const { memory, vcpu } = machine;
    const gather = [0xc4, 0xe2, 0x6d, 0x90, 0x04, 0x0e]; // vpgatherdd ymm0,[rsi+ymm1],ymm2
    vcpu.registers.set("rsi", BigInt(UNMAPPED - 12));
    for (let k = 0; k < 4; k++) memory.view.setUint32(LAST_PAGE + 0xff4 + 4 * k, k + 1, true);
    // Offsets 0, 4, 8, 12 (not mapped), then 0 with the mask clear.
    vcpu.registers.setYmm(1, 0x0000000c_00000008_00000004_00000000n);
    vcpu.registers.setYmm(2, 0x80000000_ffffffff_80000000_80000000n);
    expect(step(machine, gather)).toBe(14);
    expect(vcpu.registers.get("cr2")).toBe(BigInt(UNMAPPED));
    expect(vcpu.registers.ymm(2)).toBe(0x80000000n << 96n);
    expect(vcpu.registers.ymm(0)).toBe(0x3_00000002_00000001n);
    // The page appears; what was loaded is not loaded again.
    memory.view.setUint32(LAST_PAGE + 0xff4, 99, true);
    memory.view.setUint32(0x2008, 0x8003, true);
    memory.view.setUint32(0x8000, 0x83, true);
    memory.view.setUint32(0, 4, true);
    expect(step(machine, gather)).toBe(-1);
    expect(vcpu.registers.ymm(0)).toBe(0x4_00000003_00000002_00000001n);
    expect(vcpu.registers.ymm(2)).toBe(0n);
  });
});

describe("exceptions of both halves", () => {
  it("are one: an unmasked one of the upper half keeps flags of the lower half out", () => {
    const machine = avxIn(64);
    const { registers } = machine.vcpu;
    // 1 + 2^-60 is inexact; a signaling NaN is invalid, unmasked.
    registers.setYmm(1, (0x7ff0_0000_0000_0001n << 128n) | 0x3ff0_0000_0000_0000n);
    registers.setYmm(2, 0x3c30_0000_0000_0000n);
    registers.setYmm(0, ALL);
    registers.mxcsr = 0x1f00;
    expect(step(machine, [0xc5, 0xf5, 0x58, 0xc2])).toBe(19);
    expect(registers.mxcsr).toBe(0x1f01);
    expect(registers.ymm(0)).toBe(ALL);
  });
});

describe("RDRAND and RDSEED", () => {
  it("are others with F2 and F3: RDPID, for one, which there is not", () => {
    for (const prefix of [0xf2, 0xf3])
      for (const modrm of [0xf0, 0xf8])
        expect(step(machineIn(64), [prefix, 0x0f, 0xc7, modrm])).toBe(6);
  });

  it("draw numbers of one sequence, the same in every run, at every width", () => {
    const numbers = (): bigint[] => {
      const machine = machineIn(64);
      const { registers } = machine.vcpu;
      registers.set("rbx", ALL & ((1n << 64n) - 1n));
      return [
        [0x48, 0x0f, 0xc7, 0xf0], // rdrand rax
        [0x48, 0x0f, 0xc7, 0xf8], // rdseed rax
        [0x0f, 0xc7, 0xf0], // rdrand eax
        [0x66, 0x0f, 0xc7, 0xf3], // rdrand bx
      ].map((code, k) => {
        registers.set("rflags", 0x8d6n);
        expect(step(machine, code)).toBe(-1);
        expect(registers.get("rflags") & 0x8d5n).toBe(1n);
        return registers.get(k === 3 ? "rbx" : "rax");
      });
    };
    const [first, second, third, fourth] = numbers() as [bigint, bigint, bigint, bigint];
    // SplitMix64 from 0 on.
    expect(first).toBe(0xe220_a839_7b1d_cdafn);
    expect(second).toBe(0x6e78_9e6a_a1b9_65f4n);
    expect(third).toBe(0x06c4_5d18_8009_454fn & 0xffff_ffffn);
    expect(fourth >> 16n).toBe(0xffff_ffff_ffffn);
    expect(numbers()).toEqual([first, second, third, fourth]);
  });
});

describe("levels", () => {
  it.each([
    ["popcnt", [0xf3, 0x0f, 0xb8, 0xc1], 2],
    ["pshufb", [0x66, 0x0f, 0x38, 0x00, 0xc1], 2],
    ["pabsb mm", [0x0f, 0x38, 0x1c, 0xc1], 2],
    ["crc32", [0xf2, 0x0f, 0x38, 0xf1, 0xc1], 2],
    ["lddqu", [0xf2, 0x0f, 0xf0, 0x06], 2],
    ["cmpxchg16b", [0x48, 0x0f, 0xc7, 0x0e], 2],
    ["lahf", [0x9f], 2],
    ["movbe", [0x0f, 0x38, 0xf0, 0x06], 3],
    ["andn", [0xc4, 0xe2, 0x70, 0xf2, 0xc2], 3],
    ["adcx", [0x66, 0x0f, 0x38, 0xf6, 0xc1], 3],
    ["aesenc", [0x66, 0x0f, 0x38, 0xdc, 0xc1], 3],
    ["pclmulqdq", [0x66, 0x0f, 0x3a, 0x44, 0xc1, 0], 3],
    ["sha1nexte", [0x0f, 0x38, 0xc8, 0xc1], 3],
    ["rdrand", [0x0f, 0xc7, 0xf0], 3],
    ["addpd", [0x66, 0x0f, 0x58, 0xc1], 1],
    ["cmpxchg8b", [0x0f, 0xc7, 0x0e], 1],
  ])("%s", (_, code, level) => {
    const machine = avxIn(64);
    for (const [n, features] of FEATURE_LEVELS.entries()) {
      machine.vcpu.registers.set("rsi", BigInt(DATA));
      machine.vcpu.features = features;
      expect(step(machine, code)).toBe(n + 1 < level ? 6 : -1);
    }
  });

  it("LZCNT and TZCNT are BSR and BSF below the third", () => {
    const machine = avxIn(64);
    const { registers } = machine.vcpu;
    registers.set("rcx", 0x100n);
    expect(step(machine, [0xf3, 0x0f, 0xbd, 0xc1])).toBe(-1);
    expect(registers.get("rax")).toBe(23n);
    machine.vcpu.features = "x86-64-v2";
    expect(step(machine, [0xf3, 0x0f, 0xbd, 0xc1])).toBe(-1);
    expect(registers.get("rax")).toBe(8n);
  });
});
