import type { ValueType } from "../wasm/module-builder.ts";
import { FLAGS_AUX, FLAGS_RESULT } from "../x86/state.ts";
import { auxOfEffect, type FlagEffect, resultOf } from "./flags.ts";
import type {
  Intent,
  Load,
  MicroOp,
  Place,
  Store,
  UpdateCell,
  Value,
  Variable,
} from "./micro-op.ts";
import { PURE_OPERATIONS } from "./operations.ts";
import { widthOf } from "./width.ts";

const LOADS: Record<Load, ValueType> = {
  i32: "i32",
  "i32.8u": "i32",
  "i32.8s": "i32",
  "i32.16u": "i32",
  "i32.16s": "i32",
  i64: "i64",
  "i64.8u": "i64",
  "i64.8s": "i64",
  "i64.16u": "i64",
  "i64.16s": "i64",
  "i64.32u": "i64",
  "i64.32s": "i64",
  f32: "f32",
  f64: "f64",
  v128: "v128",
};

/** Records micro-operations in order. The one builder of both tiers. */
export class Lift {
  /** The list being recorded; nested lists replace it while `if` and `while` bodies are built. */
  list: Value[] = [];

  protected record(op: MicroOp, type: ValueType): Value {
    const value: Value = { type, op, uses: 0, local: -1 };
    this.list.push(value);
    return value;
  }

  private use(...values: readonly Value[]): void {
    for (const value of values) value.uses++;
  }

  /** A pure operation by its WebAssembly name, e.g. `op("i64.add", a, b)`. */
  op(name: string, ...args: readonly Value[]): Value {
    return this.lane(name, 0, ...args);
  }

  /** A pure operation with a lane immediate, e.g. `lane("i32x4.extract_lane", 2, v)`. */
  lane(name: string, lane: number, ...args: readonly Value[]): Value {
    const operation = PURE_OPERATIONS.get(name);
    if (operation === undefined) throw new Error(`no micro-operation ${name}`);
    if (
      args.length !== operation.parameters.length ||
      args.some((arg, i) => arg.type !== operation.parameters[i])
    )
      throw new Error(
        `${name} takes (${operation.parameters}), not (${args.map((arg) => arg.type)})`,
      );
    this.use(...args);
    return this.record({ kind: "pure", operation, args, lane }, operation.result);
  }

  shuffle(a: Value, b: Value, lanes: readonly number[]): Value {
    this.use(a, b);
    return this.record({ kind: "shuffle", args: [a, b], lanes }, "v128");
  }

  /** `condition` (i32) != 0 ? a : b, both evaluated. */
  select(condition: Value, a: Value, b: Value): Value {
    this.use(a, b, condition);
    return this.record({ kind: "select", args: [a, b, condition] }, a.type);
  }

  i32(value: number): Value {
    return this.record({ kind: "constant", value: value | 0, type: "i32" }, "i32");
  }

  i64(value: number | bigint): Value {
    return this.record(
      { kind: "constant", value: BigInt.asIntN(64, BigInt(value)), type: "i64" },
      "i64",
    );
  }

  f64(value: number): Value {
    return this.record({ kind: "constant", value, type: "f64" }, "f64");
  }

  f32(value: number): Value {
    return this.record({ kind: "constant", value, type: "f32" }, "f32");
  }

  v128(value: bigint): Value {
    return this.record({ kind: "constant", value, type: "v128" }, "v128");
  }

  word(word: number, load: Load): Value {
    return this.record({ kind: "word", word, load }, LOADS[load]);
  }

  loadState(place: Place | number, load: Load): Value {
    return this.record(
      { kind: "state-load", place: typeof place === "number" ? { offset: place } : place, load },
      LOADS[load],
    );
  }

  storeState(place: Place | number, store: Store, value: Value): void {
    this.use(value);
    this.record(
      {
        kind: "state-store",
        place: typeof place === "number" ? { offset: place } : place,
        store,
        value,
      },
      "i32",
    );
  }

  loadIndexed(index: Value, offset: number, load: Load): Value {
    this.use(index);
    return this.record({ kind: "indexed-load", index, offset, load }, LOADS[load]);
  }

  storeIndexed(index: Value, offset: number, store: Store, value: Value): void {
    this.use(index, value);
    this.record({ kind: "indexed-store", index, offset, store, value }, "i32");
  }

  /** Load from guest-linear `address` (i64). May leave with an exception. */
  loadGuest(
    address: Value,
    load: Load,
    options: { intent?: Intent; stack?: boolean; unaligned?: boolean; cell?: UpdateCell } = {},
  ): Value {
    this.use(address);
    const { intent = "read", stack = false, unaligned = false, cell } = options;
    return this.record(
      { kind: "guest-load", address, load, intent, stack, unaligned, cell },
      LOADS[load],
    );
  }

  storeGuest(
    address: Value,
    store: Store,
    value: Value,
    options: { stack?: boolean; cell?: UpdateCell } = {},
  ): void {
    this.use(address, value);
    const { stack = false, cell } = options;
    this.record({ kind: "guest-store", address, store, value, stack, cell }, "i32");
  }

  /** What the arithmetic flags follow from; undefined: from FLAGS_RESULT and FLAGS_AUX of the state. */
  get flagEffect(): FlagEffect | undefined {
    return undefined;
  }

  /** Change the arithmetic flags. */
  setFlags(effect: FlagEffect): void {
    const result = resultOf(this, effect);
    const aux = auxOfEffect(this, effect);
    if (!isField(result, FLAGS_RESULT)) this.storeState(FLAGS_RESULT, "i64", result);
    this.storeState(FLAGS_AUX, "i32", aux);
  }

  variable(initial: Value): Variable {
    const variable: Variable = { type: initial.type, local: -1 };
    this.set(variable, initial);
    return variable;
  }

  get(variable: Variable): Value {
    return this.record({ kind: "variable-get", variable }, variable.type);
  }

  set(variable: Variable, value: Value): void {
    this.use(value);
    this.record({ kind: "variable-set", variable, value }, "i32");
  }

  protected nested(build: () => void): Value[] {
    const outer = this.list;
    this.list = [];
    build();
    const inner = this.list;
    this.list = outer;
    return inner;
  }

  if(condition: Value, then: () => void, otherwise: () => void = () => {}): void {
    this.use(condition);
    const whenTrue = this.nested(then);
    const whenFalse = this.nested(otherwise);
    this.record({ kind: "if", condition, whenTrue, whenFalse }, "i32");
  }

  /** Repeat `body` while `test` yields non-zero; `test` is evaluated anew each time. */
  while(test: () => Value, body: () => void): void {
    let condition: Value | undefined;
    const testList = this.nested(() => {
      condition = test();
    });
    if (condition === undefined) throw new Error("while without a condition");
    this.use(condition);
    this.record({ kind: "while", test: testList, condition, body: this.nested(body) }, "i32");
  }

  /** Call a function of the base module that yields a value. */
  call(name: string, type: ValueType, args: readonly Value[], fallible = false): Value {
    this.use(...args);
    return this.record({ kind: "call", name, args, type, fallible }, type);
  }

  /** Call a function of the base module for its effect. */
  run(name: string, args: readonly Value[], fallible = false): void {
    this.use(...args);
    this.record({ kind: "call", name, args, type: undefined, fallible }, "i32");
  }

  leave(reason: number): void {
    this.record({ kind: "leave", reason }, "i32");
  }

  jump(word: number): void {
    this.record({ kind: "jump", word }, "i32");
  }

  jumpIndirect(): void {
    this.record({ kind: "jump-indirect" }, "i32");
  }

  next(): void {
    this.record({ kind: "next" }, "i32");
  }

  // The commonest operations on 64-bit values, by short names.
  add(a: Value, b: Value): Value {
    return this.op("i64.add", a, b);
  }
  sub(a: Value, b: Value): Value {
    return this.op("i64.sub", a, b);
  }
  mul(a: Value, b: Value): Value {
    return this.op("i64.mul", a, b);
  }
  and(a: Value, b: Value): Value {
    return this.op("i64.and", a, b);
  }
  or(a: Value, b: Value): Value {
    return this.op("i64.or", a, b);
  }
  xor(a: Value, b: Value): Value {
    return this.op("i64.xor", a, b);
  }
  not(a: Value): Value {
    return this.op("i64.xor", a, this.i64(-1));
  }
  shl(a: Value, count: Value): Value {
    return this.op("i64.shl", a, count);
  }
  shrU(a: Value, count: Value): Value {
    return this.op("i64.shr_u", a, count);
  }
  shrS(a: Value, count: Value): Value {
    return this.op("i64.shr_s", a, count);
  }
  eq(a: Value, b: Value): Value {
    return this.op("i64.eq", a, b);
  }
  ne(a: Value, b: Value): Value {
    return this.op("i64.ne", a, b);
  }
  ltU(a: Value, b: Value): Value {
    return this.op("i64.lt_u", a, b);
  }
  eqz(a: Value): Value {
    return this.op("i64.eqz", a);
  }
  wrap(a: Value): Value {
    return this.op("i32.wrap_i64", a);
  }
  extend(a: Value): Value {
    return this.op("i64.extend_i32_u", a);
  }

  /** The low `bits` of a 64-bit value, zero-extended. */
  truncate(value: Value, bits: number): Value {
    if (bits === 64 || widthOf(value) <= bits) return value;
    return this.and(value, this.i64((1n << BigInt(bits)) - 1n));
  }

  /** The low `bits` of a 64-bit value, sign-extended. */
  signExtend(value: Value, bits: number): Value {
    return bits === 64 ? value : this.op(`i64.extend${bits}_s`, value);
  }
}

/** Whether a value is what a state field holds. */
function isField({ op }: Value, offset: number): boolean {
  return op.kind === "state-load" && "offset" in op.place && op.place.offset === offset;
}
