import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bare, enterLongMode, load } from "../testing/run-code.ts";

/** Flags by the definitions of the manual (SDM vol. 1, 3.4.3.1), on unbounded integers. */
function expected(
  operation: "add" | "sub",
  bits: number,
  a: bigint,
  b: bigint,
  carry: bigint,
): number {
  const sign = operation === "add" ? 1n : -1n;
  const full = a + sign * (b + carry);
  const r = BigInt.asUintN(bits, full);
  const signed = (x: bigint): bigint => BigInt.asIntN(bits, x);
  const signedFull = signed(a) + sign * (signed(b) + carry);
  const nibble = (a & 15n) + sign * ((b & 15n) + carry);
  let ones = 0;
  for (let k = 0n; k < 8n; k++) ones += Number((r >> k) & 1n);
  return (
    (full !== r ? 1 : 0) |
    (ones % 2 === 0 ? 4 : 0) |
    (nibble < 0n || nibble > 15n ? 0x10 : 0) |
    (r === 0n ? 0x40 : 0) |
    (signed(r) < 0n ? 0x80 : 0) |
    (signedFull !== signed(r) ? 0x800 : 0)
  );
}

const machine = bare();
enterLongMode(machine);
const { registers } = machine.vcpu;

/** Run one instruction on RAX and RBX with the given flags; returns the arithmetic flags. */
function run(code: number[], a: bigint, b: bigint, flags: number): number {
  load(machine, 0x10_0000, code);
  registers.set("rax", a);
  registers.set("rbx", b);
  registers.set("rflags", BigInt(flags | 2));
  machine.vcpu.run(1);
  return Number(registers.get("rflags")) & 0x8d5;
}

/** op rAX, rBX by width in bits: ADD 01, ADC 11, SBB 19, SUB 29. */
function encoding(opcode: number, bits: number): number[] {
  const prefix = bits === 16 ? [0x66] : bits === 64 ? [0x48] : [];
  return [...prefix, bits === 8 ? opcode - 1 : opcode, 0xd8];
}

const edge = fc.constantFrom(
  0n,
  1n,
  0x7fn,
  0x80n,
  0xffffn,
  0x8000_0000n,
  (1n << 63n) - 1n,
  1n << 63n,
  (1n << 64n) - 1n,
);
const word = fc.oneof(edge, fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }));

describe("arithmetic flags are what their definitions say", () => {
  it.each([
    ["ADD", 0x01, "add", false],
    ["ADC", 0x11, "add", true],
    ["SUB", 0x29, "sub", false],
    ["SBB", 0x19, "sub", true],
  ] as const)("%s", (_name, opcode, operation, withCarry) => {
    fc.assert(
      fc.property(fc.constantFrom(8, 16, 32, 64), word, word, fc.boolean(), (bits, a, b, carry) => {
        const [x, y] = [BigInt.asUintN(bits, a), BigInt.asUintN(bits, b)];
        const got = run(encoding(opcode, bits), a, b, carry ? 1 : 0);
        expect(got).toBe(expected(operation, bits, x, y, withCarry && carry ? 1n : 0n));
      }),
      { numRuns: 300 },
    );
  });

  it("any combination survives POPF's way into the state and back", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xfff }), (image) => {
        registers.set("rflags", BigInt((image & 0x8d5) | 2));
        expect(Number(registers.get("rflags"))).toBe((image & 0x8d5) | 2);
      }),
    );
  });

  it("INC, DEC and CMC keep what they must", () => {
    fc.assert(
      fc.property(word, fc.integer({ min: 0, max: 0xfff }), (a, image) => {
        const flags = image & 0x8d5;
        expect(run([0x48, 0xff, 0xc0], a, 0n, flags)).toBe(
          (expected("add", 64, a, 1n, 0n) & ~1) | (flags & 1),
        );
        expect(run([0x48, 0xff, 0xc8], a, 0n, flags)).toBe(
          (expected("sub", 64, a, 1n, 0n) & ~1) | (flags & 1),
        );
        expect(run([0xf5], a, 0n, flags)).toBe(flags ^ 1);
      }),
    );
  });
});
