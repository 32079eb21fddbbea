import { row } from "../row.ts";
import { readXmm, writeXmm } from "../sse/operands.ts";
import { SSE_FIRST, SSE_RESULT, SSE_SECOND } from "../state.ts";

/** Approximations with a relative error of at most 1.5 * 2^-12: no flags, no exceptions. */
for (const [opcode, name] of [
  ["52", "RSQRT"],
  ["53", "RCP"],
] as const)
  for (const [prefix, suffix] of [
    ["NP", "ps"],
    ["F3", "ss"],
  ] as const)
    row(
      `${prefix} 0f ${opcode}`,
      `${name}${suffix.toUpperCase()} V${suffix},W${suffix}`,
      (i) => {
        i.storeState(SSE_SECOND, "v128", readXmm(i, 1));
        i.storeState(SSE_FIRST, "v128", readXmm(i, 0));
        i.helper((name + suffix).toLowerCase());
        writeXmm(i, 0, i.loadState(SSE_RESULT, "v128"));
      },
      { unit: "sse" },
    );
