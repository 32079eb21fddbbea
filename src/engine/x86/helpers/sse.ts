import type { Core } from "../core.ts";
import { reciprocal, reciprocalRoot } from "../sse/approximate.ts";
import {
  add,
  type Binary,
  compare,
  compareMask,
  divide,
  maximum,
  minimum,
  multiply,
  squareRoot,
  subtract,
} from "../sse/arithmetic.ts";
import { toIntegral } from "../sse/convert.ts";
import { errorFree, type Operation } from "../sse/error-free.ts";
import { DOUBLE, type Format, SINGLE } from "../sse/format.ts";
import {
  element,
  keepFirst,
  type Performed,
  performing,
  performingElements,
  setElement,
} from "../sse/perform.ts";
import {
  FLAGS_AUX,
  FLAGS_RESULT,
  SSE_FIRST,
  SSE_INTEGER,
  SSE_RESULT,
  SSE_SECOND,
  XMM,
} from "../state.ts";
import type { Helpers } from "./helpers.ts";

/** SSE arithmetic and comparisons, exactly: see perform.ts. */
const helpers: Record<string, Performed> = {};

const ARITHMETIC: readonly [string, Operation, Binary][] = [
  ["add", "add", add],
  ["sub", "subtract", subtract],
  ["mul", "multiply", multiply],
  ["div", "divide", divide],
  ["sqrt", "squareRoot", (e, f, _, b) => squareRoot(e, f, b)],
];

for (const [f, letter, count, suffix] of [
  [SINGLE, "s", 4, ""],
  [DOUBLE, "d", 2, ""],
  [SINGLE, "s", 8, "_256"],
  [DOUBLE, "d", 4, "_256"],
] as const) {
  /** Elements in 16 bytes. */
  const laneElements = 128 / f.bits;
  const first = (core: Core, k: number): bigint => element(core, f, SSE_FIRST, k);
  const second = (core: Core, k: number): bigint => element(core, f, SSE_SECOND, k);
  const packed = [`p${letter}${suffix}`, count] as const;
  for (const [kind, elements] of suffix === "" ? [packed, [`s${letter}`, 1] as const] : [packed]) {
    for (const [name, operation, compute] of ARITHMETIC)
      helpers[name + kind] = arithmetic(f, elements, operation, compute);
    for (const [name, compute] of [
      ["min", minimum],
      ["max", maximum],
    ] as const)
      helpers[name + kind] = performingElements(f, elements, (core, e, k) =>
        compute(e, f, first(core, k), second(core, k)),
      );
    helpers[`cmp${kind}`] = performingElements(f, elements, (core, e, k) =>
      compareMask(e, f, first(core, k), second(core, k), core.get(SSE_INTEGER)),
    );
    helpers[`round${kind}`] = performingElements(f, elements, (core, e, k) =>
      toIntegral(e, f, second(core, k), core.get(SSE_INTEGER)),
    );
  }
  for (const [name, quiet] of [
    ["comis", false],
    ["ucomis", true],
  ] as const)
    helpers[name + letter] = performing((core, e) => {
      const order = compare(e, f, first(core, 0), second(core, 0), quiet);
      if (!e.faults) setOrder(core, order);
    });
  // ADDSUB subtracts in the even elements and adds in the odd ones.
  helpers[`addsubp${letter}${suffix}`] = performingElements(f, count, (core, e, k) =>
    (k % 2 === 0 ? subtract : add)(e, f, first(core, k), second(core, k)),
  );
  for (const [name, compute] of [
    ["hadd", add],
    ["hsub", subtract],
  ] as const)
    helpers[`${name}p${letter}${suffix}`] = performingElements(f, count, (core, e, k) => {
      const inLane = k % laneElements;
      const operand = inLane < laneElements / 2 ? SSE_FIRST : SSE_SECOND;
      const at = k - inLane + ((2 * inLane) % laneElements);
      return compute(e, f, element(core, f, operand, at), element(core, f, operand, at + 1));
    });
  helpers[`dpp${letter}${suffix}`] = dotProduct(f, count);
}
for (const [name, compute] of [
  ["rcp", reciprocal],
  ["rsqrt", reciprocalRoot],
] as const)
  for (const [kind, count] of [
    ["ps", 4],
    ["ps_256", 8],
    ["ss", 1],
  ] as const)
    helpers[name + kind] = performingElements(SINGLE, count, (core, _, k) =>
      compute(element(core, SINGLE, SSE_SECOND, k)),
    );

/** Arithmetic element by element, by way of the host's doubles where that is exact enough. */
function arithmetic(f: Format, count: number, operation: Operation, compute: Binary): Performed {
  const single = f === SINGLE;
  return performing((core, e) => {
    const singles = floatsOf(core);
    const doubles = doublesOf(core);
    keepFirst(core);
    for (let k = 0; k < count; k++) {
      const view = single ? singles : doubles;
      const bytes = single ? 4 : 8;
      const a = view[SSE_FIRST / bytes + k] as number;
      const b = view[SSE_SECOND / bytes + k] as number;
      const result = errorFree(e, single, operation, a, b);
      if (Number.isNaN(result))
        setElement(
          core,
          f,
          k,
          compute(e, f, element(core, f, SSE_FIRST, k), element(core, f, SSE_SECOND, k)),
        );
      else view[SSE_RESULT / bytes + k] = result;
    }
  });
}

/** The state as floating-point numbers; one look for each vCPU. */
const SINGLE_VIEWS = new WeakMap<Core, Float32Array>();
const DOUBLE_VIEWS = new WeakMap<Core, Float64Array>();

function floatsOf(core: Core): Float32Array {
  let view = SINGLE_VIEWS.get(core);
  if (view === undefined) {
    view = new Float32Array(core.u32.buffer, core.base, XMM / 4);
    SINGLE_VIEWS.set(core, view);
  }
  return view;
}

function doublesOf(core: Core): Float64Array {
  let view = DOUBLE_VIEWS.get(core);
  if (view === undefined) {
    view = new Float64Array(core.u32.buffer, core.base, XMM / 8);
    DOUBLE_VIEWS.set(core, view);
  }
  return view;
}

/**
 * DPPS, DPPD: products that the immediate's high bits choose are summed
 * pairwise and go where its low bits say, in each lane of 16 bytes. Each step
 * reports its exceptions by itself.
 */
function dotProduct(f: Format, count: number): Performed {
  return performing((core, e) => {
    const control = core.get(SSE_INTEGER);
    const laneElements = 128 / f.bits;
    const sums: bigint[] = [];
    for (let k = 0; k < count; k++) {
      const chosen = (control >> (4 + (k % laneElements))) & 1;
      sums.push(
        chosen
          ? multiply(e, f, element(core, f, SSE_FIRST, k), element(core, f, SSE_SECOND, k))
          : 0n,
      );
    }
    for (let left = laneElements; left > 1; left /= 2) {
      if (!e.nextStep()) return;
      for (let lane = 0; lane < count; lane += laneElements)
        for (let k = lane; k < lane + left / 2; k++)
          sums[k] = add(e, f, sums[2 * k - lane] as bigint, sums[2 * k + 1 - lane] as bigint);
    }
    for (let k = 0; k < count; k++) {
      const inLane = k % laneElements;
      setElement(core, f, k, (control >> inLane) & 1 ? (sums[k - inLane] as bigint) : 0n);
    }
  });
}

/** ZF, PF, CF of COMISS and its like (Intel SDM vol. 2, COMISD); OF, SF, AF become 0. */
function setOrder(core: Core, order: number | undefined): void {
  const equal = order === undefined || order === 0;
  const less = order === undefined || order < 0;
  core.set(FLAGS_RESULT, equal ? 0 : 0x100);
  core.set(FLAGS_RESULT + 4, 0);
  core.set(FLAGS_AUX, (less ? 0xc000_0000 : 0) | (order === undefined ? 0 : 0x100));
}

export const SSE_HELPERS: Helpers = helpers;
