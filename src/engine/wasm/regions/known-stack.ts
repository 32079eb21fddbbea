import type { Value, Variable } from "../../micro/micro-op.ts";
import type { Core } from "../../x86/core.ts";
import type { Instruction } from "../../x86/instruction.ts";
import { Leave, X87 } from "../../x86/state.ts";
import { C1, ES, PE } from "../../x87/context.ts";
import { CONTROL_WORD, SIGN_EXPONENT, STATUS_WORD, TAGS } from "../../x87/layout.ts";
import { MODES, SCRATCH, TO_NEAREST_64 } from "../../x87/quick/number.ts";
import { type Stack, TOP } from "../../x87/quick/stack.ts";
import { constantOf } from "./fold.ts";
import { NotCompiled } from "./not-compiled.ts";
import { type X87Field, x87Field } from "./x87-fields.ts";

/** What is known of the x87 unit at a place in a region; no exception is pending there. */
export interface KnownX87 {
  /** Physical register of ST(0). */
  readonly top: number;
  /** Abridged tags: bit i is set when physical register i is not empty. */
  readonly tags: number;
  /** Bits as of tags, and bit 13 for the scratch: it holds a normal number or a zero. */
  readonly good: number;
  /** Rounding and precision control where the region is entered; undefined: PE is not masked. */
  readonly modes: number | undefined;
  /** They are that, and PE is masked, here as well. */
  readonly modesHold: boolean;
  /** Values of the block that fields of the window hold, by offset. */
  readonly values: ReadonlyMap<number, Value>;
}

const NOTHING_MORE = { good: 0, modesHold: false, values: new Map<number, Value>() };

/** What is known where code is entered. Undefined: an exception is pending. */
export function knownX87(core: Core): KnownX87 | undefined {
  const status = core.get(X87 + STATUS_WORD);
  if (status & ES) return undefined;
  const control = core.get(X87 + CONTROL_WORD);
  return {
    top: (status >> 11) & 7,
    tags: core.get(X87 + TAGS),
    modes: control & PE ? control & MODES : undefined,
    ...NOTHING_MORE,
  };
}

/** At the beginning of a block that comes behind others. */
export function atBlock(known: KnownX87 | undefined): KnownX87 | undefined {
  return known && { ...known, ...NOTHING_MORE };
}

/** After an instruction has stored to a field of the state by itself. */
export function withoutField(known: KnownX87, field: number): KnownX87 {
  const offset = field - X87;
  const values = new Map(known.values);
  values.delete(offset);
  return { ...known, values, modesHold: known.modesHold && offset !== CONTROL_WORD };
}

export function isSameStack(a: KnownX87 | undefined, b: KnownX87 | undefined): boolean {
  return a?.top === b?.top && a?.tags === b?.tags;
}

/** Bits of the control word that compiled arithmetic depends on. */
const KNOWN_CONTROL = MODES | PE;

/** What must hold where a region is entered: that bits of words of the window have values. */
export function conditions({ top, tags, modes }: KnownX87): readonly {
  readonly offset: number;
  readonly bits: number;
  readonly value: number;
}[] {
  const words = [
    { offset: X87 + STATUS_WORD, bits: TOP | ES, value: top << 11 },
    { offset: X87 + TAGS, bits: 0xff, value: tags },
  ];
  if (modes !== undefined)
    words.push({ offset: X87 + CONTROL_WORD, bits: KNOWN_CONTROL, value: modes | PE });
  return words;
}

/**
 * The registers as compiled code finds them: it is known which is ST(0) and which are empty. Whether
 * the case is a quick one is looked at once, behind all. Results are written to the state, so that no
 * way out has to; what a block has read or written it need not read again.
 */
export class KnownStack implements Stack {
  readonly l: Instruction;
  readonly status: Value;
  private readonly before: KnownX87;
  private after: Omit<KnownX87, "values">;
  /** Whether it is a quick case so far; nothing if that is certain. */
  private readonly fits: Variable;
  private isCertain = true;
  private readonly values: Map<number, Value>;
  /** What fields will hold, by their offset in the window. */
  private readonly changed = new Map<number, Variable>();

  constructor(l: Instruction, known: KnownX87) {
    this.l = l;
    this.before = known;
    this.after = known;
    this.values = new Map(known.values);
    this.fits = l.variable(l.i32(1));
    this.status = this.load(STATUS_WORD);
  }

  private load(offset: number): Value {
    const known = this.values.get(offset);
    if (known !== undefined) return known;
    const { load } = x87Field(X87 + offset) as X87Field;
    const value = this.l.loadState(X87 + offset, load);
    this.values.set(offset, value);
    return value;
  }

  private change(offset: number, value: Value): void {
    let variable = this.changed.get(offset);
    if (variable === undefined) {
      variable = { type: value.type, local: -1 };
      this.changed.set(offset, variable);
    }
    this.l.set(variable, value);
  }

  at(place: Value): Value {
    const offset = offsetOf(place);
    return offset < 128 ? this.l.i32((this.before.top * 16 + offset) & 0x70) : place;
  }

  top(steps = 0): Value {
    return this.l.i32(((this.before.top + steps) & 7) << 4);
  }

  demand(condition: Value): void {
    const known = constantOf(condition);
    if (known === 0n) throw new NotCompiled("never quick");
    if (known !== undefined) return;
    const { l } = this;
    l.set(this.fits, this.isCertain ? condition : l.op("i32.and", l.get(this.fits), condition));
    this.isCertain = false;
  }

  insist(condition: Value): void {
    this.demand(condition);
    if (this.isCertain) return;
    const { l } = this;
    l.if(l.op("i32.eqz", l.get(this.fits)), () => l.leave(Leave.exception));
    this.isCertain = true;
  }

  private isFull(at: Value): boolean {
    return ((this.before.tags | bitOf(SCRATCH)) & bitOf(offsetOf(at))) !== 0;
  }

  demandFull(...at: readonly Value[]): void {
    if (!at.every((offset) => this.isFull(offset))) throw new NotCompiled("x87 stack underflow");
  }

  demandEmpty(at: Value): void {
    if (this.isFull(at)) throw new NotCompiled("x87 stack overflow");
  }

  demandModes(): void {
    const { modes, modesHold } = this.after;
    if (modes === undefined) throw new NotCompiled("x87 results may raise exceptions");
    if (modesHold) return;
    const { l } = this;
    const control = l.loadState(X87 + CONTROL_WORD, "i32");
    this.demand(l.op("i32.eq", l.op("i32.and", control, l.i32(KNOWN_CONTROL)), l.i32(modes | PE)));
    this.after = { ...this.after, modesHold: true };
  }

  modes(): Value {
    return this.l.i32(this.after.modes ?? TO_NEAREST_64);
  }

  significand(at: Value): Value {
    return this.load(offsetOf(at));
  }

  signExponent(at: Value): Value {
    return this.load(offsetOf(at) + SIGN_EXPONENT);
  }

  store(at: Value, significand: Value, signExponent: Value): void {
    const offset = offsetOf(at);
    this.change(offset, significand);
    this.change(offset + SIGN_EXPONENT, signExponent);
    this.after = { ...this.after, good: this.after.good & ~bitOf(offset) };
  }

  isGood(at: Value): boolean {
    return (this.after.good & bitOf(offsetOf(at))) !== 0;
  }

  setGood(at: Value): void {
    this.after = { ...this.after, good: this.after.good | bitOf(offsetOf(at)) };
  }

  done(): void {}

  conclude(status: Value, pops: number): void {
    const { top, tags } = this.before;
    const popped = ((1 << pops) - 1) << top;
    this.concludeWith(status, (top + pops) & 7, tags & ~(popped | (popped >> 8)));
  }

  concludePush(at: Value): void {
    const top = offsetOf(at) >> 4;
    const status = this.l.op("i32.and", this.status, this.l.i32(~C1));
    this.concludeWith(status, top, this.before.tags | (1 << top));
  }

  private concludeWith(status: Value, top: number, tags: number): void {
    const { l, before } = this;
    const moved =
      top === before.top
        ? status
        : l.op("i32.or", l.op("i32.and", status, l.i32(~TOP)), l.i32(top << 11));
    this.change(STATUS_WORD, moved);
    this.after = { ...this.after, top, tags };
  }

  /** Behind the quick function: leave if the case is not its, or change the state. What is known then. */
  finish(): KnownX87 {
    const { l, before, after, values } = this;
    this.insist(l.i32(1));
    for (const [offset, variable] of this.changed) {
      const { store } = x87Field(X87 + offset) as X87Field;
      const value = l.get(variable);
      l.storeState(X87 + offset, store, value);
      values.set(offset, value);
    }
    if (after.tags !== before.tags) l.storeState(X87 + TAGS, "i32", l.i32(after.tags));
    return { ...after, values };
  }
}

const bitOf = (offset: number): number => 1 << (offset >> 4);

function offsetOf(place: Value): number {
  const offset = constantOf(place);
  if (offset === undefined) throw new Error("the place of an x87 operand is known here");
  return Number(offset);
}
