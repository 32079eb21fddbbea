/**
 * Builds the inmates with gcc and binutils.
 *
 *     npm run inmates              writes NAME.bin and NAME.cell (kept in the repository) and NAME.elf
 *     npm run inmates -- --check   rebuilds elsewhere and compares with what is kept
 *
 * With the compiler that built the kept images the check demands the same bytes; with another one
 * that images whose bytes differ print the same on their consoles.
 */
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { newInmate } from "../src/cli/inmate-new.ts";
import { resolveLibrary } from "../src/cli/scenario-file.ts";
import { encodeConfig } from "../src/config/index.ts";
import type { CellConfig } from "../src/config/types.ts";

const INMATES = resolve(import.meta.dirname, "../inmates");
/** Folders of inmates. */
const PLACES = [
  INMATES,
  ...["examples", "examples/power-plant"].map((place) => resolve(import.meta.dirname, "..", place)),
];
/** Names the tools that built the kept images. */
const TOOLS_FILE = join(INMATES, "built-with.txt");
const TOOLS = ["gcc", "ld", "make"] as const;

function run(command: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: "utf8" });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${status}\n${stderr}`);
  return stdout;
}

const missingTools = (): string[] =>
  TOOLS.filter((tool) => spawnSync(tool, ["--version"]).error !== undefined);

/** The tools whose versions decide the bytes. */
const builtWith = (): string =>
  ["gcc", "ld"].map((tool) => `${run(tool, ["--version"]).split("\n")[0]}\n`).join("");

interface Inmate {
  readonly name: string;
  readonly folder: string;
}

const inmates = (): Inmate[] =>
  PLACES.flatMap((place) =>
    readdirSync(place).map((name) => ({ name, folder: join(place, name) })),
  ).filter(({ folder }) => existsSync(join(folder, "Makefile")));

/** Builds the inmate in `source`; `NAME.bin` and `NAME.elf` appear in `out`. */
function make(source: string, name: string, out: string): void {
  const objects = join(out, `${name}.build`);
  run("make", ["--silent", "-C", source, `OUT=${out}`, `BUILD=${objects}`]);
  rmSync(objects, { recursive: true });
}

async function cellOf({ folder }: Inmate): Promise<CellConfig> {
  const module: { default: CellConfig } = await import(join(folder, "cell.ts"));
  return module.default;
}

async function build(scratch: string): Promise<void> {
  for (const inmate of inmates()) {
    const { name, folder } = inmate;
    make(folder, name, scratch);
    for (const file of [`${name}.bin`, `${name}.elf`])
      writeFileSync(join(folder, file), readFileSync(join(scratch, file)));
    writeFileSync(join(folder, `${name}.cell`), encodeConfig(await cellOf(inmate)));
    console.log(`${name}: ${readFileSync(join(scratch, `${name}.bin`)).length} bytes`);
  }
  writeFileSync(TOOLS_FILE, builtWith());
}

/** @returns whether all is as kept */
async function check(scratch: string): Promise<boolean> {
  const sameTools = readFileSync(TOOLS_FILE, "utf8") === builtWith();
  console.log(`${sameTools ? "The same" : "Another"} compiler:\n${builtWith()}`);
  let good = true;
  const report = (name: string, fine: boolean, what: string): void => {
    good &&= fine;
    console.log(`${fine ? "ok  " : "FAIL"} ${name}: ${what}`);
  };

  for (const inmate of inmates()) {
    const { name, folder } = inmate;
    const kept = readFileSync(join(folder, `${name}.bin`));
    make(folder, name, scratch);
    const built = readFileSync(join(scratch, `${name}.bin`));
    if (built.equals(kept)) {
      report(name, true, `same ${kept.length} bytes`);
    } else if (sameTools) {
      report(name, false, `${firstDifference(kept, built)}; run "npm run inmates"`);
    } else {
      // only here: building images must not need the engine to be whole
      const { sameConsole } = await import("./inmates-console.ts");
      const difference = await sameConsole(await cellOf(inmate), kept, built);
      report(name, difference === undefined, difference ?? "other bytes, same console output");
    }
    const cell = Buffer.from(encodeConfig(await cellOf(inmate)));
    const keptCell = readFileSync(join(folder, `${name}.cell`));
    if (!cell.equals(keptCell))
      report(`${name}.cell`, false, `${firstDifference(keptCell, cell)}; run "npm run inmates"`);
  }

  const fresh = join(scratch, "new-inmate");
  newInmate("new-inmate", fresh);
  mkdirSync(join(scratch, "new"));
  make(fresh, "new-inmate", join(scratch, "new"));
  report("gaoler inmate new", true, "builds");
  return good;
}

function firstDifference(kept: Buffer, built: Buffer): string {
  const offset = kept.findIndex((byte, index) => byte !== built[index]);
  return `kept ${kept.length} bytes, built ${built.length}, first difference at 0x${(
    offset < 0 ? kept.length : offset
  ).toString(16)}`;
}

resolveLibrary();
const missing = missingTools();
const scratch = mkdtempSync(join(tmpdir(), "gaoler-inmates-"));
try {
  if (missing.length > 0) {
    console.log(`Inmates cannot be built here: ${missing.join(", ")} not installed`);
    process.exitCode = process.argv.includes("--check") ? 0 : 1;
  } else if (process.argv.includes("--check")) {
    process.exitCode = (await check(scratch)) ? 0 : 1;
  } else {
    await build(scratch);
  }
} finally {
  rmSync(scratch, { recursive: true });
}
