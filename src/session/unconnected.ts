import type { VcpuSurroundings } from "../engine/wasm/engine.ts";

/** What a vCPU has before it stands on a board. */
export const UNCONNECTED: VcpuSurroundings = {
  map: { find: () => undefined },
  moderator: { exit: () => "stop" },
  interrupts: { pending: () => -1, acknowledge: () => -1, taskPriority: 0 },
};
