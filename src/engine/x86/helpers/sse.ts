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
import { fromInteger, toFormat, toInteger, toIntegral } from "../sse/convert.ts";
import { Environment } from "../sse/environment.ts";
import { errorFree, type Operation } from "../sse/error-free.ts";
import { DOUBLE, type Format, SINGLE } from "../sse/format.ts";
import { raiseSimdException, setMxcsr, ZERO } from "../sse/mxcsr.ts";
import {
  FLAGS_AUX,
  FLAGS_RESULT,
  MXCSR,
  SSE_FIRST,
  SSE_INTEGER,
  SSE_RESULT,
  SSE_SECOND,
  XMM,
} from "../state.ts";
import type { Helpers } from "./helpers.ts";

/**
 * SSE floating point, exactly: what guarded micro-operations fall back on.
 * Operands are in SSE_FIRST, SSE_SECOND and SSE_INTEGER, the result is left in
 * SSE_RESULT; an unmasked exception leaves MXCSR changed and nothing else.
 */
type Helper = (core: Core, record: number) => number;

const environment = new Environment();

/** An element of a vector in the state. */
function element(core: Core, f: Format, vector: number, k: number): bigint {
  return f === SINGLE ? BigInt(core.get(vector + 4 * k)) : core.big(vector + 8 * k);
}

function setElement(core: Core, f: Format, vector: number, k: number, value: bigint): void {
  if (f === SINGLE) core.set(vector + 4 * k, Number(value));
  else core.setBig(vector + 8 * k, value);
}

function setResult(core: Core, low: bigint, high: bigint): void {
  core.setBig(SSE_RESULT, low);
  core.setBig(SSE_RESULT + 8, high);
}

/** Perform an instruction between reading and writing MXCSR. */
function performing(work: (core: Core, e: Environment) => void): Helper {
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

/** Elements of the second operand (and the first) one by one; scalars keep the first operand's others. */
function elementwise(
  f: Format,
  count: number,
  compute: (e: Environment, a: bigint, b: bigint, core: Core) => bigint,
): Helper {
  return performing((core, e) => {
    setResult(core, core.big(SSE_FIRST), core.big(SSE_FIRST + 8));
    for (let k = 0; k < count; k++)
      setElement(
        core,
        f,
        SSE_RESULT,
        k,
        compute(e, element(core, f, SSE_FIRST, k), element(core, f, SSE_SECOND, k), core),
      );
  });
}

/** As {@link elementwise}, by way of the host's doubles where that is exact enough. */
function arithmetic(f: Format, count: number, operation: Operation, compute: Binary): Helper {
  const single = f === SINGLE;
  return performing((core, e) => {
    const singles = floatsOf(core);
    const doubles = doublesOf(core);
    setResult(core, core.big(SSE_FIRST), core.big(SSE_FIRST + 8));
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
          SSE_RESULT,
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

const helpers: Record<string, Helper> = {};

for (const [f, letter, count] of [
  [SINGLE, "s", 4],
  [DOUBLE, "d", 2],
] as const) {
  for (const [kind, elements] of [
    [`p${letter}`, count],
    [`s${letter}`, 1],
  ] as const) {
    const operations: readonly [string, Operation, Binary][] = [
      ["add", "add", add],
      ["sub", "subtract", subtract],
      ["mul", "multiply", multiply],
      ["div", "divide", divide],
      ["sqrt", "squareRoot", (e, _, __, b) => squareRoot(e, f, b)],
    ];
    for (const [name, operation, compute] of operations)
      helpers[name + kind] = arithmetic(f, elements, operation, compute);
    helpers[`min${kind}`] = elementwise(f, elements, (e, a, b) => minimum(e, f, a, b));
    helpers[`max${kind}`] = elementwise(f, elements, (e, a, b) => maximum(e, f, a, b));
    helpers[`cmp${kind}`] = elementwise(f, elements, (e, a, b, core) =>
      compareMask(e, f, a, b, core.get(SSE_INTEGER) & 7),
    );
    helpers[`round${kind}`] = elementwise(f, elements, (e, _, b, core) =>
      toIntegral(e, f, b, core.get(SSE_INTEGER)),
    );
  }
  for (const [name, quiet] of [
    ["comis", false],
    ["ucomis", true],
  ] as const)
    helpers[name + letter] = performing((core, e) => {
      const order = compare(e, f, element(core, f, SSE_FIRST, 0), element(core, f, SSE_SECOND, 0), quiet);
      if (!e.faults) setOrder(core, order);
    });
  // ADDSUB subtracts in the even elements and adds in the odd ones.
  helpers[`addsubp${letter}`] = performing((core, e) => {
    for (let k = 0; k < count; k++) {
      const compute = k % 2 === 0 ? subtract : add;
      setElement(
        core,
        f,
        SSE_RESULT,
        k,
        compute(e, f, element(core, f, SSE_FIRST, k), element(core, f, SSE_SECOND, k)),
      );
    }
  });
  for (const [name, compute] of [
    ["hadd", add],
    ["hsub", subtract],
  ] as const)
    helpers[`${name}p${letter}`] = performing((core, e) => {
      for (let k = 0; k < count; k++) {
        const source = k < count / 2 ? SSE_FIRST : SSE_SECOND;
        const at = (2 * k) % count;
        setElement(
          core,
          f,
          SSE_RESULT,
          k,
          compute(e, f, element(core, f, source, at), element(core, f, source, at + 1)),
        );
      }
    });
  helpers[`dpp${letter}`] = dotProduct(f, count);
  for (const bits of [32, 64] as const) {
    helpers[`cvtsi2s${letter}${bits}`] = performing((core, e) => {
      setResult(core, core.big(SSE_FIRST), core.big(SSE_FIRST + 8));
      setElement(
        core,
        f,
        SSE_RESULT,
        0,
        fromInteger(e, f, BigInt.asIntN(bits, core.big(SSE_INTEGER))),
      );
    });
    helpers[`cvts${letter}2si${bits}`] = performing((core, e) => {
      core.setBig(SSE_RESULT, toInteger(e, f, element(core, f, SSE_SECOND, 0), bits));
    });
    helpers[`cvtts${letter}2si${bits}`] = performing((core, e) => {
      core.setBig(SSE_RESULT, toInteger(e, f, element(core, f, SSE_SECOND, 0), bits, ZERO));
    });
  }
  // Packed, from and to 32-bit integers; `half`: only the low two of four, as MMX has them.
  for (const half of [false, true]) {
    const name = half ? "2pi" : "2dq";
    const elements = half ? 2 : count;
    const toIntegers = (truncates: boolean): Helper =>
      performing((core, e) => {
        setResult(core, 0n, 0n);
        for (let k = 0; k < elements; k++) {
          const value = element(core, f, SSE_SECOND, k);
          const integer = truncates ? toInteger(e, f, value, 32, ZERO) : toInteger(e, f, value, 32);
          core.set(SSE_RESULT + 4 * k, Number(integer));
        }
      });
    helpers[`cvtp${letter}${name}`] = toIntegers(false);
    helpers[`cvttp${letter}${name}`] = toIntegers(true);
  }
}

for (const [name, compute] of [
  ["rcp", reciprocal],
  ["rsqrt", reciprocalRoot],
] as const) {
  helpers[`${name}ps`] = elementwise(SINGLE, 4, (_, __, b) => compute(b));
  helpers[`${name}ss`] = elementwise(SINGLE, 1, (_, __, b) => compute(b));
}
helpers["cvtdq2ps"] = fromIntegers(4);
helpers["cvtpi2ps"] = fromIntegers(2);
helpers["cvtss2sd"] = performing((core, e) => {
  setResult(
    core,
    toFormat(e, SINGLE, DOUBLE, element(core, SINGLE, SSE_SECOND, 0)),
    core.big(SSE_FIRST + 8),
  );
});
helpers["cvtsd2ss"] = performing((core, e) => {
  setResult(core, core.big(SSE_FIRST), core.big(SSE_FIRST + 8));
  setElement(core, SINGLE, SSE_RESULT, 0, toFormat(e, DOUBLE, SINGLE, core.big(SSE_SECOND)));
});
helpers["cvtps2pd"] = performing((core, e) => {
  for (let k = 0; k < 2; k++)
    core.setBig(
      SSE_RESULT + 8 * k,
      toFormat(e, SINGLE, DOUBLE, element(core, SINGLE, SSE_SECOND, k)),
    );
});
helpers["cvtpd2ps"] = performing((core, e) => {
  setResult(core, 0n, 0n);
  for (let k = 0; k < 2; k++)
    setElement(
      core,
      SINGLE,
      SSE_RESULT,
      k,
      toFormat(e, DOUBLE, SINGLE, core.big(SSE_SECOND + 8 * k)),
    );
});

function fromIntegers(count: number): Helper {
  return performing((core, e) => {
    setResult(core, core.big(SSE_FIRST), core.big(SSE_FIRST + 8));
    for (let k = 0; k < count; k++)
      setElement(
        core,
        SINGLE,
        SSE_RESULT,
        k,
        fromInteger(e, SINGLE, BigInt(core.get(SSE_SECOND + 4 * k) | 0)),
      );
  });
}

/**
 * DPPS, DPPD: products that the immediate's high bits choose are summed
 * pairwise and go where its low bits say.
 */
function dotProduct(f: Format, count: number): Helper {
  return performing((core, e) => {
    const control = core.get(SSE_INTEGER);
    const sums: bigint[] = [];
    for (let k = 0; k < count; k++) {
      const chosen = (control >> (4 + k)) & 1;
      sums.push(
        chosen
          ? multiply(e, f, element(core, f, SSE_FIRST, k), element(core, f, SSE_SECOND, k))
          : 0n,
      );
    }
    let sum = add(e, f, sums[0] as bigint, sums[1] as bigint);
    if (count === 4) sum = add(e, f, sum, add(e, f, sums[2] as bigint, sums[3] as bigint));
    for (let k = 0; k < count; k++)
      setElement(core, f, SSE_RESULT, k, (control >> k) & 1 ? sum : 0n);
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
