import type { Assembler } from "./assembler.ts";
import { AT, elementMask, MORE, PATTERN, SIZE, SOURCE, TARGET, WIDE } from "./string-places.ts";

/** Comparing up to SIZE bytes in linear memory. */

/** Bytes in a vector, and in one turn of the fastest loop. */
const VECTOR = 16;
const TURN = 64;

/** How two strings, or one and the accumulator, are compared. */
interface Comparison {
  readonly hosts: readonly number[];
  /** Pushes a vector that is not all zeros if something stops in the turn at AT. */
  readonly turn: () => void;
  /** Pushes a bit for each of the 16 bytes at AT, set where it stops. */
  readonly bits: () => void;
  /** Pushes whether the element at AT stops, and its size. */
  readonly element: () => void;
  readonly bytes: number;
}

/** Sets AT to the bytes before the first one that stops the comparison, or to SIZE. */
function compare(code: Assembler, { hosts, turn, bits, element, bytes }: Comparison): void {
  const more = (step: number): void => {
    code.get(SIZE).get(AT).op("i32.sub").i32(step).op("i32.ge_u");
  };
  const advance = (step: number): void => {
    code.get(AT).i32(step).op("i32.add").set(AT);
  };
  /** Leave the outer block with the place of the lowest bit of MORE. */
  const stopAtBit = (depth: number): void => {
    code.if(() => {
      code.get(AT).get(MORE).op("i32.ctz").op("i32.add").set(AT).branch(depth);
    });
  };
  code.i32(0).set(AT);
  code.block(() => {
    // as long as nothing stops; what does is looked for below
    code.loop(() => {
      more(TURN);
      code.if(() => {
        turn();
        code.op("v128.any_true").op("i32.eqz");
        code.if(() => {
          advance(TURN);
          code.branch(2);
        });
      });
    });
    code.loop(() => {
      more(VECTOR);
      code.if(() => {
        bits();
        code.tee(MORE);
        stopAtBit(3);
        advance(VECTOR);
        code.branch(1);
      });
    });
    code.get(AT).get(SIZE).op("i32.eq").branchIf(0);
    code.get(SIZE).i32(VECTOR).op("i32.ge_u");
    code.if(() => {
      // the last ones, some of them again
      code.get(SIZE).i32(VECTOR).op("i32.sub").set(AT);
      bits();
      code.tee(MORE);
      stopAtBit(2);
      code.get(SIZE).set(AT).branch(1);
    });
    // a few: with those behind them, if there certainly are some
    hosts.forEach((host, k) => {
      code
        .get(host)
        .i32(4095)
        .op("i32.and")
        .i32(4096 - VECTOR)
        .op("i32.le_u");
      if (k > 0) code.op("i32.and");
    });
    code.if(() => {
      bits();
      code.i32(1).get(SIZE).op("i32.shl").op("i32.or").op("i32.ctz").set(AT).branch(1);
    });
    code.loop(() => {
      code.get(AT).get(SIZE).op("i32.eq").branchIf(1);
      element();
      code.branchIf(1);
      advance(bytes);
      code.branch(0);
    });
  });
}

const placeAt = (code: Assembler, side: number): Assembler => code.get(side).get(AT).op("i32.add");

/** Two strings, by bytes whatever their elements are; what is not equal stops. */
export function comparePair(code: Assembler): void {
  const pair = (operation: string, offset: number): void => {
    placeAt(code, SOURCE).load("v128", offset);
    placeAt(code, TARGET).load("v128", offset);
    code.op(operation);
  };
  compare(code, {
    hosts: [SOURCE, TARGET],
    turn: () => {
      pair("v128.xor", 0);
      for (let offset = VECTOR; offset < TURN; offset += VECTOR) {
        pair("v128.xor", offset);
        code.op("v128.or");
      }
    },
    bits: () => {
      pair("i8x16.eq", 0);
      code.op("i8x16.bitmask").i32(0xffff).op("i32.xor");
    },
    element: () => {
      placeAt(code, SOURCE).load("i32.8u");
      placeAt(code, TARGET).load("i32.8u");
      code.op("i32.ne");
    },
    bytes: 1,
  });
}

const LANES = ["i8x16", "i16x8", "i32x4", "i64x2"] as const;
const ELEMENTS = ["i64.8u", "i64.16u", "i64.32u", "i64"] as const;
export type ElementLoad = (typeof ELEMENTS)[number];

/** The load of an element. */
export const elementLoad = (shift: number): ElementLoad => ELEMENTS[shift] as ElementLoad;

/** A string with PATTERN. @param whileEqual what is not equal stops */
export function compareWithPattern(code: Assembler, shift: number, whileEqual: boolean): void {
  const equal = (offset: number): void => {
    placeAt(code, TARGET).load("v128", offset).get(WIDE).op(`${LANES[shift]}.eq`);
  };
  code.get(PATTERN).op("i64x2.splat").set(WIDE);
  compare(code, {
    hosts: [TARGET],
    turn: () => {
      equal(0);
      for (let offset = VECTOR; offset < TURN; offset += VECTOR) {
        equal(offset);
        code.op(whileEqual ? "v128.and" : "v128.or");
      }
      if (whileEqual) code.op("v128.not");
    },
    bits: () => {
      equal(0);
      code.op("i8x16.bitmask");
      if (whileEqual) code.i32(0xffff).op("i32.xor");
    },
    element: () => {
      placeAt(code, TARGET).load(elementLoad(shift));
      code.get(PATTERN).i64(elementMask(shift)).op("i64.and");
      code.op(whileEqual ? "i64.ne" : "i64.eq");
    },
    bytes: 1 << shift,
  });
}
