import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BLOCK_INFO_BYTES, BlockIndex } from "./block-index.ts";

const RAM_BYTES = 2 ** 32 - 2 ** 27;
const RECORD_BYTES = BLOCK_INFO_BYTES + 4;

interface Known {
  readonly record: number;
  readonly start: number;
  readonly mode: number;
  readonly bound: number;
  readonly size: number;
  readonly crossing: number;
}

const start = fc.oneof(
  fc.integer({ min: 0, max: 3 * 4096 - 1 }),
  fc.integer({ min: RAM_BYTES - 2 * 4096, max: RAM_BYTES - 1 }),
);
const block = fc.record({
  start,
  mode: fc.constantFrom(0, 0x2b, 2 ** 14 - 1),
  bound: fc.constantFrom(1, 2, 96),
  size: fc.integer({ min: 1, max: 96 * 15 }),
  crossing: fc.constantFrom(-1, -1, 4096, RAM_BYTES - 4096),
});
const action = fc.oneof(
  { weight: 6, arbitrary: block.map((of) => ({ kind: "add" as const, of })) },
  { weight: 4, arbitrary: fc.nat().map((which) => ({ kind: "remove" as const, which })) },
  { weight: 1, arbitrary: fc.constant({ kind: "clear" as const }) },
);

describe("index of blocks", () => {
  it("is a map by address, mode and bound, and a set for each page", () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 100 }), (actions) => {
        const index = new BlockIndex(new Int32Array(4096), RAM_BYTES);
        const known = new Map<string, Known>();
        let next = 64 + BLOCK_INFO_BYTES;
        for (const what of actions) {
          if (what.kind === "clear") {
            index.clear();
            known.clear();
          } else if (what.kind === "remove") {
            const [key, gone] = [...known][what.which % known.size] ?? [];
            if (key === undefined || gone === undefined) continue;
            index.remove(gone.record);
            known.delete(key);
          } else {
            const { start, mode, bound, size, crossing } = what.of;
            const key = `${start} ${mode} ${bound}`;
            expect(index.find(start, mode, bound)).toBe(known.get(key)?.record ?? 0);
            if (known.has(key)) continue;
            index.add(next, start, mode, bound, size, crossing);
            known.set(key, { record: next, ...what.of });
            next += RECORD_BYTES;
          }
        }
        expect(index.count).toBe(known.size);
        for (const { record, start, mode, bound, size, crossing } of known.values()) {
          expect(index.find(start, mode, bound)).toBe(record);
          expect(index.start(record)).toBe(start);
          expect(index.size(record)).toBe(size);
          expect(index.crossing(record)).toBe(crossing);
        }
        const pageOf = (address: number) => Math.floor(address / 4096);
        for (const page of [0, 1, 2, pageOf(RAM_BYTES) - 2, pageOf(RAM_BYTES) - 1])
          expect(index.inPage(page).sort()).toEqual(
            [...known.values()]
              .filter((b) => pageOf(b.start) === page || pageOf(b.crossing) === page)
              .map(({ record }) => record)
              .sort(),
          );
      }),
    );
  });
});
