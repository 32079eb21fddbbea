import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bare, enterLongMode, load } from "../testing/run-code.ts";
import { STRING_ELEMENTS } from "../x86/string-progress.ts";

/** Pages of 4 KiB for both strings and what is around them, one of them not present. */
const PAGES = 8;
const STRINGS = 0x20_0000;
const BYTES = PAGES * 4096;
const ABSENT = STRINGS + 6 * 4096;
const CODE = 0x10_0000;

const machine = bare();
enterLongMode(machine);
const { registers } = machine.vcpu;
machine.memory.view.setUint32(0x3008, 0x4007, true);
for (let page = 0; page < PAGES; page++) {
  const at = STRINGS + page * 4096;
  machine.memory.view.setUint32(0x4000 + 8 * page, at === ABSENT ? 0 : at | 7, true);
}

interface Case {
  readonly kind: "movs" | "stos" | "cmps" | "scas";
  readonly bytes: 1 | 2 | 4 | 8;
  readonly repeat: 0xf2 | 0xf3;
  readonly from: number;
  readonly to: number;
  readonly count: number;
  readonly rax: bigint;
  readonly down: boolean;
  /** What both strings consist of: few different bytes, so that comparisons go on for a while. */
  readonly fill: readonly number[];
  /** One byte that differs. */
  readonly odd: number;
}

const OPCODES = { movs: 0xa4, stos: 0xaa, cmps: 0xa6, scas: 0xae };

/** What the Intel manual says, an element at a time. */
function expected(test: Case, memory: Uint8Array) {
  const { kind, bytes, down } = test;
  let { from, to, count } = test;
  const step = down ? -bytes : bytes;
  const view = new DataView(memory.buffer);
  const element = (at: number): bigint => {
    let value = 0n;
    for (let k = 0; k < bytes; k++)
      value |= BigInt(view.getUint8(at - STRINGS + k)) << BigInt(8 * k);
    return value;
  };
  const faults = (at: number): boolean => at + bytes > ABSENT && at < ABSENT + 4096;
  let flags: number | undefined;
  let fault = false;
  let over = count === 0;
  for (let done = 0; count > 0 && done < STRING_ELEMENTS; done++) {
    if (faults(to) || ((kind === "movs" || kind === "cmps") && faults(from))) {
      fault = true;
      break;
    }
    const a = kind === "movs" || kind === "cmps" ? element(from) : test.rax;
    if (kind === "movs" || kind === "stos")
      for (let k = 0; k < bytes; k++)
        view.setUint8(to - STRINGS + k, Number((a >> BigInt(8 * k)) & 255n));
    from += kind === "movs" || kind === "cmps" ? step : 0;
    const b = kind === "cmps" || kind === "scas" ? element(to) : 0n;
    to += step;
    count--;
    over = count === 0;
    if (kind === "movs" || kind === "stos") continue;
    const bits = 8 * bytes;
    const difference = BigInt.asUintN(bits, a - b);
    const narrow = BigInt.asUintN(bits, a);
    flags = (difference === 0n ? 0x40 : 0) | (narrow < b ? 1 : 0);
    if ((difference === 0n) !== (test.repeat === 0xf3)) {
      over = true;
      break;
    }
  }
  return { rsi: from, rdi: to, rcx: count, fault, over, flags, memory };
}

function run(test: Case): void {
  const memory = new Uint8Array(BYTES);
  for (let k = 0; k < BYTES; k++) memory[k] = test.fill[k % test.fill.length] as number;
  memory[test.odd] = 0x5a;
  machine.memory.u8.set(memory, STRINGS);
  const width = test.bytes === 2 ? [0x66] : test.bytes === 8 ? [0x48] : [];
  const code = [test.repeat, ...width, OPCODES[test.kind] + (test.bytes === 1 ? 0 : 1)];
  // prefixes of one byte each, REX last
  load(machine, CODE, [...code, 0xf4]);
  registers.set("rax", test.rax);
  registers.set("rsi", BigInt(test.from));
  registers.set("rdi", BigInt(test.to));
  registers.set("rcx", BigInt(test.count));
  registers.set("rflags", test.down ? 0x402n : 2n);
  const stop = machine.vcpu.run(1);
  const wanted = expected(test, memory);
  expect({
    rsi: Number(registers.get("rsi")),
    rdi: Number(registers.get("rdi")),
    rcx: Number(registers.get("rcx")),
    rip: Number(registers.get("rip")),
    stop: stop.kind,
  }).toEqual({
    rsi: wanted.rsi,
    rdi: wanted.rdi,
    rcx: wanted.rcx,
    rip: wanted.over && !wanted.fault ? CODE + code.length : CODE,
    stop: wanted.fault ? "triple-fault" : "budget",
  });
  if (wanted.flags !== undefined && !wanted.fault)
    expect(Number(registers.get("rflags")) & 0x41).toBe(wanted.flags);
  const there = machine.memory.u8.subarray(STRINGS, STRINGS + BYTES);
  expect(Buffer.compare(there, wanted.memory)).toBe(0);
}

const place = fc.oneof(
  fc.integer({ min: 0, max: 5 * 4096 }),
  // about the ends of pages
  fc
    .tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: -20, max: 20 }))
    .map(([page, offset]) => page * 4096 + offset),
);

const cases = fc.record({
  kind: fc.constantFrom("movs", "stos", "cmps", "scas"),
  bytes: fc.constantFrom(1, 2, 4, 8),
  repeat: fc.constantFrom(0xf2, 0xf3),
  from: place.map((offset) => STRINGS + offset),
  to: place.map((offset) => STRINGS + offset),
  count: fc.oneof(
    fc.integer({ min: 0, max: 40 }),
    fc.integer({ min: 0, max: 5000 }),
    fc.integer({ min: STRING_ELEMENTS - 2, max: STRING_ELEMENTS + 2 }),
  ),
  rax: fc.constantFrom(0n, 0x5an, 0x0101_0101_0101_0101n, 0x0102_0304_0506_0708n),
  down: fc.boolean(),
  fill: fc.constantFrom([0], [1], [1, 1, 1, 1, 2], [8, 7, 6, 5, 4, 3, 2, 1]),
  odd: fc.integer({ min: 0, max: BYTES - 1 }),
} as const);

/** Downwards it may not leave the pages. */
const inside = ({ down, from, to, count, bytes }: Case) =>
  !down || Math.min(from, to) - count * bytes >= STRINGS;

describe("repeated string instructions", () => {
  it("do what they do an element at a time, and stop at faults with all before done", () => {
    fc.assert(fc.property(cases.filter(inside), run), { numRuns: 2000 });
  });

  it("repeat what is between when the target begins inside the source", () => {
    const near = fc.tuple(cases, fc.integer({ min: 0, max: 24 })).map(
      ([test, distance]): Case => ({
        ...test,
        kind: "movs",
        down: false,
        from: test.from,
        to: test.from + distance,
        fill: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
      }),
    );
    fc.assert(fc.property(near, run), { numRuns: 500 });
  });

  it("see code that they change", () => {
    // REP STOSB over its own successor: UD2 in place of HLT
    load(machine, CODE, [0xf3, 0xaa, 0xf4, 0xf4, 0xf4]);
    const fill = (value: bigint, count: bigint) => {
      registers.set("rip", BigInt(CODE));
      registers.set("rdi", BigInt(CODE + 2));
      registers.set("rax", value);
      registers.set("rcx", count);
      registers.set("rflags", 2n);
      machine.vcpu.halted = false;
      return machine.vcpu.run(3).kind;
    };
    expect(fill(0xf4n, 3n)).toBe("halted");
    // NOP in place of HLT: nothing halts any more
    expect(fill(0x90n, 2n)).toBe("budget");
    expect(Number(registers.get("rip"))).toBe(CODE + 4);
  });
});
