import { vector } from "../sse/forms.ts";
import { exactly } from "../sse/guard.ts";
import { firstSource, readVector, writeVector } from "../sse/operands.ts";

/** Approximations with a relative error of at most 1.5 * 2^-12: no flags, no exceptions. */
for (const [opcode, name] of [
  ["52", "RSQRT"],
  ["53", "RCP"],
] as const)
  for (const [prefix, suffix] of [
    ["NP", "ps"],
    ["F3", "ss"],
  ] as const)
    vector(
      `${prefix} 0f ${opcode}`,
      `${name}${suffix.toUpperCase()} V${suffix},${suffix === "ss" ? "Hss," : ""}W${suffix}`,
      (i) => {
        const source = firstSource(i);
        const from = readVector(i, source + 1);
        const into = readVector(i, source);
        writeVector(i, 0, exactly(i, (name + suffix).toLowerCase(), into, from));
      },
      suffix === "ss" ? { length: "LIG" } : {},
    );
