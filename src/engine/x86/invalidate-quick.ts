import type { Lift } from "../micro/lift.ts";
import type { Value } from "../micro/micro-op.ts";
import {
  CODE_PAGES,
  CODE_PAGES_BITS,
  LARGE_PAGES,
  LARGE_PAGES_BITS,
  PDE_GENERATION,
  TLB_DEVICE_TAG,
  TLB_ENTRIES,
  TLB_READ_TAG,
  TLB_SET_BYTES,
  TLB_SET_COUNT,
  TLB_SETS,
  TLB_WRITE_TAG,
  WINDOW_BASE,
  WINDOW_BYTES,
  WINDOW_COUNT,
  WINDOW_REACH,
  WINDOW_SET_BYTES,
  WINDOWS,
} from "./state.ts";
import {
  GIANT_PAGE,
  GIANT_PAGE_SHIFT,
  LARGE_PAGE_HASH,
  LARGE_PAGE_NUMBERS,
  LARGE_PAGE_SHIFT,
  LAST_GENERATION,
} from "./tlb.ts";

/** How {@link invalidateQuickly} leaves. */
const REFUSED = 0;
const INVALIDATED = 1;

/**
 * INVLPG of a page of 4 KiB with data, that no window has: as `invalidatePage` in paging.ts, which
 * does it if this is refused; nothing has changed then.
 *
 * @param linear i64
 */
export function invalidateQuickly(l: Lift, linear: Value): void {
  const page = l.and(linear, l.i64(-4096));
  const generation = l.loadState(PDE_GENERATION, "i32");
  const isCanonical = l.eq(l.shrS(l.shl(linear, l.i64(16)), l.i64(16)), linear);
  const reasons = [
    l.op("i32.eqz", isCanonical),
    l.op("i32.eq", generation, l.i32(LAST_GENERATION)),
    hasBit(l, LARGE_PAGES, largePage(l, linear, LARGE_PAGE_SHIFT, 0)),
    hasBit(l, LARGE_PAGES, largePage(l, linear, GIANT_PAGE_SHIFT, GIANT_PAGE)),
    hasBit(l, CODE_PAGES, number(l, linear, 12, 2 ** CODE_PAGES_BITS - 1)),
  ];
  for (let set = 0; set < TLB_SET_COUNT; set++)
    for (let window = 0; window < WINDOW_COUNT; window++)
      reasons.push(isInWindow(l, page, WINDOWS + set * WINDOW_SET_BYTES + window * WINDOW_BYTES));
  l.if(
    reasons.reduce((a, b) => l.op("i32.or", a, b)),
    () => l.leave(REFUSED),
  );
  // walks start anew at the top
  l.storeState(PDE_GENERATION, "i32", l.op("i32.add", generation, l.i32(1)));
  const entry = l.op("i32.shl", number(l, linear, 12, TLB_ENTRIES - 1), l.i32(5));
  for (let set = 0; set < TLB_SET_COUNT; set++)
    for (const tag of [TLB_READ_TAG, TLB_WRITE_TAG, TLB_DEVICE_TAG]) {
      const at = TLB_SETS + set * TLB_SET_BYTES + tag;
      const known = l.and(l.loadIndexed(entry, at, "i64"), l.i64(-4096));
      l.if(l.eq(known, page), () => l.storeIndexed(entry, at, "i64", l.i64(-1)));
    }
  l.leave(INVALIDATED);
}

/** Low bits (i32) of what an address lies in. */
function number(l: Lift, linear: Value, shift: number, mask: number): Value {
  return l.op("i32.and", l.wrap(l.shrU(linear, l.i64(shift))), l.i32(mask));
}

/** The bit of LARGE_PAGES that stands for pages of a size. */
function largePage(l: Lift, linear: Value, shift: number, more: number): Value {
  const which = l.op("i32.or", number(l, linear, shift, LARGE_PAGE_NUMBERS), l.i32(more));
  const hash = l.op("i32.mul", which, l.i32(LARGE_PAGE_HASH));
  return l.op("i32.shr_u", hash, l.i32(32 - LARGE_PAGES_BITS));
}

function hasBit(l: Lift, bits: number, bit: Value): Value {
  const byte = l.loadIndexed(l.op("i32.shr_u", bit, l.i32(3)), bits, "i32.8u");
  const place = l.op("i32.and", bit, l.i32(7));
  return l.op("i32.and", l.op("i32.shr_u", byte, place), l.i32(1));
}

/** Windows begin and end with pages. */
function isInWindow(l: Lift, page: Value, window: number): Value {
  const distance = l.sub(page, l.loadState(window + WINDOW_BASE, "i64"));
  return l.ltU(distance, l.loadState(window + WINDOW_REACH, "i64"));
}
