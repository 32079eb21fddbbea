import { condition, setAll } from "../../micro/flags.ts";
import type { Load, UpdateCell, Value } from "../../micro/micro-op.ts";
import * as constants from "../../x87/constants.ts";
import { B, ES, EXCEPTIONS, SF } from "../../x87/context.ts";
import { SIGN } from "../../x87/float80.ts";
import { CONTROL_WORD, EFLAGS, OPERAND, STATUS_WORD } from "../../x87/layout.ts";
import type { WordKind } from "../../x87/operand.ts";
import { popping, SCRATCH, stackPlace } from "../../x87/quick/number.ts";
import type { MemoryKind, X87Row } from "../../x87/row.ts";
import { CONTROL_FIXED, CONTROL_WRITABLE } from "../../x87/state.ts";
import type { Instruction } from "../instruction.ts";
import { GPR, X87 } from "../state.ts";

/** A memory operand: up to 64 bits (integers sign-extended), and what follows them. */
export interface Loaded {
  readonly low: Value;
  readonly high: Value | undefined;
}

const LOADS: Record<WordKind, Load> = {
  m16int: "i64.16s",
  m32int: "i64.32s",
  m64int: "i64",
  m32fp: "i64.32u",
  m64fp: "i64",
  m80fp: "i64",
  m80bcd: "i64",
  m2byte: "i64.16u",
};

/** `address` + `bytes`, wrapped as addresses are. */
function behind(i: Instruction, address: Value, bytes: number): Value {
  return i.truncate(i.add(address, i.i64(bytes)), i.codeBits === 64 ? 64 : 32);
}

export function loadWords(i: Instruction, kind: WordKind, address: Value): Loaded {
  const stack = i.usesStack(0);
  const low = i.loadGuest(address, LOADS[kind], { stack });
  const wide = kind === "m80fp" || kind === "m80bcd";
  const high = wide ? i.loadGuest(behind(i, address, 8), "i32.16u", { stack }) : undefined;
  return { low, high };
}

/** Stores OPERAND's 80 bits, if they are `good`, by two accesses of which the second must not fail. */
function store80(
  i: Instruction,
  to: Value,
  good: Value,
  stored: () => void,
  exactly: () => void,
): void {
  const stack = i.usesStack(0);
  const upper = behind(i, to, 8);
  const inPage = i.op("i32.le_u", i.op("i32.and", i.wrap(to), i.i32(0xfff)), i.i32(4096 - 10));
  i.if(
    i.leavesUnproved ? good : i.op("i32.and", good, inPage),
    () => {
      const cells = i.leavesUnproved ? ([{ local: -1 }, { local: -1 }] as const) : [];
      const [low, high] = cells;
      if (low !== undefined && high !== undefined) {
        i.loadGuest(to, "i64", { intent: "update", stack, cell: low });
        i.loadGuest(upper, "i32.16u", { intent: "update", stack, cell: high });
      }
      const options = (cell: UpdateCell | undefined) =>
        cell === undefined ? { stack } : { stack, cell };
      i.storeGuest(to, "i64", i.loadState(X87 + OPERAND, "i64"), options(low));
      i.storeGuest(upper, "i32.16", i.loadState(X87 + OPERAND + 8, "i32"), options(high));
      stored();
    },
    exactly,
  );
}

/** Quick functions of arithmetic, by the end of the mnemonic. */
const ARITHMETIC: Readonly<Record<string, { name: string; reversed: boolean; flip: number }>> = {
  add: { name: "x87_add", reversed: false, flip: 0 },
  sub: { name: "x87_add", reversed: false, flip: SIGN },
  subr: { name: "x87_add", reversed: true, flip: SIGN },
  mul: { name: "x87_multiply", reversed: false, flip: 0 },
  div: { name: "x87_divide", reversed: false, flip: 0 },
  divr: { name: "x87_divide", reversed: true, flip: 0 },
};

const CONSTANTS: Readonly<Record<string, constants.Constant>> = {
  fld1: constants.ONE,
  fldz: constants.PLUS_ZERO,
  fldl2t: constants.LOG2_10,
  fldl2e: constants.LOG2_E,
  fldpi: constants.PI,
  fldlg2: constants.LOG10_2,
  fldln2: constants.LN_2,
};

/** Codes of the conditions of FCMOVcc. */
const MOVE_CONDITIONS: Readonly<Record<string, number>> = {
  fcmovb: 2,
  fcmovnb: 3,
  fcmove: 4,
  fcmovne: 5,
  fcmovbe: 6,
  fcmovnbe: 7,
  fcmovu: 10,
  fcmovnu: 11,
};

const INTEGER_BITS: Partial<Record<MemoryKind, 16 | 32 | 64>> = {
  m16int: 16,
  m32int: 32,
  m64int: 64,
};

/**
 * Does what the quick functions (x87/quick/) can do of an instruction, and the rest by `exactly`.
 * Memory is loaded already, and a store's address is checked against its segment.
 */
export function quickly(
  i: Instruction,
  form: X87Row,
  address: Value | undefined,
  loaded: Loaded | undefined,
  exactly: () => void,
): void {
  const { mnemonic, memory, index } = form;
  const int = (value: number): Value => i.i32(value);
  const st = (k: number): Value => int(stackPlace(k));
  const call = (name: string, ...args: Value[]): Value => i.call(name, "i32", args);
  /** A quick function that does all, or nothing. */
  const attempt = (name: string, ...args: readonly Value[]): void =>
    i.if(i.op("i32.eqz", call(name, ...args)), exactly);
  const pops = mnemonic.endsWith("pp") ? 2 : /^f.*p$/.test(mnemonic) ? 1 : 0;

  /** A function of the memory operand, once that is a number in the scratch. */
  const withScratch = (name: string, ...args: readonly Value[]): void =>
    i.if(widened(), () => attempt(name, ...args), exactly);
  const widened = (): Value => {
    const { low } = loaded as Loaded;
    if (memory === "m32fp") return call("x87_widen_32", low);
    if (memory === "m64fp") return call("x87_widen_64", low);
    return call("x87_widen_integer", low);
  };

  /** A store: the value is in OPERAND once `narrowed` returned 1. */
  const storing = (narrowed: Value, bytes: number): void => {
    const to = address as Value;
    const stack = i.usesStack(0);
    const stored = (): void => {
      call(popping("x87_stored", pops));
    };
    if (bytes === 10) {
      store80(i, to, narrowed, stored, exactly);
      return;
    }
    i.if(
      narrowed,
      () => {
        const low = i.loadState(X87 + OPERAND, "i64");
        if (bytes === 2) i.storeGuest(to, "i64.16", low, { stack });
        else if (bytes === 4) i.storeGuest(to, "i64.32", low, { stack });
        else i.storeGuest(to, "i64", low, { stack });
        stored();
      },
      exactly,
    );
  };

  const arithmetic = ARITHMETIC[mnemonic.replace(/^fi?/, "").replace(/p$/, "")];
  if (arithmetic !== undefined) {
    const { name, reversed, flip } = arithmetic;
    if (memory !== null) {
      const [left, right] = reversed ? [int(SCRATCH), st(0)] : [st(0), int(SCRATCH)];
      withScratch(name, left as Value, right as Value, st(0), int(flip));
    } else {
      const [a, b] = form.operands === "st(i), st" ? [index, 0] : [0, index];
      const [left, right] = reversed ? [b, a] : [a, b];
      attempt(popping(name, pops), st(left), st(right), st(a), int(flip));
    }
    return;
  }
  const constant = CONSTANTS[mnemonic];
  if (constant !== undefined) {
    const { exponent, hi, lo, extra } = constant;
    const up = extra < 0 ? 1 : 0;
    const significand = (BigInt(hi >>> 0) << 32n) | BigInt((lo + up) >>> 0);
    // an exact one is the same however it is rounded
    const rounding = i.op("i32.and", i.loadState(X87 + CONTROL_WORD, "i32"), int(0xc00));
    i.if(
      extra === 0 ? int(1) : i.op("i32.eqz", rounding),
      () => attempt("x87_push_constant", i.i64(significand), int(exponent)),
      exactly,
    );
    return;
  }
  const moveCondition = MOVE_CONDITIONS[mnemonic];
  if (moveCondition !== undefined) {
    attempt("x87_move_if", st(index), condition(i, moveCondition));
    return;
  }
  switch (mnemonic) {
    case "fld":
      if (loaded === undefined) attempt("x87_duplicate", st(index));
      else if (memory === "m32fp") attempt("x87_push_32", loaded.low);
      else if (memory === "m64fp") attempt("x87_push_64", loaded.low);
      else attempt("x87_push", loaded.low, loaded.high as Value);
      return;
    case "fild":
      attempt("x87_push_integer", (loaded as Loaded).low);
      return;
    case "fst":
    case "fstp":
      if (memory === "m32fp") storing(call("x87_narrow_32"), 4);
      else if (memory === "m64fp") storing(call("x87_narrow_64"), 8);
      else if (memory === "m80fp") storing(call("x87_copy_out", st(0)), 10);
      else attempt(popping("x87_move", pops), st(index));
      return;
    case "fist":
    case "fistp":
    case "fisttp": {
      const bits = INTEGER_BITS[memory as MemoryKind] as number;
      const truncate = mnemonic === "fisttp" ? 1 : 0;
      storing(call("x87_to_integer", int(bits), int(truncate)), bits / 8);
      return;
    }
    case "fxch":
      attempt("x87_exchange", st(index));
      return;
    case "fchs":
      attempt("x87_sign", st(0), int(-1), int(SIGN));
      return;
    case "fabs":
      attempt("x87_sign", st(0), int(~SIGN), int(0));
      return;
    case "fsqrt":
      attempt("x87_square_root");
      return;
    case "frndint":
      attempt("x87_round");
      return;
    case "fcom":
    case "fcomp":
    case "fcompp":
    case "fucom":
    case "fucomp":
    case "fucompp":
    case "ficom":
    case "ficomp":
      if (memory === null) attempt(popping("x87_compare", pops), st(pops === 2 ? 1 : index));
      else withScratch(popping("x87_compare", pops), int(SCRATCH));
      return;
    case "fcomi":
    case "fcomip":
    case "fucomi":
    case "fucomip":
      i.if(
        call(popping("x87_compare_flags", pops), st(index)),
        () => setAll(i, i.loadState(X87 + EFLAGS, "i32")),
        exactly,
      );
      return;
    case "fnstsw": {
      const word = i.loadState(X87 + STATUS_WORD, "i32");
      if (memory === null) i.storeState(GPR, "i32.16", word);
      else i.storeGuest(address as Value, "i32.16", word, { stack: i.usesStack(0) });
      return;
    }
    case "fnstcw": {
      const word = i.loadState(X87 + CONTROL_WORD, "i32");
      i.storeGuest(address as Value, "i32.16", word, { stack: i.usesStack(0) });
      return;
    }
    case "fldcw": {
      const word = i.op("i32.and", i.wrap((loaded as Loaded).low), int(CONTROL_WRITABLE));
      const status = i.loadState(X87 + STATUS_WORD, "i32");
      const unmasked = i.op("i32.and", status, i.op("i32.xor", word, int(EXCEPTIONS)));
      i.if(i.op("i32.and", unmasked, int(EXCEPTIONS)), exactly, () =>
        i.storeState(X87 + CONTROL_WORD, "i32", i.op("i32.or", word, int(CONTROL_FIXED))),
      );
      return;
    }
    case "fnclex": {
      const word = i.loadState(X87 + STATUS_WORD, "i32");
      const clear = i.op("i32.and", word, int(~(EXCEPTIONS | SF | ES | B)));
      i.storeState(X87 + STATUS_WORD, "i32", clear);
      return;
    }
    case "fnop":
      return;
  }
  exactly();
}
