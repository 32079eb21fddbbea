import type { Load, Store, Value } from "../../micro/micro-op.ts";
import { visit } from "../../micro/visit.ts";
import { BUDGET, FLAGS_AUX, FLAGS_RESULT, GPR, RIP } from "../../x86/state.ts";
import { BYTES, CPU, LOAD_CODES, type Operation, STORE_CODES } from "../emitter.ts";
import { isFlags, isGeneral, isSelector, isVector } from "./bound-instruction.ts";
import { scalarRegisters } from "./scalar-registers.ts";
import { type Cached, type LowElement, offsetOf, VectorRegisters } from "./vector-registers.ts";
import { type X87Field, x87Field } from "./x87-fields.ts";

/** Registers, flags and x87 state in locals, from a region's entry to its ways out. */
export abstract class CachedState extends VectorRegisters {
  /** Find out which fields are worth a local. */
  protected collect(): void {
    const scalars = scalarRegisters(this.nodes);
    const touch = (offset: number, writes: boolean): void => {
      let field = offset;
      let type: Cached["type"];
      const x87 = x87Field(offset);
      if (isGeneral(offset)) {
        field = offset & ~7;
        type = "i64";
      } else if (isVector(offset)) {
        field = offset & ~15;
        type = "v128";
      } else if (isFlags(offset)) type = offset === FLAGS_RESULT ? "i64" : "i32";
      else if (isSelector(offset)) type = "i32";
      else if (isX87Local(offset)) type = (x87 as X87Field).store;
      else return;
      let cached = this.cached.get(field);
      if (cached === undefined) {
        const scalar = type === "v128" ? scalars.get(field) : undefined;
        const low = scalar && { local: super.newLocal(scalar), type: scalar };
        const load = x87?.keeping === "scratch" ? undefined : type;
        cached = { local: super.newLocal(type), type, load, written: false, low };
        this.cached.set(field, cached);
      }
      cached.written ||= writes;
    };
    const look = ({ op }: Value): void => {
      if (op.kind === "state-load") {
        const offset = offsetOf(op.place);
        if (!isNarrowSelector(offset, op.load)) touch(offset, false);
      } else if (op.kind === "state-store") touch(offsetOf(op.place), true);
    };
    for (const { block } of this.nodes)
      for (const { list } of block.instructions) visit(list, look);
    touch(FLAGS_RESULT, true);
    touch(FLAGS_AUX, true);
  }

  protected fetch(field: number, local: number, load: Load): void {
    this.get(CPU);
    this.access(LOAD_CODES[load], field);
    this.set(local);
  }

  /** Fetch what is kept in locals. */
  protected fetchState(): void {
    for (const [field, { local, load, low }] of this.cached) {
      if (load === undefined) continue;
      this.fetch(field, local, load);
      if (low === undefined) continue;
      this.get(local);
      this.takeLow(low.type);
      this.set(low.local);
    }
  }

  /** Put everything back into the state. */
  protected spill(): void {
    const store = (
      field: number,
      local: number,
      type: Cached["type"],
      low?: LowElement | undefined,
    ): void => {
      this.get(CPU);
      this.get(local);
      if (low !== undefined) {
        this.get(low.local);
        this.putLow(low.type);
      }
      this.access(STORE_CODES[type], field);
    };
    store(RIP, this.rip, "i64");
    store(BUDGET, this.budget, "i32");
    for (const [field, { local, type, load, written, low }] of this.cached)
      if (written && load !== undefined) store(field, local, type, low);
  }

  protected stateLoad({ place, load }: Operation<"state-load">): void {
    const offset = offsetOf(place);
    if (isGeneral(offset)) this.generalLoad(offset, load);
    else if (isVector(offset)) this.vectorLoad(offset, load);
    else if (offset === BUDGET) this.unspent();
    else if (isWhole(offset) && !isNarrowSelector(offset, load))
      this.get((this.cached.get(offset) as Cached).local);
    else {
      this.get(CPU);
      this.access(LOAD_CODES[load], offset);
    }
  }

  /** Push what the present instruction and those behind it may use of the budget; the block has been paid for. */
  private unspent(): void {
    this.get(this.budget);
    this.behind();
    this.code.byte(0x6a);
  }

  /** Push the number of instructions left in the block, the present one included. */
  private behind(): void {
    this.i32(this.node.block.instructions.length - this.instruction);
  }

  private generalLoad(offset: number, load: Load): void {
    this.get((this.cached.get(offset & ~7) as Cached).local);
    const shift = BigInt((offset - GPR) % 8) * 8n;
    if (shift !== 0n) {
      this.i64(shift);
      this.code.byte(0x88);
    }
    switch (load) {
      case "i64":
        return;
      case "i64.32u":
        this.code.byte(0xa7, 0xad);
        return;
      case "i64.16u":
        this.i64(0xffffn);
        this.code.byte(0x83);
        return;
      case "i64.8u":
        this.i64(0xffn);
        this.code.byte(0x83);
        return;
      case "i32":
        this.code.byte(0xa7);
        return;
      default:
        throw new Error(`general register as ${load}`);
    }
  }

  protected stateStore({ place, store, value }: Operation<"state-store">): void {
    const offset = offsetOf(place);
    if (isGeneral(offset)) this.generalStore(offset, store, value);
    else if (isVector(offset)) this.vectorStore(offset, store, value);
    else if (isWhole(offset)) {
      this.value(value);
      this.set((this.cached.get(offset) as Cached).local);
      if (isFlags(offset)) {
        this.i32(0);
        this.set(this.effect);
      }
    } else if (offset === BUDGET) {
      this.value(value);
      this.behind();
      this.code.byte(0x6b);
      this.set(this.budget);
    } else {
      this.get(CPU);
      this.value(value);
      this.access(STORE_CODES[store], offset);
    }
  }

  private generalStore(offset: number, store: Store, value: Value): void {
    const { local } = this.cached.get(offset & ~7) as Cached;
    if (store !== "i64") {
      const bits = BigInt(BYTES[store] * 8);
      const shift = BigInt((offset - GPR) % 8) * 8n;
      const mask = ((1n << bits) - 1n) << shift;
      this.get(local);
      this.i64(~mask);
      this.code.byte(0x83);
      this.value(value);
      if (value.type === "i32") this.code.byte(0xad);
      if (shift !== 0n) {
        this.i64(shift);
        this.code.byte(0x86);
      }
      this.i64(mask);
      this.code.byte(0x83, 0x84);
    } else this.value(value);
    this.set(local);
  }
}

/** Only what x87 instructions do with selectors is worth a local. */
function isNarrowSelector(offset: number, load: Load): boolean {
  return isSelector(offset) && load !== "i32";
}

/** Whether a field is cached and always loaded and stored as a whole. */
function isWhole(offset: number): boolean {
  return isFlags(offset) || isSelector(offset) || isX87Local(offset);
}

function isX87Local(offset: number): boolean {
  const field = x87Field(offset);
  return field !== undefined && field.keeping !== "state";
}
