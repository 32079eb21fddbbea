import { readSystem } from "./access.ts";
import type { Core } from "./core.ts";
import { SEGMENT_ATTRIBUTES, SEGMENT_BASE, SEGMENT_LIMIT, segmentField, TR } from "./state.ts";

/** Where a 32-bit or 64-bit TSS says where its I/O permission bit map is. */
const MAP_BASE = 0x66;

/** Whether the program may use `width` ports from `port` on: by IOPL or by the TSS's bit map; else #GP(0) (Intel SDM vol. 1, 19.5). */
export function checkIoPermission(core: Core, port: number, width: number): void {
  if (core.isProtected ? core.cpl > core.iopl : core.isVirtual8086) checkMap(core, port, width);
}

function checkMap(core: Core, port: number, width: number): void {
  const limit = core.get(segmentField(TR, SEGMENT_LIMIT));
  const is32 = (core.get(segmentField(TR, SEGMENT_ATTRIBUTES)) & 8) !== 0;
  if (!is32 || limit < MAP_BASE + 1) core.generalProtection();
  const base = core.address(segmentField(TR, SEGMENT_BASE));
  const at = readSystem(core, base + MAP_BASE, 2) + (port >> 3);
  if (at + 1 > limit) core.generalProtection();
  const bits = readSystem(core, base + at, 2) >> (port & 7);
  if (bits & ((1 << width) - 1)) core.generalProtection();
}
