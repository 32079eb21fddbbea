import type { Value } from "../../micro/micro-op.ts";
import { isFused } from "../../wasm/fused.ts";
import type { Semantics } from "../row.ts";
import { avx } from "../sse/forms.ts";
import { type Fused, fused } from "../sse/fused.ts";
import { arithmetic, pass, resultOf } from "../sse/guard.ts";
import { readVector, writeVector } from "../sse/operands.ts";
import { fusedRange, type Range } from "../sse/range.ts";
import { both, DOUBLES, either, isZero, low, type Shape, SINGLES, withLow } from "../sse/shapes.ts";
import { SSE_FIRST, SSE_INTEGER, SSE_SECOND, SSE_THIRD } from "../state.ts";

/** FMA: a * b + c and its variants, rounded once. */

/** Operand numbers of the factors and the addend, by the digits in the name. */
const ORDERS = [
  { digits: "132", base: 0x90, a: 0, b: 2, c: 1 },
  { digits: "213", base: 0xa0, a: 1, b: 0, c: 2 },
  { digits: "231", base: 0xb0, a: 1, b: 2, c: 0 },
] as const;

/** Signs as helpers/fma.ts wants them: 1 negates the product, 2 and 4 the addend of even and odd elements. */
const OPERATIONS = [
  { opcode: 0x6, name: "FMADDSUB", signs: 2, scalar: false },
  { opcode: 0x7, name: "FMSUBADD", signs: 4, scalar: false },
  { opcode: 0x8, name: "FMADD", signs: 0, scalar: true },
  { opcode: 0xa, name: "FMSUB", signs: 6, scalar: true },
  { opcode: 0xc, name: "FNMADD", signs: 1, scalar: true },
  { opcode: 0xe, name: "FNMSUB", signs: 7, scalar: true },
] as const;

/** Sign bits of the elements whose addend is negated. */
function addendSigns(shape: Shape, signs: number): bigint {
  const bits = shape === SINGLES ? 32n : 64n;
  let mask = 0n;
  for (let k = 0n; k < 128n / bits; k++)
    if (signs & (k % 2n === 0n ? 2 : 4)) mask |= 1n << (k * bits + bits - 1n);
  return mask;
}

function multiplyAdd(
  shape: Shape,
  packed: boolean,
  signs: number,
  order: (typeof ORDERS)[number],
): Semantics {
  return (i) => {
    const sources = [readVector(i, 2), readVector(i, 1), readVector(i, 0)];
    const [a, b, c] = [order.a, order.b, order.c].map((k) => sources[2 - k]) as [
      readonly Value[],
      readonly Value[],
      readonly Value[],
    ];
    const addends = c.map((lane) =>
      signs & 6 ? i.op("v128.xor", lane, i.v128(addendSigns(shape, signs))) : lane,
    );
    const errorFree = (k: number): Fused => {
      const lane = a[k] as Value;
      const factor = signs & 1 ? i.op(`${shape.vector}.neg`, lane) : lane;
      return fused(i, shape, factor, b[k] as Value, addends[k] as Value);
    };
    // Compiled code has the low elements of scalars by themselves.
    const alone = (lane: Value): Value =>
      packed || !i.leavesUnproved ? lane : i.op(`${shape.vector}.splat`, low(i, shape, lane));
    const fuses = isFused();
    const quick = a.map((lane, k) => {
      if (!fuses) return errorFree(k).result;
      const [x, y, z] = [lane, b[k] as Value, addends[k] as Value].map(alone);
      const name = signs & 1 ? "relaxed_nmadd" : "relaxed_madd";
      return i.op(`${shape.vector}.${name}`, x as Value, y as Value, z as Value);
    });
    const computed = arithmetic(i, shape, packed, {
      quick,
      operands: [a, b, c],
      sizes: [a, b, c, quick],
      range: ([x, y, z]) => fusedRange(shape.extent, x as Range, y as Range, z as Range),
      zeros: ([x, y, z], k) => {
        if (x?.type === "v128") return errorFree(k).exactZero;
        const isZeroProduct = either(i, isZero(i, shape, x as Value), isZero(i, shape, y as Value));
        return both(i, isZeroProduct, isZero(i, shape, z as Value));
      },
      isExact: (k) => {
        // What lies at the ends of the range comes out otherwise.
        const { result, isExact } = errorFree(k);
        return both(i, isExact, i.op(`${shape.vector}.eq`, result, quick[k] as Value));
      },
      exact: () => {
        pass(i, SSE_FIRST, a);
        pass(i, SSE_SECOND, b);
        pass(i, SSE_THIRD, c);
        i.storeState(SSE_INTEGER, "i32", i.i32(signs));
        return resultOf(i, `fma${packed ? "p" : "s"}${shape.suffix}`, a.length);
      },
    });
    const into = readVector(i, 0);
    writeVector(
      i,
      0,
      packed
        ? computed
        : computed.map((lane, k) => withLow(i, shape, into[k] as Value, low(i, shape, lane))),
    );
  };
}

for (const order of ORDERS)
  for (const { opcode, name, signs, scalar } of OPERATIONS)
    for (const [w, shape] of [
      ["W0", SINGLES],
      ["W1", DOUBLES],
    ] as const) {
      const { suffix } = shape;
      const declare = (kind: "p" | "s", code: number, length: string): void => {
        const size = kind + suffix;
        avx(
          `${length}${w} 66 0f 38 ${code.toString(16)}`,
          `V${name}${order.digits}${size.toUpperCase()} V${size},H${size},W${size}`,
          multiplyAdd(shape, kind === "p", signs, order),
        );
      };
      declare("p", order.base + opcode, "");
      if (scalar) declare("s", order.base + opcode + 1, "LIG ");
    }
