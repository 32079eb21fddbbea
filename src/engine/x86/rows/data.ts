import {
  arithmeticFlags,
  condition,
  setAddition,
  setAll,
  setSubtraction,
} from "../../micro/flags.ts";
import type { Value } from "../../micro/micro-op.ts";
import type { Instruction } from "../instruction.ts";
import { levelOf } from "../mode.ts";
import { CONDITION_NAMES, row, type Semantics } from "../row.ts";
import { STALLED } from "../state.ts";

/** Moving data: MOV and its relatives, exchange, compare-and-exchange, conversion of widths. */

const mov: Semantics = (i) => i.write(0, i.source(1, i.width(0)));
row("88", "MOV Eb,Gb", mov);
row("89", "MOV Ev,Gv", mov);
row("8a", "MOV Gb,Eb", mov);
row("8b", "MOV Gv,Ev", mov);
row("a0", "MOV AL,Ob", mov);
row("a1", "MOV rAX,Ov", mov);
row("a2", "MOV Ob,AL", mov);
row("a3", "MOV Ov,rAX", mov);
row("b0+r", "MOV Zb,Ib", mov);
row("b8+r", "MOV Zv,Iv", mov);
row("c6 /0", "MOV Eb,Ib", mov);
row("c7 /0", "MOV Ev,Iz", mov);

const signExtending: Semantics = (i) => i.write(0, i.truncate(i.readSigned(1), i.width(0)));
row("0f b6", "MOVZX Gv,Eb", (i) => i.write(0, i.read(1)));
row("0f b7", "MOVZX Gv,Ew", (i) => i.write(0, i.read(1)));
row("0f be", "MOVSX Gv,Eb", signExtending);
row("0f bf", "MOVSX Gv,Ew", signExtending);
row("63", "MOVSXD Gv,Ez", signExtending, { only64: true });

row("8d", "LEA Gv,M", (i) => i.write(0, i.truncate(i.effective(1), i.width(0))));

const exchange: Semantics = (i) => {
  const a = i.update(0);
  const b = i.read(1);
  i.write(0, b);
  i.write(1, a);
};
row("86", "XCHG Eb,Gb", exchange, { lock: true });
row("87", "XCHG Ev,Gv", exchange, { lock: true });
// 90 is NOP and leaves the upper half of RAX alone; with REX.B it exchanges R8.
row("90", "NOP", () => {}, { notRexB: true });
row("90+r", "XCHG Zv,rAX", exchange);

const exchangeAdd: Semantics = (i) => {
  const bits = i.width(0);
  const a = i.update(0);
  const b = i.read(1);
  const r = i.truncate(i.add(a, b), bits);
  if (i.isMemory(0)) {
    i.write(0, r);
    i.write(1, a);
  } else {
    i.write(1, a);
    i.write(0, r);
  }
  setAddition(i, bits, a, b, r);
};
row("0f c0", "XADD Eb,Gb", exchangeAdd, { lock: true });
row("0f c1", "XADD Ev,Gv", exchangeAdd, { lock: true });

const compareExchange: Semantics = (i) => {
  const bits = i.width(0);
  const a = i.update(0);
  const accumulator = i.general(0, bits);
  const source = i.read(1);
  const equal = i.eq(a, accumulator);
  // Memory is written either way; a register only if the values are equal.
  if (i.isMemory(0)) i.write(0, i.select(equal, source, a));
  else i.if(equal, () => i.write(0, source));
  i.if(i.op("i32.eqz", equal), () => i.setGeneral(0, bits, a));
  setSubtraction(i, bits, accumulator, a, i.truncate(i.sub(accumulator, a), bits));
};
row("0f b0", "CMPXCHG Eb,Gb", compareExchange, { lock: true });
row("0f b1", "CMPXCHG Ev,Gv", compareExchange, { lock: true });

/** CMPXCHG8B and CMPXCHG16B; the latter's operand must be aligned. */
const compareExchangeWide: Semantics = (i) => {
  const wide = i.bits === 64;
  if (wide && levelOf(i.decoded.mode) < 2) {
    i.raise(6);
    return;
  }
  const equal = wide ? compareExchange16(i) : compareExchange8(i);
  const others = i.op("i32.and", arithmeticFlags(i), i.i32(~0x40));
  setAll(i, i.op("i32.or", others, i.op("i32.shl", equal, i.i32(6))));
};

/** EDX:EAX is the old value, ECX:EBX the new one. Returns whether it was exchanged. */
function compareExchange8(i: Instruction): Value {
  const pair = (high: number, low: number): Value =>
    i.or(i.shl(i.general(high, 32), i.i64(32)), i.general(low, 32));
  const address = i.linear(0, 8, "update");
  const stack = i.usesStack(0);
  const old = i.loadGuest(address, "i64", { intent: "update", stack });
  const equal = i.eq(old, pair(2, 0));
  i.storeGuest(address, "i64", i.select(equal, pair(1, 3), old), { stack });
  i.if(i.op("i32.eqz", equal), () => {
    i.setGeneral(0, 32, i.truncate(old, 32));
    i.setGeneral(2, 32, i.shrU(old, i.i64(32)));
  });
  return equal;
}

/** The same with RDX:RAX and RCX:RBX. */
function compareExchange16(i: Instruction): Value {
  const address = i.linear(0, 16, "update");
  i.if(i.ne(i.and(address, i.i64(15)), i.i64(0)), () => i.raise(13));
  const upper = i.add(address, i.i64(8));
  const stack = i.usesStack(0);
  const low = i.loadGuest(address, "i64", { intent: "update", stack });
  const high = i.loadGuest(upper, "i64", { intent: "update", stack });
  const equal = i.op("i32.and", i.eq(low, i.general(0, 64)), i.eq(high, i.general(2, 64)));
  i.storeGuest(address, "i64", i.select(equal, i.general(3, 64), low), { stack });
  i.storeGuest(upper, "i64", i.select(equal, i.general(1, 64), high), { stack });
  i.if(i.op("i32.eqz", equal), () => {
    i.setGeneral(0, 64, low);
    i.setGeneral(2, 64, high);
  });
  return equal;
}
row("0f c7 /1", "CMPXCHG8B Mv", compareExchangeWide, { lock: true });

row("98", "CBW", (i) =>
  i.setGeneral(0, i.bits, i.truncate(i.signExtend(i.general(0, i.bits / 2), i.bits / 2), i.bits)),
);
row("99", "CWD", (i) =>
  i.setGeneral(
    2,
    i.bits,
    i.truncate(i.shrS(i.signExtend(i.general(0, i.bits), i.bits), i.i64(63)), i.bits),
  ),
);

/** BSWAP: of 16 bits the result is undefined; processors give 0. */
const byteSwap: Semantics = (i) => {
  const bits = i.width(0);
  if (bits === 16) {
    i.write(0, i.i64(0));
    return;
  }
  i.write(0, swapped(i, i.read(0), bits));
};
row("0f c8+r", "BSWAP Zv", byteSwap);

/** The value's bytes in reverse order. */
function swapped(i: Instruction, value: Value, bits: number): Value {
  let v = value;
  for (const [shift, mask] of [
    [8, 0x00ff_00ff_00ff_00ffn],
    [16, 0x0000_ffff_0000_ffffn],
  ] as const) {
    const even = i.and(v, i.i64(mask));
    const odd = i.and(i.shrU(v, i.i64(shift)), i.i64(mask));
    v = i.or(i.shl(even, i.i64(shift)), odd);
  }
  v = i.op("i64.rotl", v, i.i64(32));
  return bits === 64 ? v : i.shrU(v, i.i64(64 - bits));
}
const moveSwapped: Semantics = (i) => i.write(0, swapped(i, i.read(1), i.width(0)));
row("0f 38 f0 mem", "MOVBE Gv,Mv", moveSwapped, { level: 3, noRepeat: true });
row("0f 38 f1 mem", "MOVBE Mv,Gv", moveSwapped, { level: 3, noRepeat: true });
row("NP 0f c3 mem", "MOVNTI My,Gy", mov);

row("d7", "XLAT Xb", (i) => {
  const bits = i.decoded.addressBits;
  const offset = i.truncate(i.add(i.general(3, bits), i.general(0, 8)), bits);
  i.setGeneral(0, 8, i.loadGuest(i.linear(0, 1, "read", offset), "i64.8u"));
});

for (let code = 0; code < 16; code++) {
  const hex = code.toString(16);
  const name = CONDITION_NAMES[code];
  row(`0f 9${hex}`, `SET${name} Eb`, (i) => i.write(0, i.extend(condition(i, code))));
  row(`0f 4${hex}`, `CMOV${name} Gv,Ev`, (i) => {
    const source = i.read(1);
    // A 32-bit destination is zero-extended even if nothing is moved.
    i.write(0, i.select(condition(i, code), source, i.read(0)));
  });
}

/**
 * Spin loops mark themselves with PAUSE, which takes as long as on current
 * processors (140 cycles, SDM vol. 2). It ends its block, so that the budget
 * is looked at right behind it.
 */
const PAUSE_INSTRUCTIONS = 40;
row(
  "F3 90",
  "PAUSE",
  (i) => {
    const cost = i.i32(PAUSE_INSTRUCTIONS);
    i.spend(cost);
    i.storeState(STALLED, "i32", i.op("i32.add", i.loadState(STALLED, "i32"), cost));
    i.jumpTo(i.nextRip());
  },
  { notRexB: true, ends: true },
);
["NTA", "T0", "T1", "T2"].forEach((hint, reg) => {
  row(`0f 18 /${reg} mem`, `PREFETCH${hint} Mb`, () => {});
});
for (const opcode of ["18", "19", "1a", "1b", "1c", "1d", "1e", "1f"])
  row(`0f ${opcode}`, "NOP Ev", () => {});
