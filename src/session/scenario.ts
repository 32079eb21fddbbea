/**
 * A scenario: which system to enable, which cells to create in it, what to load into them, and when
 * to end. Files may be given by name; whoever runs the scenario knows how to read them.
 */
import { decodeConfig } from "../config/codec/index.ts";
import { releaseOf } from "../config/releases.ts";
import type { CellConfig, Config, SystemConfig } from "../config/types.ts";
import { FEATURE_LEVELS, type Features } from "../engine/vcpu.ts";
import type { ScenarioDevice } from "./devices.ts";
import type { Session } from "./session.ts";

/** The content of a file, or its name relative to the scenario's own file. */
export type File = string | Uint8Array;

export interface Scenario {
  /** The machine and its root cell, as a configuration or a binary one. */
  readonly system: SystemConfig | File;
  /** Created, loaded and started in this order. */
  readonly cells: readonly ScenarioCell[];
  /** PCI devices of the machine, for cells that list them. Default none. */
  readonly devices?: readonly ScenarioDevice[];
  /** Length of one guest instruction in virtual time. Default 1. */
  readonly nanosecondsPerInstruction?: number;
  /** End after this much virtual time, in nanoseconds. */
  readonly forNs?: number;
  /** End when a cell prints a line that matches. */
  readonly until?: RegExp;
  /**
   * What the person at the root cell does once every cell is started. The scenario ends with it,
   * unless `forNs` or `until` ends it earlier.
   */
  readonly script?: (session: Session) => Promise<void>;
}

export interface ScenarioCell {
  readonly config: CellConfig | File;
  /**
   * In this order: where two overlap, the later one is what the cell sees. Only a command line without
   * an address comes behind all images, one of which has the place for it.
   */
  readonly load: readonly ScenarioLoad[];
  /** Virtual time from the start of the cell before it, or from power-on, to its own. Default 0. */
  readonly startAfterNs?: number;
  /**
   * Which instructions its CPUs have and CPUID shows: a level of the x86-64 ABI. The default,
   * "x86-64-v3", is everything there is: AVX2, FMA, BMI, and AES, SHA and RDRAND, too.
   */
  readonly features?: Features;
}

/** `address`: guest-physical in the cell; by default what the cell's revision prescribes. */
export type ScenarioLoad =
  | { readonly image: File; readonly address?: number }
  | { readonly commandLine: string; readonly address?: number };

/** What the inmates' libraries of all releases reserve for it, the NUL included. */
const COMMAND_LINE_BYTES = 256;

/** Gives a scenario its type. */
export function defineScenario(scenario: Scenario): Scenario {
  return scenario;
}

/** Input that cannot be run: what was wrong, where, and what would be right. */
export class ScenarioError extends Error {
  override readonly name = "ScenarioError";
}

/** A scenario whose files are read and decoded. */
export interface LoadedScenario {
  readonly system: SystemConfig;
  readonly cells: readonly LoadedCell[];
  readonly devices: readonly ScenarioDevice[];
  readonly nanosecondsPerInstruction: number;
  readonly forNs: number | undefined;
  readonly until: RegExp | undefined;
  readonly script: Scenario["script"];
}

export interface LoadedCell {
  readonly config: CellConfig;
  readonly images: readonly Image[];
  readonly startAfterNs: number;
  readonly features: Features;
}

export interface Image {
  /** For messages: a file's name, or "command line". */
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Guest-physical. */
  readonly address: number;
}

/** Reads a file of a scenario. Its errors are passed on. */
export type ReadFile = (name: string) => Promise<Uint8Array>;

/** @throws ConfigError for a malformed configuration, ScenarioError for one of the wrong kind */
export async function loadScenario(scenario: Scenario, read: ReadFile): Promise<LoadedScenario> {
  const { system: systemFile, cells, nanosecondsPerInstruction = 1 } = scenario;
  if (!(nanosecondsPerInstruction > 0 && nanosecondsPerInstruction < Number.POSITIVE_INFINITY))
    throw new ScenarioError(
      `nanosecondsPerInstruction is ${nanosecondsPerInstruction}: must be positive`,
    );
  cells.forEach(checkShape);
  const system = await readConfig(systemFile, "system", read);
  if (system.architecture !== "x86")
    throw new ScenarioError(
      `system "${system.rootCell.name}" is one of ${system.architecture}: this machine is x86`,
    );
  return {
    system,
    cells: await Promise.all(cells.map((cell) => loadCell(cell, system, read))),
    devices: scenario.devices ?? [],
    nanosecondsPerInstruction,
    forNs: scenario.forNs,
    until: scenario.until,
    script: scenario.script,
  };
}

/** A scenario may come without any type check. */
function checkShape(cell: ScenarioCell | undefined, index: number): void {
  if (cell?.config === undefined)
    throw new ScenarioError(
      `cells[${index}]: has no "config", a cell configuration or the name of its file`,
    );
  if (!Array.isArray(cell.load))
    throw new ScenarioError(`cells[${index}].load: must be a list, [{ image: "..." }]`);
  const { features } = cell;
  if (features !== undefined && !FEATURE_LEVELS.includes(features))
    throw new ScenarioError(
      `cells[${index}].features is "${features}": must be one of ${FEATURE_LEVELS.join(", ")}`,
    );
}

async function loadCell(
  { config: cellFile, load, startAfterNs = 0, features = "x86-64-v3" }: ScenarioCell,
  system: SystemConfig,
  read: ReadFile,
): Promise<LoadedCell> {
  const config = await readConfig(cellFile, "cell", read);
  for (const field of ["architecture", "revision"] as const)
    if (config[field] !== system[field])
      throw new ScenarioError(
        `cell "${config.name}" has ${field} ${config[field]}, the system ${system[field]}: ` +
          "both must come from the same release",
      );
  const release = releaseOf(config.revision);
  const isPlaced = (entry: ScenarioLoad) => "image" in entry || entry.address !== undefined;
  const inOrder = [...load.filter(isPlaced), ...load.filter((entry) => !isPlaced(entry))];
  const images = inOrder.map(async (entry): Promise<Image> => {
    if ("commandLine" in entry) {
      const bytes = new TextEncoder().encode(`${entry.commandLine}\0`);
      if (entry.address === undefined && bytes.length > COMMAND_LINE_BYTES)
        throw new ScenarioError(
          `command line of cell "${config.name}": ${bytes.length} bytes with the NUL at its end; ` +
            `images have room for ${COMMAND_LINE_BYTES}`,
        );
      return { name: "command line", bytes, address: entry.address ?? release.cmdlineAddress };
    }
    const { image, address = release.imageAddress } = entry;
    const name = typeof image === "string" ? image : "image";
    return { name, bytes: typeof image === "string" ? await read(image) : image, address };
  });
  return { config, images: await Promise.all(images), startAfterNs, features };
}

interface ConfigOf {
  readonly system: SystemConfig;
  readonly cell: CellConfig;
}

async function readConfig<Kind extends Config["kind"]>(
  source: ConfigOf[Kind] | File,
  kind: Kind,
  read: ReadFile,
): Promise<ConfigOf[Kind]> {
  const file = typeof source === "string" ? source : `${kind} configuration`;
  const config =
    typeof source === "string" || source instanceof Uint8Array
      ? decodeConfig(typeof source === "string" ? await read(source) : source, { file })
      : source;
  if (config.kind !== kind)
    throw new ScenarioError(
      kind === "system"
        ? `${file} describes the cell "${(config as CellConfig).name}"; a system is wanted here`
        : `${file} describes a whole system; a cell is wanted here`,
    );
  return config as ConfigOf[Kind];
}
