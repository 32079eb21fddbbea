import type { FlagEffect } from "../../micro/flags.ts";
import type { Value } from "../../micro/micro-op.ts";
import { JUMP_CACHE_RECORD, JUMP_CACHE_RIP, jumpCacheEntry } from "../../x86/jump-cache.ts";
import { Leave, MXCSR_FAST, RECORD, RIP } from "../../x86/state.ts";
import type { WindowPlace } from "../../x86/windows.ts";
import type { Block } from "../blocks.ts";
import {
  BLOCK,
  CPU,
  IF,
  LOAD_CODES,
  LOOP,
  type Operation,
  RECORD_LOCAL,
  STORE_CODES,
} from "../emitter.ts";
import { entranceOf, isDispatcher } from "./dispatcher.ts";
import { constantOf } from "./fold.ts";
import { type JumpTable, jumpTable } from "./jump-table.ts";
import { conditions } from "./known-stack.ts";
import type { Node } from "./node.ts";
import { OperandPlaces, type PathOf } from "./operand-places.ts";
import type { Records } from "./region-code.ts";
import { wantedValues } from "./wanted.ts";

const UNREACHABLE = 0x00;
const BR_TABLE = 0x0e;
const CALL_INDIRECT = 0x11;
const RETURN_CALL = 0x12;
const I32_MUL = 0x6c;
const I32_SHR_U = 0x76;
const I64_EQ = 0x51;
const I64_NE = 0x52;
const I32_WRAP = 0xa7;

/** Up to so many targets are compared one after the other. */
const MAXIMUM_COMPARISONS = 3;

/** What a region needs of what is around it. */
export interface Surroundings {
  readonly records: Records;
  /** How the instruction at an offset in a block finds its operands. */
  readonly pathOf: PathOf;
  /** What a window is now. */
  readonly placeOf: (window: number) => WindowPlace;
  /** Where the targets of the jump at an offset in a block are noted; 0: nowhere. */
  readonly notesAt: (block: Block, offset: number) => number;
  /** Table slot and type index of a function that is called by name. */
  readonly callee: (name: string) => { readonly slot: number; readonly type: number };
  /** Entries with another x87 stack until the region is compiled anew. */
  readonly hotAfter: number;
}

/**
 * Emits a region: a function like a template's, entered at a block's header,
 * that keeps registers, flags and budget in locals until it leaves.
 */
export class RegionEmitter extends OperandPlaces {
  private readonly notesAt: Surroundings["notesAt"];
  private readonly hotAfter: number;
  private readonly callee: Surroundings["callee"];
  private readonly loops = new Map<Node, number>();
  private readonly merges = new Map<Node, number>();
  private readonly choices: ReadonlyMap<Node, number>;

  /**
   * @param functions indices of the imported functions by name
   * @param templateType type index of (i32, i32) -> i32
   * @param nodes in reverse postorder
   */
  constructor(
    functions: ReadonlyMap<string, number>,
    templateType: number,
    nodes: readonly Node[],
    { records, pathOf, placeOf, notesAt, callee, hotAfter }: Surroundings,
  ) {
    super(functions, templateType, nodes, records, pathOf, placeOf);
    this.choices = new Map(
      nodes.filter(isDispatcher).map((node) => [node, this.newLocal("i32")] as const),
    );
    this.notesAt = notesAt;
    this.callee = callee;
    this.hotAfter = hotAfter;
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
    this.fetchAll();
    this.pooling = true;
    this.withWaysOut(entry.block.rip, () => {
      this.checkBudget(entry, entry.check, undefined);
      this.tree(entry);
      this.code.byte(UNREACHABLE);
    });
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
   * Leave to tier 0 unless the x87 stack and modes are as they were found. What is often entered with
   * others is compiled anew for those.
   */
  private guardX87(entry: Node): void {
    const { x87 } = entry.block;
    if (x87 === undefined || !this.nodes.some(({ block }) => block.flow.usesX87)) return;
    for (const [k, { offset, bits, value }] of conditions(x87).entries()) {
      this.get(CPU);
      this.access(LOAD_CODES.i32, offset);
      this.i32(bits);
      this.code.byte(0x71);
      this.i32(value);
      this.code.byte(0x47);
      if (k > 0) this.code.byte(0x72);
    }
    this.openUnlikely();
    const misses = this.records.newLink();
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
    if (isDispatcher(node)) {
      this.dispatch(node);
      return;
    }
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
    const target = node.successors.find(({ block }) => block.rip === rip);
    if (target === undefined) {
      this.setRip(rip);
      if (this.isSamePage(rip)) {
        this.i32(this.records.newLink());
        this.set(this.packed);
        this.leaveBy("link", effect);
      } else this.leaveIndirect(effect);
      return;
    }
    if (target.flagsRead) this.materialise(effect);
    else if (target.flagsLeft) this.postpone(effect);
    const rest = target.flagsRead || target.flagsLeft ? undefined : effect;
    if (!this.isSamePage(rip)) this.guardMapping(target, rest);
    this.enter(target, rest);
  }

  /** Go to what comes behind the present node, through dispatchers if need be. */
  private enter(target: Node, effect: FlagEffect | undefined): void {
    const { node } = this;
    const entrance = entranceOf(node, target);
    this.checkBudget(target, entrance.check, effect);
    for (let to = target; to !== entrance; to = to.via as Node) {
      const via = to.via as Node;
      this.i32(via.successors.indexOf(to));
      this.set(this.choiceOf(via));
    }
    const loop =
      entrance.order <= node.order ? this.loops.get(entrance) : this.merges.get(entrance);
    if (loop !== undefined) this.branch(loop);
    else {
      this.tree(entrance);
      this.node = node;
    }
  }

  /** Local with the number of the place that a dispatcher is to lead to. */
  private choiceOf(dispatcher: Node): number {
    return this.choices.get(dispatcher) as number;
  }

  private dispatch(dispatcher: Node): void {
    const { successors } = dispatcher;
    for (const _ of successors) this.open(BLOCK);
    this.get(this.choiceOf(dispatcher));
    this.code.byte(BR_TABLE).u32(successors.length - 1);
    for (const k of successors.keys()) this.code.u32(k);
    for (const successor of successors) {
      this.close();
      this.enter(successor, undefined);
    }
  }

  /** Leave to tier 0 unless the budget reaches from a node to the next check. */
  private checkBudget({ block }: Node, check: number, effect: FlagEffect | undefined): void {
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

  /** What TypeScript does, tier 0 does. */
  protected call(value: Value, { name, args, type, fallible }: Operation<"call">): void {
    if (this.present.callsOut) {
      this.callOut((vcpuAndRecord) => {
        vcpuAndRecord();
        for (const arg of args) this.value(arg);
        this.callFunction(name);
      });
      return;
    }
    if (fallible || type === undefined) {
      this.retry(value, name === "resume" ? name : "retry");
      return;
    }
    const { slot, type: signature } = this.callee(name);
    this.get(CPU);
    for (const arg of args) this.value(arg);
    this.i32(slot);
    this.code.byte(CALL_INDIRECT).u32(signature).byte(0x00);
    value.local = this.newLocal(type);
    this.set(value.local);
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
}
