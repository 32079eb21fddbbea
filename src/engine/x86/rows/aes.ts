import { binary, vector } from "../sse/forms.ts";
import { pass } from "../sse/guard.ts";
import { immediate, readXmm, writeXmm } from "../sse/operands.ts";
import { SSE_INTEGER, SSE_RESULT, SSE_SECOND } from "../state.ts";

/** Part of no level of the ABI; here they come with the third. Rounds are done on 256 bits too (VAES). */
const LEVEL_3 = { level: 3 } as const;
const L0 = { length: "L0", ...LEVEL_3 } as const;

for (const [opcode, name] of [
  ["dc", "AESENC"],
  ["dd", "AESENCLAST"],
  ["de", "AESDEC"],
  ["df", "AESDECLAST"],
] as const)
  vector(
    `66 0f 38 ${opcode}`,
    `${name} Vx,Hx,Wx`,
    binary((i, state, key) => {
      pass(i, SSE_SECOND, [key]);
      pass(i, SSE_RESULT, [state]);
      i.helper(name.toLowerCase());
      return i.loadState(SSE_RESULT, "v128");
    }),
    LEVEL_3,
  );

vector(
  "66 0f 38 db",
  "AESIMC Vdq,Wdq",
  (i) => {
    pass(i, SSE_RESULT, [readXmm(i, 1)]);
    i.helper("aesimc");
    writeXmm(i, 0, i.loadState(SSE_RESULT, "v128"));
  },
  L0,
);

vector(
  "66 0f 3a df",
  "AESKEYGENASSIST Vdq,Wdq,Ib",
  (i) => {
    pass(i, SSE_RESULT, [readXmm(i, 1)]);
    i.storeState(SSE_INTEGER, "i32", immediate(i));
    i.helper("aeskeygenassist");
    writeXmm(i, 0, i.loadState(SSE_RESULT, "v128"));
  },
  L0,
);
