/** What a program did at root's ends of links, done again in another run without the program. */
import type { LinkAccess, Moment } from "./root-link.ts";
import type { Session } from "./session.ts";
import { LinkError } from "./shared-section.ts";

/**
 * Brings the machine from one recorded moment to the next and repeats there what root wrote, said
 * and rang; what root read must be there again. The session must have been made from the same
 * scenario. To be called from its script, in place of the one that was recorded.
 * @throws LinkError if the run turns out another one, naming the first difference
 */
export function replayLinks(session: Session, accesses: readonly LinkAccess[]): void {
  for (const access of accesses) {
    goTo(session, access.moment);
    repeat(session, access);
  }
}

function repeat(session: Session, access: LinkAccess): void {
  const link = session.openLink(access.link);
  switch (access.kind) {
    case "write":
      link.section(access.section).write(access.offset, access.bytes);
      break;
    case "read": {
      const { section, offset, bytes } = access;
      const found = link.section(section).read(offset, bytes.length);
      const differs = found.findIndex((byte, index) => byte !== bytes[index]);
      if (differs >= 0)
        throw different(
          access.moment,
          `byte ${offset + differs} of section "${section}" is ${found[differs]}, was ${bytes[differs]}`,
        );
      break;
    }
    case "state":
      link.state = access.value;
      break;
    case "remote-state": {
      const found = link.remoteState(access.peer);
      if (found !== access.value)
        throw different(
          access.moment,
          `state of peer ${access.peer} is ${found}, was ${access.value}`,
        );
      break;
    }
    case "ring":
      link.ring(access.vector, access.peer);
      break;
    case "close":
      link.close();
      break;
    // opening is what openLink did; interrupts come by themselves
    case "open":
    case "interrupt":
  }
}

function goTo({ board }: Session, moment: Moment): void {
  const { scheduler, vcpus, clock } = board;
  for (;;) {
    const behind = vcpus.filter(({ index, retired }) => retired < moment.retired[index]);
    const ahead = vcpus.find(({ index, retired }) => retired > moment.retired[index]);
    if (ahead !== undefined)
      throw different(
        moment,
        `CPU ${ahead.index} has retired ${ahead.retired} instructions, not ${moment.retired[ahead.index]}`,
      );
    if (behind.length === 0 && clock.now >= moment.atNs) return;
    for (const { index } of behind) scheduler.stopAt(index, moment.retired[index]);
    // with nobody behind, only time has to pass: up to a stop that is on the way again, or to a grid point
    const outcome = scheduler.run(behind.length > 0 ? Number.POSITIVE_INFINITY : moment.atNs);
    for (const { index, retired } of behind)
      if (retired < moment.retired[index]) scheduler.stopAt(index, Number.POSITIVE_INFINITY);
    if (outcome !== "idle") continue;
    if (behind.length > 0)
      throw different(
        moment,
        `CPU ${behind[0].index} waits after ${behind[0].retired} instructions, not ${moment.retired[behind[0].index]}`,
      );
    scheduler.skipTo(moment.atNs);
  }
}

function different({ atNs }: Moment, what: string): LinkError {
  return new LinkError(`replay at ${atNs} ns: this run differs from the recorded one: ${what}`);
}
