import { Lift } from "../micro/lift.ts";
import type { Value } from "../micro/micro-op.ts";
import { SLOW_WRITE } from "../x86/access.ts";
import { SUPERVISOR_TLB, TLB_READ_TAG, TLB_WRITE_TAG } from "../x86/state.ts";
import { BYTES, CPU, Emitter, IF, LOAD_CODES, type Operation, STORE_CODES } from "./emitter.ts";
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

/**
 * Emits a {@link MicroFunction}: no operands of instructions, no calls. An access to guest memory is an
 * implicit one of the system's; if it cannot be done in plain memory, the function ends with 0.
 */
export class FunctionEmitter extends Emitter {
  private readonly parameterCount: number;
  private readonly fillTlb: number;

  /** @param fillTlb index of the function that fills the TLB for accesses of the system's */
  constructor({ parameters, build }: MicroFunction, fillTlb: number) {
    super(new Map());
    this.parameterCount = 2 + parameters.length;
    this.fillTlb = fillTlb;
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

  protected override tlbSet(): void {
    this.get(CPU);
    this.access(LOAD_CODES.i32, SUPERVISOR_TLB);
  }

  /** Push where an access is in linear memory, or end the function. */
  private locate(linear: Value, bytes: number, tag: number, kind: number): void {
    const address = this.pinned(linear);
    const entry = this.lookUp(address, bytes, tag);
    this.code.byte(0x45);
    this.openUnlikely();
    this.get(CPU);
    this.i32(bytes | kind);
    this.get(address);
    this.code.byte(0x10).u32(this.fillTlb).byte(0x45);
    this.open(IF);
    this.i32(0);
    this.code.byte(0x0f);
    this.close();
    this.close();
    this.hostAddress(address, entry);
  }

  protected guestLoad(value: Value, { address, load }: Operation<"guest-load">): void {
    this.locate(address, BYTES[load], TLB_READ_TAG, 0);
    this.access(LOAD_CODES[load], 0);
    value.local = this.newLocal(value.type);
    this.set(value.local);
  }

  protected guestStore(_: Value, { address, store, value }: Operation<"guest-store">): void {
    this.locate(address, BYTES[store], TLB_WRITE_TAG, SLOW_WRITE);
    this.value(value);
    this.access(STORE_CODES[store], 0);
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
