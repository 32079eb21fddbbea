/** Reading and writing files that a person named, with errors for that person. */
import { writeSync } from "node:fs";
import { type FileHandle, open, readFile, stat, writeFile } from "node:fs/promises";
import { UsageError } from "./usage-error.ts";

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "permission denied",
  EISDIR: "that is a directory",
  ENOTDIR: "a part of the path is not a directory",
};

function refusal(what: string, file: string, error: unknown): UsageError {
  const { code = "", message } = error as NodeJS.ErrnoException;
  return new UsageError(`cannot ${what} ${file}: ${REASONS[code] ?? message}`);
}

/** No image or configuration is larger than the address space of a machine. */
const MAXIMUM_BYTES = 4 * 1024 ** 3;

/** @throws UsageError */
export async function readBytes(file: string): Promise<Uint8Array> {
  try {
    const status = await stat(file);
    const { size } = status;
    if (size > MAXIMUM_BYTES)
      throw new UsageError(`cannot read ${file}: ${size} bytes are more than a machine's memory`);
    if (status.isCharacterDevice())
      throw new UsageError(`cannot read ${file}: a device, not a file`);
    return new Uint8Array(await readFile(file));
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw refusal("read", file, error);
  }
}

/** Writes to a file, or to standard output for "-". @throws UsageError */
export async function writeText(file: string, text: string): Promise<void> {
  if (file === "-") {
    process.stdout.write(text);
    return;
  }
  try {
    await writeFile(file, text);
  } catch (error) {
    throw refusal("write", file, error);
  }
}

/** Refuses a file that could not be written later, before the work that it is to report on. @throws UsageError */
export async function checkWritable(file: string): Promise<void> {
  if (file === "-") return;
  try {
    await (await open(file, "a")).close();
  } catch (error) {
    throw refusal("write", file, error);
  }
}

/** Most text that is held back before it goes to the file. */
const HELD_BACK = 1 << 16;

/** A text file that grows line by line, for writers that cannot wait. */
class Lines {
  readonly #handle: FileHandle;
  #held = "";

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  write(line: string): void {
    this.#held += line;
    if (this.#held.length >= HELD_BACK) this.#flush();
  }

  async close(): Promise<void> {
    this.#flush();
    await this.#handle.close();
  }

  #flush(): void {
    writeSync(this.#handle.fd, this.#held);
    this.#held = "";
  }
}

/** A new file in place of an old one. @throws UsageError */
export async function openLines(file: string): Promise<Lines> {
  try {
    return new Lines(await open(file, "w"));
  } catch (error) {
    throw refusal("write", file, error);
  }
}
