/** Reads what a workload prints, and takes the time as each line arrives. */

export interface Mark {
  readonly milliseconds: number;
  /** Retired by the guest so far; undefined where nobody counts. */
  readonly instructions: number | undefined;
}

export interface Measurement {
  readonly milliseconds: number;
  readonly instructions: number | undefined;
  readonly checksum: string;
}

export class Transcript {
  readonly #workload: string;
  readonly #mark: () => Mark;
  readonly #others: string[] = [];
  #line = "";
  #begin: Mark | undefined;
  #measurement: Measurement | undefined;

  constructor(workload: string, mark: () => Mark) {
    this.#workload = workload;
    this.#mark = mark;
  }

  /** @param byte character code; lines end with LF */
  put(byte: number): void {
    if (byte !== 10) {
      this.#line += String.fromCharCode(byte);
      return;
    }
    const line = this.#line;
    this.#line = "";
    this.#take(line);
  }

  #take(line: string): void {
    const now = this.#mark();
    const begin = this.#begin;
    const ending = `end ${this.#workload} `;
    if (line === `begin ${this.#workload}`) this.#begin = now;
    else if (begin !== undefined && line.startsWith(ending))
      this.#measurement = {
        milliseconds: now.milliseconds - begin.milliseconds,
        instructions:
          now.instructions === undefined || begin.instructions === undefined
            ? undefined
            : now.instructions - begin.instructions,
        checksum: line.slice(ending.length),
      };
    else this.#others.push(line);
  }

  /** @param ended how the run ended, for the message @throws Error if the end was not printed */
  measurement(ended: string): Measurement {
    if (this.#measurement !== undefined) return this.#measurement;
    const printed = [...this.#others, this.#line].filter((line) => line !== "").join("; ");
    const where = this.#begin === undefined ? "before its begin line" : "before its end line";
    throw new Error(`${where}: ${ended}${printed === "" ? "" : `, printed: ${printed}`}`);
  }
}
