import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isInside } from "./segments.ts";

const EXPAND_DOWN = 0x97;
const EXPAND_DOWN_BIG = 0x4097;
const DATA = 0x93;

/** Byte by byte, as the manual words it. */
function allBytesInside(attributes: number, limit: number, offset: number, bytes: number): boolean {
  const top = attributes & 0x4000 ? 0xffff_ffff : 0xffff;
  for (let k = 0; k < bytes; k++) {
    const at = offset + k;
    if (attributes & 4 ? at <= limit || at > top : at > limit) return false;
  }
  return true;
}

describe("segment limits (SDM vol. 3, 5.3)", () => {
  test.each([DATA, EXPAND_DOWN, EXPAND_DOWN_BIG])(
    "attributes %x: every byte counts",
    (attributes) => {
      const limit = fc.oneof(fc.nat(0xffff), fc.constantFrom(0, 0xff, 0xfff, 0xffff, 0xffff_fffe));
      const sizes = fc.constantFrom(1, 2, 4, 6, 8, 10, 16);
      fc.assert(
        fc.property(limit, fc.integer({ min: -20, max: 20 }), sizes, (bound, distance, bytes) => {
          const offset = Math.max(0, bound + distance);
          if (offset > 0xffff_ffff) return;
          expect(isInside(attributes, bound, offset, bytes)).toBe(
            allBytesInside(attributes, bound, offset, bytes),
          );
        }),
      );
    },
  );

  test("an access that wraps around in a flat segment is allowed", () => {
    expect(isInside(DATA, 0xffff_ffff, 0xffff_fffe, 4)).toBe(true);
  });
});
