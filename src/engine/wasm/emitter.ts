import type { Load, MicroOp, Store, Value } from "../micro/micro-op.ts";
import { TLB, TLB_ADDEND, TLB_ENTRIES } from "../x86/state.ts";
import { Bytes } from "./bytes.ts";
import { VALUE_TYPES, type ValueType } from "./module-builder.ts";

export const LOAD_CODES: Record<Load, readonly number[]> = {
  i32: [0x28],
  "i32.8s": [0x2c],
  "i32.8u": [0x2d],
  "i32.16s": [0x2e],
  "i32.16u": [0x2f],
  i64: [0x29],
  "i64.8s": [0x30],
  "i64.8u": [0x31],
  "i64.16s": [0x32],
  "i64.16u": [0x33],
  "i64.32s": [0x34],
  "i64.32u": [0x35],
  f32: [0x2a],
  f64: [0x2b],
  v128: [0xfd, 0x00],
};
export const STORE_CODES: Record<Store, readonly number[]> = {
  i32: [0x36],
  "i32.8": [0x3a],
  "i32.16": [0x3b],
  i64: [0x37],
  "i64.8": [0x3c],
  "i64.16": [0x3d],
  "i64.32": [0x3e],
  f32: [0x38],
  f64: [0x39],
  v128: [0xfd, 0x0b],
};
export const BYTES: Record<Load | Store, number> = {
  i32: 4,
  "i32.8s": 1,
  "i32.8u": 1,
  "i32.8": 1,
  "i32.16s": 2,
  "i32.16u": 2,
  "i32.16": 2,
  i64: 8,
  "i64.8s": 1,
  "i64.8u": 1,
  "i64.8": 1,
  "i64.16s": 2,
  "i64.16u": 2,
  "i64.16": 2,
  "i64.32s": 4,
  "i64.32u": 4,
  "i64.32": 4,
  f32: 4,
  f64: 8,
  v128: 16,
};
export const BLOCK = 0x02;
export const LOOP = 0x03;
export const IF = 0x04;
export const ELSE = 0x05;
const END = 0x0b;
const EMPTY_BLOCK = 0x40;

/** Locals 0 and 1 of everything that runs guest code: the vCPU's base and a record's address. */
export const CPU = 0;
export const RECORD_LOCAL = 1;

export type Operation<Kind extends MicroOp["kind"]> = Extract<MicroOp, { kind: Kind }>;

/**
 * Emits WebAssembly for lists of micro-operations. What depends on the tier
 * (where operands and registers are, and how to leave) is left to it.
 */
export abstract class Emitter {
  readonly code = new Bytes();
  readonly locals: ValueType[] = [];
  /** Where in the code there are branches that are hardly ever taken. */
  readonly unlikely: number[] = [];
  /** Blocks, loops and ifs that are open. */
  protected depth = 0;
  private readonly functions: ReadonlyMap<string, number>;

  /** @param functions indices of the imported functions by name */
  constructor(functions: ReadonlyMap<string, number>) {
    this.functions = functions;
  }

  protected abstract word(op: Operation<"word">): void;
  /** Push a state field's value. */
  protected abstract stateLoad(op: Operation<"state-load">): void;
  protected abstract stateStore(op: Operation<"state-store">): void;
  protected abstract guestLoad(value: Value, op: Operation<"guest-load">): void;
  protected abstract guestStore(value: Value, op: Operation<"guest-store">): void;
  protected abstract call(value: Value, op: Operation<"call">): void;
  protected abstract leave(value: Value, op: Operation<"leave">): void;
  protected abstract jump(value: Value, op: Operation<"jump">): void;
  protected abstract jumpIndirect(value: Value): void;
  protected abstract next(): void;

  protected newLocal(type: ValueType): number {
    this.locals.push(type);
    return this.locals.length + 1;
  }

  protected get(local: number): void {
    this.code.byte(0x20).u32(local);
  }

  protected set(local: number): void {
    this.code.byte(0x21).u32(local);
  }

  protected tee(local: number): void {
    this.code.byte(0x22).u32(local);
  }

  protected i32(value: number): void {
    this.code.byte(0x41).s32(value);
  }

  /** A load or store instruction; its address (and value) are on the stack. */
  protected access(codes: readonly number[], offset: number): void {
    this.code.byte(...codes, 0).u32(offset);
  }

  protected function(name: string): number {
    const index = this.functions.get(name);
    if (index === undefined) throw new Error(`no base function ${name}`);
    return index;
  }

  protected open(opcode: number, type: ValueType | undefined = undefined): void {
    this.code.byte(opcode, type === undefined ? EMPTY_BLOCK : VALUE_TYPES[type]);
    this.depth++;
  }

  /** An `if` whose condition hardly ever holds. */
  protected openUnlikely(type?: ValueType): void {
    this.unlikely.push(this.code.length);
    this.open(IF, type);
  }

  protected close(): void {
    this.code.byte(END);
    this.depth--;
  }

  protected statements(list: readonly Value[]): void {
    for (const value of list) this.statement(value);
  }

  protected statement(value: Value): void {
    const op = value.op;
    switch (op.kind) {
      case "constant":
        return;
      case "pure":
      case "select":
      case "shuffle":
        // A value used once is emitted where it is used.
        if (value.uses > 1 && this.isWanted(value)) this.keep(value);
        return;
      case "word":
      case "state-load":
      case "indexed-load":
      case "variable-get":
        // Reads happen here, before whatever is written later.
        if (value.uses > 0) this.keep(value);
        return;
      case "guest-load":
        this.guestLoad(value, op);
        return;
      case "guest-store":
        this.guestStore(value, op);
        return;
      case "call":
        this.call(value, op);
        return;
      case "state-store":
        this.stateStore(op);
        return;
      case "indexed-store":
        this.indexed(op.index);
        this.value(op.value);
        this.access(STORE_CODES[op.store], op.offset);
        return;
      case "variable-set":
        if (op.variable.local < 0) op.variable.local = this.newLocal(op.variable.type);
        this.value(op.value);
        this.set(op.variable.local);
        return;
      case "if":
        this.value(op.condition);
        if (isAbnormal(op.whenTrue)) this.openUnlikely();
        else this.open(IF);
        this.statements(op.whenTrue);
        if (op.whenFalse.length > 0) {
          this.code.byte(ELSE);
          this.statements(op.whenFalse);
        }
        this.close();
        return;
      case "while":
        this.open(BLOCK);
        this.open(LOOP);
        this.statements(op.test);
        this.value(op.condition);
        this.code.byte(0x45, 0x0d, 0x01); // eqz, br_if out
        this.statements(op.body);
        this.code.byte(0x0c, 0x00);
        this.close();
        this.close();
        return;
      case "leave":
        this.leave(value, op);
        return;
      case "jump":
        this.jump(value, op);
        return;
      case "jump-indirect":
        this.jumpIndirect(value);
        return;
      case "next":
        this.next();
        return;
    }
  }

  /** Whether a value is kept; otherwise it is computed each time that it is used. */
  protected isWanted(_value: Value): boolean {
    return true;
  }

  protected keep(value: Value): void {
    this.compute(value);
    value.local = this.newLocal(value.type);
    this.set(value.local);
  }

  /** Push a value. */
  protected value(value: Value): void {
    if (value.local >= 0) this.get(value.local);
    else this.compute(value);
  }

  protected compute(value: Value): void {
    const op = value.op;
    switch (op.kind) {
      case "constant":
        this.constant(op.type, op.value);
        return;
      case "pure": {
        for (const arg of op.args) this.value(arg);
        const { code, lane } = op.operation;
        if (code > 0xff) this.code.byte(code >> 16).u32(code & 0xffff);
        else this.code.byte(code);
        if (lane) this.code.byte(op.lane);
        return;
      }
      case "select":
        for (const arg of op.args) this.value(arg);
        if (value.type === "v128") this.code.byte(0x1c, 1, VALUE_TYPES.v128);
        else this.code.byte(0x1b);
        return;
      case "shuffle":
        for (const arg of op.args) this.value(arg);
        this.code.byte(0xfd, 0x0d, ...op.lanes);
        return;
      case "word":
        this.word(op);
        return;
      case "state-load":
        this.stateLoad(op);
        return;
      case "indexed-load":
        this.indexed(op.index);
        this.access(LOAD_CODES[op.load], op.offset);
        return;
      case "variable-get":
        this.get(op.variable.local);
        return;
      default:
        throw new Error(`${op.kind} has no value here`);
    }
  }

  /** Push the vCPU's base and a number of bytes, added up. */
  private indexed(index: Value): void {
    this.get(CPU);
    this.value(index);
    this.code.byte(0x6a);
  }

  protected constant(type: ValueType, value: number | bigint): void {
    if (type === "i32") this.i32(Number(value));
    else if (type === "i64") this.code.byte(0x42).s64(BigInt(value));
    else {
      const bytes = new Uint8Array(16);
      const view = new DataView(bytes.buffer);
      if (type === "f32") {
        view.setFloat32(0, Number(value), true);
        this.code.byte(0x43, ...bytes.subarray(0, 4));
      } else if (type === "f64") {
        view.setFloat64(0, Number(value), true);
        this.code.byte(0x44, ...bytes.subarray(0, 8));
      } else {
        view.setBigUint64(0, BigInt.asUintN(64, BigInt(value)), true);
        view.setBigUint64(8, BigInt.asUintN(64, BigInt(value) >> 64n), true);
        this.code.byte(0xfd, 0x0c, ...bytes);
      }
    }
  }

  /** Push the address of the TLB set in use. */
  protected tlbSet(): void {
    this.get(CPU);
    this.access(LOAD_CODES.i32, TLB);
  }

  /** The address of an address's entry in the TLB, in a local. */
  protected lookUpEntry(address: number): number {
    const entry = this.newLocal("i32");
    this.tlbSet();
    this.get(address);
    this.code.byte(0x42).s64(7n).byte(0x88, 0xa7); // (linear >> 12) * 32 = linear >> 7, less the low bits
    this.i32((TLB_ENTRIES - 1) << 5);
    this.code.byte(0x71, 0x6a);
    this.set(entry);
    return entry;
  }

  /** Push whether the TLB grants the access; leaves the entry's address in the returned local. */
  protected lookUp(address: number, bytes: number, tag: number): number {
    const entry = this.lookUpEntry(address);
    this.get(entry);
    this.access(LOAD_CODES.i64, tag);
    this.get(address);
    if (bytes > 1)
      this.code
        .byte(0x42)
        .s64(BigInt(bytes - 1))
        .byte(0x7c);
    this.code.byte(0x42).s64(-4096n).byte(0x83, 0x51);
    return entry;
  }

  /** Push the byte in linear memory of a granted access. */
  protected hostAddress(address: number, entry: number): void {
    this.get(address);
    this.code.byte(0xa7);
    this.get(entry);
    this.access(LOAD_CODES.i32, TLB_ADDEND);
    this.code.byte(0x6a);
  }

  /** A local that holds the value. */
  protected pinned(value: Value): number {
    if (value.local >= 0) return value.local;
    this.keep(value);
    return value.local;
  }
}

/** Whether a list goes to TypeScript or leaves, which few do. */
function isAbnormal(list: readonly Value[]): boolean {
  return list.some(
    ({ op }) =>
      op.kind === "leave" || op.kind === "call" || (op.kind === "if" && isAbnormal(op.whenTrue)),
  );
}
