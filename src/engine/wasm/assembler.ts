import { PURE_OPERATIONS } from "../micro/operations.ts";
import { Bytes } from "./bytes.ts";

const LOADS = {
  i32: [0x28],
  "i32.8u": [0x2d],
  "i32.16u": [0x2f],
  i64: [0x29],
  "i64.8u": [0x31],
  "i64.16u": [0x33],
  "i64.32u": [0x35],
  v128: [0xfd, 0x00],
} as const;
const STORES = {
  i32: [0x36],
  "i32.8": [0x3a],
  "i32.16": [0x3b],
  i64: [0x37],
  "i64.8": [0x3c],
  v128: [0xfd, 0x0b],
} as const;

const EMPTY_BLOCK = 0x40;

/** A WebAssembly function written by hand, one method an instruction. */
export class Assembler extends Bytes {
  get(local: number): this {
    return this.byte(0x20).u32(local);
  }

  set(local: number): this {
    return this.byte(0x21).u32(local);
  }

  tee(local: number): this {
    return this.byte(0x22).u32(local);
  }

  i32(value: number): this {
    return this.byte(0x41).s32(value);
  }

  i64(value: bigint): this {
    return this.byte(0x42).s64(value);
  }

  /** A pure operation by its name. */
  op(name: string): this {
    const operation = PURE_OPERATIONS.get(name);
    if (operation === undefined) throw new Error(`no operation ${name}`);
    const { code } = operation;
    return code > 0xff ? this.byte(code >> 16).u32(code & 0xffff) : this.byte(code);
  }

  load(what: keyof typeof LOADS, offset = 0): this {
    return this.byte(...LOADS[what], 0).u32(offset);
  }

  store(what: keyof typeof STORES, offset = 0): this {
    return this.byte(...STORES[what], 0).u32(offset);
  }

  memoryCopy(): this {
    return this.byte(0xfc).u32(10).byte(0, 0);
  }

  memoryFill(): this {
    return this.byte(0xfc).u32(11).byte(0);
  }

  /** @param index of the function */
  call(index: number): this {
    return this.byte(0x10).u32(index);
  }

  returnCall(index: number): this {
    return this.byte(0x12).u32(index);
  }

  /** Of two values, the first if the condition on top is not 0. */
  select(): this {
    return this.byte(0x1b);
  }

  return(): this {
    return this.byte(0x0f);
  }

  /** Consumes a condition. */
  if(then: () => void, otherwise?: () => void): this {
    this.byte(0x04, EMPTY_BLOCK);
    then();
    if (otherwise !== undefined) {
      this.byte(0x05);
      otherwise();
    }
    return this.byte(0x0b);
  }

  /** Branches out of it go behind its end. */
  block(body: () => void): this {
    this.byte(0x02, EMPTY_BLOCK);
    body();
    return this.byte(0x0b);
  }

  /** Branches to it go to its start. */
  loop(body: () => void): this {
    this.byte(0x03, EMPTY_BLOCK);
    body();
    return this.byte(0x0b);
  }

  /** @param depth of enclosing blocks to leave, 0: the innermost */
  branch(depth: number): this {
    return this.byte(0x0c).u32(depth);
  }

  /** Consumes a condition. */
  branchIf(depth: number): this {
    return this.byte(0x0d).u32(depth);
  }
}
