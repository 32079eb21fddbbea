import type { FlagEffect } from "../../micro/flags.ts";
import { Lift } from "../../micro/lift.ts";
import type { MicroOp, Value, Variable } from "../../micro/micro-op.ts";
import type { ValueType } from "../module-builder.ts";

/** Values that an effect may follow from: so many of each type are kept for the way out. */
const COPIES: Partial<Record<ValueType, number>> = {
  i64: 3,
  i32: 2,
  f32: 2,
  f64: 2,
};
/** Effects that are computed from more operations are computed at once. */
const MAXIMUM_OPERATIONS = 40;

/** An effect that is computed on the way out of a region, from copies of what it follows from. */
interface LateEffect {
  readonly number: number;
  readonly effect: FlagEffect;
}

/**
 * What instructions of a region do to the flags, as functions of a few values: many instructions
 * have the same. A way out says by the function's number which is to be computed.
 */
export class LateFlags {
  private readonly byShape = new Map<string, LateEffect>();
  private readonly variables: Partial<Record<ValueType, readonly Variable[]>> = {};

  /** @param newVariable makes one of the region's */
  constructor(newVariable: (type: ValueType) => Variable) {
    for (const [type, count] of Object.entries(COPIES) as [ValueType, number][])
      this.variables[type] = Array.from({ length: count }, () => newVariable(type));
  }

  all(): Iterable<LateEffect> {
    return this.byShape.values();
  }

  /** The number of an effect, and what is to be copied for it; undefined: it follows from too much. */
  add(
    effect: FlagEffect,
  ): { readonly number: number; readonly copies: ReadonlyMap<Value, Variable> } | undefined {
    const shape = new Shape(this.variables);
    const key = shape.ofEffect(effect);
    if (key === undefined) return undefined;
    let late = this.byShape.get(key);
    if (late === undefined) {
      late = { number: this.byShape.size + 1, effect: overCopies(effect, shape.copies) };
      this.byShape.set(key, late);
    }
    return { number: late.number, copies: shape.copies };
  }
}

/** Describes an effect so that equal descriptions mean equal functions of the copies. */
class Shape {
  readonly copies = new Map<Value, Variable>();
  private readonly free: Partial<Record<ValueType, Variable[]>>;
  private operations = 0;
  private failed = false;

  constructor(variables: Partial<Record<ValueType, readonly Variable[]>>) {
    this.free = Object.fromEntries(
      Object.entries(variables).map(([type, free]) => [type, [...free]]),
    );
  }

  ofEffect(effect: FlagEffect): string | undefined {
    let key: string;
    if (effect.kind === "stored") key = `${this.of(effect.result)} ${this.of(effect.aux)}`;
    else if (effect.kind === "comparison")
      key = `${effect.a.type}${this.copy(effect.a)}${this.copy(effect.b)}`;
    else {
      key = `${effect.kind} ${effect.bits}`;
      if (effect.kind === "logic") key += this.copy(effect.r);
      else {
        key += this.copy(effect.a) + this.copy(effect.b);
        if (effect.carried) key += `${this.copy(effect.r)} carried`;
      }
    }
    return this.failed ? undefined : key;
  }

  private of(value: Value): string {
    const { op } = value;
    if (value.local < 0 && ++this.operations <= MAXIMUM_OPERATIONS)
      switch (op.kind) {
        case "constant":
          return `${op.type}=${op.value}`;
        case "pure":
          return `${op.operation.code}.${op.lane}(${op.args.map((arg) => this.of(arg)).join()})`;
        case "select":
          return `?(${op.args.map((arg) => this.of(arg)).join()})`;
      }
    return this.copy(value);
  }

  private copy(value: Value): string {
    let variable = this.copies.get(value);
    if (variable === undefined) {
      variable = this.free[value.type]?.shift();
      if (variable === undefined) {
        this.failed = true;
        return "";
      }
      this.copies.set(value, variable);
    }
    return `#${variable.local}`;
  }
}

/** The same effect of the copies. */
function overCopies(effect: FlagEffect, copies: ReadonlyMap<Value, Variable>): FlagEffect {
  const made = new Map<Value, Value>();
  const over = (value: Value): Value => {
    const known = made.get(value);
    if (known !== undefined) return known;
    const variable = copies.get(value);
    let op: MicroOp = value.op;
    if (variable !== undefined) op = { kind: "variable-get", variable };
    else if (op.kind === "pure") op = { ...op, args: op.args.map(over) };
    else if (op.kind === "select")
      op = { ...op, args: [over(op.args[0]), over(op.args[1]), over(op.args[2])] };
    const copy: Value = { type: value.type, op, uses: 1, local: variable?.local ?? -1 };
    made.set(value, copy);
    return copy;
  };
  switch (effect.kind) {
    case "stored":
      return { ...effect, result: over(effect.result), aux: over(effect.aux) };
    case "logic":
      return { ...effect, r: over(effect.r) };
    case "comparison":
      return { ...effect, a: over(effect.a), b: over(effect.b) };
    default: {
      const a = over(effect.a);
      const b = over(effect.b);
      if (effect.carried) return { ...effect, a, b, r: over(effect.r) };
      const lift = new Lift();
      const operation = effect.kind === "addition" ? lift.add(a, b) : lift.sub(a, b);
      return { ...effect, a, b, r: lift.truncate(operation, effect.bits) };
    }
  }
}
