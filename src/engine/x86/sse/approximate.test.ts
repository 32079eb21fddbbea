import { afterAll, describe, expect, it } from "vitest";
import { reciprocal, reciprocalRoot } from "./approximate.ts";
import { Random } from "./testing/operands.ts";
import { openSilicon, siliconRecords } from "./testing/silicon.ts";

const view = new DataView(new ArrayBuffer(4));
function decode(a: bigint): number {
  view.setUint32(0, Number(a));
  return view.getFloat32(0);
}

const silicon = openSilicon();
afterAll(() => silicon?.close());

describe("RCPSS and RSQRTSS", () => {
  it("err by at most 1.5 * 2^-12 (Intel SDM vol. 2)", () => {
    const random = new Random(1);
    for (let k = 0; k < 20000; k++) {
      // Normal operands whose reciprocals are normal.
      const a = BigInt(((1 + random.below(250)) << 23) | (random.u32() & 0x7fffff));
      const x = decode(a);
      expect(Math.abs(decode(reciprocal(a)) * x - 1)).toBeLessThanOrEqual(1.5 * 2 ** -12);
      expect(Math.abs(decode(reciprocalRoot(a)) * Math.sqrt(x) - 1)).toBeLessThanOrEqual(
        1.5 * 2 ** -12,
      );
    }
  });

  // Zeros, infinities, NaNs, denormals, negative numbers, and results that would be denormal.
  const special = [
    0, 0x80000000, 0x7f800000, 0xff800000, 0x7fc00001, 0x7f800001, 0xffc12345, 0xff812345, 1,
    0x80000001, 0x007fffff, 0x807fffff, 0x7f000001, 0xff000001, 0x7f7fffff, 0xff7fffff,
  ];
  it.skipIf(silicon === undefined)("give for special operands what the host CPU gives", () => {
    for (const [opcode, compute] of [
      [0x53, reciprocal],
      [0x52, reciprocalRoot],
    ] as const) {
      const records = siliconRecords(special.length);
      records.forEach((record, k) => {
        record.code = [0xf3, 0x0f, opcode, 0xc1];
        new DataView(record.xmm(1).buffer, record.xmm(1).byteOffset).setUint32(
          0,
          special[k] as number,
          true,
        );
      });
      const answers = (silicon as NonNullable<typeof silicon>).run(records);
      const hex = (x: bigint | number): string => x.toString(16);
      expect(special.map((a) => `${hex(a)}: ${hex(compute(BigInt(a)))}`)).toEqual(
        special.map((a, k) => {
          const { buffer, byteOffset } = (answers[k] as (typeof answers)[number]).xmm(0);
          return `${hex(a)}: ${hex(new DataView(buffer, byteOffset).getUint32(0, true))}`;
        }),
      );
    }
  });
});
