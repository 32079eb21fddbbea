import type { ValueType } from "../wasm/module-builder.ts";
import type { PureOperation } from "./operations.ts";

/** How a guest access is meant: `update` is the load of a read-modify-write and faults as a write. */
export type Intent = "read" | "write" | "update";

/**
 * Where a register operand stands in the state: at a place known when lifting,
 * or at the byte offset held in a word of the instruction's record (plus a constant).
 */
export type Place = { readonly offset: number } | { readonly word: number; readonly plus?: number };

/** A value computed by a micro-operation. */
export interface Value {
  readonly type: ValueType;
  readonly op: MicroOp;
  uses: number;
  /** WebAssembly local that holds it, or -1. Belongs to the emitter. */
  local: number;
}

/** How many bytes a load or store of the state or of guest memory moves, and how it is widened. */
export type Load =
  | "i32"
  | "i32.8u"
  | "i32.8s"
  | "i32.16u"
  | "i32.16s"
  | "i64"
  | "i64.8u"
  | "i64.8s"
  | "i64.16u"
  | "i64.16s"
  | "i64.32u"
  | "i64.32s"
  | "f32"
  | "f64"
  | "v128";
export type Store =
  | "i32"
  | "i32.8"
  | "i32.16"
  | "i64"
  | "i64.8"
  | "i64.16"
  | "i64.32"
  | "f32"
  | "f64"
  | "v128";

/**
 * The micro-operations. A form's semantics are a list of them; each has one
 * emitter. Values are in single-assignment form; only variables change.
 */
export type MicroOp =
  | {
      readonly kind: "pure";
      readonly operation: PureOperation;
      readonly args: readonly Value[];
      readonly lane: number;
    }
  | { readonly kind: "constant"; readonly value: bigint | number; readonly type: ValueType }
  | {
      readonly kind: "shuffle";
      readonly args: readonly [Value, Value];
      readonly lanes: readonly number[];
    }
  | { readonly kind: "select"; readonly args: readonly [Value, Value, Value] }
  /** A word of the instruction's record: an immediate or displacement. */
  | { readonly kind: "word"; readonly word: number; readonly load: Load }
  | { readonly kind: "state-load"; readonly place: Place; readonly load: Load }
  | {
      readonly kind: "state-store";
      readonly place: Place;
      readonly store: Store;
      readonly value: Value;
    }
  /** A field of the state at `offset` and a computed number of bytes (i32): the x87's stack. */
  | {
      readonly kind: "indexed-load";
      readonly index: Value;
      readonly offset: number;
      readonly load: Load;
    }
  | {
      readonly kind: "indexed-store";
      readonly index: Value;
      readonly offset: number;
      readonly store: Store;
      readonly value: Value;
    }
  /** Load through the TLB. `stack` chooses #SS over #GP for a non-canonical address. */
  | {
      readonly kind: "guest-load";
      readonly address: Value;
      readonly load: Load;
      readonly intent: Intent;
      readonly stack: boolean;
      /** Alignment is not checked. */
      readonly unaligned: boolean;
      readonly cell: UpdateCell | undefined;
    }
  | {
      readonly kind: "guest-store";
      readonly address: Value;
      readonly store: Store;
      readonly value: Value;
      readonly stack: boolean;
      readonly cell: UpdateCell | undefined;
    }
  | { readonly kind: "variable-get"; readonly variable: Variable }
  | { readonly kind: "variable-set"; readonly variable: Variable; readonly value: Value }
  | {
      readonly kind: "if";
      readonly condition: Value;
      readonly whenTrue: readonly Value[];
      readonly whenFalse: readonly Value[];
    }
  | {
      readonly kind: "while";
      readonly test: readonly Value[];
      readonly condition: Value;
      readonly body: readonly Value[];
    }
  /** A function of the base module or of TypeScript by name; see base-module.ts. */
  | {
      readonly kind: "call";
      readonly name: string;
      readonly args: readonly Value[];
      readonly type: ValueType | undefined;
      readonly fallible: boolean;
    }
  /** Leave guest code with this reason; nothing of the list is executed after it. */
  | { readonly kind: "leave"; readonly reason: number }
  /** Enter the block at RIP + delta (a record word), linked through the record word behind it. */
  | { readonly kind: "jump"; readonly word: number }
  /** Enter the block at RIP, already stored, through the jump cache. */
  | { readonly kind: "jump-indirect" }
  /** Go on with the next record. */
  | { readonly kind: "next" };

export interface Variable {
  readonly type: ValueType;
  local: number;
}

/** Ties the load and the store of a read-modify-write together, so that the store needs no second look-up. */
export interface UpdateCell {
  local: number;
}
