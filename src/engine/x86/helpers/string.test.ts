import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bare, enterLongMode, load } from "../../testing/run-code.ts";

const machine = bare();
enterLongMode(machine);
const { registers } = machine.vcpu;
const CODE = 0x10_0000;
const SOURCE = 0x20_0000;
const TARGET = 0x20_0100;

/** Run one instruction with both strings in memory; returns its registers and arithmetic flags. */
function run(code: number[], a: bigint, b: bigint, count: bigint): { flags: number; rcx: bigint } {
  machine.memory.view.setBigUint64(SOURCE, a, true);
  machine.memory.view.setBigUint64(TARGET, b, true);
  load(machine, CODE, [...code, 0xf4]);
  registers.set("rax", a);
  registers.set("rsi", BigInt(SOURCE));
  registers.set("rdi", BigInt(TARGET));
  registers.set("rcx", count);
  registers.set("rflags", 2n);
  machine.vcpu.run(1);
  return { flags: Number(registers.get("rflags")) & 0x8d5, rcx: registers.get("rcx") };
}

const word = fc.oneof(
  fc.constantFrom(0n, 1n, 0x80n, 0x7fn, 0x8000n, 0x8000_0000n, 1n << 63n, (1n << 64n) - 1n),
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
);

describe("a repeated comparison leaves the flags of its last one", () => {
  // CMPS and SCAS by byte, word, doubleword, quadword: as CMP of the same operands
  it.each([
    ["CMPSB", [0xf3, 0xa6], [0x38, 0xd8]],
    ["CMPSW", [0xf3, 0x66, 0xa7], [0x66, 0x39, 0xd8]],
    ["CMPSD", [0xf3, 0xa7], [0x39, 0xd8]],
    ["CMPSQ", [0xf3, 0x48, 0xa7], [0x48, 0x39, 0xd8]],
    ["SCASB", [0xf2, 0xae], [0x38, 0xd8]],
    ["SCASW", [0xf2, 0x66, 0xaf], [0x66, 0x39, 0xd8]],
    ["SCASD", [0xf2, 0xaf], [0x39, 0xd8]],
    ["SCASQ", [0xf2, 0x48, 0xaf], [0x48, 0x39, 0xd8]],
  ])("%s", (_name, string, cmp) => {
    fc.assert(
      fc.property(word, fc.oneof(word, fc.constant(undefined)), (a, other) => {
        const b = other ?? a;
        registers.set("rbx", b);
        const expected = run(cmp, a, b, 1n).flags;
        expect(run(string, a, b, 1n)).toEqual({ flags: expected, rcx: 0n });
      }),
      { numRuns: 200 },
    );
  });
});
