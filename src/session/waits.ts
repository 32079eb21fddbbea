/**
 * Programs that wait for something of the machine, and the loop that runs it for them. The machine
 * stands still until every program waits, and again as soon as one has what it waited for: so
 * programs that run side by side do so in the same way on every host, as long as they wait for
 * nothing else.
 */
import { turn } from "./turn.ts";

interface Wait {
  readonly done: () => boolean;
  /** It is over at this virtual time in any case; Infinity for none. */
  readonly untilNs: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class Waits {
  readonly #run: (untilNs: number) => Promise<void> | undefined;
  #waits: Wait[] = [];
  #driving = false;

  /**
   * @param run lets the machine run for a while, not beyond a time, and leaves as soon as
   *   {@link anyOver}; what it throws ends every wait; what it returns is awaited
   */
  constructor(run: (untilNs: number) => Promise<void> | undefined) {
    this.#run = run;
  }

  until(done: () => boolean, untilNs = Number.POSITIVE_INFINITY): Promise<void> {
    if (done()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waits.push({ done, untilNs, resolve, reject });
      if (!this.#driving) void this.#drive();
    });
  }

  /** Whether some program has what it waited for. */
  anyOver(): boolean {
    return this.#waits.some(({ done }) => done());
  }

  /** Programs that still wait are left where they are. */
  abandon(): void {
    this.#waits = [];
  }

  async #drive(): Promise<void> {
    this.#driving = true;
    try {
      // the others may not have come to their waits yet
      await turn();
      while (this.#waits.length > 0) {
        const pause = this.#run(Math.min(...this.#waits.map(({ untilNs }) => untilNs)));
        if (pause !== undefined) await pause;
        const over = this.#waits.filter(({ done }) => done());
        if (over.length === 0) continue;
        this.#waits = this.#waits.filter((wait) => !over.includes(wait));
        for (const { resolve } of over) resolve();
        await turn();
      }
    } catch (error) {
      const waits = this.#waits;
      this.#waits = [];
      for (const { reject } of waits) reject(error);
    } finally {
      this.#driving = false;
    }
  }
}
