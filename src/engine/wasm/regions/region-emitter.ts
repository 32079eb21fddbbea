import { auxOfEffect, type FlagEffect, resultOf } from "../../micro/flags.ts";
import { Lift } from "../../micro/lift.ts";
import type { Load, Store, Value, Variable } from "../../micro/micro-op.ts";
import { SLOW_UPDATE, SLOW_WRITE } from "../../x86/access.ts";
import { JUMP_CACHE_RECORD, JUMP_CACHE_RIP, jumpCacheEntry } from "../../x86/jump-cache.ts";
import {
  ADDRESS,
  BUDGET,
  DATA_WINDOW,
  FLAGS_AUX,
  FLAGS_RESULT,
  GPR,
  Leave,
  MXCSR_FAST,
  READ_WINDOW,
  RECORD,
  RIP,
  STACK_WINDOW,
  STATUS,
  TLB,
  TLB_READ_TAG,
  TLB_SET_BYTES,
  TLB_SETS,
  TLB_WRITE_TAG,
  WINDOW_BASE,
  WINDOW_HOST,
  WINDOW_REACH,
  WINDOW_SET_BYTES,
  WINDOWS,
  X87,
} from "../../x86/state.ts";
import { STATUS_WORD, TAGS } from "../../x87/layout.ts";
import type { Block } from "../blocks.ts";
import {
  BLOCK,
  BYTES,
  CPU,
  ELSE,
  Emitter,
  IF,
  LOAD_CODES,
  LOOP,
  type Operation,
  RECORD_LOCAL,
  STORE_CODES,
} from "../emitter.ts";
import type { ValueType } from "../module-builder.ts";
import { isFlags, isGeneral, isSelector, isVector } from "./bound-instruction.ts";
import { constantOf } from "./fold.ts";
import type { Node } from "./graph.ts";
import { type JumpTable, jumpTable } from "./jump-table.ts";
import { KNOWN_STATUS, statusOf } from "./known-stack.ts";
import { LateFlags } from "./late-flags.ts";
import { lowReplaced, type Scalar, scalarRegisters, vectorOfLow } from "./scalar-registers.ts";
import { wantedValues } from "./wanted.ts";
import { type X87Field, x87Field } from "./x87-fields.ts";

const UNREACHABLE = 0x00;
const BR = 0x0c;
const BR_TABLE = 0x0e;
const RETURN = 0x0f;
const RETURN_CALL = 0x12;
const RETURN_CALL_INDIRECT = 0x13;

const LOW_32 = 0xffff_ffffn;
const I64_AND = 0x83;
const I64_SHL = 0x86;
const I32_EQZ = 0x45;
const I32_EQ = 0x46;
const I32_ADD = 0x6a;
const I32_SUB = 0x6b;
const I32_MUL = 0x6c;
const I32_AND = 0x71;
const I32_SHL = 0x74;
const I32_SHR_U = 0x76;
const I64_EQ = 0x51;
const I64_NE = 0x52;
const I32_WRAP = 0xa7;
const I64_EXTEND_I32_S = 0xac;
const I64_EXTEND_I32_U = 0xad;
const I64_EXTEND32_S = 0xc4;
const I64_SUB = 0x7d;
const I64_LT_U = 0x54;
const I64_GE_U = 0x5a;
const I64_LT_S = 0x53;
const I64_LE_S = 0x57;
const I32_LT_S = 0x48;
const I32_LE_S = 0x4c;
/** 64-bit operations whose low 32 bits depend only on those of their operands, and the 32-bit ones. */
const NARROW: Readonly<Record<number, number>> = {
  124: 0x6a, // add
  125: 0x6b, // sub
  126: 0x6c, // mul
  131: 0x71, // and
  132: 0x72, // or
  133: 0x73, // xor
};

/** A field of the state that a region keeps in a local. */
interface Cached {
  readonly local: number;
  readonly type: "i32" | "i64" | "v128";
  /** How it is fetched; undefined: it holds nothing before it is written. */
  readonly load: Load | undefined;
  written: boolean;
  /** The low element stands in a local of its own; what `local` holds of it is not valid. */
  readonly low?: LowElement | undefined;
}

interface LowElement {
  readonly local: number;
  readonly type: Scalar;
}

/** Locals with a window's fields. */
interface Window {
  /** Of the window, in those of a TLB set. */
  readonly offset: number;
  readonly base: number;
  readonly reach: number;
  readonly host: number;
}

/** Ways out of a region, which all of its code shares; each is a block around it. */
export const WAYS = [
  /** To tier 0 at an instruction that $packed tells. */
  "retry",
  /** The same because an access, $missed bytes from its start, is not in a window. */
  "data",
  "stack",
  "read",
  /** The same because the TLB knows nothing of $missed, an access of $kind. */
  "refill",
  /** To tier 0's header at $packed for the block at $rip: the budget does not reach to the next check. */
  "budget",
  /** To the block at $rip, through the link word at $packed. */
  "link",
  /** To the block at $rip, through the jump cache; to be noted at $packed, if that is not 0. */
  "indirect",
] as const;
type Way = (typeof WAYS)[number];
/** STATUS, behind Leave.retry: the way, and the kind of an access. */
export const KIND_SHIFT = 4;
export const WAY_MASK = (1 << KIND_SHIFT) - 1;
/** Those that leave an instruction to tier 0. */
const RETRYING = WAYS.indexOf("refill");

const WINDOW_WAYS = ["data", "stack", "read"] as const;
export type WindowKind = (typeof WINDOW_WAYS)[number];

/** How compiled code finds an operand's place in linear memory. */
export interface AccessPath {
  /** Where it is looked for first. */
  readonly window: WindowKind | undefined;
  /** Then by the TLB; otherwise the instruction is left to tier 0. */
  readonly tlb: boolean;
}

/** Where an indirect jump went to: how many are yet to be noted, and the last of them by that number. */
export const JUMPS_LEFT = 0;
export const JUMP_TARGETS = 8;
export const JUMP_NOTES = 32;
export const JUMP_NOTES_BYTES = JUMP_TARGETS + 8 * JUMP_NOTES;
/** Up to so many targets are compared one after the other. */
const MAXIMUM_COMPARISONS = 3;

/** Instructions left in a block, beside a distance in bytes. */
const LEFT_BITS = 8;
/** Farthest from its entry that a region has code. */
export const REACH = 2 ** (31 - LEFT_BITS);

/** What a region needs of what is around it. */
export interface Surroundings {
  /** Makes a link word, and returns its address. */
  readonly newLink: () => number;
  /** How the instruction at an offset in a block finds its operands. */
  readonly pathOf: (block: Block, offset: number, usual: WindowKind) => AccessPath;
  /** Where the targets of the jump at an offset in a block are noted; 0: nowhere. */
  readonly notesAt: (block: Block, offset: number) => number;
  /** Entries with another x87 stack until the region is compiled anew. */
  readonly hotAfter: number;
}

/**
 * Emits a region: a function like a template's, entered at a block's header,
 * that keeps registers, flags and budget in locals until it leaves.
 */
export class RegionEmitter extends Emitter {
  private readonly nodes: readonly Node[];
  private readonly byRip: ReadonlyMap<bigint, Node>;
  private readonly templateType: number;
  private readonly newLink: () => number;
  private readonly pathOf: Surroundings["pathOf"];
  private readonly notesAt: Surroundings["notesAt"];
  private readonly hotAfter: number;
  private readonly cached = new Map<number, Cached>();
  /** Low elements of registers' values that are kept in two parts. */
  private readonly parts = new Map<Value, LowElement>();
  private readonly budget = this.newLocal("i32");
  private readonly rip = this.newLocal("i64");
  private readonly packed = this.newLocal("i32");
  private readonly way = this.newLocal("i32");
  private readonly tlb = this.newLocal("i32");
  private readonly missed = this.newLocal("i64");
  private readonly kind = this.newLocal("i32");
  private readonly windows = {
    data: this.newWindow(DATA_WINDOW),
    stack: this.newWindow(STACK_WINDOW),
    read: this.newWindow(READ_WINDOW),
  };
  private readonly target = this.newLocal("i32");
  /** A vector of zeros: as a constant it would be made anew, and kept, for each use. */
  private readonly zero = this.newLocal("v128");
  /** Flags that are not computed yet: their number in {@link late}; 0: they are in their locals. */
  private readonly effect = this.newLocal("i32");
  private readonly late = new LateFlags((type) => this.newVariable(type));
  /** Values of the block that are used for more than flags; undefined: all. */
  private wanted: ReadonlySet<Value> | undefined;
  private readonly ways = new Map<Way, number>();
  private readonly loops = new Map<Node, number>();
  private readonly merges = new Map<Node, number>();
  /** Locals for values: those of a block are used again by the next. */
  private pool: Record<ValueType, number[]> = { i32: [], i64: [], f32: [], f64: [], v128: [] };
  private used: Record<ValueType, number> = { i32: 0, i64: 0, f32: 0, f64: 0, v128: 0 };
  private pooling = false;
  private node: Node;
  private instruction = 0;

  /**
   * @param functions indices of the imported functions by name
   * @param templateType type index of (i32, i32) -> i32
   * @param nodes in reverse postorder
   */
  constructor(
    functions: ReadonlyMap<string, number>,
    templateType: number,
    nodes: readonly Node[],
    { newLink, pathOf, notesAt, hotAfter }: Surroundings,
  ) {
    super(functions);
    this.templateType = templateType;
    this.pathOf = pathOf;
    this.notesAt = notesAt;
    this.nodes = nodes;
    this.node = nodes[0] as Node;
    this.newLink = newLink;
    this.hotAfter = hotAfter;
    this.byRip = new Map(nodes.map((node) => [node.block.rip, node]));
  }

  protected override isWanted(value: Value): boolean {
    return this.wanted?.has(value) ?? true;
  }

  protected override newLocal(type: ValueType): number {
    if (!this.pooling) return super.newLocal(type);
    const pool = this.pool[type];
    const at = this.used[type]++;
    const known = pool[at];
    if (known !== undefined) return known;
    const local = super.newLocal(type);
    pool.push(local);
    return local;
  }

  private newWindow(offset: number): Window {
    return {
      offset,
      base: this.newLocal("i64"),
      reach: this.newLocal("i64"),
      host: this.newLocal("i32"),
    };
  }

  private newVariable(type: ValueType): Variable {
    return { type, local: this.newLocal(type) };
  }

  body(): void {
    const entry = this.node;
    this.collect();
    // The same code may be entered at another address.
    this.get(CPU);
    this.access(LOAD_CODES.i64, RIP);
    this.i64(entry.block.rip);
    this.code.byte(0x52);
    this.openUnlikely();
    this.get(CPU);
    this.get(RECORD_LOCAL);
    this.code.byte(RETURN_CALL).u32(this.function("header"));
    this.close();
    this.checkFast();
    this.guardX87(entry);
    for (const [field, local, load] of [
      [BUDGET, this.budget, "i32"],
      [TLB, this.tlb, "i32"],
    ] as const)
      this.fetch(field, local, load);
    this.fetchWindows();
    for (const [field, { local, load, low }] of this.cached) {
      if (load === undefined) continue;
      this.fetch(field, local, load);
      if (low === undefined) continue;
      this.get(local);
      this.takeLow(low.type);
      this.set(low.local);
    }
    super.constant("v128", 0n);
    this.set(this.zero);
    this.pooling = true;
    this.open(BLOCK);
    const exit = this.depth;
    for (const way of WAYS) {
      this.open(BLOCK);
      this.ways.set(way, this.depth);
    }
    this.checkBudget(entry, undefined);
    this.tree(entry);
    this.code.byte(UNREACHABLE);
    for (let k = WAYS.length - 1; k >= 0; k--) {
      this.close();
      this.i32(k);
      this.set(this.way);
      if (k > 0) this.branch(exit);
    }
    this.close();
    this.exits(entry.block.rip);
  }

  /** Have the region replaced if MXCSR_FAST is not what its code takes for granted. */
  private checkFast(): void {
    const flow = this.nodes.map(({ block }) => block.flow).find(({ usesFast }) => usesFast);
    if (flow === undefined) return;
    this.get(CPU);
    this.access(LOAD_CODES.i32, MXCSR_FAST);
    this.i32(flow.assumesFast ? 1 : 0);
    this.code.byte(0x47);
    this.openUnlikely();
    this.i32(Leave.retry);
    this.code.byte(0x0f);
    this.close();
  }

  /**
   * Leave to tier 0 unless the x87 stack is as it was found. What is often entered with another one
   * is compiled anew for that.
   */
  private guardX87(entry: Node): void {
    const { x87 } = entry.block;
    if (x87 === undefined || !this.nodes.some(({ block }) => block.flow.usesX87)) return;
    this.get(CPU);
    this.access(LOAD_CODES.i32, X87 + STATUS_WORD);
    this.i32(KNOWN_STATUS);
    this.code.byte(0x71);
    this.i32(statusOf(x87));
    this.code.byte(0x47);
    this.get(CPU);
    this.access(LOAD_CODES.i32, X87 + TAGS);
    this.i32(x87.tags);
    this.code.byte(0x47, 0x72);
    this.open(IF);
    const misses = this.newLink();
    this.i32(misses);
    this.i32(misses);
    this.access(LOAD_CODES.i32, 0);
    this.i32(1);
    this.code.byte(0x6a);
    this.tee(this.packed);
    this.access(STORE_CODES.i32, 0);
    this.get(this.packed);
    this.i32(this.hotAfter);
    this.code.byte(0x46);
    this.open(IF);
    this.get(CPU);
    this.get(RECORD_LOCAL);
    this.access(STORE_CODES.i32, RECORD);
    this.i32(Leave.hot);
    this.code.byte(0x0f);
    this.close();
    this.get(CPU);
    this.get(RECORD_LOCAL);
    this.code.byte(RETURN_CALL).u32(this.function("header"));
    this.close();
  }

  /** Behind all code: $way tells how to leave. */
  private exits(entryRip: bigint): void {
    this.lateFlags();
    this.get(this.way);
    this.i32(RETRYING);
    this.code.byte(0x4c);
    this.open(IF);
    this.i64(entryRip);
    this.get(this.packed);
    this.i32(LEFT_BITS);
    this.code.byte(0x75, 0xac, 0x7c);
    this.set(this.rip);
    this.get(this.budget);
    this.get(this.packed);
    this.i32(2 ** LEFT_BITS - 1);
    this.code.byte(0x71, 0x6a);
    this.set(this.budget);
    this.close();
    this.spill();
    this.ifWay("refill", () => {
      this.get(CPU);
      this.get(this.kind);
      this.get(this.missed);
      this.code.byte(0x10).u32(this.function("fill_tlb"));
      this.open(IF);
      this.get(CPU);
      this.code.byte(RETURN_CALL).u32(this.function("resume"));
      this.close();
    });
    for (const way of WINDOW_WAYS)
      this.ifWay(way, () => {
        this.get(CPU);
        this.get(this.missed);
        this.get(this.windows[way].base);
        this.code.byte(0x7c);
        this.access(STORE_CODES.i64, ADDRESS);
      });
    this.get(CPU);
    this.get(this.kind);
    this.i32(KIND_SHIFT);
    this.code.byte(I32_SHL);
    this.get(this.way);
    this.code.byte(0x72);
    this.access(STORE_CODES.i32, STATUS);
    this.ifWay("link", () => this.followLink());
    this.ifWay("indirect", () => {
      this.noteJump();
      this.get(CPU);
      this.code.byte(RETURN_CALL).u32(this.function("jump"));
    });
    this.ifWay("budget", () => {
      this.get(CPU);
      this.get(this.packed);
      this.code.byte(RETURN_CALL).u32(this.function("header"));
    });
    this.i32(Leave.retry);
  }

  /** Behind `spill`: note that a jump went to $rip, and have the notes looked at if they are complete. */
  private noteJump(): void {
    this.get(this.packed);
    this.open(IF);
    this.get(this.packed);
    this.get(this.packed);
    this.access(LOAD_CODES.i32, JUMPS_LEFT);
    this.i32(1);
    this.code.byte(I32_SUB);
    this.tee(this.target);
    this.access(STORE_CODES.i32, JUMPS_LEFT);
    this.get(this.packed);
    this.get(this.target);
    this.i32(JUMP_NOTES - 1);
    this.code.byte(I32_AND);
    this.i32(3);
    this.code.byte(I32_SHL, I32_ADD);
    this.get(this.rip);
    this.access(STORE_CODES.i64, JUMP_TARGETS);
    this.get(this.target);
    this.code.byte(I32_EQZ);
    this.open(IF);
    this.get(CPU);
    this.get(this.packed);
    this.access(STORE_CODES.i32, RECORD);
    this.i32(Leave.jumps);
    this.code.byte(RETURN);
    this.close();
    this.close();
  }

  private ifWay(way: Way, then: () => void): void {
    this.get(this.way);
    this.i32(WAYS.indexOf(way));
    this.code.byte(0x46);
    this.open(IF);
    then();
    this.close();
  }

  /** Compute the flags that were left for the way out. */
  private lateFlags(): void {
    for (const { number, effect } of this.late.all()) {
      this.get(this.effect);
      this.i32(number);
      this.code.byte(I32_EQ);
      this.open(IF);
      this.computeFlags(effect);
      this.close();
    }
  }

  private leaveBy(way: Way, effect: FlagEffect | undefined): void {
    this.postpone(effect);
    this.branch(this.ways.get(way) as number);
  }

  /** Let the flags be computed on the way out only. */
  private postpone(effect: FlagEffect | undefined): void {
    if (effect === undefined) return;
    const late = this.late.add(effect);
    if (late === undefined) {
      this.materialise(effect);
      return;
    }
    for (const [value, { local }] of late.copies) {
      this.value(value);
      this.set(local);
    }
    this.i32(late.number);
    this.set(this.effect);
  }

  /** Find out which fields are worth a local. */
  private collect(): void {
    const scalars = scalarRegisters(this.nodes);
    const touch = (offset: number, writes: boolean): void => {
      let field = offset;
      let type: Cached["type"];
      const x87 = x87Field(offset);
      if (isGeneral(offset)) {
        field = offset & ~7;
        type = "i64";
      } else if (isVector(offset)) {
        field = offset & ~15;
        type = "v128";
      } else if (isFlags(offset)) type = offset === FLAGS_RESULT ? "i64" : "i32";
      else if (isSelector(offset)) type = "i32";
      else if (isX87Local(offset)) type = (x87 as X87Field).store;
      else return;
      let cached = this.cached.get(field);
      if (cached === undefined) {
        const scalar = type === "v128" ? scalars.get(field) : undefined;
        const low = scalar && { local: super.newLocal(scalar), type: scalar };
        const load = x87?.keeping === "scratch" ? undefined : type;
        cached = { local: super.newLocal(type), type, load, written: false, low };
        this.cached.set(field, cached);
      }
      cached.written ||= writes;
    };
    const walk = (list: readonly Value[]): void => {
      for (const { op } of list) {
        if (op.kind === "state-load") {
          const offset = offsetOf(op.place);
          if (!isNarrowSelector(offset, op.load)) touch(offset, false);
        } else if (op.kind === "state-store") touch(offsetOf(op.place), true);
        else if (op.kind === "if") {
          walk(op.whenTrue);
          walk(op.whenFalse);
        } else if (op.kind === "while") {
          walk(op.test);
          walk(op.body);
        }
      }
    };
    for (const { block } of this.nodes) for (const { list } of block.instructions) walk(list);
    touch(FLAGS_RESULT, true);
    touch(FLAGS_AUX, true);
  }

  private i64(value: bigint): void {
    this.code.byte(0x42).s64(value);
  }

  private fetch(field: number, local: number, load: Load): void {
    this.get(CPU);
    this.access(LOAD_CODES[load], field);
    this.set(local);
  }

  /** Put everything back into the state. */
  private spill(): void {
    const store = (
      field: number,
      local: number,
      type: Cached["type"],
      low?: LowElement | undefined,
    ): void => {
      this.get(CPU);
      this.get(local);
      if (low !== undefined) {
        this.get(low.local);
        this.putLow(low.type);
      }
      this.access(STORE_CODES[type], field);
    };
    store(RIP, this.rip, "i64");
    store(BUDGET, this.budget, "i32");
    for (const [field, { local, type, load, written, low }] of this.cached)
      if (written && load !== undefined) store(field, local, type, low);
  }

  private takeLow(type: Scalar): void {
    this.code
      .byte(0xfd)
      .u32(type === "f32" ? 31 : 33)
      .byte(0);
  }

  private putLow(type: Scalar): void {
    this.code
      .byte(0xfd)
      .u32(type === "f32" ? 32 : 34)
      .byte(0);
  }

  private branch(depth: number): void {
    this.code.byte(BR).u32(this.depth - depth);
  }

  /** A node and all that it dominates. */
  private tree(node: Node): void {
    const outer = this.node;
    const used = { ...this.used };
    this.used = { i32: 0, i64: 0, f32: 0, f64: 0, v128: 0 };
    if (node.isLoopHead) {
      this.open(LOOP);
      this.loops.set(node, this.depth);
    }
    const merges = node.children.filter((child) => child.isMerge).sort((a, b) => b.order - a.order);
    for (const child of merges) {
      this.open(BLOCK);
      this.merges.set(child, this.depth);
    }
    this.block(node);
    for (const child of merges.reverse()) {
      this.close();
      this.merges.delete(child);
      this.tree(child);
    }
    if (node.isLoopHead) {
      this.code.byte(UNREACHABLE);
      this.close();
      this.loops.delete(node);
    }
    this.node = outer;
    this.used = used;
  }

  private block(node: Node): void {
    this.node = node;
    const { block } = node;
    const { instructions, falls, flow } = block;
    this.wanted = wantedValues(block);
    this.get(this.budget);
    this.i32(instructions.length);
    this.code.byte(0x6b);
    this.set(this.budget);
    for (let k = 0; k < instructions.length; k++) {
      this.instruction = k;
      this.statements((instructions[k] as (typeof instructions)[number]).list);
    }
    if (falls !== undefined) this.edge(falls, flow.effect);
    this.code.byte(UNREACHABLE);
  }

  /** Go on at an address, in the region if it is there. */
  private edge(rip: bigint, effect: FlagEffect | undefined): void {
    const { node } = this;
    const target = this.byRip.get(rip);
    if (target === undefined || !node.successors.includes(target)) {
      this.setRip(rip);
      if (this.isSamePage(rip)) {
        this.i32(this.newLink());
        this.set(this.packed);
        this.leaveBy("link", effect);
      } else this.leaveIndirect(effect);
      return;
    }
    if (target.flagsRead) this.materialise(effect);
    else if (target.flagsLeft) this.postpone(effect);
    const rest = target.flagsRead || target.flagsLeft ? undefined : effect;
    if (!this.isSamePage(rip)) this.guardMapping(target, rest);
    this.checkBudget(target, rest);
    const loop = target.order <= node.order ? this.loops.get(target) : this.merges.get(target);
    if (loop !== undefined) this.branch(loop);
    else {
      this.tree(target);
      this.node = node;
    }
  }

  /** Leave to tier 0 unless the budget reaches from a node to the next check. */
  private checkBudget({ block, check }: Node, effect: FlagEffect | undefined): void {
    if (check === 0) return;
    this.get(this.budget);
    this.i32(check);
    this.code.byte(0x48);
    this.openUnlikely();
    this.setRip(block.rip);
    this.i32(block.block.record);
    this.set(this.packed);
    this.leaveBy("budget", effect);
    this.close();
  }

  private isSamePage(rip: bigint): boolean {
    return rip >> 12n === this.node.block.rip >> 12n;
  }

  /** Leave unless the jump cache says that the next page still is what it was. */
  private guardMapping(target: Node, effect: FlagEffect | undefined): void {
    const { rip, block } = target.block;
    const entry = jumpCacheEntry(Number(BigInt.asIntN(32, rip)));
    this.get(CPU);
    this.access(LOAD_CODES.i64, entry + JUMP_CACHE_RIP);
    this.i64(rip);
    this.code.byte(0x52);
    this.get(CPU);
    this.access(LOAD_CODES.i32, entry + JUMP_CACHE_RECORD);
    this.i32(block.record);
    this.code.byte(0x47, 0x72);
    this.openUnlikely();
    this.setRip(rip);
    this.leaveIndirect(effect);
    this.close();
  }

  /** To $rip through the jump cache. @param notes where it is noted */
  private leaveIndirect(effect: FlagEffect | undefined, notes = 0): void {
    this.i32(notes);
    this.set(this.packed);
    this.leaveBy("indirect", effect);
  }

  private setRip(rip: bigint): void {
    this.i64(rip);
    this.set(this.rip);
  }

  /** Let the flags' locals hold what follows from an effect. */
  private materialise(effect: FlagEffect | undefined): void {
    if (effect === undefined) return;
    this.computeFlags(effect);
    this.i32(0);
    this.set(this.effect);
  }

  private computeFlags(effect: FlagEffect): void {
    const { wanted } = this;
    this.wanted = undefined;
    const lift = new Lift();
    const result = resultOf(lift, effect);
    const aux = auxOfEffect(lift, effect);
    this.statements(lift.list);
    this.value(result);
    this.set((this.cached.get(FLAGS_RESULT) as Cached).local);
    this.value(aux);
    this.set((this.cached.get(FLAGS_AUX) as Cached).local);
    this.wanted = wanted;
  }

  /** Leave the present instruction to tier 0. */
  private retry(value: Value, way: Way = "retry"): void {
    const { instructions, flow } = this.node.block;
    const { rip } = instructions[this.instruction] as (typeof instructions)[number];
    const distance = Number(rip - (this.nodes[0] as Node).block.rip);
    this.i32(distance * 2 ** LEFT_BITS + instructions.length - this.instruction);
    this.set(this.packed);
    this.leaveBy(way, flow.effects.get(value));
  }

  /** Behind `spill`: enter the record that the word at $packed holds, or have it resolved. */
  private followLink(): void {
    this.get(this.packed);
    this.access(LOAD_CODES.i32, 0);
    this.tee(this.target);
    this.open(IF);
    this.get(CPU);
    this.get(this.target);
    this.get(this.target);
    this.access(LOAD_CODES.i32, 0);
    this.code.byte(RETURN_CALL_INDIRECT).u32(this.templateType).byte(0x00);
    this.close();
    this.get(CPU);
    this.get(this.packed);
    this.access(STORE_CODES.i32, RECORD);
    this.i32(Leave.link);
    this.code.byte(0x0f);
  }

  protected word(): never {
    throw new Error("words of records are known here");
  }

  protected stateLoad({ place, load }: Operation<"state-load">): void {
    const offset = offsetOf(place);
    if (isGeneral(offset)) this.generalLoad(offset, load);
    else if (isVector(offset)) this.vectorLoad(offset, load);
    else if (offset === BUDGET) this.unspent();
    else if (isWhole(offset) && !isNarrowSelector(offset, load))
      this.get((this.cached.get(offset) as Cached).local);
    else {
      this.get(CPU);
      this.access(LOAD_CODES[load], offset);
    }
  }

  /** Push what the present instruction and those behind it may use of the budget; the block has been paid for. */
  private unspent(): void {
    this.get(this.budget);
    this.i32(this.node.block.instructions.length - this.instruction);
    this.code.byte(0x6a);
  }

  private generalLoad(offset: number, load: Load): void {
    this.get((this.cached.get(offset & ~7) as Cached).local);
    const shift = BigInt((offset - GPR) % 8) * 8n;
    if (shift !== 0n) {
      this.i64(shift);
      this.code.byte(0x88);
    }
    switch (load) {
      case "i64":
        return;
      case "i64.32u":
        this.code.byte(0xa7, 0xad);
        return;
      case "i64.16u":
        this.i64(0xffffn);
        this.code.byte(0x83);
        return;
      case "i64.8u":
        this.i64(0xffn);
        this.code.byte(0x83);
        return;
      case "i32":
        this.code.byte(0xa7);
        return;
      default:
        throw new Error(`general register as ${load}`);
    }
  }

  private vectorLoad(offset: number, load: Load): void {
    const { local, low } = this.cached.get(offset & ~15) as Cached;
    this.get(local);
    if (low !== undefined) {
      this.get(low.local);
      this.putLow(low.type);
    }
    if (load === "v128") return;
    const lane = LANES[load];
    if (lane === undefined) throw new Error(`vector register as ${load}`);
    this.code
      .byte(0xfd)
      .u32(lane.extract)
      .byte((offset & 15) / lane.bytes);
    if (lane.widen !== undefined) this.code.byte(lane.widen);
  }

  /** A register that is kept in two parts stays so. */
  protected override keep(value: Value): void {
    const { op } = value;
    if (op.kind === "state-load" && op.load === "v128") {
      const cached = this.cached.get(offsetOf(op.place));
      if (cached?.low !== undefined) {
        const low = this.newLocal(cached.low.type);
        value.local = this.newLocal("v128");
        this.get(cached.local);
        this.set(value.local);
        this.get(cached.low.local);
        this.set(low);
        this.parts.set(value, { local: low, type: cached.low.type });
        return;
      }
    }
    super.keep(value);
  }

  protected override value(value: Value): void {
    super.value(value);
    const low = this.parts.get(value);
    if (low === undefined) return;
    this.get(low.local);
    this.putLow(low.type);
  }

  /** Push the low element of a vector. */
  private lowOf(vector: Value, type: Scalar): void {
    const part = this.parts.get(vector);
    const replaced = lowReplaced(vector, type);
    if (part?.type === type) this.get(part.local);
    else if (replaced !== undefined) this.value(replaced.low);
    else {
      this.value(vector);
      this.takeLow(type);
    }
  }

  /** Push a vector whose low element does not matter. */
  private restOf(vector: Value, type: Scalar): void {
    const replaced = lowReplaced(vector, type);
    if (this.parts.get(vector)?.type === type) this.get(vector.local);
    else if (replaced !== undefined) this.restOf(replaced.rest, type);
    else this.value(vector);
  }

  protected stateStore({ place, store, value }: Operation<"state-store">): void {
    const offset = offsetOf(place);
    if (isGeneral(offset)) this.generalStore(offset, store, value);
    else if (isVector(offset)) this.vectorStore(offset, store, value);
    else if (isWhole(offset)) {
      this.value(value);
      this.set((this.cached.get(offset) as Cached).local);
      if (isFlags(offset)) {
        this.i32(0);
        this.set(this.effect);
      }
    } else {
      this.get(CPU);
      this.value(value);
      this.access(STORE_CODES[store], offset);
    }
  }

  private generalStore(offset: number, store: Store, value: Value): void {
    const { local } = this.cached.get(offset & ~7) as Cached;
    if (store !== "i64") {
      const bits = BigInt(BYTES[store] * 8);
      const shift = BigInt((offset - GPR) % 8) * 8n;
      const mask = ((1n << bits) - 1n) << shift;
      this.get(local);
      this.i64(~mask);
      this.code.byte(0x83);
      this.value(value);
      if (value.type === "i32") this.code.byte(0xad);
      if (shift !== 0n) {
        this.i64(shift);
        this.code.byte(0x86);
      }
      this.i64(mask);
      this.code.byte(0x83, 0x84);
    } else this.value(value);
    this.set(local);
  }

  private vectorStore(offset: number, store: Store, value: Value): void {
    const cached = this.cached.get(offset & ~15) as Cached;
    const { local, low } = cached;
    if (store === "v128") {
      if (low !== undefined) {
        this.storeParts(local, low, value);
        return;
      }
      this.value(value);
    } else {
      const lane = LANES[store];
      if (lane === undefined) throw new Error(`vector register as ${store}`);
      this.vectorLoad(offset & ~15, "v128");
      this.value(value);
      if (lane.narrow !== undefined) this.code.byte(lane.narrow);
      this.code
        .byte(0xfd)
        .u32(lane.replace)
        .byte((offset & 15) / lane.bytes);
      if (low !== undefined) {
        this.tee(local);
        this.takeLow(low.type);
        this.set(low.local);
        return;
      }
    }
    this.set(local);
  }

  private storeParts(local: number, low: LowElement, value: Value): void {
    if (this.parts.get(value)?.type === low.type || lowReplaced(value, low.type) !== undefined) {
      this.restOf(value, low.type);
      this.lowOf(value, low.type);
      this.set(low.local);
      this.set(local);
      return;
    }
    this.value(value);
    this.tee(local);
    this.takeLow(low.type);
    this.set(low.local);
  }

  /** As elsewhere, but what concerns only 32 bits is computed with 32 bits. */
  protected override compute(value: Value): void {
    const { op } = value;
    if (op.kind === "pure") {
      const [first, second] = op.args as readonly [Value, Value | undefined];
      const element = vectorOfLow(value);
      if (element !== undefined) {
        this.lowOf(element.vector, element.type);
        return;
      }
      switch (op.operation.code) {
        case I64_AND:
          if (second !== undefined && constantOf(second) === LOW_32) {
            this.low(first);
            this.code.byte(I64_EXTEND_I32_U);
            return;
          }
          break;
        case I32_WRAP:
          this.low(first);
          return;
        case I64_EXTEND32_S:
          this.low(first);
          this.code.byte(I64_EXTEND_I32_S);
          return;
        case I64_LT_S:
        case I64_LE_S:
          if (second !== undefined && isSigned32(first) && isSigned32(second)) {
            this.low(first);
            this.low(second);
            this.code.byte(op.operation.code === I64_LT_S ? I32_LT_S : I32_LE_S);
            return;
          }
          break;
      }
    }
    super.compute(value);
  }

  /** Push the low 32 bits of a 64-bit value. */
  private low(value: Value): void {
    const { op } = value;
    if (value.local < 0) {
      const constant = constantOf(value);
      if (constant !== undefined) {
        this.i32(Number(BigInt.asIntN(32, constant)));
        return;
      }
      if (op.kind === "pure") {
        const [first, second] = op.args as readonly [Value, Value | undefined];
        const narrow = NARROW[op.operation.code];
        if (narrow !== undefined && second !== undefined) {
          this.low(first);
          this.low(second);
          this.code.byte(narrow);
          return;
        }
        if (op.operation.code === I64_SHL && second !== undefined) {
          const count = constantOf(second);
          if (count !== undefined && count < 32n) {
            this.low(first);
            this.i32(Number(count));
            this.code.byte(I32_SHL);
            return;
          }
        }
        if (op.operation.code === I64_EXTEND_I32_U || op.operation.code === I64_EXTEND_I32_S) {
          this.value(first);
          return;
        }
      }
    }
    this.value(value);
    this.code.byte(I32_WRAP);
  }

  protected override constant(type: ValueType, value: number | bigint): void {
    if (type === "v128" && value === 0n) this.get(this.zero);
    else super.constant(type, value);
  }

  protected override tlbSet(): void {
    this.get(this.tlb);
  }

  /** The windows that the TLB set in use has: they stand as far apart as the sets, but nearer. */
  private fetchWindows(): void {
    this.get(CPU);
    this.get(this.tlb);
    this.get(CPU);
    this.code.byte(0x6b);
    this.i32(TLB_SETS);
    this.code.byte(0x6b);
    this.i32(TLB_SET_BYTES);
    this.code.byte(0x6e);
    this.i32(WINDOW_SET_BYTES);
    this.code.byte(0x6c, 0x6a);
    this.set(this.target);
    for (const { offset, base, reach, host } of Object.values(this.windows))
      for (const [field, local, type] of [
        [WINDOW_BASE, base, "i64"],
        [WINDOW_REACH, reach, "i64"],
        [WINDOW_HOST, host, "i32"],
      ] as const) {
        this.get(this.target);
        this.access(LOAD_CODES[type], WINDOWS + offset + field);
        this.set(local);
      }
  }

  /** Push an operand's place in linear memory, or leave the instruction to tier 0. */
  private locate(
    value: Value,
    { address, stack }: { readonly address: Value; readonly stack: boolean },
    bytes: number,
    tag: number,
    kind: number,
  ): void {
    const { block, instructions, rip } = this.node.block;
    const offset = Number((instructions[this.instruction] as { rip: bigint }).rip - rip);
    const path = this.pathOf(block, offset, stack ? "stack" : "data");
    if (path.window === undefined) {
      this.locateByTlb(value, address, bytes, tag, kind);
      return;
    }
    const window = this.windows[path.window];
    const distance = this.newLocal("i64");
    if (path.tlb) this.pinned(address);
    this.value(address);
    this.get(window.base);
    this.code.byte(I64_SUB);
    this.tee(distance);
    this.get(window.reach);
    if (path.tlb) {
      this.code.byte(I64_LT_U);
      this.open(IF, "i32");
      this.placeInWindow(window, distance);
      this.code.byte(ELSE);
      this.locateByTlb(value, address, bytes, tag, kind);
      this.close();
      return;
    }
    this.code.byte(I64_GE_U);
    this.openUnlikely();
    this.get(distance);
    this.set(this.missed);
    this.i32(bytes | kind);
    this.set(this.kind);
    this.retry(value, path.window);
    this.close();
    this.placeInWindow(window, distance);
  }

  private placeInWindow(window: Window, distance: number): void {
    this.get(distance);
    this.code.byte(I32_WRAP);
    this.get(window.host);
    this.code.byte(0x6a);
  }

  private locateByTlb(
    value: Value,
    address: Value,
    bytes: number,
    tag: number,
    kind: number,
  ): void {
    const linear = this.pinned(address);
    const entry = this.lookUp(linear, bytes, tag);
    this.code.byte(0x45);
    this.openUnlikely();
    this.get(linear);
    this.set(this.missed);
    this.i32(bytes | kind);
    this.set(this.kind);
    this.retry(value, "refill");
    this.close();
    this.hostAddress(linear, entry);
  }

  protected guestLoad(value: Value, op: Operation<"guest-load">): void {
    const update = op.intent !== "read";
    const tag = update ? TLB_WRITE_TAG : TLB_READ_TAG;
    this.locate(value, op, BYTES[op.load], tag, update ? SLOW_UPDATE : 0);
    if (op.cell !== undefined) {
      op.cell.local = this.newLocal("i32");
      this.tee(op.cell.local);
    }
    this.access(LOAD_CODES[op.load], 0);
    value.local = this.newLocal(value.type);
    this.set(value.local);
  }

  protected guestStore(value: Value, op: Operation<"guest-store">): void {
    if (op.cell !== undefined) this.get(op.cell.local);
    else this.locate(value, op, BYTES[op.store], TLB_WRITE_TAG, SLOW_WRITE);
    this.value(op.value);
    this.access(STORE_CODES[op.store], 0);
  }

  /** What TypeScript does, tier 0 does. */
  protected call(value: Value): void {
    this.retry(value);
  }

  protected leave(value: Value): void {
    this.retry(value);
  }

  protected jump(value: Value): void {
    const { flow } = this.node.block;
    const target = constantOf(flow.targets.get(value) as Value);
    if (target === undefined) throw new Error("a direct jump goes somewhere");
    this.edge(target, flow.effects.get(value));
  }

  protected jumpIndirect(value: Value): void {
    const { node } = this;
    const { flow } = node.block;
    const target = this.pinned(flow.targets.get(value) as Value);
    const effect = flow.effects.get(value);
    const rips = node.successors.map(({ block }) => block.rip);
    const table = rips.length > MAXIMUM_COMPARISONS ? jumpTable(rips) : undefined;
    if (table !== undefined) this.jumpByTable(target, rips, table, effect);
    else
      for (const rip of rips) {
        this.ifTarget(target, rip, I64_EQ);
        this.edge(rip, effect);
        this.close();
      }
    this.get(target);
    this.set(this.rip);
    const { indirect } = node.block;
    const notes = indirect === undefined ? 0 : this.notesAt(node.block.block, indirect);
    this.leaveIndirect(effect, notes);
  }

  private ifTarget(target: number, rip: bigint, comparison: number): void {
    this.get(target);
    this.i64(rip);
    this.code.byte(comparison);
    this.open(IF);
  }

  /** To the one of several places in the region that a target is, or behind it. */
  private jumpByTable(
    target: number,
    rips: readonly bigint[],
    { multiplier, bits, indices }: JumpTable,
    effect: FlagEffect | undefined,
  ): void {
    this.open(BLOCK);
    const elsewhere = this.depth;
    const depths = new Array<number>(rips.length);
    for (let k = rips.length - 1; k >= 0; k--) {
      this.open(BLOCK);
      depths[k] = this.depth;
    }
    this.get(target);
    this.code.byte(I32_WRAP);
    this.i32(multiplier | 0);
    this.code.byte(I32_MUL);
    this.i32(32 - bits);
    this.code.byte(I32_SHR_U, BR_TABLE).u32(indices.length);
    for (const index of indices)
      this.code.u32(this.depth - (index < 0 ? elsewhere : (depths[index] as number)));
    this.code.u32(this.depth - elsewhere);
    for (const rip of rips) {
      this.close();
      this.ifTarget(target, rip, I64_NE);
      this.branch(elsewhere);
      this.close();
      this.edge(rip, effect);
    }
    this.close();
  }

  protected next(): void {}
}

/** Only what x87 instructions do with selectors is worth a local. */
function isNarrowSelector(offset: number, load: Load): boolean {
  return isSelector(offset) && load !== "i32";
}

/** Whether a field is cached and always loaded and stored as a whole. */
function isWhole(offset: number): boolean {
  return isFlags(offset) || isSelector(offset) || isX87Local(offset);
}

function isX87Local(offset: number): boolean {
  const field = x87Field(offset);
  return field !== undefined && field.keeping !== "state";
}

function isSigned32(value: Value): boolean {
  const constant = constantOf(value);
  if (constant !== undefined) return BigInt.asIntN(32, constant) === constant;
  return value.op.kind === "pure" && value.op.operation.code === I64_EXTEND32_S && value.local < 0;
}

/** Parts of a vector register: lane instructions, and what converts to them or from them. */
const LANES: Partial<
  Record<
    Load | Store,
    { bytes: number; extract: number; replace: number; widen?: number; narrow?: number }
  >
> = {
  i32: { bytes: 4, extract: 27, replace: 28 },
  i64: { bytes: 8, extract: 29, replace: 30 },
  f32: { bytes: 4, extract: 31, replace: 32 },
  f64: { bytes: 8, extract: 33, replace: 34 },
  "i64.32u": { bytes: 4, extract: 27, replace: 28, widen: 0xad },
  "i64.32s": { bytes: 4, extract: 27, replace: 28, widen: 0xac },
  "i64.32": { bytes: 4, extract: 27, replace: 28, narrow: 0xa7 },
};

function offsetOf(place: Operation<"state-load">["place"]): number {
  if ("word" in place) throw new Error("places are known here");
  return place.offset;
}
