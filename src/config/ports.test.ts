import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { deniedPorts, isPortPermitted, PORT_COUNT, permittedPorts } from "./ports.ts";

describe("permitted ports", () => {
  const com1 = { base: 0x3f8, length: 8 };

  test("all ports of an access must be permitted", () => {
    expect(isPortPermitted([com1], 0x3f8)).toBe(true);
    expect(isPortPermitted([com1], 0x3ff)).toBe(true);
    expect(isPortPermitted([com1], 0x400)).toBe(false);
    expect(isPortPermitted([com1], 0x3f7)).toBe(false);
    expect(isPortPermitted([com1], 0x3fc, 4)).toBe(true);
    expect(isPortPermitted([com1], 0x3fd, 4)).toBe(false);
    expect(isPortPermitted([com1, { base: 0x400, length: 1 }], 0x3fd, 4)).toBe(true);
    expect(isPortPermitted([], 0)).toBe(false);
  });

  test("a bit of the bitmap is 0 where the port is permitted", () => {
    const bitmap = deniedPorts([com1]);
    expect(bitmap.length).toBe(0x2000);
    expect(bitmap[0x3f8 / 8]).toBe(0);
    expect(bitmap.filter((byte) => byte !== 0xff).length).toBe(1);
  });

  test("the ends of the bitmap", () => {
    expect(permittedPorts(new Uint8Array(0x2000))).toEqual([{ base: 0, length: PORT_COUNT }]);
    expect(permittedPorts(new Uint8Array(0))).toEqual([]);
    expect(permittedPorts(Uint8Array.of(0xfe, 0x7f))).toEqual([
      { base: 0, length: 1 },
      { base: 15, length: 1 },
    ]);
    expect(deniedPorts([{ base: 12, length: 100 }], 2)).toEqual(Uint8Array.of(0xff, 0x0f));
  });

  test("any bitmap comes back from its ranges", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bitmap) => {
        expect(deniedPorts(permittedPorts(bitmap), bitmap.length)).toEqual(bitmap);
      }),
    );
  });

  test("ranges, however they overlap, and their bitmap permit the same ports", () => {
    const range = fc.record({ base: fc.nat({ max: 300 }), length: fc.nat({ max: 80 }) });
    fc.assert(
      fc.property(fc.array(range), fc.nat({ max: 400 }), (ranges, port) => {
        const bit = (deniedPorts(ranges, 64)[port >> 3] as number) & (1 << (port & 7));
        expect(isPortPermitted(ranges, port)).toBe(bit === 0);
      }),
    );
  });
});
