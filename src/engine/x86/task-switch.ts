import type { SpecialInstruction } from "../vcpu.ts";
import type { Core } from "./core.ts";

/** What starts a task switch: far JMP, far CALL, an interrupt through a task gate, IRET with NT set. */
export type TaskSwitchCause = "jump" | "call" | "gate" | "return";

/** An interrupt's share in a task switch: EXT bit of error codes, and its own error code or -1. */
export interface TaskEvent {
  readonly external: 0 | 1;
  readonly errorCode: number;
}

const exit: SpecialInstruction = { kind: "special-instruction", name: "task-switch" };

export function switchTask(
  core: Core,
  selector: number,
  cause: TaskSwitchCause,
  event?: TaskEvent,
): void {
  if (core.exit(exit) === "done") return;
  void cause;
  core.generalProtection((selector & 0xfffc) | (event?.external ?? 0));
}
