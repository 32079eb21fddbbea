import type { MicroFunction } from "../../wasm/function-emitter.ts";
import { ARITHMETIC } from "./arithmetic.ts";
import { COMPARISON } from "./compare.ts";
import { TRANSFER } from "./transfer.ts";

/** All quick functions, for the engine's base module. */
export const QUICK_FUNCTIONS: readonly MicroFunction[] = [
  ...ARITHMETIC,
  ...TRANSFER,
  ...COMPARISON,
];
