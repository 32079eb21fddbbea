import { SLOW_UPDATE, SLOW_WRITE } from "../x86/access.ts";
import {
  ADDRESS,
  BUDGET,
  CODE_MAP,
  JUMP_CACHE,
  JUMP_CACHE_ENTRIES,
  Leave,
  MODE,
  RECORD,
  RIP,
  TLB,
  TLB_ADDEND,
  TLB_ENTRIES,
  TLB_WRITE_TAG,
  VALUE,
} from "../x86/state.ts";
import { QUICK_FUNCTIONS } from "../x87/quick/index.ts";
import { Bytes } from "./bytes.ts";
import { FunctionEmitter, signatureOf } from "./function-emitter.ts";
import { ModuleBuilder, type Signature } from "./module-builder.ts";
import { stringRuns } from "./string-runs.ts";

/** A template: (vCPU base, record address) -> reason to leave. */
export const TEMPLATE: Signature = { parameters: ["i32", "i32"], results: ["i32"] };
/** Enters the block at RIP: (vCPU base) -> reason to leave. */
export const JUMP: Signature = { parameters: ["i32"], results: ["i32"] };

/** A slow access: (vCPU base, record address, kind) -> 0 or the reason to leave. */
export const SLOW_ACCESS: Signature = { parameters: ["i32", "i32", "i32"], results: ["i32"] };
/** As a slow access, but only makes the TLB grant it: (vCPU base, kind, linear address) -> 1, or 0 if it cannot. */
export const FILL_TLB: Signature = { parameters: ["i32", "i32", "i64"], results: ["i32"] };
/** The rest of it in TypeScript: (vCPU base, kind); the address is in ADDRESS. */
const FILL_TLB_IN_TYPESCRIPT: Signature = { parameters: ["i32", "i32"], results: ["i32"] };
/** Functions that compiled regions call. */
export const REGION_IMPORTS: Readonly<Record<string, Signature>> = {
  header: TEMPLATE,
  jump: JUMP,
  fill_tlb: FILL_TLB,
};
/** Table slots of the base module's own templates. */
export const HEADER_SLOT = 0;
export const STALE_SLOT = 1;
/** A record of this slot goes on at RIP through the jump cache. */
export const INDIRECT_SLOT = 2;
export const FIRST_FREE_SLOT = 3;

/** Record of a block's header: template slot, number of instructions, entries until it is hot. */
export const HEADER_BYTES = 12;
export const HEADER_COUNTDOWN = 8;

const I32_LOAD = 0x28;
const I64_LOAD = 0x29;
const I32_STORE = 0x36;
const I64_STORE = 0x37;

const load = (code: Bytes, opcode: number, offset: number): Bytes =>
  code.byte(opcode, 0).u32(offset);
const get = (code: Bytes, local: number): Bytes => code.byte(0x20).u32(local);
const constant = (code: Bytes, value: number): Bytes => code.byte(0x41).s32(value);

/** Load and store instructions by size in bytes. */
const MOVES: readonly (readonly [number, readonly number[], readonly number[]])[] = [
  [1, [0x2d], [0x3a]],
  [2, [0x2f], [0x3b]],
  [4, [0x28], [0x36]],
  [8, [0x29], [0x37]],
  [16, [0xfd, 0x00], [0xfd, 0x0b]],
];

/** Locals for {@link besideCode}: linear and host address, and one for between. */
interface Scratch {
  readonly linear: number;
  readonly host: number;
  readonly entry: number;
}

const SCRATCH_TYPES = ["i64", "i32", "i32"] as const;

function scratchFrom(first: number): Scratch {
  return { linear: first, entry: first + 1, host: first + 2 };
}

const sizeOf = (code: Bytes, kind: number): Bytes => constant(get(code, kind), 0xff).byte(0x71);

/**
 * Pages that hold code as well as data have bit 0 set in their TLB write tag,
 * which no inline look-up matches. Emits `then` for a write to such a page
 * that hits no decoded granule; its address is in `host`.
 */
function besideCode(
  code: Bytes,
  kind: number,
  { linear, host, entry }: Scratch,
  ramOffset: number,
  then: () => void,
): void {
  /** Push the code map's bit for the byte at host + (what `more` adds). */
  const granuleBit = (more: () => void): void => {
    get(code, host);
    more();
    constant(code, ramOffset).byte(0x6b).byte(0x22).u32(entry);
    constant(code, 9).byte(0x76); // a byte of the map for 512 bytes
    load(code, 0x2d, CODE_MAP);
    constant(get(code, entry), 6).byte(0x76);
    constant(code, 7).byte(0x71, 0x76);
    constant(code, 1).byte(0x71);
  };
  constant(get(code, kind), SLOW_WRITE | SLOW_UPDATE).byte(0x71, 0x04, 0x40);
  load(get(code, 0), I64_LOAD, ADDRESS).byte(0x21).u32(linear);
  load(get(code, 0), I32_LOAD, TLB);
  get(code, linear).byte(0x42).s64(7n).byte(0x88, 0xa7);
  constant(code, (TLB_ENTRIES - 1) << 5)
    .byte(0x71, 0x6a, 0x22)
    .u32(entry);
  load(code, I64_LOAD, TLB_WRITE_TAG);
  get(code, linear);
  sizeOf(code, kind).byte(0xac, 0x7c).byte(0x42).s64(1n).byte(0x7d); // linear + size - 1
  code.byte(0x42).s64(-4096n).byte(0x83).byte(0x42).s64(1n).byte(0x84, 0x51, 0x04, 0x40);
  get(code, linear).byte(0xa7);
  load(get(code, entry), I32_LOAD, TLB_ADDEND).byte(0x6a, 0x21).u32(host);
  granuleBit(() => {});
  granuleBit(() => constant(sizeOf(code, kind).byte(0x6a), 1).byte(0x6b));
  code.byte(0x72, 0x45, 0x04, 0x40);
  then();
  code.byte(0x0b, 0x0b, 0x0b);
}

/** Body of `slow_access`: what does not hit code beside it is done here; all else in TypeScript. */
function slowAccess(moderate: number, ramOffset: number): Bytes {
  const code = new Bytes();
  const kind = 2;
  const scratch = scratchFrom(3);
  besideCode(code, kind, scratch, ramOffset, () => {
    for (const [bytes, loadCode, storeCode] of MOVES) {
      constant(sizeOf(code, kind), bytes).byte(0x46, 0x04, 0x40);
      constant(get(code, kind), SLOW_WRITE).byte(0x71, 0x04, 0x40);
      get(get(code, scratch.host), 0)
        .byte(...loadCode, 0)
        .u32(VALUE);
      code.byte(...storeCode, 0, 0).byte(0x05);
      get(get(code, 0), scratch.host).byte(...loadCode, 0, 0);
      code
        .byte(...storeCode, 0)
        .u32(VALUE)
        .byte(0x0b);
      constant(code, Leave.none).byte(0x0f, 0x0b);
    }
  });
  return get(get(get(code, 0), 1), kind)
    .byte(0x12)
    .u32(moderate);
}

/** Body of `fill_tlb`: 1 if the TLB entry of the access may be used now. */
function fillTlb(fill: number, ramOffset: number): Bytes {
  const code = new Bytes();
  load(get(get(code, 0), 2), I64_STORE, ADDRESS);
  besideCode(code, 1, scratchFrom(3), ramOffset, () => constant(code, 1).byte(0x0f));
  return get(get(code, 0), 1).byte(0x12).u32(fill);
}

/**
 * The part of tier 0 that every block needs: the header that counts the
 * budget, what an outdated block's header becomes, and the look-up of RIP
 * in the jump cache.
 */
export function buildBaseModule(
  memoryPages: number,
  tableSlots: number,
  ramOffset: number,
): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  const moderate = module.importFunction("access_in_typescript", SLOW_ACCESS);
  const fill = module.importFunction("fill_tlb_in_typescript", FILL_TLB_IN_TYPESCRIPT);
  const template = module.typeIndex(TEMPLATE);

  const header = new Bytes();
  // Entered often enough: let it be compiled.
  get(get(header, 1), 1);
  constant(load(header, I32_LOAD, HEADER_COUNTDOWN), 1)
    .byte(0x6b, 0x22)
    .u32(2);
  load(header, I32_STORE, HEADER_COUNTDOWN);
  get(header, 2).byte(0x45, 0x04, 0x40);
  load(get(get(header, 0), 1), I32_STORE, RECORD);
  constant(header, Leave.hot).byte(0x0f, 0x0b);
  load(get(header, 0), I32_LOAD, BUDGET);
  load(get(header, 1), I32_LOAD, 4).byte(0x6b, 0x22).u32(2);
  constant(header, 0).byte(0x48, 0x04, 0x40);
  load(get(get(header, 0), 1), I32_STORE, RECORD);
  constant(header, Leave.budget).byte(0x0f, 0x0b);
  load(get(get(header, 0), 2), I32_STORE, BUDGET);
  constant(get(get(header, 0), 1), HEADER_BYTES).byte(0x6a);
  load(get(header, 1), I32_LOAD, HEADER_BYTES).byte(0x13).u32(template).byte(0x00);
  const headerFunction = module.addFunction(TEMPLATE, ["i32"], header);

  const stale = constant(new Bytes(), Leave.lookup);
  const staleFunction = module.addFunction(TEMPLATE, [], stale);

  const jump = new Bytes();
  // entry = cpu + ((rip ^ rip >> 12) & mask) * 16
  load(get(jump, 0), I64_LOAD, RIP).byte(0x22).u32(1);
  jump.byte(0xa7).byte(0x22).u32(2);
  constant(get(jump, 2), 12).byte(0x76, 0x73);
  constant(jump, JUMP_CACHE_ENTRIES - 1).byte(0x71);
  constant(jump, 4).byte(0x74);
  get(jump, 0).byte(0x6a).byte(0x21).u32(2);
  load(get(jump, 2), I64_LOAD, JUMP_CACHE);
  get(jump, 1).byte(0x51, 0x04, 0x40);
  load(get(jump, 2), I32_LOAD, JUMP_CACHE + 8);
  load(get(jump, 0), I32_LOAD, MODE).byte(0x46, 0x04, 0x40);
  get(jump, 0);
  load(get(jump, 2), I32_LOAD, JUMP_CACHE + 12)
    .byte(0x22)
    .u32(3);
  load(get(jump, 3), I32_LOAD, 0).byte(0x13).u32(template).byte(0x00, 0x0b, 0x0b);
  constant(jump, Leave.lookup);
  const jumpFunction = module.addFunction(JUMP, ["i64", "i32", "i32"], jump);

  const indirect = get(new Bytes(), 0).byte(0x12).u32(jumpFunction);
  const indirectFunction = module.addFunction(TEMPLATE, [], indirect);

  module.exportFunction(
    "slow_access",
    module.addFunction(SLOW_ACCESS, SCRATCH_TYPES, slowAccess(moderate, ramOffset)),
  );
  module.exportFunction(
    "fill_tlb",
    module.addFunction(FILL_TLB, SCRATCH_TYPES, fillTlb(fill, ramOffset)),
  );

  for (const { name, locals, code } of stringRuns())
    module.exportFunction(name, module.addFunction(TEMPLATE, locals, code));

  for (const f of QUICK_FUNCTIONS) {
    const { locals, code } = new FunctionEmitter(f);
    module.exportFunction(f.name, module.addFunction(signatureOf(f), locals, code));
  }

  const enter = new Bytes();
  get(get(enter, 0), 1);
  load(get(enter, 1), I32_LOAD, 0).byte(0x11).u32(template).byte(0x00);
  module.exportFunction("enter_record", module.addFunction(TEMPLATE, [], enter));
  module.exportFunction("jump", jumpFunction);
  module.exportFunction("header", headerFunction);
  module.tableEntries(HEADER_SLOT, [headerFunction, staleFunction, indirectFunction]);
  return module.build(memoryPages, tableSlots);
}
