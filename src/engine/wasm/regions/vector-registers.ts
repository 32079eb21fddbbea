import type { Load, Place, Store, Value } from "../../micro/micro-op.ts";
import type { ValueType } from "../module-builder.ts";
import { RegionCode } from "./region-code.ts";
import { lowReplaced, type Scalar } from "./scalar-registers.ts";

/** A field of the state that a region keeps in a local. */
export interface Cached {
  readonly local: number;
  readonly type: "i32" | "i64" | "v128";
  /** How it is fetched; undefined: it holds nothing before it is written. */
  readonly load: Load | undefined;
  written: boolean;
  /** The low element stands in a local of its own; what `local` holds of it is not valid. */
  readonly low?: LowElement | undefined;
}

export interface LowElement {
  readonly local: number;
  readonly type: Scalar;
}

/** Vector registers in locals: as one of 128 bits, or with the low element, a number, in one of its own. */
export abstract class VectorRegisters extends RegionCode {
  /** By the field's offset. */
  protected readonly cached = new Map<number, Cached>();
  /** A vector of zeros: as a constant it would be made anew, and kept, for each use. */
  protected readonly zero = this.newLocal("v128");
  /** Low elements of registers' values that are kept in two parts. */
  private readonly parts = new Map<Value, LowElement>();

  protected takeLow(type: Scalar): void {
    this.code
      .byte(0xfd)
      .u32(type === "f32" ? 31 : 33)
      .byte(0);
  }

  protected putLow(type: Scalar): void {
    this.code
      .byte(0xfd)
      .u32(type === "f32" ? 32 : 34)
      .byte(0);
  }

  protected vectorLoad(offset: number, load: Load): void {
    const { local, low } = this.cached.get(offset & ~15) as Cached;
    this.get(local);
    if (low !== undefined) {
      this.get(low.local);
      this.putLow(low.type);
    }
    if (load === "v128") return;
    const lane = LANES[load];
    if (lane === undefined) throw new Error(`vector register as ${load}`);
    this.code
      .byte(0xfd)
      .u32(lane.extract)
      .byte((offset & 15) / lane.bytes);
    if (lane.widen !== undefined) this.code.byte(lane.widen);
  }

  protected vectorStore(offset: number, store: Store, value: Value): void {
    const cached = this.cached.get(offset & ~15) as Cached;
    const { local, low } = cached;
    if (store === "v128") {
      if (low !== undefined) {
        this.storeParts(local, low, value);
        return;
      }
      this.value(value);
    } else {
      const lane = LANES[store];
      if (lane === undefined) throw new Error(`vector register as ${store}`);
      this.vectorLoad(offset & ~15, "v128");
      this.value(value);
      if (lane.narrow !== undefined) this.code.byte(lane.narrow);
      this.code
        .byte(0xfd)
        .u32(lane.replace)
        .byte((offset & 15) / lane.bytes);
      if (low !== undefined) {
        this.tee(local);
        this.takeLow(low.type);
        this.set(low.local);
        return;
      }
    }
    this.set(local);
  }

  private storeParts(local: number, low: LowElement, value: Value): void {
    if (this.parts.get(value)?.type === low.type || lowReplaced(value, low.type) !== undefined) {
      this.restOf(value, low.type);
      this.lowOf(value, low.type);
      this.set(low.local);
      this.set(local);
      return;
    }
    this.value(value);
    this.tee(local);
    this.takeLow(low.type);
    this.set(low.local);
  }

  /** A register that is kept in two parts stays so. */
  protected override keep(value: Value): void {
    const { op } = value;
    if (op.kind === "state-load" && op.load === "v128") {
      const cached = this.cached.get(offsetOf(op.place));
      if (cached?.low !== undefined) {
        const low = this.newLocal(cached.low.type);
        value.local = this.newLocal("v128");
        this.get(cached.local);
        this.set(value.local);
        this.get(cached.low.local);
        this.set(low);
        this.parts.set(value, { local: low, type: cached.low.type });
        return;
      }
    }
    super.keep(value);
  }

  protected override value(value: Value): void {
    super.value(value);
    const low = this.parts.get(value);
    if (low === undefined) return;
    this.get(low.local);
    this.putLow(low.type);
  }

  /** Push the low element of a vector. */
  protected lowOf(vector: Value, type: Scalar): void {
    const part = this.parts.get(vector);
    const replaced = lowReplaced(vector, type);
    if (part?.type === type) this.get(part.local);
    else if (replaced !== undefined) this.value(replaced.low);
    else {
      this.value(vector);
      this.takeLow(type);
    }
  }

  /** Push a vector whose low element does not matter. */
  private restOf(vector: Value, type: Scalar): void {
    const replaced = lowReplaced(vector, type);
    if (this.parts.get(vector)?.type === type) this.get(vector.local);
    else if (replaced !== undefined) this.restOf(replaced.rest, type);
    else this.value(vector);
  }

  protected override constant(type: ValueType, value: number | bigint): void {
    if (type === "v128" && value === 0n) this.get(this.zero);
    else super.constant(type, value);
  }
}

/** Parts of a vector register: lane instructions, and what converts to them or from them. */
const LANES: Partial<
  Record<
    Load | Store,
    { bytes: number; extract: number; replace: number; widen?: number; narrow?: number }
  >
> = {
  i32: { bytes: 4, extract: 27, replace: 28 },
  i64: { bytes: 8, extract: 29, replace: 30 },
  f32: { bytes: 4, extract: 31, replace: 32 },
  f64: { bytes: 8, extract: 33, replace: 34 },
  "i64.32u": { bytes: 4, extract: 27, replace: 28, widen: 0xad },
  "i64.32s": { bytes: 4, extract: 27, replace: 28, widen: 0xac },
  "i64.32": { bytes: 4, extract: 27, replace: 28, narrow: 0xa7 },
};

export function offsetOf(place: Place): number {
  if ("word" in place) throw new Error("places are known here");
  return place.offset;
}
