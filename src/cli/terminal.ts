/** What goes to a person: console lines, notes, progress. Colours only on a terminal, and not with NO_COLOR. */
import { styleText } from "node:util";

type Colour = "cyan" | "green" | "yellow" | "magenta" | "blue" | "red" | "dim";

export type Paint = (colour: Colour, text: string) => string;

/** For one stream: styleText looks at the stream and at NO_COLOR itself. */
export const paintFor =
  (stream: NodeJS.WriteStream): Paint =>
  (colour, text) =>
    styleText(colour, text, { stream });

/** Prefix colours, one a cell, in the order in which cells first print. */
const PALETTE: Colour[] = ["cyan", "green", "yellow", "magenta", "blue"];

/** Silence after which a terminal shows how far the run is. */
const SILENCE_MS = 1000;

/** Where a run is shown. */
export interface Output {
  readonly paint: Paint;
  /** A console line of a cell; of the hypervisor itself if there is no cell. */
  console(cell: string | undefined, text: string): void;
  /** About the run rather than from it. */
  note(text: string): void;
  lines(lines: readonly string[]): void;
  /** Now and then, from a run that takes long. */
  progress(text: string): void;
  /** The run is over; what is still to be said about it follows. */
  end(): void;
}

export class Terminal implements Output {
  readonly #stream: NodeJS.WriteStream;
  readonly paint: Paint;
  readonly #colours = new Map<string, Colour>();
  #lastOutputMs = performance.now();
  #status = false;

  /** @param stream where console lines go */
  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    this.paint = paintFor(stream);
  }

  console(cell: string | undefined, text: string): void {
    this.#clearStatus();
    this.#stream.write(cell === undefined ? `${text}\n` : `${this.#prefix(cell)}${text}\n`);
    this.#lastOutputMs = performance.now();
  }

  note(text: string): void {
    this.console(undefined, text === "" ? "" : this.paint("dim", text));
  }

  lines(lines: readonly string[]): void {
    for (const line of lines) this.console(undefined, line);
  }

  /** Shown on a terminal only, and only while nothing else is printed. */
  progress(text: string): void {
    if (!process.stderr.isTTY || performance.now() - this.#lastOutputMs < SILENCE_MS) return;
    process.stderr.write(`\r\x1b[K${text}`);
    this.#status = true;
  }

  end(): void {
    this.#clearStatus();
  }

  #clearStatus(): void {
    if (!this.#status) return;
    process.stderr.write("\r\x1b[K");
    this.#status = false;
  }

  #prefix(cell: string): string {
    let colour = this.#colours.get(cell);
    if (colour === undefined) {
      colour = PALETTE[this.#colours.size % PALETTE.length];
      this.#colours.set(cell, colour);
    }
    return this.paint(colour, `[${cell}] `);
  }
}
