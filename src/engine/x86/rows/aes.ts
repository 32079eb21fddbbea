import { row } from "../row.ts";
import { immediate, readXmm, writeXmm } from "../sse/operands.ts";
import { SSE_INTEGER, SSE_RESULT, SSE_SECOND } from "../state.ts";

const SSE = { unit: "sse" } as const;

for (const [opcode, name] of [
  ["dc", "AESENC"],
  ["dd", "AESENCLAST"],
  ["de", "AESDEC"],
  ["df", "AESDECLAST"],
] as const)
  row(
    `66 0f 38 ${opcode}`,
    `${name} Vdq,Wdq`,
    (i) => {
      i.storeState(SSE_SECOND, "v128", readXmm(i, 1));
      i.storeState(SSE_RESULT, "v128", readXmm(i, 0));
      i.helper(name.toLowerCase());
      writeXmm(i, 0, i.loadState(SSE_RESULT, "v128"));
    },
    SSE,
  );

row(
  "66 0f 38 db",
  "AESIMC Vdq,Wdq",
  (i) => {
    i.storeState(SSE_RESULT, "v128", readXmm(i, 1));
    i.helper("aesimc");
    writeXmm(i, 0, i.loadState(SSE_RESULT, "v128"));
  },
  SSE,
);

row(
  "66 0f 3a df",
  "AESKEYGENASSIST Vdq,Wdq,Ib",
  (i) => {
    i.storeState(SSE_RESULT, "v128", readXmm(i, 1));
    i.storeState(SSE_INTEGER, "i32", immediate(i, 2));
    i.helper("aeskeygenassist");
    writeXmm(i, 0, i.loadState(SSE_RESULT, "v128"));
  },
  SSE,
);
