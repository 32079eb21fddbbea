/**
 * Management operations wait for cells, and cells run only while the machine
 * does. So an operation is a generator that yields whenever it must wait, and a
 * request drives it from a timer of the machine's clock: whoever asked lets the
 * machine run until `result` is there.
 */
import type { Clock, Timer } from "../machine/clock.ts";
import { type Result, refuse } from "./errno.ts";

/** Yields the nanoseconds of virtual time to let pass before the next step. */
export type Operation<T> = Generator<number, Result<T>, void>;

/** Thrown into an operation that is not to wait any longer. */
export class Abandoned extends Error {}

export class Request<T> {
  /** Undefined while the operation waits for a cell. */
  result: Result<T> | undefined = undefined;
  readonly #operation: Operation<T>;
  readonly #clock: Clock;
  readonly #timer: Timer;
  readonly #done: (result: Result<T>) => void;

  /** Runs the operation up to its first wait. */
  constructor(clock: Clock, operation: Operation<T>, done: (result: Result<T>) => void = () => {}) {
    this.#operation = operation;
    this.#clock = clock;
    this.#done = done;
    this.#timer = clock.timer(() => this.#step());
    this.#step();
  }

  /**
   * Stop waiting. An operation that cannot go on without the answer gives up with ETIMEDOUT and has
   * changed nothing; one that was only spreading the news is done.
   */
  abandon(reason: string): void {
    this.#timer.disarm();
    try {
      while (this.result === undefined) {
        const step = this.#operation.throw(new Abandoned(reason));
        if (step.done) this.#finish(step.value);
      }
    } catch (error) {
      if (!(error instanceof Abandoned)) throw error;
      this.#finish(refuse("ETIMEDOUT", reason));
    }
  }

  #step(): void {
    const step = this.#operation.next();
    if (step.done) this.#finish(step.value);
    else this.#timer.arm(this.#clock.now + step.value);
  }

  #finish(result: Result<T>): void {
    this.result = result;
    this.#done(result);
  }
}
