import { Lift } from "../micro/lift.ts";
import type { Value } from "../micro/micro-op.ts";
import { CPU, Emitter, LOAD_CODES, type Operation, STORE_CODES } from "./emitter.ts";
import type { Signature, ValueType } from "./module-builder.ts";

/** A function that generated code calls, itself written in micro-operations: (vCPU, record, ...) -> i32. */
export interface MicroFunction {
  readonly name: string;
  /** Behind vCPU and record. */
  readonly parameters: readonly ValueType[];
  /** Every path ends in `leave`, whose reason is the result. */
  readonly build: (l: Lift, ...parameters: Value[]) => void;
}

export const signatureOf = ({ parameters }: Pick<MicroFunction, "parameters">): Signature => ({
  parameters: ["i32", "i32", ...parameters],
  results: ["i32"],
});

/** Emits a {@link MicroFunction}: no operands of instructions, no guest memory, no calls. */
export class FunctionEmitter extends Emitter {
  private readonly parameterCount: number;

  constructor({ parameters, build }: MicroFunction) {
    super(new Map());
    this.parameterCount = 2 + parameters.length;
    const lift = new Lift();
    build(lift, ...parameters.map((type, k) => lift.get({ type, local: 2 + k })));
    this.statements(lift.list);
    this.code.byte(0x00); // every path has left
  }

  protected override newLocal(type: ValueType): number {
    this.locals.push(type);
    return this.parameterCount + this.locals.length - 1;
  }

  protected stateLoad({ place, load }: Operation<"state-load">): void {
    if (!("offset" in place)) throw new Error("a function has no record");
    this.get(CPU);
    this.access(LOAD_CODES[load], place.offset);
  }

  protected stateStore({ place, store, value }: Operation<"state-store">): void {
    if (!("offset" in place)) throw new Error("a function has no record");
    this.get(CPU);
    this.value(value);
    this.access(STORE_CODES[store], place.offset);
  }

  protected leave(_: Value, { reason }: Operation<"leave">): void {
    this.i32(reason);
    this.code.byte(0x0f);
  }

  protected word(): never {
    throw new Error("a function has no record");
  }

  protected guestLoad(): never {
    throw new Error("a function has no guest memory");
  }

  protected guestStore(): never {
    throw new Error("a function has no guest memory");
  }

  protected call(): never {
    throw new Error("a function calls nothing");
  }

  protected jump(): never {
    throw new Error("a function does not jump");
  }

  protected jumpIndirect(): never {
    throw new Error("a function does not jump");
  }

  protected next(): never {
    throw new Error("a function has no next record");
  }
}
