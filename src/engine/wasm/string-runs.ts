import { EFLAGS_DF } from "../x86/control-bits.ts";
import { EFLAGS, GPR, TLB, TLB_ADDEND, TLB_READ_TAG, TLB_WRITE_TAG } from "../x86/state.ts";
import {
  STRING_ELEMENTS,
  STRING_PROGRESS,
  STRING_RUN_KINDS,
  type StringRunKind,
  stringRunName,
} from "../x86/string-progress.ts";
import { Assembler } from "./assembler.ts";
import type { ValueType } from "./module-builder.ts";
import { PAGE_FAULT } from "./page-walk/walk.ts";
import { tlbEntry } from "./tlb-code.ts";

/**
 * Repeated string instructions in 64-bit mode, as far as pages are found in WebAssembly: upwards,
 * in pages of RAM. What else there is to do is done in TypeScript
 * (x86/helpers/string.ts), in turns with what is done here: an element on a page that has to be looked
 * at, or on two pages, and the last one of a comparison, which decides the flags.
 *
 * Each function is (vCPU base, record) -> 1: the instruction is over, 0: the next element is not
 * for here, or the execution has done its share.
 */
export interface StringRun {
  readonly name: string;
  readonly write: () => { readonly locals: readonly ValueType[]; readonly code: Assembler };
}

/** Index of the page walk, the only function that a run calls. */
const PAGE_WALK_INDEX = 0;

/** One function for each kind and size of element. */
export const stringRuns = (): StringRun[] =>
  STRING_RUN_KINDS.flatMap((kind) =>
    [0, 1, 2, 3].map((shift) => ({
      name: stringRunName(kind, 1 << shift),
      write: () => ({ locals: LOCALS, code: stringRun(kind, shift) }),
    })),
  );

const RAX = GPR;
const RCX = GPR + 8;
const RSI = GPR + 48;
const RDI = GPR + 56;

const CPU = 0;
/** Linear addresses; elements left in RCX. */
const [FROM, TO, COUNT] = [2, 3, 4];
/** The accumulator's element, as often as 8 bytes hold it. */
const PATTERN = 5;
/** Elements left in this execution; of them, those on the present pages. */
const [LEFT, RUN] = [6, 7];
const ENTRY = 8;
/** Bytes in linear memory of the run, and their number. */
const [SOURCE, TARGET, SIZE] = [9, 10, 11];
/** Bytes of the run that are compared; from the source to the target. */
const AT = 12;
const DISTANCE = AT;
/** A comparison came out so that TypeScript has to finish. */
const STOP = 13;
const WIDE = 14;
const LOCALS: readonly ValueType[] = [
  ...(["i64", "i64", "i64", "i64"] as const),
  ...(["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"] as const),
  "v128",
];

/** Bytes in one turn of the fastest loops. */
const WIDEST = 64;
/** From so many bytes on WebAssembly's own instructions are faster than a loop. */
const BULK_BYTES = 64;

function stringRun(kind: StringRunKind, shift: number): Assembler {
  const code = new Assembler();
  const compares = kind !== "movs" && kind !== "stos";
  const reads = kind === "movs" || kind === "cmps-equal";
  /** Of the strings: linear address, byte in linear memory, and what is done there. */
  const sides = [
    ...(reads ? [{ linear: FROM, host: SOURCE, tag: TLB_READ_TAG, register: RSI }] : []),
    { linear: TO, host: TARGET, tag: compares ? TLB_READ_TAG : TLB_WRITE_TAG, register: RDI },
  ];

  code.get(CPU).load("i64", RCX).tee(COUNT).op("i64.eqz");
  if (compares) code.get(CPU).load("i32", STRING_PROGRESS).i32(0).op("i32.lt_s").op("i32.or");
  code.if(() => code.i32(1).return());
  code.get(CPU).load("i32", EFLAGS).i32(EFLAGS_DF).op("i32.and");
  code.if(() => code.i32(0).return());
  // what this execution may still do
  code.i32(STRING_ELEMENTS).get(CPU).load("i32", STRING_PROGRESS).op("i32.sub").set(LEFT);
  code.get(COUNT).get(LEFT).op("i64.extend_i32_u").op("i64.lt_u");
  code.if(() => code.get(COUNT).op("i32.wrap_i64").set(LEFT));
  if (compares) {
    code.get(LEFT).op("i32.eqz");
    code.if(() => code.i32(0).return());
    code.get(LEFT).i32(1).op("i32.sub").set(LEFT);
  }
  for (const { linear, register } of sides) code.get(CPU).load("i64", register).set(linear);
  if (kind === "stos" || kind.startsWith("scas")) pattern(code, shift);

  code.block(() =>
    code.loop(() => {
      code.get(LEFT).set(RUN);
      for (const { linear } of sides) fitIntoPage(code, linear, shift);
      code.get(RUN).op("i32.eqz").branchIf(1);
      for (const { linear, host, tag } of sides) lookUp(code, linear, host, tag);
      code.get(RUN).i32(shift).op("i32.shl").set(SIZE);
      if (kind === "movs") copy(code, shift);
      else if (kind === "stos") fill(code);
      else if (kind === "cmps-equal") comparePair(code);
      else compareWithPattern(code, shift, kind === "scas-equal");
      if (compares) {
        code.get(AT).get(SIZE).op("i32.ne").set(STOP);
        code.get(AT).i32(shift).op("i32.shr_u").set(RUN);
      }
      for (const { linear } of sides) {
        code.get(linear).get(RUN).i32(shift).op("i32.shl").op("i64.extend_i32_u");
        code.op("i64.add").set(linear);
      }
      code.get(LEFT).get(RUN).op("i32.sub").set(LEFT);
      code.get(COUNT).get(RUN).op("i64.extend_i32_u").op("i64.sub").set(COUNT);
      if (compares) code.get(STOP).branchIf(1);
      code.branch(0);
    }),
  );

  code.get(CPU).get(CPU).load("i32", STRING_PROGRESS);
  code.get(CPU).load("i64", RCX).get(COUNT).op("i64.sub").op("i32.wrap_i64").op("i32.add");
  code.store("i32", STRING_PROGRESS);
  for (const { linear, register } of sides) code.get(CPU).get(linear).store("i64", register);
  code.get(CPU).get(COUNT).store("i64", RCX);
  return code.get(COUNT).op("i64.eqz");
}

const REPEATED = ["0x0101010101010101", "0x0001000100010001", "0x0000000100000001", "1"].map(
  BigInt,
) as readonly bigint[];

const mask = (shift: number): bigint => (1n << BigInt(8 << shift)) - 1n;

function pattern(code: Assembler, shift: number): void {
  code.get(CPU).load("i64", RAX);
  code.i64(mask(shift)).op("i64.and");
  code
    .i64(REPEATED[shift] as bigint)
    .op("i64.mul")
    .set(PATTERN);
}

/** Lessens RUN to what lies wholly in the page. */
function fitIntoPage(code: Assembler, linear: number, shift: number): void {
  code.i32(4096).get(linear).op("i32.wrap_i64").i32(4095).op("i32.and").op("i32.sub");
  code.i32(shift).op("i32.shr_u").tee(SIZE).get(RUN).op("i32.lt_u");
  code.if(() => code.get(SIZE).set(RUN));
}

/** The page's place in linear memory; leaves the outer block if the TLB does not know it even after a walk. */
function lookUp(code: Assembler, linear: number, host: number, tag: number): void {
  tlbEntry(code, linear).get(CPU).load("i32", TLB).op("i32.add").tee(ENTRY);
  code.load("i64", tag).get(linear).i64(-4096n).op("i64.and").op("i64.ne");
  code.if(() => {
    code
      .get(CPU)
      .get(linear)
      .i32(tag === TLB_WRITE_TAG ? 1 : 0)
      .call(PAGE_WALK_INDEX);
    code.tee(ENTRY).op("i32.eqz").branchIf(2);
    code.get(ENTRY).i32(PAGE_FAULT).op("i32.and").branchIf(2);
    // bit 0: stores must look for code
    if (tag === TLB_WRITE_TAG) code.get(ENTRY).load("i32", tag).i32(1).op("i32.and").branchIf(2);
  });
  code.get(linear).op("i32.wrap_i64").get(ENTRY).load("i32", TLB_ADDEND).op("i32.add").set(host);
}

/** While SIZE is at least `step`: `body`, then on by `step`. */
function each(code: Assembler, step: number, moving: readonly number[], body: () => void): void {
  code.loop(() => {
    code.get(SIZE).i32(step).op("i32.ge_u");
    code.if(() => {
      body();
      for (const pointer of moving) code.get(pointer).i32(step).op("i32.add").set(pointer);
      code.get(SIZE).i32(step).op("i32.sub").set(SIZE).branch(1);
    });
  });
}

/** A target that begins inside the source repeats what is between: as long as an element fits, in order. */
function copy(code: Assembler, shift: number): void {
  const both = [SOURCE, TARGET];
  code.get(TARGET).get(SOURCE).op("i32.sub").tee(DISTANCE);
  code
    .i32(1 << shift)
    .op("i32.lt_u")
    .branchIf(1);
  code.get(DISTANCE).get(SIZE).op("i32.ge_u");
  code.get(SIZE).i32(BULK_BYTES).op("i32.ge_u").op("i32.and");
  code.if(
    () => code.get(TARGET).get(SOURCE).get(SIZE).memoryCopy(),
    () => {
      code.get(DISTANCE).i32(8).op("i32.ge_u");
      code.if(() =>
        each(code, 8, both, () => code.get(TARGET).get(SOURCE).load("i64").store("i64")),
      );
      each(code, 1, both, () => code.get(TARGET).get(SOURCE).load("i64.8u").store("i64.8"));
    },
  );
}

function fill(code: Assembler): void {
  code.get(PATTERN).get(PATTERN).i64(8n).op("i64.rotr").op("i64.eq");
  code.get(SIZE).i32(BULK_BYTES).op("i32.ge_u").op("i32.and");
  code.if(
    () => code.get(TARGET).get(PATTERN).op("i32.wrap_i64").get(SIZE).memoryFill(),
    () => {
      each(code, WIDEST, [TARGET], () => {
        for (let at = 0; at < WIDEST; at += 16)
          code.get(TARGET).get(PATTERN).op("i64x2.splat").store("v128", at);
      });
      each(code, 8, [TARGET], () => code.get(TARGET).get(PATTERN).store("i64"));
      each(code, 1, [TARGET], () => {
        code.get(TARGET).get(PATTERN).store("i64.8");
        code.get(PATTERN).i64(8n).op("i64.rotr").set(PATTERN);
      });
    },
  );
}

/**
 * Sets AT to the bytes before the first one that stops the comparison, or to SIZE.
 * @param wide pushes a vector of what is equal so far behind AT, or undefined: element by element only
 * @param whileEqual what is not equal stops
 * @param narrow pushes whether the element at AT goes on
 */
function compare(
  code: Assembler,
  wide: ((offset: number) => void) | undefined,
  whileEqual: boolean,
  narrow: () => void,
  bytes: number,
): void {
  const more = (step: number) => {
    code.get(SIZE).get(AT).op("i32.sub").i32(step).op("i32.ge_u");
  };
  code.i32(0).set(AT);
  code.block(() => {
    if (wide !== undefined) {
      // as long as nothing stops; what does is looked for below
      code.loop(() => {
        more(WIDEST);
        code.if(() => {
          wide(0);
          for (let offset = 16; offset < WIDEST; offset += 16) {
            wide(offset);
            code.op(whileEqual ? "v128.and" : "v128.or");
          }
          if (whileEqual) code.op("i8x16.all_true");
          else code.op("v128.any_true").op("i32.eqz");
          code.if(() => {
            code.get(AT).i32(WIDEST).op("i32.add").set(AT).branch(2);
          });
        });
      });
      code.loop(() => {
        more(16);
        code.if(() => {
          wide(0);
          // one bit for each byte that stops
          code.op("i8x16.bitmask");
          if (whileEqual) code.i32(0xffff).op("i32.xor");
          code.tee(STOP);
          code.if(() => {
            code.get(AT).get(STOP).op("i32.ctz").op("i32.add").set(AT).branch(3);
          });
          code.get(AT).i32(16).op("i32.add").set(AT).branch(1);
        });
      });
    }
    code.loop(() => {
      more(bytes);
      code.if(() => {
        narrow();
        code.if(() => {
          code.get(AT).i32(bytes).op("i32.add").set(AT).branch(2);
        });
      });
    });
  });
}

function comparePair(code: Assembler): void {
  const at = (side: number) => code.get(side).get(AT).op("i32.add");
  const wide = (offset: number) => {
    at(SOURCE).load("v128", offset);
    at(TARGET).load("v128", offset);
    code.op("i8x16.eq");
  };
  const narrow = () => {
    at(SOURCE).load("i64.8u");
    at(TARGET).load("i64.8u");
    code.op("i64.eq");
  };
  compare(code, wide, true, narrow, 1);
}

/** Lanes that are compared; WebAssembly has names for those of 8 bytes too, but few scan for such. */
const LANES = ["i8x16", "i16x8", "i32x4"] as const;
const ELEMENTS = ["i64.8u", "i64.16u", "i64.32u", "i64"] as const;

function compareWithPattern(code: Assembler, shift: number, whileEqual: boolean): void {
  const at = () => code.get(TARGET).get(AT).op("i32.add");
  const lanes = LANES[shift];
  const wide = lanes && ((offset: number) => at().load("v128", offset).get(WIDE).op(`${lanes}.eq`));
  const narrow = () => {
    at().load(ELEMENTS[shift] as (typeof ELEMENTS)[number]);
    code
      .get(PATTERN)
      .i64(mask(shift))
      .op("i64.and")
      .op(whileEqual ? "i64.eq" : "i64.ne");
  };
  code.get(PATTERN).op("i64x2.splat").set(WIDE);
  compare(code, wide, whileEqual, narrow, 1 << shift);
}
