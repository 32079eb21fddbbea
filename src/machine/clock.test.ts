import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Clock, type Timer } from "./clock.ts";

describe("Clock", () => {
  it("fires due timers by deadline, equal deadlines in order of creation, now being the deadline", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 12 }),
        fc.integer({ min: 0, max: 25 }),
        (deadlines, to) => {
          const clock = new Clock();
          const fired: [number, number][] = [];
          const timers = deadlines.map((_, n) => clock.timer(() => fired.push([clock.now, n])));
          // armed in reverse, so that order of arming and of creation differ
          for (let n = timers.length - 1; n >= 0; n--) timers[n].arm(deadlines[n]);
          clock.advance(to);
          const expected = deadlines
            .map((deadline, n): [number, number] => [deadline, n])
            .filter(([deadline]) => deadline <= to)
            .sort(([a, n], [b, m]) => a - b || n - m);
          expect(fired).toEqual(expected);
          expect(clock.now).toBe(to);
          const left = deadlines.filter((deadline) => deadline > to);
          expect(clock.nextDeadline()).toBe(Math.min(Number.POSITIVE_INFINITY, ...left));
        },
      ),
    );
  });

  it("lets a timer re-arm itself, disarm another, and be re-armed before it fires", () => {
    const clock = new Clock();
    const log: string[] = [];
    const periodic: Timer = clock.timer(() => {
      log.push(`tick ${clock.now}`);
      if (clock.now >= 30) other.disarm();
      periodic.arm(clock.now + 10);
    });
    const other = clock.timer(() => log.push("other"));
    periodic.arm(5);
    periodic.arm(10);
    other.arm(35);
    clock.advance(40);
    expect(log).toEqual(["tick 10", "tick 20", "tick 30", "tick 40"]);
    expect(other.deadline).toBe(Number.POSITIVE_INFINITY);
    expect(() => periodic.arm(Number.NaN)).toThrow(RangeError);
  });

  it("tells the scheduler only of a deadline earlier than all others", () => {
    const clock = new Clock();
    const told: number[] = [];
    clock.onEarlierDeadline = (deadline) => told.push(deadline);
    const [a, b, c] = [1, 2, 3].map(() => clock.timer(() => {}));
    a.arm(100);
    b.arm(200);
    c.arm(50);
    b.arm(150);
    expect(told).toEqual([100, 50]);
  });

  it("takes the running vCPU's time, and fires a timer that is late at the present", () => {
    const clock = new Clock();
    clock.advance(100);
    clock.source = { time: () => 123 };
    expect(clock.now).toBe(123);
    expect(clock.machineTime).toBe(100);
    clock.source = undefined;
    let at = 0;
    clock
      .timer(() => {
        at = clock.now;
      })
      .arm(7);
    clock.advance(100);
    expect(at).toBe(100);
  });
});
