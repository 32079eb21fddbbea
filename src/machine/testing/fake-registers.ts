/** Just enough of a register file for start-up messages and TSC_ADJUST, for tests. */

import type { RegisterName, Registers, Segment, SegmentName } from "../../engine/vcpu.ts";

export function fakeRegisters(): Registers {
  const values = new Map<RegisterName, bigint>();
  const segments = new Map<SegmentName, Segment>();
  const msrs = new Map<number, bigint>([[0x3b, 0n]]);
  const partial: Partial<Registers> = {
    get: (name) => values.get(name) ?? 0n,
    set: (name, value) => values.set(name, value),
    segment: (name) =>
      segments.get(name) ?? { selector: 0, base: 0n, limit: 0xffff, attributes: 0 },
    setSegment: (name, segment) => segments.set(name, segment),
    msr: (index) => msrs.get(index),
    setMsr: (index, value) => msrs.set(index, value),
  };
  return partial as Registers;
}
