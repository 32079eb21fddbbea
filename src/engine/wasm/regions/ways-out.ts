import { auxOfEffect, type FlagEffect, resultOf } from "../../micro/flags.ts";
import { Lift } from "../../micro/lift.ts";
import type { Value } from "../../micro/micro-op.ts";
import { ADDRESS, FLAGS_AUX, FLAGS_RESULT, Leave, RECORD, STATUS } from "../../x86/state.ts";
import { BLOCK, CPU, IF, LOAD_CODES, STORE_CODES } from "../emitter.ts";
import { LateFlags } from "./late-flags.ts";
import { NarrowArithmetic } from "./narrow-arithmetic.ts";
import type { Node } from "./node.ts";
import type { RegionInstruction } from "./region-block.ts";
import type { Records } from "./region-code.ts";
import type { Cached } from "./vector-registers.ts";

const RETURN = 0x0f;
const RETURN_CALL = 0x12;
const RETURN_CALL_INDIRECT = 0x13;
const I32_EQZ = 0x45;
const I32_EQ = 0x46;
const I32_ADD = 0x6a;
const I32_SUB = 0x6b;
const I32_AND = 0x71;
const I32_SHL = 0x74;

/** Ways out of a region, which all of its code shares; each is a block around it. */
export const WAYS = [
  /** To tier 0 at an instruction that $packed tells. */
  "retry",
  /** The same, without anything to be learnt from it. */
  "resume",
  /** The same because an access, $missed bytes from its start, is not in a window. */
  "window 0",
  "window 1",
  "window 2",
  "window 3",
  /** The same because the TLB knows nothing of $missed, an access of $kind; or it is a page fault. */
  "refill",
  /** To tier 0's header at $packed for the block at $rip: the budget does not reach to the next check. */
  "budget",
  /** To the block at $rip, through the link word at $packed. */
  "link",
  /** To the block at $rip, through the jump cache; to be noted at $packed, if that is not 0. */
  "indirect",
  /** To the run loop, which is to look at everything anew; $rip is where it goes on. */
  "dispatch",
] as const;
export type Way = (typeof WAYS)[number];
/** STATUS, behind Leave.retry: the way, and the kind of an access. */
export const KIND_SHIFT = 4;
export const WAY_MASK = (1 << KIND_SHIFT) - 1;
/** Those that leave an instruction to tier 0. */
const RETRYING = WAYS.indexOf("refill");

/** By windows. */
export const WINDOW_WAYS = ["window 0", "window 1", "window 2", "window 3"] as const;
export type WindowWay = (typeof WINDOW_WAYS)[number];

/** Where an indirect jump went to: how many are yet to be noted, and the last of them by that number. */
export const JUMPS_LEFT = 0;
export const JUMP_TARGETS = 8;
export const JUMP_NOTES = 32;
export const JUMP_NOTES_BYTES = JUMP_TARGETS + 8 * JUMP_NOTES;
/** Instructions left in a block, beside a distance in bytes. */
const LEFT_BITS = 8;
/** Farthest from its entry that a region has code. */
export const REACH = 2 ** (31 - LEFT_BITS);

/** How a region is left: what each way has to compute and to put back stands behind all other code. */
export abstract class WaysOut extends NarrowArithmetic {
  protected readonly missed = this.newLocal("i64");
  protected readonly kind = this.newLocal("i32");
  private readonly templateType: number;
  private readonly way = this.newLocal("i32");
  private readonly late = new LateFlags((type) => this.newVariable(type));
  /** Depths of the blocks behind which the ways begin. */
  private readonly ways = new Map<Way, number>();

  /** @param templateType type index of (i32, i32) -> i32 */
  constructor(
    functions: ReadonlyMap<string, number>,
    templateType: number,
    nodes: readonly Node[],
    records: Records,
  ) {
    super(functions, nodes, records);
    this.templateType = templateType;
  }

  /** Push the first address of a window. */
  protected abstract pushBase(window: number): void;

  /** Whether operands are looked for in a window. */
  protected abstract usesWindow(window: number): boolean;

  /** Emit code that leaves by {@link leaveBy}, and the ways behind it. */
  protected withWaysOut(entryRip: bigint, code: () => void): void {
    this.open(BLOCK);
    const exit = this.depth;
    for (const way of WAYS) {
      this.open(BLOCK);
      this.ways.set(way, this.depth);
    }
    code();
    for (let k = WAYS.length - 1; k >= 0; k--) {
      this.close();
      this.i32(k);
      this.set(this.way);
      if (k > 0) this.branch(exit);
    }
    this.close();
    this.exits(entryRip);
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
    const resume = (): void => {
      this.get(CPU);
      this.code.byte(RETURN_CALL).u32(this.function("resume"));
    };
    this.ifWay("resume", resume);
    this.ifWay("refill", () => {
      this.get(CPU);
      this.get(this.kind);
      this.get(this.missed);
      this.code.byte(0x10).u32(this.function("fill_tlb"));
      this.tee(this.target);
      this.open(IF);
      this.get(this.target);
      this.i32(Leave.exception);
      this.code.byte(I32_EQ);
      this.open(IF);
      this.i32(Leave.exception);
      this.code.byte(RETURN);
      this.close();
      resume();
      this.close();
    });
    for (const [window, way] of WINDOW_WAYS.entries()) {
      if (!this.usesWindow(window)) continue;
      this.ifWay(way, () => {
        this.get(CPU);
        this.get(this.missed);
        this.pushBase(window);
        this.code.byte(0x7c);
        this.access(STORE_CODES.i64, ADDRESS);
      });
    }
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
    this.ifWay("dispatch", () => {
      this.i32(Leave.dispatch);
      this.code.byte(RETURN);
    });
    this.i32(Leave.retry);
  }

  private ifWay(way: Way, then: () => void): void {
    this.get(this.way);
    this.i32(WAYS.indexOf(way));
    this.code.byte(0x46);
    this.open(IF);
    then();
    this.close();
  }

  protected leaveBy(way: Way, effect: FlagEffect | undefined): void {
    this.postpone(effect);
    this.branch(this.ways.get(way) as number);
  }

  /** To $rip through the jump cache. @param notes where it is noted */
  protected leaveIndirect(effect: FlagEffect | undefined, notes = 0): void {
    this.i32(notes);
    this.set(this.packed);
    this.leaveBy("indirect", effect);
  }

  /** Leave the present instruction to tier 0. */
  protected retry(value: Value, way: Way = "retry"): void {
    const { instructions, flow } = this.node.block;
    const { rip } = instructions[this.instruction] as (typeof instructions)[number];
    const distance = Number(rip - (this.nodes[0] as Node).block.rip);
    this.i32(distance * 2 ** LEFT_BITS + instructions.length - this.instruction);
    this.set(this.packed);
    this.leaveBy(way, flow.effects.get(value));
  }

  /** Leave to the run loop behind the present instruction. */
  protected leaveBehind(value: Value): void {
    const { instructions, flow } = this.node.block;
    this.setRip((instructions[this.instruction] as RegionInstruction).next);
    this.get(this.budget);
    this.i32(instructions.length - this.instruction - 1);
    this.code.byte(I32_ADD);
    this.set(this.budget);
    this.leaveBy("dispatch", flow.effects.get(value));
  }

  protected setRip(rip: bigint): void {
    this.i64(rip);
    this.set(this.rip);
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

  /** Let the flags be computed on the way out only. */
  protected postpone(effect: FlagEffect | undefined): void {
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

  /** Let the flags' locals hold what follows from an effect. */
  protected materialise(effect: FlagEffect | undefined): void {
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
}
