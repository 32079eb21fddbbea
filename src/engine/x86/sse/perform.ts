import type { Core } from "../core.ts";
import { MXCSR, SSE_FIRST, SSE_RESULT } from "../state.ts";
import { Environment } from "./environment.ts";
import { type Format, SINGLE } from "./format.ts";
import { raiseSimdException, setMxcsr } from "./mxcsr.ts";

/**
 * What guarded micro-operations fall back on: instructions performed exactly.
 * Operands are in SSE_FIRST, SSE_SECOND and SSE_INTEGER, the result is left in
 * SSE_RESULT; an unmasked exception leaves MXCSR changed and nothing else.
 */
export type Performed = (core: Core, record: number) => number;

const environment = new Environment();

/** Perform an instruction between reading and writing MXCSR. */
export function performing(work: (core: Core, e: Environment) => void): Performed {
  return (core) => {
    const e = environment;
    const mxcsr = core.get(MXCSR);
    e.begin(mxcsr);
    work(core, e);
    const after = e.result;
    if (after !== mxcsr) setMxcsr(core, after);
    return e.faults ? raiseSimdException(core) : 0;
  };
}

/** As {@link performing}: the first `count` elements of the result, in order; the others are the first operand's. */
export function performingElements(
  f: Format,
  count: number,
  compute: (core: Core, e: Environment, k: number) => bigint,
): Performed {
  return performing((core, e) => {
    keepFirst(core);
    for (let k = 0; k < count; k++) setElement(core, f, k, compute(core, e, k));
  });
}

/** Element `k` of an operand. */
export function element(core: Core, f: Format, operand: number, k: number): bigint {
  return f === SINGLE ? BigInt(core.get(operand + 4 * k)) : core.big(operand + 8 * k);
}

export function setElement(core: Core, f: Format, k: number, value: bigint): void {
  if (f === SINGLE) core.set(SSE_RESULT + 4 * k, Number(value));
  else core.setBig(SSE_RESULT + 8 * k, value);
}

/** Start from the first operand, whose other elements scalars keep. */
export function keepFirst(core: Core): void {
  core.u32.copyWithin(SSE_RESULT >> 2, SSE_FIRST >> 2, (SSE_FIRST + 32) >> 2);
}

export function clearResult(core: Core): void {
  core.u32.fill(0, SSE_RESULT >> 2, (SSE_RESULT + 32) >> 2);
}
