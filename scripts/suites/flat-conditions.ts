/**
 * What a case of a flat-binary suite needs and expects: JSON between `%ifdef CONFIG` and `%endif`
 * in its source, keys in any case.
 *
 * - `RegData`: register to a number, or to a list of quadwords, lowest first, that are compared from
 *   the register's low end. MMn is the physical x87 register n: significand, then sign and exponent.
 *   XMMn with more than two quadwords is YMMn.
 * - `MemoryRegions`: address to size, more RAM. `MemoryData`: address to bytes there, hexadecimal
 *   numbers separated by blanks, each little-endian.
 * - `Mode`: `32BIT` or `64BIT`; 64 without. `HostFeatures`: what the CPU must have.
 */
import type { RegisterReport } from "../../src/session/registers.ts";
import type { RamRange } from "../../src/session/sparse-ram.ts";

export interface Conditions {
  readonly bits: 32 | 64;
  readonly features: readonly string[];
  readonly ram: readonly RamRange[];
  readonly memory: readonly { readonly address: number; readonly bytes: Uint8Array }[];
  /** Quadwords by register, in lower case. */
  readonly registers: ReadonlyMap<string, readonly bigint[]>;
}

type Table = Readonly<Record<string, unknown>>;

/** Undefined if the source has no such block. @throws SyntaxError if what it has is not JSON */
export function readConditions(source: string): Conditions | undefined {
  const block = /%ifdef CONFIG\b([\s\S]*?)%endif/.exec(source);
  if (block === null) return undefined;
  const fields = lowerCase(JSON.parse(block[1]));
  return {
    bits: fields.mode === "32BIT" ? 32 : 64,
    features: (fields.hostfeatures as string[] | undefined) ?? [],
    ram: Object.entries((fields.memoryregions as Table | undefined) ?? {}).map(
      ([address, size]) => ({ address: Number(address), size: Number(size) }),
    ),
    memory: Object.entries((fields.memorydata as Table | undefined) ?? {}).map(
      ([address, words]) => ({ address: Number(address), bytes: bytesOf(String(words)) }),
    ),
    registers: new Map(
      Object.entries(lowerCase(fields.regdata ?? {})).map(([name, value]) => [
        name,
        (Array.isArray(value) ? value : [value]).map((word) =>
          BigInt(String(word).replaceAll("_", "")),
        ),
      ]),
    ),
  };
}

const lowerCase = (table: unknown): Table =>
  Object.fromEntries(
    Object.entries(table as Table).map(([key, value]) => [key.toLowerCase(), value]),
  );

function bytesOf(words: string): Uint8Array {
  const bytes = words.split(" ").flatMap((word) => {
    const digits = word.replace(/^0x/, "");
    const even = digits.padStart(2 * Math.ceil(digits.length / 2), "0");
    return (even.match(/../g) ?? []).reverse().map((pair) => Number.parseInt(pair, 16));
  });
  return Uint8Array.from(bytes);
}

/** What is not as expected, one text a register. */
export function differences({ registers }: Conditions, report: RegisterReport): string[] {
  return [...registers].flatMap(([name, expected]) => {
    const value = registerValue(name, report);
    if (value === undefined) return [`${name} is not known`];
    const found = expected.map((_, word) => BigInt.asUintN(64, value >> BigInt(64 * word)));
    if (found.every((word, index) => word === expected[index])) return [];
    return [`${name} ${hex(found)}, expected ${hex(expected)}`];
  });
}

const hex = (words: readonly bigint[]) =>
  [...words]
    .reverse()
    .map((word) => word.toString(16).padStart(16, "0"))
    .join("_");

function registerValue(name: string, report: RegisterReport): bigint | undefined {
  const [, kind, digits] = /^(x?mm)(\d+)$/.exec(name) ?? [];
  const index = Number(digits);
  if (kind === "xmm") return BigInt(report.ymm[index]);
  // the physical register: the stack's top is the one that ST(0) names
  const top = (Number(report.x87.fsw) >> 11) & 7;
  if (kind === "mm") return BigInt(report.x87.st[(index - top) & 7]);
  if (name === "fs" || name === "gs") return BigInt(report.segments[name].base);
  return report.general[name] === undefined ? undefined : BigInt(report.general[name]);
}
