import { arithmeticFlags, setAll, setCarry } from "../../micro/flags.ts";
import type { Value } from "../../micro/micro-op.ts";
import type { Instruction } from "../instruction.ts";
import { row, type Semantics } from "../row.ts";

/** Bit tests, scans and counts. */

const CHANGES: Record<string, (i: Instruction, a: Value, mask: Value) => Value> = {
  BTS: (i, a, mask) => i.or(a, mask),
  BTR: (i, a, mask) => i.and(a, i.not(mask)),
  BTC: (i, a, mask) => i.xor(a, mask),
};

/** `immediate`: the bit number is taken modulo the width; else a memory operand is a bit string. */
function bitTest(name: string, immediate: boolean): Semantics {
  const change = CHANGES[name];
  return (i) => {
    const bits = i.width(0);
    const offset = i.read(1);
    const position = i.and(offset, i.i64(bits - 1));
    const mask = i.shl(i.i64(1), position);
    if (immediate || !i.isMemory(0)) {
      const a = change === undefined ? i.read(0) : i.update(0);
      if (change !== undefined) i.write(0, change(i, a, mask));
      setCarry(i, i.wrap(i.and(i.shrU(a, position), i.i64(1))));
      return;
    }
    // The register addresses a bit of a string that starts at the operand.
    const shift = bits === 64 ? 6 : bits === 32 ? 5 : 4;
    const bytes = i.shl(i.shrS(i.signExtend(offset, bits), i.i64(shift)), i.i64(shift - 3));
    const address = i.truncate(i.add(i.effective(0), bytes), i.decoded.addressBits);
    const load = bits === 64 ? "i64" : bits === 32 ? "i64.32u" : "i64.16u";
    const intent = change === undefined ? "read" : "update";
    const stack = i.usesStack(0);
    const linear = i.linear(0, bits / 8, intent, address);
    const a = i.loadGuest(linear, load, { intent, stack });
    if (change !== undefined)
      i.storeGuest(
        linear,
        bits === 64 ? "i64" : bits === 32 ? "i64.32" : "i64.16",
        change(i, a, mask),
        { stack },
      );
    setCarry(i, i.wrap(i.and(i.shrU(a, position), i.i64(1))));
  };
}
["BT", "BTS", "BTR", "BTC"].forEach((name, n) => {
  const lock = { lock: n > 0 };
  row(`0f ${(0xa3 + 8 * n).toString(16)}`, `${name} Ev,Gv`, bitTest(name, false), lock);
  row(`0f ba /${4 + n}`, `${name} Ev,Ib`, bitTest(name, true), lock);
});

const ZF = 0x40;

/** BSF and BSR: the destination stays if the source is 0; of the flags only ZF changes. */
function scan(forward: boolean): Semantics {
  return (i) => {
    const bits = i.width(0);
    const source = i.read(1);
    const isZero = i.eqz(source);
    const found = forward ? i.op("i64.ctz", source) : i.sub(i.i64(63), i.op("i64.clz", source));
    const old = i.read(0);
    if (bits === 32) i.if(i.op("i32.eqz", isZero), () => i.write(0, found));
    else i.write(0, i.select(isZero, old, found));
    const others = i.op("i32.and", arithmeticFlags(i), i.i32(~ZF));
    setAll(i, i.op("i32.or", others, i.op("i32.shl", isZero, i.i32(6))));
  };
}
row("0f bc", "BSF Gv,Ev", scan(true));
row("0f bd", "BSR Gv,Ev", scan(false));

/** TZCNT and LZCNT: CF for a source of 0, ZF for a result of 0. */
function count(forward: boolean): Semantics {
  return (i) => {
    const bits = i.width(0);
    const source = i.read(1);
    const limited = forward && bits < 64 ? i.or(source, i.i64(1n << BigInt(bits))) : source;
    const result = forward
      ? i.op("i64.ctz", limited)
      : i.sub(i.op("i64.clz", source), i.i64(64 - bits));
    i.write(0, result);
    const keep = i.op("i32.and", arithmeticFlags(i), i.i32(~(ZF | 1)));
    const zero = i.op("i32.shl", i.eqz(result), i.i32(6));
    setAll(i, i.op("i32.or", i.op("i32.or", keep, zero), i.eqz(source)));
  };
}
// Where they are missing these are BSF and BSR with a prefix that says nothing.
row("F3 0f bc", "TZCNT Gv,Ev", count(true), { level: 3 });
row("F3 0f bd", "LZCNT Gv,Ev", count(false), { level: 3 });

const populationCount: Semantics = (i) => {
  const source = i.read(1);
  i.write(0, i.op("i64.popcnt", source));
  setAll(i, i.op("i32.shl", i.eqz(source), i.i32(6)));
};
row("F3 0f b8", "POPCNT Gv,Ev", populationCount, { level: 2 });

/** CRC32 with the Castagnoli polynomial, reflected: one bit a step. */
const crc32: Semantics = (i) => {
  const bits = i.width(1);
  const crc = i.variable(
    i.wrap(i.xor(i.truncate(i.read(0), 32), i.truncate(i.read(1), Math.min(bits, 32)))),
  );
  const high = bits === 64 ? i.wrap(i.shrU(i.read(1), i.i64(32))) : undefined;
  const round = (steps: number): void => {
    const k = i.variable(i.i32(steps));
    i.while(
      () => i.get(k),
      () => {
        const value = i.get(crc);
        const folded = i.op(
          "i32.and",
          i.op("i32.sub", i.i32(0), i.op("i32.and", value, i.i32(1))),
          i.i32(0x82f63b78),
        );
        i.set(crc, i.op("i32.xor", i.op("i32.shr_u", value, i.i32(1)), folded));
        i.set(k, i.op("i32.sub", i.get(k), i.i32(1)));
      },
    );
  };
  round(Math.min(bits, 32));
  if (high !== undefined) {
    i.set(crc, i.op("i32.xor", i.get(crc), high));
    round(32);
  }
  i.write(0, i.extend(i.get(crc)));
};
row("F2 0f 38 f0", "CRC32 Gy,Eb", crc32, { level: 2 });
row("F2 0f 38 f1", "CRC32 Gy,Ev", crc32, { level: 2 });
