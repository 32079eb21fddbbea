import type { Value, Variable } from "../../micro/micro-op.ts";
import { Emitter } from "../emitter.ts";
import type { ValueType } from "../module-builder.ts";
import type { Node } from "./node.ts";

const BR = 0x0c;

/** Makes what generated code needs in linear memory: each of them lives as long as the blocks. */
export interface Records {
  /** A link word. */
  newLink(): number;
  /** A record of nothing but an instruction's position (see x86/position.ts). */
  newRecord(position: number): number;
}

/** What all parts of emitting a region share: its locals, and where in it code is being emitted for. */
export abstract class RegionCode extends Emitter {
  /** In reverse postorder. */
  protected readonly nodes: readonly Node[];
  protected readonly records: Records;
  protected readonly budget = this.newLocal("i32");
  protected readonly rip = this.newLocal("i64");
  /** What a way out needs; see ways-out.ts. */
  protected readonly packed = this.newLocal("i32");
  protected readonly target = this.newLocal("i32");
  /** Flags that are not computed yet, by their number in late-flags.ts; 0: they are in their locals. */
  protected readonly effect = this.newLocal("i32");
  /** The block and the instruction at hand. */
  protected node: Node;
  protected instruction = 0;
  /** Values of the block that are used for more than flags; undefined: all. */
  protected wanted: ReadonlySet<Value> | undefined;
  /** Locals for values: those of a block are used again by the next. */
  protected used: Record<ValueType, number> = { i32: 0, i64: 0, f32: 0, f64: 0, v128: 0 };
  protected pooling = false;
  private readonly pool: Record<ValueType, number[]> = {
    i32: [],
    i64: [],
    f32: [],
    f64: [],
    v128: [],
  };

  /** @param functions indices of the imported functions by name */
  constructor(functions: ReadonlyMap<string, number>, nodes: readonly Node[], records: Records) {
    super(functions);
    this.nodes = nodes;
    this.node = nodes[0] as Node;
    this.records = records;
  }

  protected override isWanted(value: Value): boolean {
    return this.wanted?.has(value) ?? true;
  }

  protected override newLocal(type: ValueType): number {
    if (!this.pooling) return super.newLocal(type);
    const pool = this.pool[type];
    const at = this.used[type]++;
    const known = pool[at];
    if (known !== undefined) return known;
    const local = super.newLocal(type);
    pool.push(local);
    return local;
  }

  protected newVariable(type: ValueType): Variable {
    return { type, local: this.newLocal(type) };
  }

  protected i64(value: bigint): void {
    this.code.byte(0x42).s64(value);
  }

  protected branch(depth: number): void {
    this.code.byte(BR).u32(this.depth - depth);
  }

  protected word(): never {
    throw new Error("words of records are known here");
  }

  protected next(): void {}
}
