/** What a cell prints, line by line and as a whole. */

const LF = 10;
const CR = 13;

/** Most characters of one line; a longer one is cut into several, so that no guest can fill the host's memory with one. */
const LONGEST_LINE = 4096;

export class LineBuffer {
  #line = "";
  readonly #onLine: (text: string) => void;

  /** @param onLine called with each complete line, without its end */
  constructor(onLine: (text: string) => void) {
    this.#onLine = onLine;
  }

  /** One byte from a UART, Latin-1. Carriage returns are left out. */
  put(byte: number): void {
    if (byte === LF || this.#line.length === LONGEST_LINE) this.#end();
    if (byte !== LF && byte !== CR) this.#line += String.fromCharCode(byte);
  }

  #end(): void {
    const line = this.#line;
    this.#line = "";
    this.#onLine(line);
  }

  /** Ends a line that was begun, as at the end of a run. */
  flush(): void {
    if (this.#line !== "") this.#end();
  }
}

/** Lines that are kept as one string. */
const LINES_PER_CHUNK = 1024;

/** Most characters that are kept of complete chunks: a guest that prints for ever does not fill the host's memory. */
const LONGEST_LOG = 2 ** 24;

/** Everything one cell prints: its serial ports and its console hypercalls, each a stream of its own. */
export class CellLog {
  readonly #ports = new Map<number, LineBuffer>();
  /** Of LINES_PER_CHUNK lines each, with their ends. */
  readonly #chunks: string[] = [];
  #chunksLength = 0;
  #lines: string[] = [];
  #omitted = 0;
  readonly #onLine: (text: string) => void;

  constructor(onLine: (text: string) => void) {
    this.#onLine = onLine;
  }

  /** A byte from the serial port whose first register is at `port`. */
  put(port: number, byte: number): void {
    let buffer = this.#ports.get(port);
    if (buffer === undefined) {
      buffer = new LineBuffer((text) => this.line(text));
      this.#ports.set(port, buffer);
    }
    buffer.put(byte);
  }

  /** A whole line. */
  line(text: string): void {
    this.#lines.push(text);
    if (this.#lines.length === LINES_PER_CHUNK) this.#pack();
    this.#onLine(text);
  }

  flush(): void {
    for (const buffer of this.#ports.values()) buffer.flush();
  }

  /**
   * In order of completion, each line with its end. Of a long log the last 16 Mi characters, below a
   * line that says how many lines are missing.
   */
  get text(): string {
    const missing = this.#omitted > 0 ? `[${this.#omitted} lines before these are left out]\n` : "";
    return missing + this.#chunks.join("") + this.#lines.map((line) => `${line}\n`).join("");
  }

  #pack(): void {
    const chunk = `${this.#lines.join("\n")}\n`;
    this.#lines = [];
    this.#chunks.push(chunk);
    this.#chunksLength += chunk.length;
    while (this.#chunksLength > LONGEST_LOG) {
      this.#chunksLength -= this.#chunks.shift()?.length ?? 0;
      this.#omitted += LINES_PER_CHUNK;
    }
  }
}
