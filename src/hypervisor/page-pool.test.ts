import fc from "fast-check";
import { expect, test } from "vitest";
import { PAGE_SIZE } from "./memory-map.ts";
import { PagePool } from "./page-pool.ts";

test("allocations never overlap, and a full pool says so", () => {
  const START = 0x10000;
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -5, max: 6 }), { maxLength: 60 }), (steps) => {
      const pool = new PagePool(START, 20);
      const held: { address: number; pages: number }[] = [];
      for (const step of steps) {
        const freed = step < 0 ? held.shift() : undefined;
        if (freed !== undefined) pool.free(freed.address, freed.pages);
        if (step <= 0) continue;
        const address = pool.allocate(step);
        const owned = new Set(held.flatMap((h) => range(h.address, h.pages)));
        if (address === undefined) {
          // no run of free pages is long enough
          const free = range(START, 20).map((page) => (owned.has(page) ? "x" : "."));
          expect(free.join("")).not.toContain(".".repeat(step));
        } else {
          for (const page of range(address, step)) {
            expect(owned.has(page)).toBe(false);
            expect(page).toBeGreaterThanOrEqual(START);
            expect(page).toBeLessThan(START + 20 * PAGE_SIZE);
          }
          held.push({ address, pages: step });
        }
        expect(pool.used).toBe(held.reduce((sum, h) => sum + h.pages, 0));
      }
    }),
  );
});

function range(address: number, pages: number): number[] {
  return Array.from({ length: pages }, (_, n) => address + n * PAGE_SIZE);
}
