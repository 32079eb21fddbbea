/**
 * The virtual clock of one machine, in nanoseconds since power-on. Every timer
 * chip and every time-stamp derives from it; wall time is never looked at.
 *
 * While a vCPU runs, {@link Clock.now} is that vCPU's own time, exact to the
 * instruction. vCPUs take turns, so seen from two of them `now` may step back
 * by less than one scheduling quantum: chips clamp elapsed times at zero.
 */

/** Whatever knows what time it is at the moment: the running vCPU. */
export interface TimeSource {
  /** Nanoseconds since power-on. */
  time(): number;
}

/** One alarm on a {@link Clock}. Made by {@link Clock.timer}. */
export class Timer {
  /** Nanoseconds since power-on, or Infinity while disarmed. */
  deadline = Number.POSITIVE_INFINITY;
  /** Neighbour in the clock's list of armed timers, earliest first. */
  next: Timer | undefined = undefined;
  readonly clock: Clock;
  /** Order of creation: decides between equal deadlines. */
  readonly sequence: number;
  readonly fire: () => void;

  constructor(clock: Clock, sequence: number, fire: () => void) {
    this.clock = clock;
    this.sequence = sequence;
    this.fire = fire;
  }

  /**
   * Fire once when the machine reaches `atNs`; a time already past fires as soon as the running
   * vCPU has finished its instruction. Replaces an earlier deadline; Infinity disarms.
   * @throws RangeError for NaN
   */
  arm(atNs: number): void {
    if (Number.isNaN(atNs)) throw new RangeError("timer deadline is not a number");
    this.clock.unlink(this);
    this.deadline = atNs;
    if (atNs !== Number.POSITIVE_INFINITY) this.clock.link(this);
  }

  disarm(): void {
    this.clock.unlink(this);
    this.deadline = Number.POSITIVE_INFINITY;
  }
}

export class Clock {
  /** Time of the machine as a whole: every vCPU has reached it. */
  #machineTime = 0;
  #first: Timer | undefined = undefined;
  #timers = 0;

  /** The running vCPU; undefined between slices. Set by the scheduler. */
  source: TimeSource | undefined = undefined;

  /** Called when the earliest deadline moves forward, so that a running vCPU stops for it. Set by the scheduler. */
  onEarlierDeadline: (deadlineNs: number) => void = () => {};

  /** Nanoseconds since power-on. */
  get now(): number {
    const source = this.source;
    return source === undefined ? this.#machineTime : source.time();
  }

  /** Nanoseconds since power-on that every vCPU has reached. */
  get machineTime(): number {
    return this.#machineTime;
  }

  /** A new, disarmed timer. `fire` runs with `now` equal to the deadline. */
  timer(fire: () => void): Timer {
    return new Timer(this, this.#timers++, fire);
  }

  /** Earliest armed deadline, or Infinity. */
  nextDeadline(): number {
    const first = this.#first;
    return first === undefined ? Number.POSITIVE_INFINITY : first.deadline;
  }

  /**
   * Move the machine's time to `toNs` and fire every timer due by then, earliest first, equal
   * deadlines in order of creation. A timer that re-arms itself within the span fires again.
   * Time never moves back.
   */
  advance(toNs: number): void {
    for (;;) {
      const first = this.#first;
      if (first === undefined || first.deadline > toNs) break;
      if (first.deadline > this.#machineTime) this.#machineTime = first.deadline;
      first.disarm();
      first.fire();
    }
    if (toNs > this.#machineTime) this.#machineTime = toNs;
  }

  /** Restore a saved time. Devices re-arm their timers when their own state is loaded. */
  load(machineTimeNs: number): void {
    this.#machineTime = machineTimeNs;
  }

  /** For {@link Timer} only. */
  link(timer: Timer): void {
    let before: Timer | undefined;
    let after = this.#first;
    while (
      after !== undefined &&
      (after.deadline < timer.deadline ||
        (after.deadline === timer.deadline && after.sequence < timer.sequence))
    ) {
      before = after;
      after = after.next;
    }
    timer.next = after;
    if (before === undefined) {
      this.#first = timer;
      this.onEarlierDeadline(timer.deadline);
    } else before.next = timer;
  }

  /** For {@link Timer} only. */
  unlink(timer: Timer): void {
    if (timer.deadline === Number.POSITIVE_INFINITY) return;
    if (this.#first === timer) this.#first = timer.next;
    else {
      let before = this.#first;
      while (before !== undefined && before.next !== timer) before = before.next;
      if (before !== undefined) before.next = timer.next;
    }
    timer.next = undefined;
  }
}
