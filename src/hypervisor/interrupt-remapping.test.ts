import { describe, expect, test } from "vitest";
import { InterruptRemappingTable } from "./interrupt-remapping.ts";
import { releaseOf } from "./release.ts";

function table(limit: number, revision: 9 | 12 = 12) {
  const lines: string[] = [];
  return {
    lines,
    remapping: new InterruptRemappingTable(limit, releaseOf(revision), (l) => lines.push(l)),
  };
}

describe("InterruptRemappingTable", () => {
  test("gives the lowest run that is long enough", () => {
    const { remapping, lines } = table(32);
    const [a, b] = [{}, {}];
    expect(remapping.reserve(a, 0xff00, 24)).toBe(true);
    expect(remapping.reserve(a, 0x10, 5)).toBe(true);
    expect(remapping.reserve(b, 0xd8, 3)).toBe(true);
    expect(remapping.reserve(b, 0xe0, 1)).toBe(false);
    remapping.free(a, 0x10);
    expect(remapping.reserve(b, 0xe0, 6)).toBe(false);
    expect(remapping.reserve(b, 0xe0, 5)).toBe(true);
    expect(lines).toEqual([
      "Reserving 24 interrupt(s) for device ff:00.0 at index 0",
      "Reserving 5 interrupt(s) for device 00:02.0 at index 24",
      "Reserving 3 interrupt(s) for device 00:1b.0 at index 29",
      "Freeing 5 interrupt(s) for device 00:02.0 at index 24",
      "Reserving 5 interrupt(s) for device 00:1c.0 at index 24",
    ]);
  });

  test("has a power of two of entries", () => {
    const { remapping } = table(33);
    expect(remapping.reserve({}, 1, 64)).toBe(true);
    expect(remapping.reserve({}, 2, 1)).toBe(false);
  });

  test("a cell gives all back", () => {
    const { remapping } = table(8);
    const [a, b] = [{}, {}];
    remapping.reserve(a, 1, 4);
    remapping.reserve(b, 1, 4);
    remapping.freeAll(a);
    expect(remapping.reserve(b, 2, 5)).toBe(false);
    expect(remapping.reserve(b, 2, 4)).toBe(true);
  });

  test("before v0.11 a device is printed as one number", () => {
    const { remapping, lines } = table(8, 9);
    remapping.reserve({}, 0x10d8, 2);
    expect(lines).toEqual(["Reserving 2 interrupt(s) for device 10d8 at index 0"]);
  });
});
