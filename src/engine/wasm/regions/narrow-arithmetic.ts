import type { Value } from "../../micro/micro-op.ts";
import { CachedState } from "./cached-state.ts";
import { constantOf } from "./fold.ts";
import { vectorOfLow } from "./scalar-registers.ts";

const LOW_32 = 0xffff_ffffn;
const I64_AND = 0x83;
const I64_SHL = 0x86;
const I32_SHL = 0x74;
const I32_WRAP = 0xa7;
const I64_EXTEND_I32_S = 0xac;
const I64_EXTEND_I32_U = 0xad;
const I64_EXTEND32_S = 0xc4;
const I64_LT_S = 0x53;
const I64_LE_S = 0x57;
const I32_LT_S = 0x48;
const I32_LE_S = 0x4c;
/** 64-bit operations whose low 32 bits depend only on those of their operands, and the 32-bit ones. */
const NARROW: Readonly<Record<number, number>> = {
  124: 0x6a, // add
  125: 0x6b, // sub
  126: 0x6c, // mul
  131: 0x71, // and
  132: 0x72, // or
  133: 0x73, // xor
};

/** Computes with 32 bits what concerns only 32 bits. */
export abstract class NarrowArithmetic extends CachedState {
  /** As elsewhere, but what concerns only 32 bits is computed with 32 bits. */
  protected override compute(value: Value): void {
    const { op } = value;
    if (op.kind === "pure") {
      const [first, second] = op.args as readonly [Value, Value | undefined];
      const element = vectorOfLow(value);
      if (element !== undefined) {
        this.lowOf(element.vector, element.type);
        return;
      }
      switch (op.operation.code) {
        case I64_AND:
          if (second !== undefined && constantOf(second) === LOW_32) {
            this.low(first);
            this.code.byte(I64_EXTEND_I32_U);
            return;
          }
          break;
        case I32_WRAP:
          this.low(first);
          return;
        case I64_EXTEND32_S:
          this.low(first);
          this.code.byte(I64_EXTEND_I32_S);
          return;
        case I64_LT_S:
        case I64_LE_S:
          if (second !== undefined && isSigned32(first) && isSigned32(second)) {
            this.low(first);
            this.low(second);
            this.code.byte(op.operation.code === I64_LT_S ? I32_LT_S : I32_LE_S);
            return;
          }
          break;
      }
    }
    super.compute(value);
  }

  /** Push the low 32 bits of a 64-bit value. */
  private low(value: Value): void {
    const { op } = value;
    if (value.local < 0) {
      const constant = constantOf(value);
      if (constant !== undefined) {
        this.i32(Number(BigInt.asIntN(32, constant)));
        return;
      }
      if (op.kind === "pure") {
        const [first, second] = op.args as readonly [Value, Value | undefined];
        const narrow = NARROW[op.operation.code];
        if (narrow !== undefined && second !== undefined) {
          this.low(first);
          this.low(second);
          this.code.byte(narrow);
          return;
        }
        if (op.operation.code === I64_SHL && second !== undefined) {
          const count = constantOf(second);
          if (count !== undefined && count < 32n) {
            this.low(first);
            this.i32(Number(count));
            this.code.byte(I32_SHL);
            return;
          }
        }
        if (op.operation.code === I64_EXTEND_I32_U || op.operation.code === I64_EXTEND_I32_S) {
          this.value(first);
          return;
        }
      }
    }
    this.value(value);
    this.code.byte(I32_WRAP);
  }
}

function isSigned32(value: Value): boolean {
  const constant = constantOf(value);
  if (constant !== undefined) return BigInt.asIntN(32, constant) === constant;
  return value.op.kind === "pure" && value.op.operation.code === I64_EXTEND32_S && value.local < 0;
}
