/** The repeatable group `--cell FILE --load IMAGE ... --cmdline TEXT ... --start-after TIME --features LEVEL`: order makes the groups. */
import { type Command, InvalidArgumentError } from "commander";
import { FEATURE_LEVELS, type Features } from "../engine/vcpu.ts";
import { duration, located } from "./values.ts";

export interface CellArguments {
  /** File with the configuration. */
  readonly file: string;
  /** In the order given. */
  readonly load: {
    readonly kind: "image" | "cmdline";
    readonly text: string;
    readonly address?: number;
  }[];
  /** Nanoseconds of virtual time. */
  startAfter?: number;
  features?: Features;
}

/** Adds the options to a command. The list returned is filled when the command is parsed. */
export function cellOptions(command: Command): CellArguments[] {
  const cells: CellArguments[] = [];
  const last = (): CellArguments => {
    const cell = cells.at(-1);
    if (cell === undefined)
      throw new InvalidArgumentError("It must follow the --cell it belongs to.");
    return cell;
  };
  const add = (kind: "image" | "cmdline") => (text: string) => {
    last().load.push({ kind, ...located(text) });
  };
  command
    .option("--cell <file>", "configuration of a cell (repeatable)", (file: string) => {
      cells.push({ file, load: [] });
    })
    .option("--load <image[@addr]>", "image for the cell before it (repeatable)", add("image"))
    .option("--cmdline <text[@addr]>", "command line for the cell before it", add("cmdline"))
    .option(
      "--start-after <time>",
      "virtual time from the start of the cell before to that of this one (default: 10ms)",
      (text: string) => {
        last().startAfter = duration(text);
      },
    )
    .option(
      "--features <level>",
      `instructions of the cell's CPUs: ${FEATURE_LEVELS.join(", ")} (default: the last)`,
      (text: string) => {
        const features = FEATURE_LEVELS.find((level) => level === text);
        if (features === undefined)
          throw new InvalidArgumentError(`It is one of ${FEATURE_LEVELS.join(", ")}.`);
        last().features = features;
      },
    );
  return cells;
}
