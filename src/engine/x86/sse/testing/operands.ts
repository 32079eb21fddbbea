import type { Random } from "../../../testing/random.ts";
import type { Format } from "../format.ts";

/** An encoding of a format that is likely to be awkward, alone or together with `other`. */
export function awkward(random: Random, f: Format, other?: bigint): bigint {
  const field = (1n << BigInt(f.fraction)) - 1n;
  const fraction = (): bigint =>
    random.pick([
      0n,
      1n,
      field,
      field - 1n,
      f.quiet,
      f.quiet + 1n,
      f.quiet - 1n,
      random.u64() & field,
      random.u64() & field,
      random.u64() & field & ~((1n << BigInt(random.below(f.fraction))) - 1n),
    ]);
  const sign = random.below(2) === 0 ? 0n : f.sign;
  const make = (biased: number): bigint => {
    const limited = Math.min(Math.max(biased, 0), 2 * f.maximum + 1);
    return sign | (BigInt(limited) << BigInt(f.fraction)) | fraction();
  };
  if (other !== undefined && random.below(3) === 0) {
    // Near the other's exponent, or mirrored, so that sums cancel and products meet the limits.
    const biased = Number((other & (f.sign - 1n)) >> BigInt(f.fraction));
    const near = random.below(2) === 0 ? biased : 2 * f.maximum - biased;
    const shift = random.pick([0, 0, f.fraction, f.maximum, -f.maximum]);
    return make(near + shift + random.below(7) - 3);
  }
  switch (random.below(8)) {
    case 0:
      return sign;
    case 1:
      return make(0);
    case 2:
      return make(2 * f.maximum + 1);
    case 3:
      return make(random.below(4));
    case 4:
      return make(2 * f.maximum - random.below(4));
    case 5:
      return make(
        f.maximum +
          random.pick([
            -2,
            -1,
            0,
            1,
            f.fraction - 1,
            f.fraction,
            f.fraction + 1,
            30,
            31,
            32,
            62,
            63,
            64,
          ]),
      );
    default:
      return make(random.below(2 * f.maximum + 2));
  }
}
