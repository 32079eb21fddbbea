import { JITS, type Jit, usualJit } from "../wasm/regions/jit.ts";

/** Runs all tests of a process with what GAOLER_JIT says, where a test does not say it itself. */
const wanted = process.env.GAOLER_JIT;
if (wanted !== undefined) {
  if (!JITS.includes(wanted as Jit))
    throw new Error(`GAOLER_JIT=${wanted}: must be one of ${JITS.join(", ")}`);
  usualJit.mode = wanted as Jit;
}
