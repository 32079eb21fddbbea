import {
  flagC,
  flagO,
  setCarryOverflow,
  setLogic,
  setResultCarryOverflow,
} from "../../micro/flags.ts";
import type { Value } from "../../micro/micro-op.ts";
import type { Instruction } from "../instruction.ts";
import { row, type Semantics } from "../row.ts";
import { multiplyHigh } from "./arithmetic.ts";
import { rotated } from "./shift.ts";

/** BMI1, BMI2 and ADX: bit manipulation on general registers, most of it VEX-encoded. */

row("VEX L0 NP 0f 38 f2", "ANDN Gy,By,Ey", (i) => {
  const bits = i.width(0);
  const r = i.truncate(i.and(i.not(i.read(1)), i.read(2)), bits);
  i.write(0, r);
  setLogic(i, bits, r);
});

/** Group 17: the lowest set bit. CF tells of a source of 0, or not. */
function lowestBit(
  operation: (i: Instruction, a: Value) => Value,
  carryIfZero: boolean,
): Semantics {
  return (i) => {
    const bits = i.width(0);
    const a = i.read(1);
    const r = i.truncate(operation(i, a), bits);
    i.write(0, r);
    const zero = i.eqz(a);
    setResultCarryOverflow(i, bits, r, carryIfZero ? zero : i.op("i32.eqz", zero), i.i32(0));
  };
}
row(
  "VEX L0 NP 0f 38 f3 /1",
  "BLSR By,Ey",
  lowestBit((i, a) => i.and(a, i.sub(a, i.i64(1))), true),
);
row(
  "VEX L0 NP 0f 38 f3 /2",
  "BLSMSK By,Ey",
  lowestBit((i, a) => i.xor(a, i.sub(a, i.i64(1))), true),
);
row(
  "VEX L0 NP 0f 38 f3 /3",
  "BLSI By,Ey",
  lowestBit((i, a) => i.and(a, i.sub(i.i64(0), a)), false),
);

/** The low `count` bits set; all of them from 64 on. */
function lowMask(i: Instruction, count: Value): Value {
  const mask = i.sub(i.shl(i.i64(1), count), i.i64(1));
  return i.select(i.op("i64.ge_u", count, i.i64(64)), i.i64(-1), mask);
}

row("VEX L0 NP 0f 38 f7", "BEXTR Gy,Ey,By", (i) => {
  const bits = i.width(0);
  const source = i.read(1);
  const control = i.read(2);
  const start = i.and(control, i.i64(0xff));
  const length = i.and(i.shrU(control, i.i64(8)), i.i64(0xff));
  const shifted = i.select(i.op("i64.ge_u", start, i.i64(bits)), i.i64(0), i.shrU(source, start));
  const r = i.and(shifted, lowMask(i, length));
  i.write(0, r);
  setLogic(i, bits, r);
});

row("VEX L0 NP 0f 38 f5", "BZHI Gy,Ey,By", (i) => {
  const bits = i.width(0);
  const source = i.read(1);
  const index = i.and(i.read(2), i.i64(0xff));
  const r = i.and(source, lowMask(i, index));
  i.write(0, r);
  setResultCarryOverflow(i, bits, r, i.op("i64.ge_u", index, i.i64(bits)), i.i32(0));
});

row("VEX L0 F2 0f 38 f6", "MULX Gy,By,Ey", (i) => {
  const bits = i.width(0);
  const a = i.general(2, bits);
  const b = i.read(2);
  const low = i.mul(a, b);
  const high = bits === 64 ? multiplyHigh(i, a, b) : i.shrU(low, i.i64(32));
  // If both destinations are the same register it gets the upper half.
  i.write(1, i.truncate(low, bits));
  i.write(0, high);
});

/** For each set bit of the mask, lowest first, `step` gets its position and the number of set bits below it. */
function eachMaskBit(
  i: Instruction,
  mask: Value,
  step: (bit: Value, count: Value) => Value,
): Value {
  const rest = i.variable(mask);
  const count = i.variable(i.i64(0));
  const result = i.variable(i.i64(0));
  i.while(
    () => i.ne(i.get(rest), i.i64(0)),
    () => {
      const left = i.get(rest);
      const number = i.get(count);
      i.set(result, i.or(i.get(result), step(i.op("i64.ctz", left), number)));
      i.set(rest, i.and(left, i.sub(left, i.i64(1))));
      i.set(count, i.add(number, i.i64(1)));
    },
  );
  return i.get(result);
}
row("VEX L0 F2 0f 38 f5", "PDEP Gy,By,Ey", (i) => {
  const source = i.read(1);
  const one = i.i64(1);
  i.write(
    0,
    eachMaskBit(i, i.read(2), (bit, count) => i.shl(i.and(i.shrU(source, count), one), bit)),
  );
});
row("VEX L0 F3 0f 38 f5", "PEXT Gy,By,Ey", (i) => {
  const source = i.read(1);
  const one = i.i64(1);
  i.write(
    0,
    eachMaskBit(i, i.read(2), (bit, count) => i.shl(i.and(i.shrU(source, bit), one), count)),
  );
});

row("VEX L0 F2 0f 3a f0", "RORX Gy,Ey,Ib", (i) => {
  const bits = i.width(0);
  const a = i.read(1);
  const count = i.and(i.read(2), i.i64(bits - 1));
  i.write(0, rotated(i, "rotr", bits, a, count) as Value);
});

/** Shifts by a register that leave the flags alone. */
function shiftBy(
  operation: (i: Instruction, a: Value, count: Value, bits: number) => Value,
): Semantics {
  return (i) => {
    const bits = i.width(0);
    const a = i.read(1);
    const count = i.and(i.read(2), i.i64(bits - 1));
    i.write(0, i.truncate(operation(i, a, count, bits), bits));
  };
}
row(
  "VEX L0 66 0f 38 f7",
  "SHLX Gy,Ey,By",
  shiftBy((i, a, count) => i.shl(a, count)),
);
row(
  "VEX L0 F2 0f 38 f7",
  "SHRX Gy,Ey,By",
  shiftBy((i, a, count) => i.shrU(a, count)),
);
row(
  "VEX L0 F3 0f 38 f7",
  "SARX Gy,Ey,By",
  shiftBy((i, a, count, bits) => i.shrS(i.signExtend(a, bits), count)),
);

/** Carry out of a + b + carry, from the operands and the result. */
function carryOut(i: Instruction, bits: number, a: Value, b: Value, r: Value): Value {
  const carries = i.or(i.and(a, b), i.and(i.or(a, b), i.not(r)));
  return i.wrap(i.and(i.shrU(carries, i.i64(bits - 1)), i.i64(1)));
}
/** ADCX adds with CF, ADOX with OF; the other flag stays. */
function addWith(overflowChain: boolean): Semantics {
  return (i) => {
    const bits = i.width(0);
    const a = i.read(0);
    const b = i.read(1);
    const carry = flagC(i);
    const overflow = flagO(i);
    const r = i.truncate(i.add(i.add(a, b), i.extend(overflowChain ? overflow : carry)), bits);
    const out = carryOut(i, bits, a, b, r);
    i.write(0, r);
    if (overflowChain) setCarryOverflow(i, carry, out);
    else setCarryOverflow(i, out, overflow);
  };
}
row("66 0f 38 f6", "ADCX Gy,Ey", addWith(false), { level: 3 });
row("F3 0f 38 f6", "ADOX Gy,Ey", addWith(true), { level: 3 });
