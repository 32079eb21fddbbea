import { GuestMemory } from "../guest-memory.ts";
import type { Value } from "../micro/micro-op.ts";
import { deliverQuickly } from "../x86/interrupt-quick.ts";
import { invalidateQuickly } from "../x86/invalidate-quick.ts";
import { BUDGET, JUMP_CACHE, JUMP_CACHE_ENTRIES, Leave, MODE, RECORD, RIP } from "../x86/state.ts";
import { QUICK_FUNCTIONS } from "../x87/quick/index.ts";
import { StateStack } from "../x87/quick/stack.ts";
import { Bytes } from "./bytes.ts";
import {
  DEVICE_ACCESS,
  FILL_TLB,
  FILL_TLB_IN_TYPESCRIPT,
  fillSystemTlb,
  fillTlb,
  PORT_IN,
  PORT_OUT,
  SLOW_ACCESS,
  slowAccess,
} from "./data-access.ts";
import { GO_ON, GO_ON_LOCALS, goOn } from "./exceptions.ts";
import { FunctionEmitter, type MicroFunction, signatureOf } from "./function-emitter.ts";
import { ModuleBuilder, type Signature } from "./module-builder.ts";
import { PAGE_WALK, pageWalk } from "./page-walk/index.ts";
import { FIND_REGION, FIND_REGION_LOCALS, findRegion } from "./page-walk/regions.ts";
import { PAGE_WALK_LOCALS } from "./page-walk/walk.ts";

/** A template: (vCPU base, record address) -> reason to leave. */
export const TEMPLATE: Signature = { parameters: ["i32", "i32"], results: ["i32"] };
/** Enters the block at RIP, or the same in tier 0: (vCPU base) -> reason to leave. */
export const JUMP: Signature = { parameters: ["i32"], results: ["i32"] };

/** Delivers an interrupt or exception: (vCPU, record, vector, error code or -1, cause) -> whether it did. */
export const DELIVERY: MicroFunction = {
  name: "deliver_quickly",
  parameters: ["i32", "i32", "i32"],
  build: (l, ...parameters) => deliverQuickly(l, ...(parameters as [Value, Value, Value])),
};

/** INVLPG: (vCPU, record, linear address) -> whether it did. */
const INVALIDATION: MicroFunction = {
  name: "invalidate_quickly",
  parameters: ["i64"],
  build: (l, linear) => invalidateQuickly(l, linear as Value),
};

/** Functions that templates call, written in micro-operations. */
export const MICRO_FUNCTIONS: readonly MicroFunction[] = [
  ...[...QUICK_FUNCTIONS.values()].map(
    (quick): MicroFunction => ({
      ...quick,
      build: (l, ...parameters) => quick.build(new StateStack(l), ...parameters),
    }),
  ),
  DELIVERY,
  INVALIDATION,
];

/** Functions that compiled regions call. */
export const REGION_IMPORTS: Readonly<Record<string, Signature>> = {
  header: TEMPLATE,
  jump: JUMP,
  resume: JUMP,
  fill_tlb: FILL_TLB,
  slow_access: SLOW_ACCESS,
  device_access: DEVICE_ACCESS,
  port_in: PORT_IN,
  port_out: PORT_OUT,
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

/** Of WebAssembly's memory. */
const PAGE_BYTES = 65536;

const I32_LOAD = 0x28;
const I64_LOAD = 0x29;
const I32_STORE = 0x36;

const load = (code: Bytes, opcode: number, offset: number): Bytes =>
  code.byte(opcode, 0).u32(offset);
const get = (code: Bytes, local: number): Bytes => code.byte(0x20).u32(local);
const constant = (code: Bytes, value: number): Bytes => code.byte(0x41).s32(value);

/**
 * The part of tier 0 that every block needs: the header that counts the
 * budget, what an outdated block's header becomes, and the look-up of RIP
 * in the jump cache. The same for machines of any size.
 */
export function buildBaseModule(): Uint8Array<ArrayBuffer> {
  const ramOffset = GuestMemory.ENGINE_BYTES;
  const module = new ModuleBuilder();
  const moderate = module.importFunction("access_in_typescript", SLOW_ACCESS);
  const device = module.importFunction("device_access", DEVICE_ACCESS);
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

  /** Enter the block at RIP by the jump cache; `enter` has its record in local 3. */
  const throughJumpCache = (enter: (code: Bytes) => void): number => {
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
    enter(jump);
    jump.byte(0x0b, 0x0b);
    constant(jump, Leave.lookup);
    return module.addFunction(JUMP, ["i64", "i32", "i32"], jump);
  };
  const jumpFunction = throughJumpCache((code) => {
    load(get(code, 3), I32_LOAD, 0).byte(0x13).u32(template).byte(0x00);
  });
  // In tier 0, whether the block is compiled or not.
  const resumeFunction = throughJumpCache((code) => {
    code.byte(0x12).u32(headerFunction);
  });

  const indirect = get(new Bytes(), 0).byte(0x12).u32(jumpFunction);
  const indirectFunction = module.addFunction(TEMPLATE, [], indirect);

  const find = module.addFunction(FIND_REGION, FIND_REGION_LOCALS, findRegion());
  const walk = module.addFunction(PAGE_WALK, PAGE_WALK_LOCALS, pageWalk(find, find + 1, ramOffset));
  module.exportFunction("page_walk", walk);
  const slow = slowAccess({ pageWalk: walk, typescript: moderate }, device, ramOffset);
  module.exportFunction("slow_access", module.addFunction(SLOW_ACCESS, slow.locals, slow.code));
  const filling = fillTlb({ pageWalk: walk, typescript: fill }, ramOffset);
  const fillIndex = module.addFunction(FILL_TLB, filling.locals, filling.code);
  module.exportFunction("fill_tlb", fillIndex);
  const fillSystem = module.addFunction(FILL_TLB, [], fillSystemTlb(fillIndex));

  const functions = new Map<MicroFunction, number>();
  for (const f of MICRO_FUNCTIONS) {
    const { locals, code } = new FunctionEmitter(f, fillSystem);
    const index = module.addFunction(signatureOf(f), locals, code);
    functions.set(f, index);
    module.exportFunction(f.name, index);
  }

  const enter = get(get(new Bytes(), 0), 1);
  load(get(enter, 1), I32_LOAD, 0).byte(0x13).u32(template).byte(0x00);
  const enterFunction = module.addFunction(TEMPLATE, [], enter);
  module.exportFunction("jump", jumpFunction);
  module.exportFunction("header", headerFunction);
  module.exportFunction("resume", resumeFunction);

  const going = module.addFunction(
    GO_ON,
    GO_ON_LOCALS,
    goOn(functions.get(DELIVERY) as number, jumpFunction),
  );
  module.exportFunction("run_single", enterFunction);
  for (const [name, signature, func] of [
    ["run_record", TEMPLATE, enterFunction],
    ["run_header", TEMPLATE, headerFunction],
    ["run", JUMP, jumpFunction],
  ] as const) {
    const run = get(new Bytes(), 0);
    for (const [parameter] of signature.parameters.entries()) get(run, parameter);
    run.byte(0x10).u32(func).byte(0x12).u32(going);
    module.exportFunction(name, module.addFunction(signature, [], run));
  }
  module.tableEntries(HEADER_SLOT, [headerFunction, staleFunction, indirectFunction]);
  return module.build(ramOffset / PAGE_BYTES, 1, 2 ** 32 / PAGE_BYTES);
}
