/** The repeatable group `--cell FILE --load IMAGE ... --cmdline TEXT ...`: order makes the groups. */
import { type Command, InvalidArgumentError } from "commander";
import { located } from "./values.ts";

export interface CellArguments {
  /** File with the configuration. */
  readonly file: string;
  /** In the order given. */
  readonly load: {
    readonly kind: "image" | "cmdline";
    readonly text: string;
    readonly address?: number;
  }[];
}

/** Adds the three options to a command. The list returned is filled when the command is parsed. */
export function cellOptions(command: Command): CellArguments[] {
  const cells: CellArguments[] = [];
  const add = (kind: "image" | "cmdline") => (text: string) => {
    const cell = cells.at(-1);
    if (cell === undefined)
      throw new InvalidArgumentError("It must follow the --cell it belongs to.");
    cell.load.push({ kind, ...located(text) });
  };
  command
    .option("--cell <file>", "configuration of a cell (repeatable)", (file: string) => {
      cells.push({ file, load: [] });
    })
    .option("--load <image[@addr]>", "image for the cell before it (repeatable)", add("image"))
    .option("--cmdline <text[@addr]>", "command line for the cell before it", add("cmdline"));
  return cells;
}
