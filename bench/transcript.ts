/** Reads what a workload prints, and takes the time as each line arrives. */

export interface Mark {
  readonly milliseconds: number;
  /** undefined where nobody counts */
  readonly work: Work | undefined;
}

/** What a guest in this process has done so far, and the processor time that this process spent. */
export interface Work {
  readonly instructions: number;
  readonly processorMilliseconds: number;
}

/** Times in milliseconds, by the clock that the marks come from. */
export interface Measurement {
  /** Of the rounds asked for. */
  readonly milliseconds: number;
  /** Of the very first round, before those that warm up. */
  readonly firstRound: number;
  /** From the first round to the last. */
  readonly fromTheStart: number;
  readonly instructionsPerSecond: number | undefined;
  readonly checksum: string;
}

/** By processor time: other programs on this machine do not make an engine slower. */
export const instructionsPerSecond = (from: Work, to: Work): number =>
  ((to.instructions - from.instructions) /
    (to.processorMilliseconds - from.processorMilliseconds)) *
  1000;

/** In the order in which they are printed, see guest/workload.h. */
const STAGES = ["start", "warm", "begin"] as const;

export class Transcript {
  readonly #workload: string;
  readonly #mark: () => Mark;
  readonly #others: string[] = [];
  #line = "";
  /** Of the stages so far. */
  readonly #marks: Mark[] = [];
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
    const ending = `end ${this.#workload} `;
    const [start, warm, begin] = this.#marks;
    if (line === `${STAGES[this.#marks.length]} ${this.#workload}`) this.#marks.push(now);
    else if (begin !== undefined && line.startsWith(ending))
      this.#measurement = {
        milliseconds: now.milliseconds - begin.milliseconds,
        firstRound: warm.milliseconds - start.milliseconds,
        fromTheStart: now.milliseconds - start.milliseconds,
        instructionsPerSecond:
          begin.work && now.work && instructionsPerSecond(begin.work, now.work),
        checksum: line.slice(ending.length),
      };
    else this.#others.push(line);
  }

  /** @param ended how the run ended, for the message @throws Error if the end was not printed */
  measurement(ended: string): Measurement {
    if (this.#measurement !== undefined) return this.#measurement;
    const printed = [...this.#others, this.#line].filter((line) => line !== "").join("; ");
    const where = `before its ${STAGES[this.#marks.length] ?? "end"} line`;
    throw new Error(`${where}: ${ended}${printed === "" ? "" : `, printed: ${printed}`}`);
  }
}
