/** Messages to a cell through its communication region, and the wait for the answer (hypervisor interface, 4.3). */
import type { Cell } from "./cell.ts";
import { CELL_STATE, MESSAGE, REPLY } from "./comm-region.ts";
import type { Core } from "./core.ts";
import { suspend } from "./cpu-control.ts";

/**
 * Virtual time of one turn of the wait loop: msg_reply_timeout counts turns.
 * About what a load, two compares and a PAUSE take.
 */
export const TURN_NANOSECONDS = 10;

/** Virtual time between two looks at the page while nothing is due earlier. */
const LOOK_NANOSECONDS = 10_000;

/**
 * Sends a message and waits. Yields the nanoseconds of virtual time to let pass
 * before it looks again; meanwhile the cell must run.
 * @returns whether the cell agreed
 */
export function* exchange(
  core: Core,
  cell: Cell,
  message: keyof typeof MESSAGE,
): Generator<number, boolean, void> {
  if (cell.config.flags.passiveCommRegion) return true;
  const { comm } = cell;
  const positive = message === "shutdownRequest" ? REPLY.approved : REPLY.received;
  const timeout = core.release.replyTimeout
    ? Number(cell.config.msgReplyTimeout) * TURN_NANOSECONDS
    : 0;
  let waited = 0;
  comm.send(MESSAGE[message]);
  for (;;) {
    if (comm.state === CELL_STATE.shutDown || comm.state === CELL_STATE.failed) return true;
    if (comm.reply === positive) return true;
    if (comm.reply !== 0) return false;
    if (timeout > 0 && waited >= timeout) {
      core.console.print("Timeout expired while waiting for reply from target cell");
      for (const cpu of cell.cpus) suspend(core, cpu);
      comm.state = CELL_STATE.failed;
      return true;
    }
    const pause = timeout > 0 ? Math.min(LOOK_NANOSECONDS, timeout - waited) : LOOK_NANOSECONDS;
    yield pause;
    waited += pause;
  }
}
