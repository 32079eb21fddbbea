import {
  flagC,
  setAddition,
  setDecrement,
  setIncrement,
  setLogic,
  setResultCarryOverflow,
  setSubtraction,
} from "../../micro/flags.ts";
import type { Value } from "../../micro/micro-op.ts";
import type { Instruction } from "../instruction.ts";
import { row, type Semantics } from "../row.ts";
import { VALUE } from "../state.ts";

/** Addition, subtraction, logic, multiplication, division of integers. */

const add: Semantics = (i) => {
  const bits = i.width(0);
  const a = i.update(0);
  const b = i.source(1, bits);
  const r = i.truncate(i.add(a, b), bits);
  i.write(0, r);
  setAddition(i, bits, a, b, r);
};

const adc: Semantics = (i) => {
  const bits = i.width(0);
  const a = i.update(0);
  const b = i.source(1, bits);
  const r = i.truncate(i.add(i.add(a, b), i.extend(flagC(i))), bits);
  i.write(0, r);
  setAddition(i, bits, a, b, r, true);
};

const sub: Semantics = (i) => {
  const bits = i.width(0);
  const a = i.update(0);
  const b = i.source(1, bits);
  const r = i.truncate(i.sub(a, b), bits);
  i.write(0, r);
  setSubtraction(i, bits, a, b, r);
};

const sbb: Semantics = (i) => {
  const bits = i.width(0);
  const a = i.update(0);
  const b = i.source(1, bits);
  const r = i.truncate(i.sub(i.sub(a, b), i.extend(flagC(i))), bits);
  i.write(0, r);
  setSubtraction(i, bits, a, b, r, true);
};

const cmp: Semantics = (i) => {
  const bits = i.width(0);
  const a = i.read(0);
  const b = i.source(1, bits);
  setSubtraction(i, bits, a, b, i.truncate(i.sub(a, b), bits));
};

function logic(operation: "and" | "or" | "xor"): Semantics {
  return (i) => {
    const bits = i.width(0);
    const a = i.update(0);
    const r = i[operation](a, i.source(1, bits));
    i.write(0, r);
    setLogic(i, bits, r);
  };
}

const test: Semantics = (i) => {
  const bits = i.width(0);
  setLogic(i, bits, i.and(i.read(0), i.source(1, bits)));
};

const ALU: readonly [string, Semantics][] = [
  ["ADD", add],
  ["OR", logic("or")],
  ["ADC", adc],
  ["SBB", sbb],
  ["AND", logic("and")],
  ["SUB", sub],
  ["XOR", logic("xor")],
  ["CMP", cmp],
];

ALU.forEach(([name, semantics], n) => {
  const opcode = (low: number): string => (n * 8 + low).toString(16).padStart(2, "0");
  const lock = { lock: name !== "CMP" };
  row(opcode(0), `${name} Eb,Gb`, semantics, lock);
  row(opcode(1), `${name} Ev,Gv`, semantics, lock);
  row(opcode(2), `${name} Gb,Eb`, semantics);
  row(opcode(3), `${name} Gv,Ev`, semantics);
  row(opcode(4), `${name} AL,Ib`, semantics);
  row(opcode(5), `${name} rAX,Iz`, semantics);
  row(`80 /${n}`, `${name} Eb,Ib`, semantics, lock);
  row(`81 /${n}`, `${name} Ev,Iz`, semantics, lock);
  row(`82 /${n}`, `${name} Eb,Ib`, semantics, { ...lock, no64: true });
  row(`83 /${n}`, `${name} Ev,Ibs`, semantics, lock);
});

row("84", "TEST Eb,Gb", test);
row("85", "TEST Ev,Gv", test);
row("a8", "TEST AL,Ib", test);
row("a9", "TEST rAX,Iz", test);
for (const reg of [0, 1]) {
  row(`f6 /${reg}`, "TEST Eb,Ib", test);
  row(`f7 /${reg}`, "TEST Ev,Iz", test);
}

const increment: Semantics = (i) => {
  const bits = i.width(0);
  const a = i.update(0);
  const r = i.truncate(i.add(a, i.i64(1)), bits);
  i.write(0, r);
  setIncrement(i, bits, a, r);
};

const decrement: Semantics = (i) => {
  const bits = i.width(0);
  const a = i.update(0);
  const r = i.truncate(i.sub(a, i.i64(1)), bits);
  i.write(0, r);
  setDecrement(i, bits, a, r);
};

row("40+r", "INC Zv", increment, { no64: true });
row("48+r", "DEC Zv", decrement, { no64: true });
row("fe /0", "INC Eb", increment, { lock: true });
row("ff /0", "INC Ev", increment, { lock: true });
row("fe /1", "DEC Eb", decrement, { lock: true });
row("ff /1", "DEC Ev", decrement, { lock: true });

const not: Semantics = (i) => {
  i.write(0, i.truncate(i.not(i.update(0)), i.width(0)));
};
row("f6 /2", "NOT Eb", not, { lock: true });
row("f7 /2", "NOT Ev", not, { lock: true });

const neg: Semantics = (i) => {
  const bits = i.width(0);
  const a = i.update(0);
  const r = i.truncate(i.sub(i.i64(0), a), bits);
  i.write(0, r);
  setSubtraction(i, bits, i.i64(0), a, r);
};
row("f6 /3", "NEG Eb", neg, { lock: true });
row("f7 /3", "NEG Ev", neg, { lock: true });

/** Upper 64 bits of an unsigned 64 x 64 bit product, from four 32-bit ones. */
export function multiplyHigh(i: Instruction, a: Value, b: Value): Value {
  const half = i.i64(32);
  const mask = i.i64(0xffff_ffff);
  const [aLow, aHigh, bLow, bHigh] = [
    i.and(a, mask),
    i.shrU(a, half),
    i.and(b, mask),
    i.shrU(b, half),
  ];
  const low = i.mul(aLow, bLow);
  const middle = i.add(i.mul(aHigh, bLow), i.shrU(low, half));
  const other = i.add(i.mul(aLow, bHigh), i.and(middle, mask));
  return i.add(i.add(i.mul(aHigh, bHigh), i.shrU(middle, half)), i.shrU(other, half));
}

/** Upper 64 bits of a signed product. */
function multiplyHighSigned(i: Instruction, a: Value, b: Value): Value {
  const sign = i.i64(63);
  const high = multiplyHigh(i, a, b);
  return i.sub(i.sub(high, i.and(i.shrS(a, sign), b)), i.and(i.shrS(b, sign), a));
}

/** Write a double-width result: AX for bytes, else rDX:rAX. */
function writeDouble(i: Instruction, bits: number, low: Value, high: Value): void {
  if (bits === 8) {
    i.setGeneral(0, 16, i.or(i.truncate(low, 8), i.shl(i.truncate(high, 8), i.i64(8))));
    return;
  }
  i.setGeneral(0, bits, low);
  i.setGeneral(2, bits, high);
}

function multiply(signed: boolean): Semantics {
  return (i) => {
    const bits = i.width(0);
    let a = i.general(0, bits);
    let b = i.read(0);
    if (signed) {
      a = i.signExtend(a, bits);
      b = i.signExtend(b, bits);
    }
    const low = i.mul(a, b);
    let high: Value;
    if (bits === 64) high = signed ? multiplyHighSigned(i, a, b) : multiplyHigh(i, a, b);
    else high = signed ? i.shrS(low, i.i64(bits)) : i.shrU(low, i.i64(bits));
    const overflow = signed
      ? i.ne(high, i.shrS(bits === 64 ? low : i.signExtend(low, bits), i.i64(63)))
      : i.ne(high, i.i64(0));
    const result = i.truncate(low, bits);
    writeDouble(i, bits, result, i.truncate(high, bits));
    // SF, ZF and PF, undefined, follow from the lower half: what was before need not be known
    setResultCarryOverflow(i, bits, result, overflow, overflow);
  };
}
row("f6 /4", "MUL Eb", multiply(false));
row("f7 /4", "MUL Ev", multiply(false));
row("f6 /5", "IMUL Eb", multiply(true));
row("f7 /5", "IMUL Ev", multiply(true));

/** IMUL with one result of the operand's width; operands `a` and `b` by index. */
function multiplyTruncating(first: number, second: number): Semantics {
  return (i) => {
    const bits = i.width(0);
    const a = i.readSigned(first);
    const b = i.readSigned(second);
    const product = i.mul(a, b);
    const r = i.truncate(product, bits);
    const overflow =
      bits === 64
        ? i.ne(multiplyHighSigned(i, a, b), i.shrS(product, i.i64(63)))
        : i.ne(i.signExtend(product, bits), product);
    i.write(0, r);
    setResultCarryOverflow(i, bits, r, overflow, overflow);
  };
}
row("0f af", "IMUL Gv,Ev", multiplyTruncating(0, 1));
row("69", "IMUL Gv,Ev,Iz", multiplyTruncating(1, 2));
row("6b", "IMUL Gv,Ev,Ibs", multiplyTruncating(1, 2));

/** #DE: divisor 0 or quotient too large. */
const DIVIDE_ERROR = 0;
const MINIMUM = -(1n << 63n);

const divideUnsigned: Semantics = (i) => {
  const bits = i.width(0);
  const divisor = i.read(0);
  i.if(i.eqz(divisor), () => i.raise(DIVIDE_ERROR));
  if (bits === 64) {
    const high = i.general(2, 64);
    // The quotient fits if the upper half is less than the divisor.
    i.if(i.op("i64.ge_u", high, divisor), () => i.raise(DIVIDE_ERROR));
    i.if(
      i.eqz(high),
      () => {
        const low = i.general(0, 64);
        const quotient = i.op("i64.div_u", low, divisor);
        i.setGeneral(2, 64, i.op("i64.rem_u", low, divisor));
        i.setGeneral(0, 64, quotient);
      },
      () => wideDivision(i, divisor, "divide_128"),
    );
    return;
  }
  const dividend = doubleWidth(i, bits);
  const quotient = i.op("i64.div_u", dividend, divisor);
  i.if(i.op("i64.gt_u", quotient, i.i64((1n << BigInt(bits)) - 1n)), () => i.raise(DIVIDE_ERROR));
  writeDouble(i, bits, quotient, i.op("i64.rem_u", dividend, divisor));
};

/** The dividend of a division by 8, 16 or 32 bits: AX or rDX:rAX. */
function doubleWidth(i: Instruction, bits: number): Value {
  if (bits === 8) return i.general(0, 16);
  return i.or(i.shl(i.general(2, bits), i.i64(bits)), i.general(0, bits));
}

const divideSigned: Semantics = (i) => {
  const bits = i.width(0);
  const divisor = i.signExtend(i.read(0), bits);
  i.if(i.eqz(divisor), () => i.raise(DIVIDE_ERROR));
  if (bits === 64) {
    const low = i.general(0, 64);
    const narrow = i.eq(i.general(2, 64), i.shrS(low, i.i64(63)));
    i.if(
      narrow,
      () => {
        divideNarrow(i, 64, low, divisor);
      },
      () => wideDivision(i, divisor, "divide_128_signed"),
    );
    return;
  }
  divideNarrow(
    i,
    bits,
    bits === 32 ? doubleWidth(i, 32) : i.signExtend(doubleWidth(i, bits), bits * 2),
    divisor,
  );
};

function divideNarrow(i: Instruction, bits: number, dividend: Value, divisor: Value): void {
  if (bits >= 32) {
    const overflow = i.op("i32.and", i.eq(dividend, i.i64(MINIMUM)), i.eq(divisor, i.i64(-1)));
    i.if(overflow, () => i.raise(DIVIDE_ERROR));
  }
  const quotient = i.op("i64.div_s", dividend, divisor);
  if (bits < 64) i.if(i.ne(i.signExtend(quotient, bits), quotient), () => i.raise(DIVIDE_ERROR));
  writeDouble(
    i,
    bits,
    i.truncate(quotient, bits),
    i.truncate(i.op("i64.rem_s", dividend, divisor), bits),
  );
}

/** RDX:RAX by the divisor in VALUE, in TypeScript. */
function wideDivision(i: Instruction, divisor: Value, helper: string): void {
  i.storeState(VALUE, "i64", divisor);
  i.helper(helper);
}
row("f6 /6", "DIV Eb", divideUnsigned);
row("f7 /6", "DIV Ev", divideUnsigned);
row("f6 /7", "IDIV Eb", divideSigned);
row("f7 /7", "IDIV Ev", divideSigned);
