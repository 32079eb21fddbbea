/** Reading and writing files that a person named, with errors for that person. */
import { readFile, writeFile } from "node:fs/promises";
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

/** @throws UsageError */
export async function readBytes(file: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(file));
  } catch (error) {
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
