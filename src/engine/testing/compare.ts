import type { Decoded, Undecodable } from "../x86/decoder.ts";
import { CS } from "../x86/state.ts";
import { allowanceFor, type Context } from "./allowances.ts";
import { AT, type Case, ENDLESS, NO_EXCEPTION } from "./case.ts";
import { CODE_64, MEMORY_BYTES } from "./layout.ts";
import { undefinedFlags } from "./undefined.ts";

const GENERAL = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"];
for (let k = 8; k < 16; k++) GENERAL.push(`r${k}`);
const SEGMENTS = ["es", "cs", "ss", "ds", "fs", "gs"];

/** A part of the state in which the engine's answer is not silicon's. */
export interface Difference {
  readonly field: string;
  /** Place in the record; -1 for what is no field by itself. */
  readonly at: number;
  readonly bytes: number;
  readonly text: string;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).reverse().toString("hex");
}

function equal(a: Uint8Array, b: Uint8Array, at: number, bytes: number): boolean {
  for (let k = at; k < at + bytes; k++) if (a[k] !== b[k]) return false;
  return true;
}

/** What differs between the engine's answer to a case and silicon's, but for what the manual allows. */
export function differences(
  before: Case,
  engine: Case,
  silicon: Case,
  decoded: Decoded | Undecodable,
  /** Told the names of the allowances that were needed. */
  allowed?: (name: string) => void,
): readonly Difference[] {
  const found = allDifferences(before, engine, silicon, decoded);
  if (found.length === 0 || decoded.row === undefined) return found;
  const context: Context = { before, engine, silicon, decoded };
  return found.filter((difference) => {
    const name = allowanceFor(difference, context);
    if (name !== undefined) allowed?.(name);
    return name === undefined;
  });
}

/** Of the x87 status word: an unmasked exception is pending. */
const ES = 0x80;

const NONE: readonly Difference[] = [];

function allDifferences(
  before: Case,
  engine: Case,
  silicon: Case,
  decoded: Decoded | Undecodable,
): readonly Difference[] {
  let found: Difference[] | undefined;
  const add = (field: string, at: number, bytes: number, text: string): void => {
    found ??= [];
    found.push({ field, at, bytes, text: `${field} ${text}` });
  };
  const number = (field: string, a: number, b: number): void => {
    if (a !== b) add(field, -1, 0, `${a.toString(16)}, silicon ${b.toString(16)}`);
  };
  const bytes = (field: string, at: number, count: number): void => {
    if (equal(engine.u8, silicon.u8, at, count)) return;
    const [a, b] = [engine, silicon].map(({ u8 }) => hex(u8.subarray(at, at + count)));
    add(field, at, count, `${a}, silicon ${b}`);
  };
  if (engine.vector !== silicon.vector) {
    number("vector", engine.vector | 0, silicon.vector | 0);
    return found ?? NONE;
  }
  if (engine.vector === ENDLESS) return NONE;
  // The kernel says "present" of every address of its own half.
  const kernels = (silicon.u8[AT.cr2 + 7] as number) >= 0x80 ? 1 : 0;
  number("error", engine.error | kernels, silicon.error | kernels);
  bytes("cr2", AT.cr2, 8);
  bytes("rip", AT.rip, 8);
  const completed =
    engine.vector === NO_EXCEPTION || engine.u64[AT.rip >> 3] !== before.u64[AT.rip >> 3];
  const flags = completed && decoded.row !== undefined ? undefinedFlags(decoded, before) : 0;
  number("flags", engine.rflags & ~flags, silicon.rflags & ~flags);
  // The upper halves of registers do not survive in code of less than 64 bits (SDM vol. 1, 3.4.1.1).
  const wide = before.bits === 64 && silicon.selector(CS) === CODE_64;
  for (let k = 0; k < (wide ? 16 : 8); k++)
    bytes(GENERAL[k] as string, AT.general + 8 * k, wide ? 8 : 4);
  for (let k = 0; k < 6; k++)
    number(SEGMENTS[k] as string, selector(engine, k), selector(silicon, k));
  if (wide) {
    bytes("fs base", AT.fsBase, 8);
    bytes("gs base", AT.gsBase, 8);
  }
  number("fcw", engine.fcw, silicon.fcw);
  number("fsw", engine.fsw, silicon.fsw);
  number("tags", engine.tags, silicon.tags);
  // AMD's processors record these only while an unmasked exception is pending (APM vol. 5, FXSAVE).
  if (silicon.fsw & ES) {
    bytes("fop", AT.image + 6, 2);
    bytes("fip", AT.image + 8, 8);
    bytes("fdp", AT.image + 16, 8);
  }
  number("mxcsr", engine.mxcsr, silicon.mxcsr);
  for (let k = 0; k < 8; k++) bytes(`st${k}`, AT.st + 16 * k, 10);
  const registers = wide ? 16 : 8;
  for (let k = 0; k < registers; k++) bytes(`xmm${k}`, AT.xmm + 16 * k, 16);
  for (let k = 0; k < registers; k++) bytes(`ymm${k}`, AT.ymmHigh + 16 * k, 16);
  for (let k = AT.memory; k < AT.memory + MEMORY_BYTES; k += 8) {
    if (engine.u64[k >> 3] === silicon.u64[k >> 3]) continue;
    for (let at = k; at < k + 8; at += 2) bytes("memory", at, 2);
  }
  number("outside", engine.outside, silicon.outside);
  return found ?? NONE;
}

/** Returning to user mode, the kernel's IRET makes 0 of every null selector in a data segment. */
function selector(record: Case, index: number): number {
  const value = record.selector(index);
  return index !== 1 && index !== 2 && value < 4 ? 0 : value;
}
