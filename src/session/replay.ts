/** What the script of a scenario did, done again in another run without the script. */
import type { Timer } from "../machine/clock.ts";
import { type Begun, NO_ANSWER } from "./management.ts";
import type { RootAction } from "./root-action.ts";
import type { Moment } from "./root-link.ts";
import { ScenarioError } from "./scenario.ts";
import type { Session } from "./session.ts";
import { LinkError } from "./shared-section.ts";

/** Longest stretch without a look at the host's events, virtual nanoseconds. */
const SLICE_NS = 1_000_000;

/**
 * Brings the machine from one recorded moment to the next and repeats there what the script wrote,
 * said, rang, asked for and printed; what it read must be there again. The session must have been
 * made from the same scenario, with this as its script.
 * @throws ScenarioError if the run turns out another one, naming the first difference
 */
export async function replay(session: Session, actions: readonly RootAction[]): Promise<void> {
  const requests: Begun[] = [];
  const { clock, scheduler } = session.board;
  const alarm = clock.timer(() => scheduler.stop());
  for (const action of actions) {
    await goTo(session, action.moment, alarm);
    try {
      repeat(session, action, requests);
    } catch (error) {
      if (error instanceof LinkError) throw different(action.moment, error.message);
      throw error;
    }
    // it may have been refused already
    if (action.kind === "request" || action.kind === "abandon") await session.hostTurn();
  }
}

function repeat(session: Session, action: RootAction, requests: Begun[]): void {
  const { moment } = action;
  switch (action.kind) {
    case "open":
      session.openLink(action.link);
      break;
    case "close":
      session.openLink(action.link).close();
      break;
    case "write":
      session.openLink(action.link).section(action.section).write(action.offset, action.bytes);
      break;
    case "read": {
      const { section, offset, bytes } = action;
      const found = session.openLink(action.link).section(section).read(offset, bytes.length);
      const differs = found.findIndex((byte, index) => byte !== bytes[index]);
      if (differs >= 0)
        throw different(
          moment,
          `byte ${offset + differs} of section "${section}" is ${found[differs]}, was ${bytes[differs]}`,
        );
      break;
    }
    case "state":
      session.openLink(action.link).state = action.value;
      break;
    case "remote-state": {
      const found = session.openLink(action.link).remoteState(action.peer);
      if (found !== action.value)
        throw different(moment, `state of peer ${action.peer} is ${found}, was ${action.value}`);
      break;
    }
    case "ring":
      session.openLink(action.link).ring(action.vector, action.peer);
      break;
    case "interrupt": {
      const { vector, count } = action.interrupt;
      const found = session.openLink(action.link).takeInterrupt(vector)?.count ?? 0;
      if (found !== count)
        throw different(moment, `vector ${vector} has arrived ${found} times, not ${count}`);
      break;
    }
    case "print":
      session.print(action.text);
      break;
    case "request":
      requests.push(session.begin(action.text, action.request));
      break;
    case "load-image":
      session.loadImage(action.text, action.cell, action.image);
      break;
    case "abandon":
      requests[action.request]?.abandon(NO_ANSWER);
      break;
    case "end": {
      const found = session.memoryHash();
      if (found !== action.memoryHash)
        throw different(moment, `hash of memory is ${found}, was ${action.memoryHash}`);
      session.end(action.ended);
    }
  }
}

/**
 * To where each CPU has retired so many instructions at that time of the machine, at which a round of
 * the scheduler ended in the recorded run, too.
 * @param alarm stops the machine
 */
async function goTo(session: Session, moment: Moment, alarm: Timer): Promise<void> {
  const { scheduler, vcpus, clock } = session.board;
  for (;;) {
    const behind = vcpus.filter(({ index, retired }) => retired < moment.retired[index]);
    const wrong =
      vcpus.find(({ index, retired }) => retired > moment.retired[index]) ??
      (clock.now > moment.atNs ? behind[0] : undefined);
    if (wrong !== undefined)
      throw different(
        moment,
        `CPU ${wrong.index} has retired ${wrong.retired} instructions, not ${moment.retired[wrong.index]}`,
      );
    const isDue = clock.nextDeadline() <= clock.now;
    if (behind.length === 0 && clock.now >= moment.atNs && isDue === moment.due) return;
    for (const { index } of behind) scheduler.stopAt(index, moment.retired[index]);
    // only time has to pass, and the machine may go no further, whatever happens then
    if (behind.length === 0) alarm.arm(moment.atNs);
    const slice = (Math.floor(clock.now / SLICE_NS) + 1) * SLICE_NS;
    // a run that was to end then; any other moment lies in a round, which must be the recorded one
    const isEnd = moment.atNs % scheduler.quantum === 0 && clock.now < moment.atNs;
    const outcome = scheduler.run(isEnd ? Math.min(slice, moment.atNs) : slice);
    for (const { index, retired } of behind)
      if (retired < moment.retired[index]) scheduler.stopAt(index, Number.POSITIVE_INFINITY);
    if (outcome === "idle") scheduler.skipTo(slice);
    await session.hostTurn();
  }
}

function different({ atNs }: Moment, what: string): ScenarioError {
  return new ScenarioError(`replay at ${atNs} ns: this run differs from the recorded one: ${what}`);
}
