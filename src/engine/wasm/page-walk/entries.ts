import { WRITE } from "../../vcpu.ts";
import type { Assembler } from "../assembler.ts";
import { isCode } from "../tlb-code.ts";
import { locate } from "./regions.ts";
import {
  ACCESSED,
  COMMON,
  ENTRY,
  FRAME,
  giveUp,
  HOST,
  LARGE,
  LINEAR,
  OWNER,
  PHYSICAL,
  PRESENT,
  RIGHTS,
  TABLE,
  UNMARKED,
  type Walk,
} from "./walk.ts";

/** Push an entry's distance from the beginning of its table, i64. */
export function entryOffset(code: Assembler, bytes: 4 | 8, shift: number, indexBits: number): void {
  const log = bytes === 8 ? 3 : 2;
  code
    .get(LINEAR)
    .i64(BigInt(shift - log))
    .op("i64.shr_u");
  code.i64(BigInt(((1 << indexBits) - 1) << log)).op("i64.and");
}

/** Sets HOST to where the entry of the linear address in TABLE is. */
export function findEntry(walk: Walk, bytes: 4 | 8, shift: number, indexBits: number): void {
  const { code } = walk;
  entryOffset(code, bytes, shift, indexBits);
  code.get(TABLE).op("i64.add").set(PHYSICAL);
  locate(walk);
  code.get(RIGHTS).set(OWNER);
}

/** Reads the entry at HOST, which must be present. */
export function readEntry(code: Assembler, load: "i64" | "i64.32u"): void {
  code.get(HOST).load(load).tee(ENTRY);
  code
    .op("i32.wrap_i64")
    .i32(PRESENT)
    .op("i32.and")
    .op("i32.eqz")
    .if(() => giveUp(code));
}

/** The entry has no such bits. @param push pushes them */
export function checkReserved(code: Assembler, push: () => void): void {
  code.get(ENTRY);
  push();
  code
    .op("i64.and")
    .op("i64.eqz")
    .op("i32.eqz")
    .if(() => giveUp(code));
}

export function ifLarge(code: Assembler, then: () => void): void {
  code.get(ENTRY).op("i32.wrap_i64").i32(LARGE).op("i32.and").if(then);
}

/** Gives up unless the entry at `host` may be marked without anybody knowing. */
export function checkMarkable({ code, ramOffset }: Walk, host: number): void {
  code.get(OWNER).i32(WRITE).op("i32.and").op("i32.eqz");
  isCode(code, host, ramOffset)
    .op("i32.or")
    .if(() => giveUp(code));
}

/** The entry is that of an upper level: TABLE becomes the next. */
export function descend(walk: Walk, upper: number): void {
  const { code } = walk;
  code.get(ENTRY).get(COMMON).op("i64.and").set(COMMON);
  code.get(ENTRY).op("i32.wrap_i64").i32(ACCESSED).op("i32.and").op("i32.eqz");
  code.if(() => {
    checkMarkable(walk, HOST);
    code.i32(1).set(UNMARKED);
  });
  code.get(HOST).set(upper);
  code.get(ENTRY).i64(FRAME).op("i64.and").set(TABLE);
}
