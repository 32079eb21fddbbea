import type { SpecialInstruction } from "../vcpu.ts";
import type { Core } from "./core.ts";

/** What starts a task switch. */
export interface TaskSwitch {
  /** Far JMP, far CALL, an interrupt through a task gate, IRET with NT set. */
  readonly cause: "jump" | "call" | "gate" | "return";
  /** RIP at which the task that is left goes on later. */
  readonly returnAddress: number;
  /** EXT bit of error codes. */
  readonly external: 0 | 1;
  /** An exception's own error code, pushed in the new task; -1 for none. */
  readonly errorCode: number;
}

const exit: SpecialInstruction = { kind: "special-instruction", name: "task-switch" };

export function switchTask(core: Core, selector: number, how: TaskSwitch): void {
  if (core.exit(exit) === "done") return;
  core.generalProtection((selector & 0xfffc) | how.external);
}
