import { Lift } from "../micro/lift.ts";
import type { Intent, Load, Place, Store, UpdateCell, Value } from "../micro/micro-op.ts";
import { ES } from "../x87/context.ts";
import { STATUS_WORD } from "../x87/layout.ts";
import { EFLAGS_RF, EFLAGS_TF } from "./control-bits.ts";
import type { Decoded } from "./decoder.ts";
import {
  codeBits,
  MODE_AVX,
  MODE_CPL_0,
  MODE_EM,
  MODE_OSFXSR,
  MODE_TS,
  stackBits,
} from "./mode.ts";
import { type Operand, RIP_BASE } from "./operand.ts";
import {
  isSegmented,
  isWide,
  keepsModrm,
  operandWords,
  RECORD_HEADER_WORDS,
  registerOffset,
} from "./record.ts";
import type { Ranges } from "./sse/range.ts";
import {
  ADDRESS,
  ATTENTION,
  BUDGET,
  CS,
  EFLAGS,
  ERROR_CODE,
  GPR,
  HELD,
  HELD_NMI,
  Leave,
  RIP,
  SEGMENT_BASE,
  SEGMENT_BYTES,
  SEGMENT_LIMIT,
  SEGMENT_READ_LIMIT,
  SEGMENT_WRITE_LIMIT,
  SEGMENTS,
  SS,
  segmentField,
  VECTOR,
  X87,
} from "./state.ts";

/**
 * What compiled code takes for granted: it is entered only while MXCSR_FAST is 1,
 * and numbers are of ordinary sizes, or it is left.
 */
export interface Speculation {
  readonly ranges: Ranges;
  /** Leave this instruction to tier 0; only where a condition holds. */
  retry(): void;
}

/** Flag of `segment_violation`: the access writes. */
export const WRITES = 0x1000;

const GENERAL_LOADS: Record<number, Load> = { 1: "i64.8u", 2: "i64.16u", 4: "i64.32u", 8: "i64" };
const GENERAL_STORES: Record<number, Store> = { 1: "i64.8", 2: "i64.16", 4: "i64.32", 8: "i64" };

interface BoundOperand {
  readonly operand: Operand;
  /** First record word. */
  readonly word: number;
  /** Kept between `update` and `write` of a read-modify-write. */
  address: Value | undefined;
  cell: UpdateCell | undefined;
}

/**
 * One instruction form being lifted: what its row's semantics record their
 * micro-operations with. Operand values are 64-bit, zero-extended from the
 * operand's width. Rules for semantics: everything that can fault comes before
 * the first change of a register or flag; memory is written before registers.
 */
export class Instruction extends Lift {
  readonly decoded: Decoded;
  /** Operand size in bits, as prefixes and mode give it. */
  readonly bits: 16 | 32 | 64;
  readonly codeBits: 16 | 32 | 64;
  readonly stackBits: 16 | 32 | 64;
  private readonly bound: BoundOperand[] = [];
  /** Record words of this form. */
  readonly words: number;

  constructor(decoded: Decoded) {
    super();
    this.decoded = decoded;
    this.bits = decoded.operandBits;
    this.codeBits = codeBits(decoded.mode);
    this.stackBits = stackBits(decoded.mode);
    const words: number[] = [];
    for (const operand of decoded.operands) {
      this.bound.push({
        operand,
        word: RECORD_HEADER_WORDS + words.length,
        address: undefined,
        cell: undefined,
      });
      operandWords(operand, decoded, 0, words, words.length);
    }
    this.words = RECORD_HEADER_WORDS + words.length + (keepsModrm(decoded) ? 1 : 0);
  }

  /** Whether what is not proved leaves the code being lifted, so that nothing goes on behind it. */
  get leavesUnproved(): boolean {
    return false;
  }

  /**
   * In compiled code, what a function of wasm/strings-at-once.ts returns, which does a repeated string
   * instruction; if it does not, tier 0 does. Undefined: this is tier 0.
   */
  repeatAtOnce(_name: string, _from: Value, _to: Value, _count: Value): Value | undefined {
    return undefined;
  }

  /** undefined: everything has to be proved. */
  get speculation(): Speculation | undefined {
    return undefined;
  }

  /** ModRM of a form whose record keeps it (i32). */
  modrm(): Value {
    return this.word(this.words - 1, "i32");
  }

  private at(index: number): BoundOperand {
    const bound = this.bound[index];
    if (bound === undefined)
      throw new Error(`${this.decoded.row.mnemonic} has no operand ${index}`);
    return bound;
  }

  /** A memory operand in SS: its faults are #SS. */
  usesStack(index: number): boolean {
    const operand = this.bound[index]?.operand;
    return operand?.kind === "memory" && operand.segment === SS;
  }

  isMemory(index: number): boolean {
    return this.at(index).operand.kind === "memory";
  }

  /** Width of an operand in bits. */
  width(index: number): number {
    const { operand } = this.at(index);
    return operand.kind === "relative" || operand.kind === "far" ? this.bits : operand.bytes * 8;
  }

  /** Where a register operand stands. */
  place(index: number): Place {
    const { operand, word } = this.at(index);
    if (operand.kind !== "register") throw new Error("not a register operand");
    return operand.fixed ? { offset: registerOffset(operand) } : { word };
  }

  /** An integer operand's value. */
  read(index: number): Value {
    const { operand, word } = this.at(index);
    switch (operand.kind) {
      case "register":
        return this.loadState(this.place(index), GENERAL_LOADS[operand.bytes] as Load);
      case "memory":
        return this.loadGuest(
          this.linear(index, operand.bytes, "read"),
          GENERAL_LOADS[operand.bytes] as Load,
          {
            stack: operand.segment === SS,
          },
        );
      case "immediate":
        if (this.decoded.row.operands[index]?.method === "one") return this.i64(1);
        return operand.bytes === 8 ? this.word(word, "i64") : this.word(word, "i64.32s");
      default:
        throw new Error("operand has no value");
    }
  }

  /** An immediate truncated to the operand size, or any operand's value sign-extended. */
  readSigned(index: number): Value {
    const value = this.read(index);
    return this.at(index).operand.kind === "immediate"
      ? value
      : this.signExtend(value, this.width(index));
  }

  /** Source operand truncated to `bits`: for immediates, which are kept sign-extended. */
  source(index: number, bits: number): Value {
    const value = this.read(index);
    return this.at(index).operand.kind === "immediate" ? this.truncate(value, bits) : value;
  }

  /** Read an operand that `write` will change: faults as a write. */
  update(index: number): Value {
    const bound = this.at(index);
    const { operand } = bound;
    if (operand.kind !== "memory") return this.read(index);
    bound.address = this.linear(index, operand.bytes, "update");
    bound.cell = { local: -1 };
    return this.loadGuest(bound.address, GENERAL_LOADS[operand.bytes] as Load, {
      intent: "update",
      stack: operand.segment === SS,
      cell: bound.cell,
    });
  }

  /** Write an integer operand: 32-bit registers are zero-extended, narrower ones keep their upper bits. */
  write(index: number, value: Value): void {
    const bound = this.at(index);
    const { operand } = bound;
    if (operand.kind === "register") {
      if (operand.bytes === 4) this.storeState(this.place(index), "i64", this.truncate(value, 32));
      else this.storeState(this.place(index), GENERAL_STORES[operand.bytes] as Store, value);
    } else if (operand.kind === "memory") {
      const address = bound.address ?? this.linear(index, operand.bytes, "write");
      const stack = operand.segment === SS;
      const store = GENERAL_STORES[operand.bytes] as Store;
      if (bound.cell === undefined) this.storeGuest(address, store, value, { stack });
      else this.storeGuest(address, store, value, { stack, cell: bound.cell });
    } else throw new Error("operand cannot be written");
  }

  /**
   * Effective address (offset in its segment) of a memory operand.
   * @param element index of an element, if it is one for each of a vector's
   */
  effective(index: number, element?: Value): Value {
    const { operand, word } = this.at(index);
    if (operand.kind !== "memory" || operand.vsib !== (element !== undefined))
      throw new Error("not such a memory operand");
    let at = word;
    let sum: Value | undefined;
    if (operand.base === RIP_BASE) sum = this.loadState(RIP, "i64");
    else if (operand.base >= 0) sum = this.loadState({ word: at++ }, "i64");
    if (operand.index >= 0) {
      const factor = element ?? this.loadState({ word: at }, "i64");
      const scaled = this.shl(factor, this.word(at + 1, "i64.32u"));
      at += 2;
      sum = sum === undefined ? scaled : this.add(sum, scaled);
    }
    const displacement = this.word(at, isWide(operand) ? "i64" : "i64.32s");
    sum = sum === undefined ? displacement : this.add(sum, displacement);
    return this.truncate(sum, this.decoded.addressBits);
  }

  /** Where the vector register of a VSIB operand stands. */
  vectorIndex(index: number): Place {
    const { operand, word } = this.at(index);
    if (operand.kind !== "memory" || !operand.vsib) throw new Error("not a VSIB operand");
    return { word: operand.base < 0 ? word : word + 1 };
  }

  /** Record word that holds the state offset of a memory operand's segment, or -1. */
  private segmentWord(index: number): number {
    const { operand, word } = this.at(index);
    if (operand.kind !== "memory" || !isSegmented(operand, this.decoded.mode)) return -1;
    const words: number[] = [];
    operandWords(operand, this.decoded, 0, words, 0);
    return word + words.length - 1;
  }

  /**
   * Linear address of a memory operand of `bytes` bytes after the segment's
   * checks. `offset` replaces the operand's own effective address.
   */
  linear(
    index: number,
    bytes: number,
    intent: Intent,
    offset: Value = this.effective(index),
  ): Value {
    const word = this.segmentWord(index);
    if (word < 0) return offset;
    return this.segmented({ word }, offset, bytes, intent);
  }

  /** Linear address of `offset` in the segment whose state stands at `place`. */
  private segmented(place: Place, offset: Value, bytes: number, intent: Intent): Value {
    const field = (which: number): Place =>
      "word" in place ? { word: place.word, plus: which } : { offset: place.offset + which };
    const base = this.loadState(field(SEGMENT_BASE), "i64");
    if (this.codeBits === 64) return this.add(base, offset);
    const limit = this.loadState(
      field(intent === "read" ? SEGMENT_READ_LIMIT : SEGMENT_WRITE_LIMIT),
      "i64",
    );
    const last = bytes === 1 ? offset : this.add(offset, this.i64(bytes - 1));
    this.if(this.op("i64.gt_s", last, limit), () => {
      this.storeState(ADDRESS, "i64", offset);
      const segment = "word" in place ? this.word(place.word, "i32") : this.i32(place.offset);
      this.run(
        "segment_violation",
        [segment, this.i32(bytes | (intent === "read" ? 0 : WRITES))],
        true,
      );
    });
    return this.truncate(this.add(base, offset), 32);
  }

  /** Linear address of an offset in a fixed segment (stack, string operands). */
  inSegment(segment: number, offset: Value, bytes: number, intent: Intent): Value {
    if (this.codeBits === 64 && segment < 4) return offset;
    return this.segmented({ offset: SEGMENTS + segment * SEGMENT_BYTES }, offset, bytes, intent);
  }

  /** A general register by number, `bits` wide. */
  general(index: number, bits: number): Value {
    return this.loadState(GPR + index * 8, GENERAL_LOADS[bits / 8] as Load);
  }

  setGeneral(index: number, bits: number, value: Value): void {
    if (bits === 32) this.storeState(GPR + index * 8, "i64", this.truncate(value, 32));
    else this.storeState(GPR + index * 8, GENERAL_STORES[bits / 8] as Store, value);
  }

  /** Write RSP, ESP or SP by the stack's width. */
  setStackPointer(value: Value): void {
    this.setGeneral(4, this.stackBits, value);
  }

  /** Stack pointer + `delta`, wrapped to the stack's width. */
  stackPointer(delta = 0): Value {
    const pointer = this.general(4, this.stackBits);
    return delta === 0
      ? pointer
      : this.truncate(this.add(pointer, this.i64(delta)), this.stackBits);
  }

  /** Store below the stack pointer and move it; `bits` wide. */
  push(value: Value, bits: number = this.bits): void {
    const pointer = this.stackPointer(-bits / 8);
    const address = this.inSegment(SS, pointer, bits / 8, "write");
    this.storeGuest(address, GENERAL_STORES[bits / 8] as Store, value, { stack: true });
    this.setStackPointer(pointer);
  }

  /** Load from the top of the stack (plus `offset`) without moving the pointer. */
  peek(offset = 0, bits: number = this.bits): Value {
    const address = this.inSegment(SS, this.stackPointer(offset), bits / 8, "read");
    return this.loadGuest(address, GENERAL_LOADS[bits / 8] as Load, { stack: true });
  }

  /** RIP of this instruction plus its length. */
  nextRip(): Value {
    const position = this.word(1, "i32");
    const offset = this.op("i32.and", position, this.i32(0xffff));
    const length = this.op("i32.and", this.op("i32.shr_u", position, this.i32(16)), this.i32(15));
    return this.truncate(
      this.add(this.loadState(RIP, "i64"), this.extend(this.op("i32.add", offset, length))),
      this.codeBits === 16 ? 32 : this.codeBits,
    );
  }

  /** Instructions of the budget that this and those behind it may still use (i32). */
  unspent(): Value {
    const inBlock = this.op("i32.shr_u", this.word(1, "i32"), this.i32(20));
    return this.op("i32.add", this.loadState(BUDGET, "i32"), inBlock);
  }

  /** Take from the budget what the instruction costs beyond itself (i32). */
  spend(instructions: Value): void {
    this.storeState(BUDGET, "i32", this.op("i32.sub", this.loadState(BUDGET, "i32"), instructions));
  }

  /** Raise an exception; nothing after it is executed. */
  raise(vector: number, errorCode = 0): void {
    this.storeState(VECTOR, "i32", this.i32(vector));
    this.storeState(ERROR_CODE, "i32", this.i32(errorCode));
    this.leave(Leave.exception);
  }

  /** #GP(0) for a near branch out of the code segment or to a non-canonical address. */
  checkTarget(target: Value): void {
    const bad =
      this.codeBits === 64
        ? this.ne(this.shrS(this.shl(target, this.i64(16)), this.i64(16)), target)
        : this.op("i64.gt_u", target, this.loadState(segmentField(CS, SEGMENT_LIMIT), "i64.32u"));
    this.if(bad, () => this.raise(13));
  }

  /** Go on at the next instruction through the run loop: for instructions that change what runs next. */
  finish(reason: Leave = Leave.dispatch): void {
    this.storeState(RIP, "i64", this.nextRip());
    this.leave(reason);
  }

  /** As {@link finish}, but through the run loop only if something asked it to look. */
  proceed(): void {
    this.storeState(RIP, "i64", this.nextRip());
    this.proceedAtRip();
  }

  /** Go on at RIP, as it stands in the state, through the run loop only if something asked it to look. */
  proceedAtRip(): void {
    this.if(this.loadState(ATTENTION, "i32"), () => this.leave(Leave.dispatch));
    this.jumpIndirect();
  }

  /**
   * As {@link proceedAtRip}, for instructions that load RFLAGS: what it lets in or traps is looked
   * for before the next instruction. RF is for that one only, and matters where there are breakpoints;
   * then the budget is for one instruction as well.
   */
  proceedWithFlags(): void {
    const flags = this.loadState(EFLAGS, "i32");
    const held = this.loadState(HELD, "i32");
    const lets = this.op("i32.or", held, this.i32(EFLAGS_TF));
    const due = this.op("i32.and", flags, lets);
    const nmi = this.op("i32.and", held, this.i32(HELD_NMI));
    const asked = this.op("i32.or", this.loadState(ATTENTION, "i32"), this.op("i32.or", due, nmi));
    const isSpent = this.op("i32.le_s", this.loadState(BUDGET, "i32"), this.i32(0));
    this.if(this.op("i32.or", asked, isSpent), () => this.leave(Leave.dispatch));
    this.storeState(EFLAGS, "i32", this.op("i32.and", flags, this.i32(~EFLAGS_RF)));
    this.jumpIndirect();
  }

  /** Continue at `target` (i64), checked already. */
  jumpTo(target: Value): void {
    this.storeState(RIP, "i64", target);
    this.jumpIndirect();
  }

  /** Take operand `index` (relative) as a direct jump; `taken` false: fall through to the next instruction. */
  jumpRelative(index: number, taken: boolean): void {
    const word = this.at(index).word + (taken ? 0 : 2);
    const bits = this.codeBits === 16 ? 32 : this.codeBits;
    const target = taken
      ? this.target(index)
      : this.truncate(this.add(this.loadState(RIP, "i64"), this.word(word, "i64.32s")), bits);
    if (taken) this.checkTarget(target);
    this.storeState(RIP, "i64", target);
    this.jump(word + 1);
  }

  /**
   * Hand the instruction to a TypeScript function of helpers.ts. The record's
   * words and ADDRESS (if set by {@link passAddress}) are its arguments. It
   * returns 0, or the reason to leave guest code.
   */
  helper(name: string): void {
    this.run(name, [], true);
  }

  /** An unmasked x87 exception that is pending comes first (Intel SDM vol. 1, 8.6). */
  waitForX87(): void {
    const status = this.loadState(X87 + STATUS_WORD, "i32");
    this.if(this.op("i32.and", status, this.i32(ES)), () => this.helper("x87_check"));
  }

  /** Put the checked linear address of a memory operand of `bytes` bytes where a helper finds it. */
  passAddress(index: number, bytes: number, intent: Intent): void {
    this.storeState(ADDRESS, "i64", this.linear(index, bytes, intent));
  }

  /**
   * The exception that this form raises in this mode whatever its operands:
   * #GP for privileged instructions, #UD or #NM for units that are switched
   * off (Intel SDM vol. 3, table 2-2 and 13.1), or -1.
   */
  unavailable(): number {
    const { row, mode } = this.decoded;
    const { cpl0, unit } = row.options;
    if (unit === "sse") {
      if (mode & MODE_EM || !(mode & MODE_OSFXSR)) return 6;
      if (mode & MODE_TS) return 7;
    } else if (unit === "avx") {
      if (!(mode & MODE_AVX)) return 6;
      if (mode & MODE_TS) return 7;
    } else if (unit === "mmx") {
      if (mode & MODE_EM) return 6;
      if (mode & MODE_TS) return 7;
    } else if (unit === "x87" && mode & (MODE_EM | MODE_TS)) return 7;
    return cpl0 && !(mode & MODE_CPL_0) ? 13 : -1;
  }

  /** Store to a memory operand at another effective address than its own. */
  storeTo(index: number, effective: Value, value: Value): void {
    const { operand } = this.at(index);
    if (operand.kind !== "memory") throw new Error("not a memory operand");
    const address = this.linear(index, operand.bytes, "write", effective);
    this.storeGuest(address, GENERAL_STORES[operand.bytes] as Store, value, {
      stack: operand.segment === SS,
    });
  }

  /** Where a direct branch goes. */
  target(index: number): Value {
    return this.truncate(
      this.add(this.loadState(RIP, "i64"), this.word(this.at(index).word, "i64.32s")),
      this.bits,
    );
  }

  /** State offset (i32) of the segment of a memory operand, or -1 if it has none to speak of. */
  segmentPlace(index: number): Value {
    const word = this.segmentWord(index);
    return word < 0 ? this.i32(-1) : this.word(word, "i32");
  }

  /** A field of the segment of a memory operand, or undefined if it has none to speak of. */
  segmentField(index: number, field: number): Place | undefined {
    const word = this.segmentWord(index);
    return word < 0 ? undefined : { word, plus: field };
  }
}
