import type { Load, MicroOp, Place, Store, UpdateCell, Value } from "../micro/micro-op.ts";
import { SLOW_STACK, SLOW_UPDATE, SLOW_WRITE } from "../x86/access.ts";
import {
  ADDRESS,
  ATTENTION,
  Leave,
  RECORD,
  TLB,
  TLB_ADDEND,
  TLB_ENTRIES,
  TLB_READ_TAG,
  TLB_WRITE_TAG,
  VALUE,
} from "../x86/state.ts";
import { Bytes } from "./bytes.ts";
import type { ValueType } from "./module-builder.ts";

const LOAD_CODES: Record<Load, readonly number[]> = {
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
const STORE_CODES: Record<Store, readonly number[]> = {
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
const BYTES: Record<Load | Store, number> = {
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
const BLOCK_TYPES: Record<ValueType, number> = {
  i32: 0x7f,
  i64: 0x7e,
  f32: 0x7d,
  f64: 0x7c,
  v128: 0x7b,
};
const EMPTY_BLOCK = 0x40;

/** Locals 0 and 1 of every template: the vCPU's base and the record's address. */
const CPU = 0;
const RECORD_LOCAL = 1;

/**
 * Emits the body of a tier-0 template: a function of (vCPU, record) that
 * performs one instruction form, finds its operands in the record, and ends
 * in a tail call to the next record's template.
 */
export class TemplateEmitter {
  readonly code = new Bytes();
  readonly locals: ValueType[] = [];
  /** Set to 1 after any access that took the slow path. */
  private readonly slow: number;
  private usesSlow = false;
  private readonly functions: ReadonlyMap<string, number>;
  private readonly templateType: number;
  private readonly recordBytes: number;

  /**
   * @param functions indices of the imported base functions by name
   * @param templateType type index of (i32, i32) -> i32
   * @param recordBytes size of this form's record
   */
  constructor(functions: ReadonlyMap<string, number>, templateType: number, recordBytes: number) {
    this.functions = functions;
    this.templateType = templateType;
    this.recordBytes = recordBytes;
    this.slow = this.newLocal("i32");
  }

  private newLocal(type: ValueType): number {
    this.locals.push(type);
    return this.locals.length + 1;
  }

  private get(local: number): void {
    this.code.byte(0x20).u32(local);
  }

  private set(local: number): void {
    this.code.byte(0x21).u32(local);
  }

  private tee(local: number): void {
    this.code.byte(0x22).u32(local);
  }

  private i32(value: number): void {
    this.code.byte(0x41).s32(value);
  }

  /** A load or store instruction; its address (and value) are on the stack. */
  private access(codes: readonly number[], offset: number): void {
    this.code.byte(...codes, 0).u32(offset);
  }

  private function(name: string): number {
    const index = this.functions.get(name);
    if (index === undefined) throw new Error(`no base function ${name}`);
    return index;
  }

  body(list: readonly Value[]): void {
    this.statements(list);
    this.code.byte(0x00); // every path has left
  }

  private statements(list: readonly Value[]): void {
    for (const value of list) this.statement(value);
  }

  private statement(value: Value): void {
    const op = value.op;
    switch (op.kind) {
      case "constant":
        return;
      case "pure":
      case "select":
      case "shuffle":
        // A value used once is emitted where it is used.
        if (value.uses > 1) this.keep(value);
        return;
      case "word":
      case "state-load":
      case "variable-get":
        // Reads happen here, before whatever is written later.
        if (value.uses > 0) this.keep(value);
        return;
      case "guest-load":
        this.guestLoad(value, op);
        return;
      case "call":
        this.call(value, op);
        return;
      case "state-store":
        this.placeAddress(op.place);
        this.value(op.value);
        this.access(STORE_CODES[op.store], placeOffset(op.place));
        return;
      case "guest-store":
        this.guestStore(op);
        return;
      case "variable-set":
        if (op.variable.local < 0) op.variable.local = this.newLocal(op.variable.type);
        this.value(op.value);
        this.set(op.variable.local);
        return;
      case "if":
        this.value(op.condition);
        this.code.byte(0x04, EMPTY_BLOCK);
        this.statements(op.whenTrue);
        if (op.whenFalse.length > 0) {
          this.code.byte(0x05);
          this.statements(op.whenFalse);
        }
        this.code.byte(0x0b);
        return;
      case "while":
        this.code.byte(0x02, EMPTY_BLOCK, 0x03, EMPTY_BLOCK);
        this.statements(op.test);
        this.value(op.condition);
        this.code.byte(0x45, 0x0d, 0x01); // eqz, br_if out
        this.statements(op.body);
        this.code.byte(0x0c, 0x00, 0x0b, 0x0b);
        return;
      case "leave":
        this.leave(op.reason);
        return;
      case "jump":
        this.jump(op.word);
        return;
      case "jump-indirect":
        this.get(CPU);
        this.code.byte(0x12).u32(this.function("jump"));
        return;
      case "next":
        this.next();
        return;
    }
  }

  private keep(value: Value): void {
    this.compute(value);
    value.local = this.newLocal(value.type);
    this.set(value.local);
  }

  /** Push a value. */
  private value(value: Value): void {
    if (value.local >= 0) this.get(value.local);
    else this.compute(value);
  }

  private compute(value: Value): void {
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
        if (value.type === "v128") this.code.byte(0x1c, 1, BLOCK_TYPES.v128);
        else this.code.byte(0x1b);
        return;
      case "shuffle":
        for (const arg of op.args) this.value(arg);
        this.code.byte(0xfd, 0x0d, ...op.lanes);
        return;
      case "word":
        this.get(RECORD_LOCAL);
        this.access(LOAD_CODES[op.load], op.word * 4);
        return;
      case "state-load":
        this.placeAddress(op.place);
        this.access(LOAD_CODES[op.load], placeOffset(op.place));
        return;
      case "variable-get":
        this.get(op.variable.local);
        return;
      default:
        throw new Error(`${op.kind} has no value here`);
    }
  }

  private constant(type: ValueType, value: number | bigint): void {
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

  /** Push the base address of a place; its constant part goes into the access. */
  private placeAddress(place: Place): void {
    this.get(CPU);
    if ("word" in place) {
      this.get(RECORD_LOCAL);
      this.access(LOAD_CODES.i32, place.word * 4);
      this.code.byte(0x6a);
    }
  }

  /** Push whether the TLB grants the access; leaves the entry's address in the returned local. */
  private lookUp(address: number, bytes: number, tag: number): number {
    const entry = this.newLocal("i32");
    this.get(CPU);
    this.access(LOAD_CODES.i32, TLB);
    this.get(address);
    this.code.byte(0x42).s64(7n).byte(0x88, 0xa7); // (linear >> 12) * 32 = linear >> 7, less the low bits
    this.i32((TLB_ENTRIES - 1) << 5);
    this.code.byte(0x71, 0x6a);
    this.tee(entry);
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
  private hostAddress(address: number, entry: number): void {
    this.get(address);
    this.code.byte(0xa7);
    this.get(entry);
    this.access(LOAD_CODES.i32, TLB_ADDEND);
    this.code.byte(0x6a);
  }

  /** Hand an access to TypeScript; leaves guest code if it faulted. */
  private slowAccess(address: number, kind: number): void {
    this.usesSlow = true;
    this.get(CPU);
    this.get(address);
    this.access(STORE_CODES.i64, ADDRESS);
    this.get(CPU);
    this.get(RECORD_LOCAL);
    this.i32(kind);
    this.code.byte(0x10).u32(this.function("slow_access"));
    this.leaveIfSet();
    this.i32(1);
    this.set(this.slow);
  }

  /** Consume a status on the stack; return it if it is not 0. */
  private leaveIfSet(): void {
    const status = this.newLocal("i32");
    this.tee(status);
    this.code.byte(0x04, EMPTY_BLOCK);
    this.get(status);
    this.code.byte(0x0f, 0x0b);
  }

  private pinned(value: Value): number {
    if (value.local >= 0) return value.local;
    const local = this.newLocal(value.type);
    this.compute(value);
    this.set(local);
    return local;
  }

  private guestLoad(value: Value, op: Extract<MicroOp, { kind: "guest-load" }>): void {
    const address = this.pinned(op.address);
    const bytes = BYTES[op.load];
    const update = op.intent !== "read";
    const entry = this.lookUp(address, bytes, update ? TLB_WRITE_TAG : TLB_READ_TAG);
    this.code.byte(0x04, BLOCK_TYPES[value.type]);
    this.hostAddress(address, entry);
    if (op.cell !== undefined) this.tee(this.cellLocal(op.cell));
    this.access(LOAD_CODES[op.load], 0);
    this.code.byte(0x05);
    this.slowAccess(address, bytes | (update ? SLOW_UPDATE : 0) | (op.stack ? SLOW_STACK : 0));
    this.get(CPU);
    this.access(LOAD_CODES[op.load], VALUE);
    this.code.byte(0x0b);
    value.local = this.newLocal(value.type);
    this.set(value.local);
  }

  private cellLocal(cell: UpdateCell): number {
    if (cell.local < 0) cell.local = this.newLocal("i32");
    return cell.local;
  }

  private guestStore(op: Extract<MicroOp, { kind: "guest-store" }>): void {
    const address = this.pinned(op.address);
    const value = this.pinned(op.value);
    const bytes = BYTES[op.store];
    const store = STORE_CODES[op.store];
    if (op.cell !== undefined) {
      // The load of this read-modify-write has already translated the address.
      this.get(this.cellLocal(op.cell));
      this.code.byte(0x04, EMPTY_BLOCK);
      this.get(this.cellLocal(op.cell));
    } else {
      const entry = this.lookUp(address, bytes, TLB_WRITE_TAG);
      this.code.byte(0x04, EMPTY_BLOCK);
      this.hostAddress(address, entry);
    }
    this.get(value);
    this.access(store, 0);
    this.code.byte(0x05);
    this.get(CPU);
    this.get(value);
    this.access(store, VALUE);
    this.slowAccess(address, bytes | SLOW_WRITE | (op.stack ? SLOW_STACK : 0));
    this.code.byte(0x0b);
  }

  private call(value: Value, op: Extract<MicroOp, { kind: "call" }>): void {
    this.get(CPU);
    this.get(RECORD_LOCAL);
    for (const arg of op.args) this.value(arg);
    this.code.byte(0x10).u32(this.function(op.name));
    if (op.fallible) {
      this.usesSlow = true;
      this.leaveIfSet();
      this.i32(1);
      this.set(this.slow);
    } else if (op.type !== undefined) {
      value.local = this.newLocal(op.type);
      this.set(value.local);
    }
  }

  private leave(reason: number): void {
    this.get(CPU);
    this.get(RECORD_LOCAL);
    this.access(STORE_CODES.i32, RECORD);
    this.i32(reason);
    this.code.byte(0x0f);
  }

  private next(): void {
    if (this.usesSlow) {
      // A slow access may have changed code or raised an interrupt: then stop behind this instruction.
      this.get(this.slow);
      this.code.byte(0x04, EMPTY_BLOCK);
      this.get(CPU);
      this.access(LOAD_CODES.i32, ATTENTION);
      this.code.byte(0x04, EMPTY_BLOCK);
      this.get(CPU);
      this.get(RECORD_LOCAL);
      this.code.byte(0x12).u32(this.function("interrupted"));
      this.code.byte(0x0b, 0x0b);
    }
    this.get(CPU);
    this.get(RECORD_LOCAL);
    this.i32(this.recordBytes);
    this.code.byte(0x6a);
    this.get(RECORD_LOCAL);
    this.access(LOAD_CODES.i32, this.recordBytes);
    this.code.byte(0x13).u32(this.templateType).byte(0x00);
  }

  /** RIP is stored already: enter the linked record, or leave to have the link resolved. */
  private jump(word: number): void {
    const target = this.newLocal("i32");
    this.get(RECORD_LOCAL);
    this.access(LOAD_CODES.i32, word * 4);
    this.tee(target);
    this.code.byte(0x04, EMPTY_BLOCK);
    this.get(CPU);
    this.get(target);
    this.get(target);
    this.access(LOAD_CODES.i32, 0);
    this.code.byte(0x13).u32(this.templateType).byte(0x00);
    this.code.byte(0x0b);
    this.get(CPU);
    this.get(RECORD_LOCAL);
    this.i32(word * 4);
    this.code.byte(0x6a);
    this.access(STORE_CODES.i32, RECORD);
    this.i32(Leave.link);
    this.code.byte(0x0f);
  }
}

function placeOffset(place: Place): number {
  return "offset" in place ? place.offset : (place.plus ?? 0);
}
