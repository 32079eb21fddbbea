import { afterAll, describe, expect, it } from "vitest";
import { AT, Batch } from "../../testing/case.ts";
import { Random } from "../../testing/random.ts";
import { bare, enterLongMode, load } from "../../testing/run-code.ts";
import { Silicon } from "../../testing/silicon.ts";
import { defaultCase } from "../../testing/text.ts";
import { reciprocal, reciprocalRoot } from "./approximate.ts";

const view = new DataView(new ArrayBuffer(4));
function decode(a: bigint): number {
  view.setUint32(0, Number(a));
  return view.getFloat32(0);
}

const silicon = Silicon.open();
afterAll(() => {
  if (silicon instanceof Silicon) silicon.close();
});

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

  it.each(["off", "always"] as const)("are what instructions give, --jit %s", (jit) => {
    const machine = bare({ jit });
    enterLongMode(machine);
    const { registers } = machine.vcpu;
    const code = [0x0f, 0x53, 0xc1, 0x0f, 0x52, 0xd1, 0xf3, 0x0f, 0x53, 0xd9, 0xf4];
    load(machine, 0x10_0000, code);
    const initial = machine.vcpu.save();
    const random = new Random(2);
    for (let run = 0; run < 1500; run++) {
      const unusual = random.oneIn(4);
      const elements = Array.from({ length: 4 }, () => {
        const size = unusual ? random.u32() : random.u32() & 0x7fff_ffff;
        return unusual && random.oneIn(8) ? (size & 0xff80_0000) >>> 0 : size;
      });
      const join = (values: readonly bigint[]): bigint =>
        values.reduceRight((vector, value) => (vector << 32n) | value, 0n);
      const operands = elements.map(BigInt);
      machine.vcpu.load(initial);
      registers.setYmm(1, join(operands));
      machine.vcpu.run(100);
      expect(registers.ymm(0)).toBe(join(operands.map(reciprocal)));
      expect(registers.ymm(2)).toBe(join(operands.map(reciprocalRoot)));
      expect(registers.ymm(3)).toBe(reciprocal(operands[0] as bigint));
    }
  });

  // Zeros, infinities, NaNs, denormals, negative numbers, and results that would be denormal.
  const special = [
    0, 0x80000000, 0x7f800000, 0xff800000, 0x7fc00001, 0x7f800001, 0xffc12345, 0xff812345, 1,
    0x80000001, 0x007fffff, 0x807fffff, 0x7f000001, 0xff000001, 0x7f7fffff, 0xff7fffff,
  ];
  it.skipIf(!(silicon instanceof Silicon))(
    "give for special operands what the host CPU gives",
    () => {
      for (const [opcode, compute] of [
        [0x53, reciprocal],
        [0x52, reciprocalRoot],
      ] as const) {
        const records = new Batch(special.length);
        records.cases.forEach((record, k) => {
          record.copy(defaultCase(64, [0xf3, 0x0f, opcode, 0xc1], 0x2000));
          record.view.setUint32(AT.xmm + 16, special[k] as number, true);
        });
        const answered = (silicon as Silicon).run(records.bytes).buffer as ArrayBuffer;
        const answers = new Batch(special.length, answered).cases;
        const hex = (x: bigint | number): string => x.toString(16);
        expect(special.map((a) => `${hex(a)}: ${hex(compute(BigInt(a)))}`)).toEqual(
          special.map((a, k) => {
            const result = answers[k]?.view.getUint32(AT.xmm, true) ?? -1;
            return `${hex(a)}: ${hex(result)}`;
          }),
        );
      }
    },
  );
});
