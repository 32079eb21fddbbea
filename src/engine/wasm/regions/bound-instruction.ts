import { auxOfEffect, type FlagEffect, resultOf } from "../../micro/flags.ts";
import type { Load, MicroOp, Place, Store, Value } from "../../micro/micro-op.ts";
import { PURE_OPERATIONS } from "../../micro/operations.ts";
import { type Decoded, endsBlock } from "../../x86/decoder.ts";
import { Instruction, type Speculation } from "../../x86/instruction.ts";
import { packPosition } from "../../x86/position.ts";
import { keepsModrm, operandWords } from "../../x86/record.ts";
import { Ranges } from "../../x86/sse/range.ts";
import {
  ADDRESS,
  ATTENTION,
  BUDGET,
  EFLAGS,
  FLAGS_AUX,
  FLAGS_RESULT,
  GPR,
  Leave,
  MXCSR,
  MXCSR_FAST,
  RANDOM,
  RIP,
  SEGMENT_BYTES,
  SEGMENT_SELECTOR,
  SEGMENTS,
  SSE_FIRST,
  STATUS,
  XMM,
  YMM_UPPER,
} from "../../x86/state.ts";
import { QUICK_FUNCTIONS } from "../../x87/quick/index.ts";
import { DONE } from "../../x87/quick/stack.ts";
import { constantOf, folded } from "./fold.ts";
import { CHECK_DISTANCE } from "./graph.ts";
import { KnownStack, type KnownX87, withoutField } from "./known-stack.ts";
import { NotCompiled } from "./not-compiled.ts";
import type { Caution } from "./region-block.ts";
import { composed, simplified } from "./vector-folding.ts";
import { x87Field } from "./x87-fields.ts";

/** Longer chains of effects are computed at once: each way out would have to compute all of it. */
const MAXIMUM_DEPTH = 4;

/** What holds while the instructions of a block are lifted one after the other. */
export interface BlockFlow {
  /** RIP of the block's first instruction. */
  readonly rip: bigint;
  /** What the flags follow from; undefined: FLAGS_RESULT and FLAGS_AUX. */
  effect: FlagEffect | undefined;
  /** `effect` at each operation that may leave the block. */
  readonly effects: Map<Value, FlagEffect | undefined>;
  /** How many effects in a row may have been made from the one before, in part. */
  depth: number;
  /** Where a jump goes. */
  readonly targets: Map<Value, Value>;
  /** The flags that held before the block are looked at in it. */
  readsFlags: boolean;
  /** The block may be left while the flags are those that held before it. */
  leavesFlags: boolean;
  /** The flags were changed for certain. */
  killsFlags: boolean;
  /** Whether MXCSR_FAST is 1 or 0 whenever the code is entered, if that is made use of. */
  readonly assumesFast: boolean;
  usesFast: boolean;
  /** What vector registers hold, by their places. */
  readonly vectors: Map<number, Value>;
  /** Elements that were taken out of vectors, by operation and lane. */
  readonly elements: Map<Value, Map<string, Value>>;
  readonly ranges: Ranges;
  /** What is known of the x87 unit; undefined: an exception is pending there. */
  x87: KnownX87 | undefined;
  /** What was known of it is made use of. */
  usesX87: boolean;
}

export function newFlow(rip: bigint, assumesFast: boolean, x87: KnownX87 | undefined): BlockFlow {
  return {
    rip,
    assumesFast,
    usesFast: false,
    vectors: new Map(),
    elements: new Map(),
    ranges: new Ranges(),
    effect: undefined,
    effects: new Map(),
    depth: 0,
    targets: new Map(),
    readsFlags: false,
    leavesFlags: false,
    killsFlags: false,
    x87,
    usesX87: false,
  };
}

export const GPR_BYTES = 16 * 8;
export const XMM_BYTES = 16 * 16;

const within = (offset: number, start: number, bytes: number): boolean =>
  offset >= start && offset < start + bytes;

/** Whether a field is a general register. */
export const isGeneral = (offset: number): boolean => within(offset, GPR, GPR_BYTES);
/** Whether a field lies in a vector register, or in the upper half of one. */
export const isVector = (offset: number): boolean =>
  within(offset, XMM, XMM_BYTES) || within(offset, XMM + YMM_UPPER, XMM_BYTES);
/** Whether a field is a segment's selector. */
export const isSelector = (offset: number): boolean =>
  within(offset, SEGMENTS, 8 * SEGMENT_BYTES) &&
  (offset - SEGMENTS) % SEGMENT_BYTES === SEGMENT_SELECTOR;
export const isFlags = (offset: number): boolean => offset === FLAGS_RESULT || offset === FLAGS_AUX;

/** Other fields that compiled code may change. */
const isOther = (offset: number): boolean =>
  offset === EFLAGS || offset === MXCSR || offset === BUDGET;

/** Fields through which operands are passed to TypeScript, which compiled code never does. */
const isScratch = (offset: number): boolean =>
  within(offset, ADDRESS, STATUS + 12 - ADDRESS) || within(offset, SSE_FIRST, RANDOM - SSE_FIRST);

/**
 * An instruction lifted at a known place with known operands, as part of a
 * block. Whatever can leave it does so before it changes anything, so that
 * tier 0 can do the instruction over: what does not fit that is
 * {@link NotCompiled}. One that calls out is done here for good: its accesses
 * have effects elsewhere, and before them all of the state is put back.
 */
export class BoundInstruction extends Instruction {
  private readonly boundWords: readonly number[];
  private readonly flow: BlockFlow;
  private readonly isX87: boolean;
  private rip: Value | undefined;
  private nesting = 0;
  private wrote = false;
  /** An `if` or `while` body changed the flags. */
  private nestedFlags = false;
  private readonly speculates: boolean;
  /** It calls functions that may ask the moderator: for what it does, or for its accesses to memory. */
  readonly callsOut: boolean;
  private readonly exits: boolean;

  /** @param offset of the instruction from the block's first byte */
  constructor(decoded: Decoded, offset: number, flow: BlockFlow, caution: Caution) {
    super(decoded);
    this.exits = decoded.row.options.exits === true;
    this.callsOut = caution === "moderated" || this.exits;
    this.speculates = flow.assumesFast && caution !== "careful" && !this.callsOut;
    const words = [0, packPosition(offset, decoded.length, 0)];
    for (const operand of decoded.operands)
      operandWords(operand, decoded, offset, words, words.length);
    if (keepsModrm(decoded)) words.push(decoded.modrm);
    this.boundWords = words;
    this.flow = flow;
    this.isX87 = decoded.row.options.unit === "x87";
    if (!this.callsOut) return;
    if (caution === "moderated" && endsBlock(decoded)) throw new NotCompiled("a branch calls out");
    this.materialise();
    if (!flow.killsFlags) flow.readsFlags = true;
  }

  /** Behind all that it does: the moderator may have asked to be looked at, and have changed registers. */
  calledOut(): void {
    if (!endsBlock(this.decoded)) this.proceedAtRip();
    this.flow.vectors.clear();
  }

  override word(word: number, load: Load): Value {
    const lo = this.boundWords[word] as number;
    switch (load) {
      case "i32":
        return this.i32(lo);
      case "i64.32s":
        return this.i64(lo);
      case "i64.32u":
        return this.i64(lo >>> 0);
      case "i64": {
        const hi = this.boundWords[word + 1] as number;
        return this.i64((BigInt(hi) << 32n) | BigInt(lo >>> 0));
      }
      default:
        throw new NotCompiled(`word as ${load}`);
    }
  }

  override lane(name: string, lane: number, ...args: readonly Value[]): Value {
    const operation = lane === 0 ? PURE_OPERATIONS.get(name) : undefined;
    const constant = operation && folded(operation, args.map(constantOf));
    if (constant === undefined)
      return simplified(this, name, lane, args) ?? this.element(name, lane, args);
    const isLong = name.startsWith("i64.") && !/[.](eq|ne|lt|gt|le|ge)/.test(name);
    return isLong ? this.i64(constant) : this.i32(Number(BigInt.asIntN(32, constant)));
  }

  /** An operation; an element is taken out of a vector only once. */
  private element(name: string, lane: number, args: readonly Value[]): Value {
    const [vector] = args;
    if (vector === undefined || !name.endsWith("extract_lane") || this.nesting > 0)
      return super.lane(name, lane, ...args);
    const known = this.flow.elements.get(vector) ?? new Map<string, Value>();
    this.flow.elements.set(vector, known);
    const key = `${name} ${lane}`;
    const element = known.get(key) ?? super.lane(name, lane, ...args);
    known.set(key, element);
    return element;
  }

  override shuffle(a: Value, b: Value, lanes: readonly number[]): Value {
    const whole = composed(a, b, lanes);
    return super.shuffle(whole.a, whole.b, whole.lanes);
  }

  override select(condition: Value, a: Value, b: Value): Value {
    const known = constantOf(condition);
    if (known !== undefined) return known !== 0n ? a : b;
    return super.select(condition, a, b);
  }

  override get leavesUnproved(): boolean {
    return true;
  }

  override get speculation(): Speculation | undefined {
    if (!this.speculates || this.nesting > 0) return undefined;
    this.flow.usesFast = true;
    return { ranges: this.flow.ranges, retry: () => super.run("retry", [], true) };
  }

  private bind(place: Place | number): number {
    if (typeof place === "number") return place;
    if ("offset" in place) return place.offset;
    return (this.boundWords[place.word] as number) + (place.plus ?? 0);
  }

  override loadState(place: Place | number, load: Load): Value {
    const offset = this.bind(place);
    if (offset === RIP) return this.i64(BigInt.asIntN(64, this.flow.rip));
    if (offset === MXCSR_FAST) {
      this.flow.usesFast = true;
      return this.i32(this.flow.assumesFast ? 1 : 0);
    }
    if (isVector(offset)) return this.loadVector(offset, load);
    if (isFlags(offset)) {
      this.materialise();
      if (!this.flow.killsFlags) this.flow.readsFlags = true;
    }
    if (x87Field(offset) !== undefined) this.useX87();
    return super.loadState(offset, load);
  }

  override storeState(place: Place | number, store: Store, value: Value): void {
    const offset = this.bind(place);
    if (offset === RIP) {
      this.rip = value;
      return;
    }
    if (isScratch(offset)) return;
    const field = x87Field(offset);
    if (field !== undefined) {
      this.flow.x87 = withoutField(this.useX87(), offset);
      if (field.keeping !== "scratch") this.wrote = true;
      super.storeState(offset, store, value);
      return;
    }
    if (isFlags(offset)) {
      this.materialise();
      this.changedFlags(offset === FLAGS_AUX);
    } else if (!isGeneral(offset) && !isVector(offset) && !isOther(offset))
      throw new NotCompiled(`state field ${offset}`);
    this.wrote = true;
    if (isVector(offset)) {
      if (store === "v128" && this.flow.vectors.get(offset) === value) return;
      if (store === "v128" && this.nesting === 0) this.flow.vectors.set(offset, value);
      else this.flow.vectors.delete(offset & ~15);
    }
    super.storeState(offset, store, value);
  }

  /** Only who emits the region knows what is left in the block; so that is what BUDGET is there. */
  override unspent(): Value {
    return super.loadState(BUDGET, "i32");
  }

  private loadVector(offset: number, load: Load): Value {
    const { vectors } = this.flow;
    if (load !== "v128") return super.loadState(offset, load);
    const known = vectors.get(offset);
    if (known !== undefined) return known;
    const value = super.loadState(offset, load);
    if (this.nesting === 0) vectors.set(offset, value);
    return value;
  }

  override get flagEffect(): FlagEffect | undefined {
    return this.flow.effect;
  }

  override setFlags(effect: FlagEffect): void {
    this.wrote = true;
    if (this.nesting > 0) {
      this.changedFlags(false);
      super.setFlags(effect);
      return;
    }
    this.flow.effect = effect;
    this.flow.killsFlags = true;
    this.flow.depth = effect.kind === "stored" ? this.flow.depth + 1 : 0;
    // What exits may need is kept.
    for (const value of effect.kind === "stored"
      ? [effect.result]
      : effect.kind === "logic"
        ? [effect.r]
        : effect.kind === "comparison"
          ? [effect.a, effect.b]
          : [effect.a, effect.b, effect.r])
      value.uses += 2;
    if (this.flow.depth > MAXIMUM_DEPTH) this.materialise();
  }

  private changedFlags(certainly: boolean): void {
    if (this.nesting > 0) this.nestedFlags = true;
    else if (certainly) this.flow.killsFlags = true;
  }

  /** Store what the flags follow from, as other code finds it. */
  private materialise(): void {
    const { effect } = this.flow;
    if (effect === undefined) return;
    this.flow.effect = undefined;
    this.flow.depth = 0;
    const result = resultOf(this, effect);
    const aux = auxOfEffect(this, effect);
    super.storeState(FLAGS_RESULT, "i64", result);
    super.storeState(FLAGS_AUX, "i32", aux);
  }

  override if(condition: Value, then: () => void, otherwise: () => void = () => {}): void {
    const known = constantOf(condition);
    if (known !== undefined) {
      if (known !== 0n) then();
      else otherwise();
      return;
    }
    const before = this.wrote;
    let after = before;
    this.nest(
      () => {
        super.if(
          condition,
          () => {
            then();
            after = this.wrote;
            this.wrote = before;
          },
          otherwise,
        );
      },
      () => {
        this.wrote ||= after;
      },
    );
  }

  override while(test: () => Value, body: () => void): void {
    this.nest(() => super.while(test, body));
  }

  /**
   * Build something with bodies that may not be executed. If they change the flags, these must
   * stand in the state before it.
   */
  private nest(build: () => void, then: () => void = () => {}): void {
    const { effect } = this.flow;
    const outer = this.nestedFlags;
    this.nestedFlags = false;
    this.nesting++;
    build();
    this.nesting--;
    then();
    if (this.nestedFlags) {
      const op = this.list.pop() as Value;
      this.flow.effect = effect;
      this.materialise();
      this.list.push(op);
    } else this.flow.effect = effect;
    this.nestedFlags ||= outer;
    if (this.nesting > 0) return;
    this.nestedFlags = false;
  }

  override run(name: string, args: readonly Value[], fallible = false): void {
    const isRetried = this.nesting > 0 && !this.callsOut;
    if (!fallible || !(isRetried || this.exits)) throw new NotCompiled(name);
    super.run(name, args, fallible);
  }

  override call(name: string, _: Value["type"], args: readonly Value[]): Value {
    const quick = QUICK_FUNCTIONS.get(name);
    if (quick === undefined) throw new NotCompiled(name);
    const stack = new KnownStack(this, this.useX87());
    quick.build(stack, ...args);
    this.flow.x87 = stack.finish();
    return this.i32(DONE);
  }

  override repeatAtOnce(name: string, from: Value, to: Value, count: Value): Value {
    // what may run before the next check is spent already
    const spare = this.op("i32.sub", this.unspent(), this.i32(1 + CHECK_DISTANCE));
    const result = super.call(name, "i64", [spare, from, to, count]);
    this.if(this.eqz(result), () => super.run("resume", [], true));
    return result;
  }

  override waitForX87(): void {
    this.useX87();
  }

  private useX87(): KnownX87 {
    const { x87 } = this.flow;
    if (x87 === undefined || !this.isX87) throw new NotCompiled("x87 state");
    this.flow.usesX87 = true;
    return x87;
  }

  override leave(reason: number): void {
    if (reason !== Leave.exception && !(this.callsOut && reason === Leave.dispatch))
      throw new NotCompiled(`leaves for ${reason}`);
    super.leave(reason);
  }

  override proceedAtRip(): void {
    if (!this.callsOut) throw new NotCompiled("goes on at RIP");
    this.if(this.loadState(ATTENTION, "i32"), () => this.leave(Leave.dispatch));
  }

  override next(): void {}

  protected override record(op: MicroOp, type: Value["type"]): Value {
    const value = super.record(op, type);
    switch (op.kind) {
      case "guest-store":
        this.exit(value);
        // The store of a read-modify-write does not fail any more.
        this.wrote = true;
        break;
      case "guest-load":
      case "call":
        this.exit(value);
        if (this.callsOut && op.kind === "guest-load") this.wrote = true;
        break;
      case "leave":
        if (op.reason === Leave.dispatch) this.noteFlags(value);
        else this.exit(value);
        break;
      case "jump":
      case "jump-indirect": {
        const target = this.rip as Value;
        target.uses += 2;
        this.flow.targets.set(value, target);
        this.flow.effects.set(value, this.flow.effect);
        break;
      }
    }
    return value;
  }

  /** An operation by which the instruction may be left, to be done over. */
  private exit(value: Value): void {
    const { op } = value;
    const certain = op.kind === "guest-store" && op.cell !== undefined;
    const isDone = op.kind === "call" ? this.exits : this.callsOut && op.kind !== "leave";
    if (this.wrote && !certain && !isDone) throw new NotCompiled("leaves after a change");
    this.noteFlags(value);
  }

  private noteFlags(value: Value): void {
    this.flow.effects.set(value, this.flow.effect);
    if (this.flow.effect === undefined && !this.flow.killsFlags) this.flow.leavesFlags = true;
  }
}
