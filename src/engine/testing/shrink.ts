import { AT, Case, RECORD_BYTES } from "./case.ts";
import { differences } from "./compare.ts";
import type { EngineCpu } from "./engine-cpu.ts";
import type { Silicon } from "./silicon.ts";
import { decodeCase, defaultCase } from "./text.ts";

/** Bytes of a record that may be made zero together; more of them first. */
const PARTS: readonly (readonly [number, number])[] = [
  [AT.ymmHigh, 256],
  [AT.xmm, 256],
  [AT.st, 128],
  [AT.memory, 1024],
  ...parts(AT.general, 8, 16),
  ...parts(AT.xmm, 16, 16),
  ...parts(AT.ymmHigh, 16, 16),
  ...parts(AT.st, 16, 8),
  ...parts(AT.memory, 128, 8),
  ...parts(AT.memory, 16, 64),
  ...parts(AT.memory, 4, 256),
  ...parts(AT.general, 4, 32),
  [AT.fsBase, 8],
  [AT.gsBase, 8],
];

function parts(at: number, bytes: number, count: number): [number, number][] {
  return Array.from({ length: count }, (_, k) => [at + k * bytes, bytes]);
}

/** Simpler cases than this one: without a prefix, with something as it is by default. */
function* simpler(record: Case): Generator<Case> {
  const copy = (): Case => {
    const other = new Case();
    other.copy(record);
    return other;
  };
  const { code } = record;
  for (let k = 0; k < 4; k++) {
    if (![0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3].includes(code[k] ?? 0))
      break;
    const other = copy();
    other.code = [...code.subarray(0, k), ...code.subarray(k + 1)];
    yield other;
  }
  const plain = defaultCase(record.bits, record.code, record.start);
  for (const [at, bytes] of [
    [AT.rflags, 4],
    [AT.image, 24],
    [AT.mxcsr, 4],
  ] as const) {
    const other = copy();
    other.u8.set(plain.u8.subarray(at, at + bytes), at);
    yield other;
  }
  for (const [at, bytes] of PARTS) {
    if (record.u8.subarray(at, at + bytes).every((byte) => byte === 0)) continue;
    const other = copy();
    other.u8.fill(0, at, at + bytes);
    yield other;
  }
}

/** The simplest case with a difference of the same field that this one leads to. */
export function shrink(start: Case, cpu: EngineCpu, silicon: Silicon): Case {
  const fieldOf = (before: Case, answer: Case): string | undefined => {
    const engine = new Case();
    engine.copy(before);
    cpu.run(engine);
    return differences(before, engine, answer, decodeCase(before))[0]?.field;
  };
  const field = fieldOf(start, silicon.answer([start])[0] as Case);
  let best = start;
  for (;;) {
    const candidates = [...simpler(best)].filter(({ u8 }) => Buffer.compare(u8, best.u8) !== 0);
    const answers = silicon.answer(candidates);
    // Changes that keep the difference alone, one after the other as long as they do together.
    const good = candidates.filter((c, k) => fieldOf(c, answers[k] as Case) === field);
    if (good.length === 0) return best;
    // All of them at once if they do together; else half of them, down to one.
    let next = good[0] as Case;
    for (let count = good.length; count > 1; count = Math.floor(count / 2)) {
      const all = new Case();
      all.copy(next);
      for (const other of good.slice(0, count))
        if (other.length === next.length)
          for (let k = 0; k < RECORD_BYTES; k++)
            if (other.u8[k] !== best.u8[k]) all.u8[k] = other.u8[k] as number;
      if (fieldOf(all, silicon.answer([all])[0] as Case) !== field) continue;
      next = all;
      break;
    }
    best = next;
  }
}
