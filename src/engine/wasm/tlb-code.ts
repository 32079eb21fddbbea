import { CODE_MAP, TLB_ENTRIES } from "../x86/state.ts";
import type { Assembler } from "./assembler.ts";

/** Push where in a TLB set the entry of a linear address, a local, is. */
export function tlbEntry(code: Assembler, linear: number): Assembler {
  code.get(linear).i64(7n).op("i64.shr_u").op("i32.wrap_i64"); // a page's 4096 bytes for an entry's 32
  return code.i32((TLB_ENTRIES - 1) << 5).op("i32.and");
}

/** Push whether code was decoded from the 64 bytes around a byte in linear memory, a local. */
export function isCode(code: Assembler, host: number, ramOffset: number): Assembler {
  // a byte of the map for 512 bytes
  code.get(host).i32(ramOffset).op("i32.sub").i32(9).op("i32.shr_u").load("i32.8u", CODE_MAP);
  code.get(host).i32(6).op("i32.shr_u").i32(7).op("i32.and").op("i32.shr_u");
  return code.i32(1).op("i32.and");
}
