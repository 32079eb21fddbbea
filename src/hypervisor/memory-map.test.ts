import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CellMemoryMap, PAGE_SIZE } from "./memory-map.ts";

const RAM_PAGES = 64;

describe("CellMemoryMap", () => {
  test("behaves as a table with one entry a page", () => {
    const page = fc.nat(95);
    const pages = fc.integer({ min: 1, max: 24 });
    const operation = fc.oneof(
      fc.record({ kind: fc.constant("map" as const), page, pages, host: page, rights: fc.nat(7) }),
      fc.record({ kind: fc.constant("unmap" as const), page, pages }),
      fc.record({ kind: fc.constant("repeat" as const), page, pages, host: fc.nat(63) }),
    );
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 30 }), (operations) => {
        const map = new CellMemoryMap(RAM_PAGES * PAGE_SIZE);
        const model = new Map<number, { host: number; rights: number }>();
        for (const o of operations) {
          const guest = o.page * PAGE_SIZE;
          const size = o.pages * PAGE_SIZE;
          if (o.kind === "map") map.map(guest, size, o.host * PAGE_SIZE, o.rights);
          else if (o.kind === "unmap") map.unmap(guest, size);
          else map.mapRepeated(guest, size, o.host * PAGE_SIZE, 1);
          for (let i = 0; i < o.pages; i++)
            if (o.kind === "map") model.set(o.page + i, { host: o.host + i, rights: o.rights });
            else if (o.kind === "unmap") model.delete(o.page + i);
            else model.set(o.page + i, { host: o.host, rights: 1 });
        }
        for (let i = 0; i < 130; i++) {
          const address = i * PAGE_SIZE + (i % 4096);
          const expected = model.get(i);
          const found = map.lookup(address);
          expect(found === undefined).toBe(expected === undefined);
          const region = map.find(address);
          if (expected === undefined || expected.host >= RAM_PAGES) expect(region).toBeUndefined();
          else {
            expect(region?.rights).toBe(expected.rights);
            const page = region === undefined ? -1 : region.host + address - region.guest;
            expect(Math.floor(page / PAGE_SIZE)).toBe(expected.host);
          }
        }
        for (let i = 1; i < map.mappings.length; i++) {
          const before = map.mappings[i - 1];
          expect(before.guest + before.size).toBeLessThanOrEqual(map.mappings[i].guest);
        }
      }),
    );
  });

  test("a range across the end of RAM is device memory from there on", () => {
    const map = new CellMemoryMap(0x10000);
    map.map(0x8000, 0x10000, 0x8000, 3);
    expect(map.mappings.map((m) => [m.guest, m.size, m.backing])).toEqual([
      [0x8000, 0x8000, "ram"],
      [0x10000, 0x8000, "device"],
    ]);
    expect(map.lookup(0x17fff)?.backing).toBe("device");
    expect(map.find(0x10000)).toBeUndefined();
  });

  test("exclude removes each page that the range touches", () => {
    const map = new CellMemoryMap(0x10000);
    map.map(0, 0x8000, 0, 7);
    map.exclude({ start: 0x1ff8, size: 16 });
    expect(map.find(0xfff)).toBeDefined();
    expect(map.find(0x1000)).toBeUndefined();
    expect(map.find(0x2fff)).toBeUndefined();
    expect(map.find(0x3000)).toBeDefined();
  });
});
