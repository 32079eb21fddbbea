/** The command line of a script, whose usage is the comment that its file begins with. */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { type ParseArgsConfig, parseArgs } from "node:util";

type CommandLine<T extends ParseArgsConfig> = ReturnType<typeof parseArgs<T>>;

/**
 * As `parseArgs` of Node, but `--help` prints the usage and leaves with 0, and words that do not fit
 * leave with 2 and one line.
 * @param file the script's own
 */
export function commandLine<const T extends ParseArgsConfig>(
  file: string,
  config: T,
): CommandLine<T> {
  if (process.argv.slice(2).some((word) => word === "--help" || word === "-h")) {
    console.log(usage(readFileSync(file, "utf8")));
    process.exit(0);
  }
  try {
    return parseArgs(config);
  } catch (error) {
    return wrongUsage(file, (error as Error).message);
  }
}

/** A regular expression that was given as the value of an option. */
export function expression(file: string, option: string, source: string): RegExp {
  try {
    return new RegExp(source);
  } catch (error) {
    return wrongUsage(file, `${option}: ${(error as Error).message}`);
  }
}

/** Leaves with status 2. */
export function wrongUsage(file: string, what: string): never {
  console.error(`${basename(file, ".ts")}: ${what.split("\n")[0]}`);
  process.exit(2);
}

/** The text of the comment at the beginning of a source. */
export function usage(source: string): string {
  const [, comment = ""] = /^\/\*\*\n(.*?)\n \*\//s.exec(source) ?? [];
  return comment.replace(/^ \* ?/gm, "");
}
