import {
  GPR,
  READ_WINDOW,
  TLB,
  TLB_ADDEND,
  TLB_READ_TAG,
  TLB_SET,
  TLB_WRITE_TAG,
  WINDOW_BASE,
  WINDOW_BYTES,
  WINDOW_COUNT,
  WINDOW_HOST,
  WINDOW_REACH,
  WINDOW_SET_BYTES,
  WINDOWS,
} from "../x86/state.ts";
import { compares, hasSource, type StringRunKind } from "../x86/string-progress.ts";
import { WIDEST_ACCESS } from "../x86/windows.ts";
import type { Assembler } from "./assembler.ts";
import type { ValueType } from "./module-builder.ts";
import { tlbEntry } from "./tlb-code.ts";

/**
 * What functions for repeated string instructions share: their locals, and how they find the strings.
 */
export const CPU = 0;
/** Linear addresses, the first one also what is stored or searched; elements left in RCX. */
export const [FROM, TO, COUNT] = [2, 3, 4];
export const ACCUMULATOR = FROM;
/** The accumulator's element, as often as 8 bytes hold it. */
export const PATTERN = 5;
/** Elements that may be done; of them, those that lie where the strings were found. */
export const [LEFT, RUN] = [6, 7];
/** Bytes from the start of a window; elements to its end, or the end of a page. */
const [DEPTH, ROOM] = [8, 9];
/** The TLB entry at hand; where the windows of the TLB set in use are, and that which is looked at, 0: none. */
export const [ENTRY, FIRST_WINDOW, WINDOW] = [10, 11, 12];
/** Bytes in linear memory of the run, the lowest ones, and their number. */
export const [SOURCE, TARGET, SIZE] = [13, 14, 15];
/** Bytes of the run that are compared; from the source to the target. */
export const AT = 16;
export const DISTANCE = AT;
export const MORE = 17;
export const WIDE = 18;
/** Behind those up to COUNT. */
export const STRING_LOCALS: readonly ValueType[] = [
  ...(["i64", "i64", "i64", "i64", "i64"] as const),
  ...(["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"] as const),
  "v128",
];

export const RAX = GPR;
export const RCX = GPR + 8;
const RSI = GPR + 48;
const RDI = GPR + 56;

/** A string: locals with its linear address and its byte in linear memory, what is done there, and its register. */
export interface Side {
  readonly linear: number;
  readonly host: number;
  readonly tag: typeof TLB_READ_TAG | typeof TLB_WRITE_TAG;
  readonly register: number;
}

export function sidesOf(kind: StringRunKind): readonly Side[] {
  const source = { linear: FROM, host: SOURCE, tag: TLB_READ_TAG, register: RSI } as const;
  const tag = compares(kind) ? TLB_READ_TAG : TLB_WRITE_TAG;
  const target = { linear: TO, host: TARGET, tag, register: RDI } as const;
  return hasSource(kind) ? [source, target] : [target];
}

/** Consumes a condition: if it holds the next element is not for here. @param depth blocks that were opened since */
export type GiveUp = (depth: number) => void;

/** Find the windows of the TLB set in use. */
export function findWindows(code: Assembler): void {
  code.get(CPU).get(CPU).load("i32", TLB_SET).i32(WINDOW_SET_BYTES).op("i32.mul");
  code.op("i32.add").set(FIRST_WINDOW);
}

/** Push whether an address is in WINDOW; sets DEPTH. */
function isInWindow(code: Assembler, linear: number): Assembler {
  code
    .get(linear)
    .get(WINDOW)
    .load("i64", WINDOWS + WINDOW_BASE)
    .op("i64.sub")
    .tee(DEPTH);
  return code
    .get(WINDOW)
    .load("i64", WINDOWS + WINDOW_REACH)
    .op("i64.lt_u");
}

/**
 * Where a string is in linear memory: by one of the windows, or by the TLB. Lessens RUN to what lies
 * wholly there.
 *
 * @param down the string goes on below the element that it begins with
 * @param missed at depth 2, the TLB does not know the page; sets ENTRY, or leaves
 */
export function locate(
  code: Assembler,
  { linear, host, tag }: Side,
  shift: number,
  down: boolean,
  giveUp: GiveUp,
  missed: () => void,
): void {
  const windows = tag === TLB_WRITE_TAG ? READ_WINDOW : WINDOW_COUNT;
  const size = BigInt(1 << shift);
  code.get(FIRST_WINDOW).set(WINDOW);
  code.loop(() => {
    isInWindow(code, linear).op("i32.eqz");
    code.if(() => {
      code.get(WINDOW).i32(WINDOW_BYTES).op("i32.add").tee(WINDOW);
      code
        .get(FIRST_WINDOW)
        .i32(windows * WINDOW_BYTES)
        .op("i32.add");
      code.op("i32.ne").branchIf(1);
      code.i32(0).set(WINDOW);
    });
  });
  code.get(WINDOW);
  code.if(
    () => {
      if (down) code.get(DEPTH).i64(size).op("i64.add");
      else {
        code
          .get(WINDOW)
          .load("i64", WINDOWS + WINDOW_REACH)
          .get(DEPTH)
          .op("i64.sub");
        code.i64(BigInt(WIDEST_ACCESS - 1)).op("i64.add");
      }
      limitRun(code, shift);
      code.get(DEPTH).op("i32.wrap_i64");
      code
        .get(WINDOW)
        .load("i32", WINDOWS + WINDOW_HOST)
        .op("i32.add")
        .set(host);
    },
    () => {
      code.get(linear).i64(4095n).op("i64.and").set(DEPTH);
      if (down) {
        // one that crosses into the next page is on two
        code.get(DEPTH).i64(size).op("i64.add").i64(0n);
        code
          .get(DEPTH)
          .i64(4096n - size)
          .op("i64.le_u")
          .select();
      } else code.i64(4096n).get(DEPTH).op("i64.sub");
      limitRun(code, shift);
      code.get(RUN).op("i64.eqz");
      giveUp(1);
      tlbEntry(code, linear).get(CPU).load("i32", TLB).op("i32.add").tee(ENTRY);
      code.load("i64", tag).get(linear).i64(-4096n).op("i64.and").op("i64.ne");
      code.if(missed);
      code.get(linear).op("i32.wrap_i64").get(ENTRY).load("i32", TLB_ADDEND);
      code.op("i32.add").set(host);
    },
  );
}

/** Lessens RUN to the elements in a number of bytes on the stack. */
function limitRun(code: Assembler, shift: number): void {
  code.i64(BigInt(shift)).op("i64.shr_u").tee(ROOM).get(RUN).op("i64.lt_u");
  code.if(() => code.get(ROOM).set(RUN));
}

/** From the first elements of strings that go down to the lowest bytes of the run. */
export function toLowest(code: Assembler, sides: readonly Side[], shift: number): void {
  for (const { host } of sides) {
    code.get(host).get(RUN).op("i32.wrap_i64").i32(1).op("i32.sub");
    code.i32(shift).op("i32.shl").op("i32.sub").set(host);
  }
}

/** Sets SIZE to RUN in bytes. */
export function sizeOfRun(code: Assembler, shift: number): void {
  code.get(RUN).op("i32.wrap_i64").i32(shift).op("i32.shl").set(SIZE);
}

const REPEATED = ["0x0101010101010101", "0x0001000100010001", "0x0000000100000001", "1"].map(
  BigInt,
) as readonly bigint[];

/** The low bits that an element has. */
export const elementMask = (shift: number): bigint => (1n << BigInt(8 << shift)) - 1n;

/** Sets PATTERN from an accumulator on the stack. */
export function repeatElement(code: Assembler, shift: number): void {
  code.i64(elementMask(shift)).op("i64.and");
  code
    .i64(REPEATED[shift] as bigint)
    .op("i64.mul")
    .set(PATTERN);
}
