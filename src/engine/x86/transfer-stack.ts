import {
  checkAlignment,
  isCanonical,
  readGuest16,
  readGuest32,
  readGuest64,
  readSystem,
  readSystem64,
  writeSystem,
} from "./access.ts";
import { CR4_SMAP, EFLAGS_AC } from "./control-bits.ts";
import type { Core } from "./core.ts";
import { ATTRIBUTE_UNUSABLE, Descriptor, isNullSelector } from "./descriptor.ts";
import { stackBits } from "./mode.ts";
import {
  isInside,
  type SegmentCache,
  segmentLinear,
  setFromDescriptor,
  setNull,
} from "./segments.ts";
import {
  CR4,
  EFLAGS,
  GPR,
  MODE,
  SEGMENT_ATTRIBUTES,
  SEGMENT_BASE,
  SEGMENT_LIMIT,
  SEGMENT_SELECTOR,
  SS,
  segmentField,
  TR,
} from "./state.ts";
import { SUPERVISOR, SUPERVISOR_SMAP, USER } from "./tlb.ts";

/** State offset of RSP. */
export const RSP = GPR + 4 * 8;

/** V8 folds no imported constants. */
const POINTER = RSP;
const STACK = SS;
const TASK_BASE = segmentField(TR, SEGMENT_BASE);

/** Where a stack stands after {@link TransferStack.commit}. */
type Origin = "current" | "descriptor" | "null";

/**
 * The stack that a far transfer (interrupt, call gate, ...) pushes to: the
 * present one, or that of another privilege level. SS and RSP change only
 * when it is committed, after everything that can fault.
 */
export class TransferStack {
  readonly segment: SegmentCache = { selector: 0, base: 0, limit: 0, attributes: 0 };
  /** Width of the stack pointer. */
  bits: 16 | 32 | 64 = 16;
  pointer = 0;
  readonly #descriptor = new Descriptor();
  #origin: Origin = "current";
  /** Error code of #SS when the stack is too small. */
  #faultCode = 0;
  #tlbSet = 0;

  /** The stack in use. @param external EXT bit of error codes */
  useCurrent(core: Core, external: number): void {
    const { segment } = this;
    this.#origin = "current";
    segment.base = core.address(segmentField(SS, SEGMENT_BASE));
    segment.limit = core.get(segmentField(SS, SEGMENT_LIMIT));
    segment.attributes = core.get(segmentField(SS, SEGMENT_ATTRIBUTES));
    this.bits = stackBits(core.get(MODE));
    this.#setPointer(core.address(RSP));
    this.#faultCode = external;
    this.#setPrivilege(core, core.cpl);
  }

  /**
   * The stack of an inner privilege level, from the 16-bit or 32-bit TSS (Intel
   * SDM vol. 3, 6.12.1). Raises #TS or #SS with the selector.
   */
  useTask(core: Core, privilege: number, external: number): void {
    const wide = (core.get(segmentField(TR, SEGMENT_ATTRIBUTES)) & 8) !== 0;
    const offset = wide ? privilege * 8 + 4 : privilege * 4 + 2;
    checkTaskLimit(core, offset + (wide ? 5 : 3), external);
    const base = core.address(segmentField(TR, SEGMENT_BASE));
    const pointer = readSystem(core, taskLinear(core, base + offset), wide ? 4 : 2);
    const selector = readSystem(core, taskLinear(core, base + offset + (wide ? 4 : 2)), 2);
    this.useSelector(core, selector, pointer, privilege, external);
  }

  /** A stack segment that is loaded for `privilege` on behalf of a transfer. Raises #TS or #SS with the selector. */
  useSelector(
    core: Core,
    selector: number,
    pointer: number,
    privilege: number,
    external: number,
  ): void {
    const descriptor = this.#descriptor;
    const code = (selector & 0xfffc) | external;
    if (isNullSelector(selector)) core.raiseWithCode(10, external);
    if (!descriptor.read(core, selector)) core.raiseWithCode(10, code);
    if (
      (selector & 3) !== privilege ||
      descriptor.privilege !== privilege ||
      !descriptor.isWritable
    )
      core.raiseWithCode(10, code);
    if (!descriptor.isPresent) core.raiseWithCode(12, code);
    descriptor.markAccessed(core);
    const { segment } = this;
    this.#origin = "descriptor";
    segment.selector = selector;
    segment.base = descriptor.base;
    segment.limit = descriptor.limit;
    segment.attributes = descriptor.attributes;
    this.bits = descriptor.isBig ? 32 : 16;
    this.#setPointer(pointer);
    this.#faultCode = code;
    this.#setPrivilege(core, privilege);
  }

  /**
   * A 64-bit stack; SS becomes null if the privilege changes.
   * @param slot index of the TSS field that holds RSP: 0 to 2 by privilege, 4 to 10 for IST 1 to 7; -1: RSP itself
   */
  use64(core: Core, slot: number, privilege: number, external: number): void {
    this.bits = 64;
    if (slot < 0) this.pointer = core.address(POINTER);
    else {
      const offset = 4 + slot * 8;
      checkTaskLimit(core, offset + 7, external);
      this.pointer = readSystem64(core, core.address(TASK_BASE) + offset);
    }
    this.#origin = privilege === core.cpl ? "current" : "null";
    this.segment.selector = privilege;
    this.#faultCode = external;
    this.#setPrivilege(core, privilege);
  }

  /** Interrupts in IA-32e mode align the stack to 16 bytes. */
  align(): void {
    this.pointer -= this.pointer & 15;
  }

  #setPrivilege(core: Core, privilege: number): void {
    if (privilege === 3) this.#tlbSet = USER;
    else
      this.#tlbSet =
        core.get(CR4) & CR4_SMAP && !(core.get(EFLAGS) & EFLAGS_AC) ? SUPERVISOR_SMAP : SUPERVISOR;
  }

  #setPointer(pointer: number): void {
    this.pointer = this.bits === 64 ? pointer : this.bits === 32 ? pointer >>> 0 : pointer & 0xffff;
  }

  /** Make room for `size` bytes and give their linear address. */
  #reserve(core: Core, size: number): number {
    if (this.bits === 64) {
      this.pointer -= size;
      if (!isCanonical(this.pointer) || !isCanonical(this.pointer + size - 1))
        core.raiseWithCode(12, this.#faultCode);
      return this.pointer;
    }
    this.#setPointer(this.pointer - size);
    const { pointer, segment } = this;
    if (
      segment.attributes & ATTRIBUTE_UNUSABLE ||
      !isInside(segment.attributes, segment.limit, pointer, size)
    )
      core.raiseWithCode(12, this.#faultCode);
    return (segment.base + pointer) >>> 0;
  }

  /** @param value below 2^53; the low `size` bytes are pushed */
  push(core: Core, size: 2 | 4 | 8, value: number): void {
    const hi = size === 8 ? Math.floor(value / 4294967296) : 0;
    const linear = this.#reserve(core, size);
    if (this.#tlbSet === USER) checkAlignment(core, linear, size);
    writeSystem(core, linear, size, value >>> 0, hi, this.#tlbSet);
  }

  /** Push a 64-bit field of the state, all bits of it. */
  push64(core: Core, offset: number): void {
    const linear = this.#reserve(core, 8);
    writeSystem(core, linear, 8, core.get(offset), core.get(offset + 4), this.#tlbSet);
  }

  /** SS and RSP become this stack. CPL must have changed before. */
  commit(core: Core): void {
    if (this.#origin === "descriptor")
      setFromDescriptor(core, SS, this.segment.selector, this.#descriptor);
    else if (this.#origin === "null") setNull(core, SS, this.segment.selector);
    setStackPointer(core, this.pointer, this.bits);
  }
}

/** Whether the bytes up to `last` of the TSS exist; raises #TS. */
function checkTaskLimit(core: Core, last: number, external: number): void {
  if (last > core.get(segmentField(TR, SEGMENT_LIMIT)))
    core.raiseWithCode(10, (core.get(segmentField(TR, SEGMENT_SELECTOR)) & 0xfffc) | external);
}

function taskLinear(core: Core, linear: number): number {
  return core.isLong ? linear : linear >>> 0;
}

/** Change SP, ESP or RSP. */
export function setStackPointer(core: Core, pointer: number, bits: 16 | 32 | 64): void {
  if (bits === 64) core.setAddress(POINTER, pointer);
  else if (bits === 32) core.setAddress(RSP, pointer >>> 0);
  else core.set(RSP, ((core.get(RSP) & 0xffff_0000) | (pointer & 0xffff)) >>> 0);
}

/**
 * The value `offset` bytes above the stack pointer, at the present privilege;
 * 8 bytes sign-extended, its halves in `lastRead`.
 */
export function peek(core: Core, offset: number, size: 2 | 4 | 8): number {
  const pointer = core.address(POINTER) + offset;
  let linear = pointer;
  if (!core.is64) {
    const wrapped = stackBits(core.get(MODE)) === 32 ? pointer >>> 0 : pointer & 0xffff;
    linear = segmentLinear(core, STACK, wrapped, size, false);
  }
  if (size === 2) return readGuest16(core, linear, true);
  return size === 4 ? readGuest32(core, linear, true) : readGuest64(core, linear, true);
}

/** The low word of a stack slot of `bytes` bytes: a selector or flags; what stands above them does not count. */
export function peekLow(core: Core, offset: number, bytes: 2 | 4 | 8): number {
  return peek(core, offset, bytes === 8 ? 4 : bytes);
}

/** Move the stack pointer up. */
export function dropStack(core: Core, bytes: number): void {
  setStackPointer(core, core.address(RSP) + bytes, stackBits(core.get(MODE)));
}
