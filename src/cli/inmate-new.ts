/** `gaoler inmate new`: a folder with an inmate, its cell and a scenario, that builds and runs at once. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { UsageError } from "./usage-error.ts";

/** The same place seen from `src/cli` and from `dist/cli`. */
const INMATES = fileURLToPath(new URL("../../inmates/", import.meta.url));
const TEMPLATE = join(INMATES, "template");
const TEMPLATE_SUFFIX = ".in";

/** As a cell's name it has 31 bytes in the configuration; as a file's name it goes through make. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,30}$/;

/** @returns the exit status */
export async function inmateNew(name: string): Promise<number> {
  const files = newInmate(name, resolve(name));
  console.log(`Wrote ${files.map((file) => join(name, file)).join(", ")}`);
  console.log(`Build it:  make -C ${name}`);
  console.log(`Run it:    gaoler run ${join(name, "scenario.ts")}`);
  return 0;
}

/**
 * Writes the files of a new inmate.
 *
 * @param name of the inmate, its image and its cell: 1 to 31 letters, digits, `_`, `-`, `.`
 * @param folder to be made; its parent is made too if missing
 * @returns the names of the files
 * @throws UsageError if the name is not one, or the folder exists
 */
export function newInmate(name: string, folder: string): string[] {
  if (!NAME.test(name))
    throw new UsageError(
      `"${name}" cannot name an inmate: 1 to 31 letters, digits, "_", "-" or ".", a letter or digit first`,
    );
  const library = libraryFrom(folder);
  if (/\s/.test(library))
    throw new UsageError(`make cannot handle the blanks in the path of the library: ${library}`);

  makeFolder(folder);
  const values: Readonly<Record<string, string>> = { NAME: name, LIBRARY: library };
  return readdirSync(TEMPLATE).map((templateName) => {
    const file = templateName
      .slice(0, -TEMPLATE_SUFFIX.length)
      .replace(/^gitignore$/, ".gitignore");
    const text = readFileSync(join(TEMPLATE, templateName), "utf8");
    writeFileSync(
      join(folder, file),
      text.replace(/@([A-Z]+)@/g, (_, key: string) => values[key]),
    );
    return file;
  });
}

function makeFolder(folder: string): void {
  mkdirSync(dirname(folder), { recursive: true });
  try {
    mkdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    throw new UsageError(`${folder} is there already`);
  }
}

/**
 * Path of the C library as the new folder's Makefile names it. Inside the project that this package
 * belongs to (or is) it is relative, so that the project can move; elsewhere absolute.
 */
function libraryFrom(folder: string): string {
  const library = join(INMATES, "lib");
  const [project] = INMATES.split(`${sep}node_modules${sep}`);
  const root = project === INMATES ? dirname(resolve(INMATES)) : project;
  const inside = relative(root, folder);
  const outside = inside.startsWith("..") || isAbsolute(inside);
  return (outside ? library : relative(folder, library)).split(sep).join("/");
}
