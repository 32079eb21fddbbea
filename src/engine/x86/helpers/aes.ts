import type { Core } from "../core.ts";
import { assistKey, decryptRound, encryptRound, unmixColumns } from "../sse/aes.ts";
import { SSE_INTEGER, SSE_RESULT, SSE_SECOND } from "../state.ts";
import type { Helpers } from "./helpers.ts";

/** AES-NI: the state is in SSE_RESULT and stays there, the round key is in SSE_SECOND. */
function vector(core: Core, at: number): Uint8Array {
  return core.linearMemory.subarray(core.base + at, core.base + at + 16);
}

function round(
  work: (state: Uint8Array, key: Uint8Array, isLast: boolean) => void,
  isLast: boolean,
): (core: Core) => number {
  return (core) => {
    work(vector(core, SSE_RESULT), vector(core, SSE_SECOND), isLast);
    return 0;
  };
}

export const AES_HELPERS: Helpers = {
  aesenc: round(encryptRound, false),
  aesenclast: round(encryptRound, true),
  aesdec: round(decryptRound, false),
  aesdeclast: round(decryptRound, true),
  aesimc: (core) => {
    unmixColumns(vector(core, SSE_RESULT));
    return 0;
  },
  aeskeygenassist: (core) => {
    assistKey(vector(core, SSE_RESULT), core.get(SSE_INTEGER));
    return 0;
  },
};
