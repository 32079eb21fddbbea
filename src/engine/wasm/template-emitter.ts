import type { Place, UpdateCell, Value } from "../micro/micro-op.ts";
import { SLOW_STACK, SLOW_UNALIGNED, SLOW_UPDATE, SLOW_WRITE } from "../x86/access.ts";
import {
  ADDRESS,
  ATTENTION,
  Leave,
  RECORD,
  TLB_READ_TAG,
  TLB_WRITE_TAG,
  VALUE,
} from "../x86/state.ts";
import {
  BYTES,
  CPU,
  ELSE,
  Emitter,
  IF,
  LOAD_CODES,
  type Operation,
  RECORD_LOCAL,
  STORE_CODES,
} from "./emitter.ts";

/**
 * Emits the body of a tier-0 template: a function of (vCPU, record) that
 * performs one instruction form, finds its operands in the record, and ends
 * in a tail call to the next record's template.
 */
export class TemplateEmitter extends Emitter {
  /** Set to 1 after any access that took the slow path. */
  private readonly slow: number;
  private usesSlow = false;
  private readonly templateType: number;
  private readonly recordBytes: number;

  /**
   * @param functions indices of the imported base functions by name
   * @param templateType type index of (i32, i32) -> i32
   * @param recordBytes size of this form's record
   */
  constructor(functions: ReadonlyMap<string, number>, templateType: number, recordBytes: number) {
    super(functions);
    this.templateType = templateType;
    this.recordBytes = recordBytes;
    this.slow = this.newLocal("i32");
  }

  body(list: readonly Value[]): void {
    this.statements(list);
    this.code.byte(0x00); // every path has left
  }

  protected word(op: Operation<"word">): void {
    this.get(RECORD_LOCAL);
    this.access(LOAD_CODES[op.load], op.word * 4);
  }

  protected stateLoad(op: Operation<"state-load">): void {
    this.placeAddress(op.place);
    this.access(LOAD_CODES[op.load], placeOffset(op.place));
  }

  protected stateStore(op: Operation<"state-store">): void {
    this.placeAddress(op.place);
    this.value(op.value);
    this.access(STORE_CODES[op.store], placeOffset(op.place));
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

  /** Consume a status on the stack; return it if it is not 0. */
  private leaveIfSet(): void {
    const status = this.newLocal("i32");
    this.tee(status);
    this.open(IF);
    this.get(status);
    this.code.byte(0x0f);
    this.close();
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

  protected guestLoad(value: Value, op: Operation<"guest-load">): void {
    const address = this.pinned(op.address);
    const bytes = BYTES[op.load];
    const update = op.intent !== "read";
    const entry = this.lookUp(address, bytes, update ? TLB_WRITE_TAG : TLB_READ_TAG);
    this.open(IF, value.type);
    this.hostAddress(address, entry);
    if (op.cell !== undefined) this.tee(this.cellLocal(op.cell));
    this.access(LOAD_CODES[op.load], 0);
    this.code.byte(ELSE);
    this.slowAccess(
      address,
      bytes |
        (update ? SLOW_UPDATE : 0) |
        (op.stack ? SLOW_STACK : 0) |
        (op.unaligned ? SLOW_UNALIGNED : 0),
    );
    this.get(CPU);
    this.access(LOAD_CODES[op.load], VALUE);
    this.close();
    value.local = this.newLocal(value.type);
    this.set(value.local);
  }

  private cellLocal(cell: UpdateCell): number {
    if (cell.local < 0) cell.local = this.newLocal("i32");
    return cell.local;
  }

  protected guestStore(_: Value, op: Operation<"guest-store">): void {
    const address = this.pinned(op.address);
    const value = this.pinned(op.value);
    const bytes = BYTES[op.store];
    const store = STORE_CODES[op.store];
    if (op.cell !== undefined) {
      // The load of this read-modify-write has already translated the address.
      this.get(this.cellLocal(op.cell));
      this.open(IF);
      this.get(this.cellLocal(op.cell));
    } else {
      const entry = this.lookUp(address, bytes, TLB_WRITE_TAG);
      this.open(IF);
      this.hostAddress(address, entry);
    }
    this.get(value);
    this.access(store, 0);
    this.code.byte(ELSE);
    this.get(CPU);
    this.get(value);
    this.access(store, VALUE);
    this.slowAccess(address, bytes | SLOW_WRITE | (op.stack ? SLOW_STACK : 0));
    this.close();
  }

  protected call(value: Value, op: Operation<"call">): void {
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

  protected leave(_: Value, { reason }: Operation<"leave">): void {
    this.get(CPU);
    this.get(RECORD_LOCAL);
    this.access(STORE_CODES.i32, RECORD);
    this.i32(reason);
    this.code.byte(0x0f);
  }

  protected next(): void {
    if (this.usesSlow) {
      // A slow access may have changed code or raised an interrupt: then stop behind this instruction.
      this.get(this.slow);
      this.open(IF);
      this.get(CPU);
      this.access(LOAD_CODES.i32, ATTENTION);
      this.open(IF);
      this.get(CPU);
      this.get(RECORD_LOCAL);
      this.code.byte(0x12).u32(this.function("interrupted"));
      this.close();
      this.close();
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
  protected jump(_: Value, { word }: Operation<"jump">): void {
    const target = this.newLocal("i32");
    this.get(RECORD_LOCAL);
    this.access(LOAD_CODES.i32, word * 4);
    this.tee(target);
    this.open(IF);
    this.get(CPU);
    this.get(target);
    this.get(target);
    this.access(LOAD_CODES.i32, 0);
    this.code.byte(0x13).u32(this.templateType).byte(0x00);
    this.close();
    this.get(CPU);
    this.get(RECORD_LOCAL);
    this.i32(word * 4);
    this.code.byte(0x6a);
    this.access(STORE_CODES.i32, RECORD);
    this.i32(Leave.link);
    this.code.byte(0x0f);
  }

  protected jumpIndirect(): void {
    this.get(CPU);
    this.code.byte(0x12).u32(this.function("jump"));
  }
}

function placeOffset(place: Place): number {
  return "offset" in place ? place.offset : (place.plus ?? 0);
}
