import { ARITHMETIC } from "./arithmetic.ts";
import { COMPARISON } from "./compare.ts";
import type { QuickFunction } from "./number.ts";
import { TRANSFER } from "./transfer.ts";

/** All quick functions, by name. */
export const QUICK_FUNCTIONS: ReadonlyMap<string, QuickFunction> = new Map(
  [...ARITHMETIC, ...TRANSFER, ...COMPARISON].map((f) => [f.name, f]),
);
