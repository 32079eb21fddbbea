import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bare, enterLongMode, load } from "../testing/run-code.ts";

const machine = bare();
enterLongMode(machine);
const { registers } = machine.vcpu;
const CODE = 0x10_0000;
/** In one page, and on two. */
const WHOLE = 0x20_0000;
const SPLIT = 0x20_2000 - 0x100;
const BYTES = 512;
/** Of the area, without what software may use. */
const DEFINED = 416;

/** One 64-bit instruction with its operand at (RDI). @returns whether it raised an exception */
function run(modrm: number, at: number): boolean {
  load(machine, CODE, [0x48, 0x0f, 0xae, modrm, 0xf4]);
  registers.set("rdi", BigInt(at));
  return machine.vcpu.run(1).kind === "triple-fault";
}
const fxsave = (at: number) => run(0x07, at);
const fxrstor = (at: number) => run(0x0f, at);
const area = (at: number) => machine.memory.u8.slice(at, at + BYTES);

/** Any state that there can be. */
const state = fc.uint8Array({ minLength: BYTES, maxLength: BYTES }).map((bytes) => {
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0x37f, true);
  view.setUint16(2, view.getUint16(2, true) & 0x7f00, true);
  bytes[5] = 0;
  view.setUint16(6, view.getUint16(6, true) & 0x7ff, true);
  view.setUint32(24, 0x1f80, true);
  view.setUint32(28, 0xffff, true);
  for (let k = 0; k < 8; k++) bytes.fill(0, 32 + 16 * k + 10, 48 + 16 * k);
  return bytes;
});

describe("FXSAVE and FXRSTOR", () => {
  it("are inverse, in one page and across two", () => {
    fc.assert(
      fc.property(
        state,
        fc.constantFrom(WHOLE, SPLIT),
        fc.constantFrom(WHOLE, SPLIT),
        (bytes, from, to) => {
          machine.memory.u8.set(bytes, from);
          expect(fxrstor(from)).toBe(false);
          machine.memory.u8.fill(0xee, to, to + BYTES);
          expect(fxsave(to)).toBe(false);
          expect(area(to).subarray(0, DEFINED)).toEqual(bytes.subarray(0, DEFINED));
          // what is not saved stays as it is in memory
          expect(area(to).subarray(DEFINED)).toEqual(new Uint8Array(BYTES - DEFINED).fill(0xee));
        },
      ),
    );
  });

  it.each([WHOLE, SPLIT])("at 0x%x: reserved bits of MXCSR change nothing", (at) => {
    const [bytes] = fc.sample(state, { numRuns: 1, seed: 1 }) as [Uint8Array];
    machine.memory.u8.set(bytes, WHOLE);
    fxrstor(WHOLE);
    machine.memory.u8.fill(0, at, at + BYTES);
    machine.memory.view.setUint32(at + 24, 0x1_0000, true);
    expect(fxrstor(at)).toBe(true);
    fxsave(WHOLE);
    expect(area(WHOLE).subarray(0, DEFINED)).toEqual(bytes.subarray(0, DEFINED));
  });
});
