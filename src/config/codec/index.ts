/**
 * Binary configuration files of every released revision. Decoding and encoding are exact inverses:
 * `encodeConfig(decodeConfig(bytes))` is `bytes`, including what has no meaning.
 */
import { ConfigError } from "../config-error.ts";
import type { Architecture, CellConfig, Config, Revision } from "../types.ts";
import type { TrailingArray } from "./arrays.ts";
import { arrayCounts, trailingArrays } from "./arrays.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import type { RecordCodec } from "./fields.ts";
import type { CellDescriptor, SystemHeader } from "./layout.ts";
import { cellDescriptor, systemHeader } from "./layout.ts";
import { identify } from "./signature.ts";

export interface DecodeOptions {
  /** For messages. */
  readonly file: string;
  /** For revisions below 14, whose files do not say. Default "x86". */
  readonly architecture?: Architecture;
}

/** @throws ConfigError naming file, offset, field and rule. */
export function decodeConfig(bytes: Uint8Array, options: DecodeOptions): Config {
  const { kind, revision, architecture: stated } = identify(bytes, options.file);
  const architecture = stated ?? options.architecture ?? "x86";
  const from = new ByteReader(bytes, options.file);
  if (kind === "cell") return readCell(from, revision, architecture, false);

  const header = systemHeader(revision, architecture).read(from);
  const rootCell = from.within("rootCell", () => readCell(from, revision, architecture, true));
  return { kind, revision, architecture, ...liftConsolePage(header, revision), rootCell };
}

/**
 * The file content of a configuration.
 * @throws ConfigError where a value does not fit its field or has no place in the revision; `file` is
 * then the cell's name.
 */
export function encodeConfig(config: Config): Uint8Array {
  const { revision, architecture } = config;
  const cell = config.kind === "system" ? config.rootCell : config;
  const header = systemHeader(revision, architecture);
  const headerSize = config.kind === "system" ? header.size : 0;

  const arrays = trailingArrays(revision);
  const layout = cellDescriptor(revision, architecture, config.kind === "system");
  const arraySizes = arrays.map((array) => checkedCount(cell, array) * array.elementSize);
  const size = arraySizes.reduce((sum, bytes) => sum + bytes, headerSize + layout.size);
  const to = new ByteWriter(new Uint8Array(size + (cell.surplus?.length ?? 0)), cell.name);

  if (config.kind === "system") {
    header.write(to, lowerConsolePage(config, revision));
    to.within("rootCell", () => {
      if (cell.revision !== revision || cell.architecture !== architecture)
        to.fail(
          `revision ${cell.revision} of ${cell.architecture} inside a system of revision ${revision} of ${architecture}`,
        );
      writeCell(to, cell, layout, arrays);
    });
  } else writeCell(to, cell, layout, arrays);
  return to.bytes;
}

function readCell(
  from: ByteReader,
  revision: Revision,
  architecture: Architecture,
  embedded: boolean,
): CellConfig {
  const start = from.offset;
  const layout = cellDescriptor(revision, architecture, embedded);
  const descriptor = layout.read(from);

  let arrays: Partial<CellConfig> = {};
  for (const array of trailingArrays(revision)) {
    const { property, countField, elementSize, limit } = array;
    const count = descriptor[countField];
    // before anything is allocated for it
    const refusal =
      limit !== undefined && count > limit
        ? `${count} is more than ${limit}`
        : count * elementSize > from.remaining
          ? `${count} x ${elementSize} bytes at 0x${from.offset.toString(16)} do not fit, the file ends after ${from.remaining}`
          : undefined;
    if (refusal !== undefined)
      from.within(countField, () => from.fail(refusal, start + layout.offsetOf(countField)));
    arrays = { ...arrays, ...from.within(property, () => array.read(from, count)) };
  }

  const {
    numMemoryRegions: _regions,
    numCacheRegions: _caches,
    numIrqchips: _irqchips,
    numPioRegions: _ports,
    numPciDevices: _devices,
    numPciCaps: _capabilities,
    numStreamIds: _streams,
    ...fields
  } = descriptor;
  const surplus = from.remaining > 0 ? { surplus: from.slice(from.remaining) } : {};
  return { kind: "cell", revision, architecture, ...fields, ...arrays, ...surplus } as CellConfig;
}

function writeCell(
  to: ByteWriter,
  cell: CellConfig,
  layout: RecordCodec<CellDescriptor>,
  arrays: readonly TrailingArray[],
): void {
  layout.write(to, { ...cell, ...arrayCounts(cell, arrays) });
  for (const array of arrays) to.within(array.property, () => array.write(to, cell));
  if (cell.surplus !== undefined) to.put(cell.surplus);
}

function checkedCount(cell: CellConfig, { countField, count, limit = 0xffff_ffff }: TrailingArray) {
  const value = count(cell);
  if (!Number.isInteger(value) || value < 0 || value > limit)
    throw new ConfigError(cell.name, 0, countField, `${value} is not from 0 to ${limit}`);
  return value;
}

/** Revisions 4 to 9 say in the console's flag word what later ones say in the system's. */
const ROOT_PAGE = { revisions: [4, 8, 9] as readonly Revision[], mask: 0xf00, value: 0x100 };

function liftConsolePage(header: SystemHeader, revision: Revision): SystemHeader {
  const { debugConsole, flags } = header;
  const { mask, value, revisions } = ROOT_PAGE;
  if (!revisions.includes(revision) || (debugConsole.unknownBits & mask) !== value) return header;
  return {
    ...header,
    flags: { ...flags, virtualDebugConsole: true },
    debugConsole: { ...debugConsole, unknownBits: debugConsole.unknownBits - value },
  };
}

function lowerConsolePage(header: SystemHeader, revision: Revision): SystemHeader {
  const { debugConsole, flags } = header;
  const { mask, value, revisions } = ROOT_PAGE;
  if (!revisions.includes(revision) || !flags.virtualDebugConsole) return header;
  if ((debugConsole.unknownBits & mask) !== 0)
    throw new ConfigError(
      "system",
      0,
      "flags.virtualDebugConsole",
      "debugConsole.unknownBits already names a second console",
    );
  return {
    ...header,
    flags: { ...flags, virtualDebugConsole: false },
    debugConsole: { ...debugConsole, unknownBits: debugConsole.unknownBits + value },
  };
}
