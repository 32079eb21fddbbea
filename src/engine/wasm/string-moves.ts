import type { Assembler } from "./assembler.ts";
import {
  DISTANCE,
  type GiveUp,
  MORE,
  PATTERN,
  SIZE,
  SOURCE,
  TARGET,
  WIDE,
} from "./string-places.ts";

/** Copying and filling SIZE bytes in linear memory. */

/** Loads and stores, the widest first; so many of them are done at either end of a few bytes. */
const ENDS = [
  { load: "v128", store: "v128", bytes: 16, number: 4 },
  { load: "v128", store: "v128", bytes: 16, number: 2 },
  { load: "v128", store: "v128", bytes: 16, number: 1 },
  { load: "i64", store: "i64", bytes: 8, number: 1 },
  { load: "i32", store: "i32", bytes: 4, number: 1 },
  { load: "i32.16u", store: "i32.16", bytes: 2, number: 1 },
  { load: "i32.8u", store: "i32.8", bytes: 1, number: 1 },
] as const;
type Load = (typeof ENDS)[number]["load"];

/** Bytes in a turn of a loop, and most of those that are done from their ends. */
const TURN = 64;
const FEW = 2 * TURN;
/** From so many bytes on WebAssembly's own instructions are faster than a loop. */
const MANY = 512;
/** Bytes of a pattern that are copied as often as it takes: copies are of wider vectors than WebAssembly has. */
const REPEATED = 2048;

/**
 * Up to FEW bytes, from both ends: what is in the middle may be done twice. All is loaded before
 * anything is stored.
 *
 * @param value pushes what is stored; `load` pushes what is at the same place of the source
 */
function fromEnds(code: Assembler, value: (what: Load, load: () => void) => void): void {
  code.block(() => {
    for (const { load, store, bytes, number } of ENDS) {
      const half = bytes * number;
      code.get(SIZE).i32(half).op("i32.ge_u");
      code.if(() => {
        code.get(SIZE).i32(half).op("i32.sub").set(MORE);
        const offsets = Array.from({ length: number }, (_, k) => k * bytes);
        for (const isLast of [false, true]) {
          const push = (at: number): void => {
            code.get(at);
            if (isLast) code.get(MORE).op("i32.add");
          };
          for (const offset of offsets) {
            push(TARGET);
            value(load, () => {
              push(SOURCE);
              code.load(load, offset);
            });
          }
        }
        for (const offset of [...offsets, ...offsets].reverse()) code.store(store, offset);
        code.branch(1);
      });
    }
  });
}

/** TURN bytes, and on by so many. @param value pushes a vector for the target, `offset` bytes on */
function turn(code: Assembler, moving: readonly number[], value: (offset: number) => void): void {
  const offsets = Array.from({ length: TURN / 16 }, (_, k) => k * 16);
  for (const offset of offsets) {
    code.get(TARGET);
    value(offset);
  }
  for (const offset of offsets.reverse()) code.store("v128", offset);
  for (const pointer of moving) code.get(pointer).i32(TURN).op("i32.add").set(pointer);
}

/** Turns until FEW bytes are left. */
function turns(code: Assembler, moving: readonly number[], value: (offset: number) => void): void {
  code.loop(() => {
    code.get(SIZE).i32(FEW).op("i32.gt_u");
    code.if(() => {
      turn(code, moving, value);
      code.get(SIZE).i32(TURN).op("i32.sub").set(SIZE).branch(1);
    });
  });
}

/** Upwards, from a source that the target does not begin in, but for its first byte. */
function copyDisjoint(code: Assembler): void {
  code.get(SIZE).i32(MANY).op("i32.ge_u");
  code.if(
    () => code.get(TARGET).get(SOURCE).get(SIZE).memoryCopy(),
    () => {
      turns(code, [SOURCE, TARGET], (offset) => code.get(SOURCE).load("v128", offset));
      fromEnds(code, (_, load) => load());
    },
  );
}

/**
 * A target that begins inside the source repeats what is between. After each copy there is twice as
 * much of it, which is made use of up to what the host's fastest cache holds with ease.
 */
function repeatBetween(code: Assembler): void {
  code.loop(() => {
    code.get(DISTANCE).get(SIZE).get(DISTANCE).get(SIZE).op("i32.lt_u").select().set(MORE);
    code.get(TARGET).get(SOURCE).get(MORE).memoryCopy();
    code.get(TARGET).get(MORE).op("i32.add").set(TARGET);
    code.get(DISTANCE).i32(REPEATED).op("i32.lt_u");
    code.if(() => code.get(DISTANCE).get(MORE).op("i32.add").set(DISTANCE));
    code.get(SIZE).get(MORE).op("i32.sub").tee(SIZE).branchIf(0);
  });
}

/** Copy in the order of a repeated MOVS, unless less than an element is between. */
export function copyUp(code: Assembler, shift: number, giveUp: GiveUp): void {
  code.get(TARGET).get(SOURCE).op("i32.sub").tee(DISTANCE);
  code.i32(1).op("i32.sub").get(SIZE).i32(1).op("i32.sub").op("i32.lt_u");
  code.if(
    () => {
      code
        .get(DISTANCE)
        .i32(1 << shift)
        .op("i32.lt_u");
      giveUp(1);
      repeatBetween(code);
    },
    () => copyDisjoint(code),
  );
}

/** The same with DF set, unless the target ends inside the source. */
export function copyDown(code: Assembler, giveUp: GiveUp): void {
  code.get(SOURCE).get(TARGET).op("i32.sub").i32(1).op("i32.sub");
  code.get(SIZE).i32(1).op("i32.sub").op("i32.lt_u");
  giveUp(0);
  code.get(TARGET).get(SOURCE).get(SIZE).memoryCopy();
}

/** Fill with PATTERN, whose first byte comes first. */
export function fill(code: Assembler): void {
  code.block(() => {
    code.get(SIZE).i32(MANY).op("i32.ge_u");
    code.if(() => {
      code.get(PATTERN).get(PATTERN).i64(8n).op("i64.rotr").op("i64.eq");
      code.if(() =>
        code.get(TARGET).get(PATTERN).op("i32.wrap_i64").get(SIZE).memoryFill().branch(2),
      );
    });
    code.get(PATTERN).op("i64x2.splat").set(WIDE);
    code
      .get(SIZE)
      .i32(2 * REPEATED)
      .op("i32.ge_u");
    code.if(() => {
      code.get(TARGET).set(SOURCE).i32(0).set(DISTANCE);
      code.loop(() => {
        turn(code, [TARGET, DISTANCE], () => code.get(WIDE));
        code.get(DISTANCE).i32(REPEATED).op("i32.lt_u").branchIf(0);
      });
      code.get(SIZE).i32(REPEATED).op("i32.sub").set(SIZE);
      repeatBetween(code);
      code.branch(1);
    });
    turns(code, [TARGET], () => code.get(WIDE));
    fromEnds(code, (what) => {
      if (what === "v128") code.get(WIDE);
      else if (what === "i64") code.get(PATTERN);
      else code.get(PATTERN).op("i32.wrap_i64");
    });
  });
}
