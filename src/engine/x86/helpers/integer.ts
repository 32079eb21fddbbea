import {
  lastRead,
  probeGuestBytes,
  readGuest16,
  readGuest32,
  readGuest64,
  writeGuest16,
  writeGuest32,
  writeGuest64,
} from "../access.ts";
import type { Core } from "../core.ts";
import { MODE_STACK_32 } from "../mode.ts";
import { segmentLinear } from "../segments.ts";
import { GPR, MODE, SS, VALUE } from "../state.ts";
import type { Helpers } from "./helpers.ts";

/** Integer instructions that are rare or long: wide division, decimal adjustment, ENTER. */

const RAX = GPR;
const RDX = GPR + 16;
const RSP = GPR + 32;
const RBP = GPR + 40;
const CF = 1;
const AF = 0x10;

function setWideQuotient(core: Core, quotient: bigint, remainder: bigint, fits: boolean): number {
  if (!fits) core.raise(0);
  core.setBig(RAX, BigInt.asUintN(64, quotient));
  core.setBig(RDX, BigInt.asUintN(64, remainder));
  return 0;
}

function setAl(core: Core, value: number): void {
  core.set(RAX, (core.get(RAX) & ~0xff) | (value & 0xff));
}

function setAx(core: Core, value: number): void {
  core.set(RAX, (core.get(RAX) & ~0xffff) | (value & 0xffff));
}

/** SF, ZF, PF of AL; the rest as given; OF clear. */
function setAlFlags(core: Core, carryAdjust: number): void {
  const al = core.get(RAX) & 0xff;
  let parity = al ^ (al >> 4);
  parity = (0x9669 >> (parity & 15)) & 1;
  const kept = core.rflags() & ~0x8d5;
  core.setRflags(kept | carryAdjust | (parity << 2) | (al === 0 ? 0x40 : 0) | (al & 0x80));
}

function adjustPacked(core: Core, sign: 1 | -1): number {
  const old = core.get(RAX) & 0xff;
  const flags = core.rflags();
  let al = old;
  let carry = 0;
  let adjust = 0;
  if ((old & 15) > 9 || flags & AF) {
    al += 6 * sign;
    if (sign < 0) carry = flags & CF || old < 6 ? CF : 0;
    adjust = AF;
  }
  if (old > 0x99 || flags & CF) {
    al += 0x60 * sign;
    carry = CF;
  }
  setAl(core, al);
  setAlFlags(core, carry | adjust);
  return 0;
}

function adjustUnpacked(core: Core, sign: 1 | -1): number {
  const ax = core.get(RAX) & 0xffff;
  const needed = (ax & 15) > 9 || (core.rflags() & AF) !== 0;
  setAx(core, needed ? ax + sign * 0x106 : ax);
  setAl(core, core.get(RAX) & 15);
  setAlFlags(core, needed ? CF | AF : 0);
  return 0;
}

function operand(core: Core, record: number, k: number): number {
  return core.linearView.getInt32(record + 8 + 4 * k, true);
}

/** ENTER (SDM vol. 2): the frame pointers of outer procedures are copied. Nothing changes if it faults. */
function enter(core: Core, record: number): number {
  const size = operand(core, record, 0) & 0xffff;
  const level = operand(core, record, 1) & 31;
  const long = core.is64;
  const stack32 = (core.get(MODE) & MODE_STACK_32) !== 0;
  const wrap = (value: number): number => (long ? value : stack32 ? value >>> 0 : value & 0xffff);
  const bits = core.get(VALUE);
  const bytes = bits / 8;
  const at = (offset: number, writes = true): number =>
    segmentLinear(core, SS, offset, bytes, writes);
  const old = { lo: core.get(RBP), hi: core.get(RBP + 4) };
  const writeAt = (offset: number, lo: number, hi: number): void => {
    const linear = at(wrap(offset));
    if (bits === 16) writeGuest16(core, linear, lo, true);
    else if (bits === 32) writeGuest32(core, linear, lo, true);
    else writeGuest64(core, linear, lo, hi, true);
  };
  let pointer = wrap(long ? core.address(RSP) : core.get(RSP));
  pointer = wrap(pointer - bytes);
  writeAt(pointer, old.lo, old.hi);
  // A 16-bit stack pointer is part of ESP, which is what a 32-bit frame pointer receives.
  const frame = long || stack32 ? pointer : ((core.get(RSP) & 0xffff_0000) | pointer) >>> 0;
  let outer = wrap(long ? core.address(RBP) : core.get(RBP));
  for (let k = 1; k < level; k++) {
    outer = wrap(outer - bytes);
    pointer = wrap(pointer - bytes);
    if (bits === 16) writeAt(pointer, readGuest16(core, at(outer, false), true), 0);
    else if (bits === 32) writeAt(pointer, readGuest32(core, at(outer, false), true), 0);
    else {
      readGuest64(core, at(outer, false), true);
      writeAt(pointer, lastRead.lo, lastRead.hi);
    }
  }
  if (level > 0) {
    pointer = wrap(pointer - bytes);
    writeAt(pointer, frame >>> 0, Math.floor(frame / 4294967296));
  }
  pointer = wrap(pointer - size);
  // What was pushed is below the stack pointer still; it faults where the next push would.
  probeGuestBytes(core, at(pointer), bytes, "write", true);
  setStack(core, RBP, frame, bits);
  setStack(core, RSP, pointer, long ? 64 : stack32 ? 32 : 16);
  return 0;
}

function setStack(core: Core, register: number, value: number, bits: number): void {
  if (bits === 64) core.setAddress(register, value);
  else if (bits === 32) {
    core.set(register, value);
    core.set(register + 4, 0);
  } else core.set(register, (core.get(register) & ~0xffff) | (value & 0xffff));
}

export const INTEGER_HELPERS: Helpers = {
  divide_128(core) {
    const divisor = core.big(VALUE);
    const dividend = (core.big(RDX) << 64n) | core.big(RAX);
    return setWideQuotient(core, dividend / divisor, dividend % divisor, core.big(RDX) < divisor);
  },
  divide_128_signed(core) {
    const divisor = BigInt.asIntN(64, core.big(VALUE));
    const dividend = (BigInt.asIntN(64, core.big(RDX)) << 64n) | core.big(RAX);
    const quotient = dividend / divisor;
    return setWideQuotient(
      core,
      quotient,
      dividend % divisor,
      BigInt.asIntN(64, quotient) === quotient,
    );
  },
  enter,
  daa: (core) => adjustPacked(core, 1),
  das: (core) => adjustPacked(core, -1),
  aaa: (core) => adjustUnpacked(core, 1),
  aas: (core) => adjustUnpacked(core, -1),
  aam(core, record) {
    const divisor = operand(core, record, 0) & 0xff;
    if (divisor === 0) core.raise(0);
    const al = core.get(RAX) & 0xff;
    setAx(core, (Math.floor(al / divisor) << 8) | (al % divisor));
    setAlFlags(core, 0);
    return 0;
  },
  aad(core, record) {
    const ax = core.get(RAX) & 0xffff;
    setAx(core, ((ax & 0xff) + (ax >> 8) * (operand(core, record, 0) & 0xff)) & 0xff);
    setAlFlags(core, 0);
    return 0;
  },
};
