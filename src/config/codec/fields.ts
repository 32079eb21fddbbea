/**
 * The vocabulary in which layouts are written: a {@link Codec} reads and writes one field, a
 * {@link record} is a table of fields, and both directions come from the same table.
 */
import type { Preserved } from "../types.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";

export interface Codec<T> {
  /** Bytes in the file. */
  readonly size: number;
  /** Bytes it adds to the padding of the record it stands in. */
  readonly spareSize?: number;
  read(from: ByteReader): T;
  write(to: ByteWriter, value: T): void;
}

export const u8: Codec<number> = {
  size: 1,
  read: (from) => from.u8(),
  write: (to, value) => to.u8(value),
};

export const u16: Codec<number> = {
  size: 2,
  read: (from) => from.u16(),
  write: (to, value) => to.u16(value),
};

export const u32: Codec<number> = {
  size: 4,
  read: (from) => from.u32(),
  write: (to, value) => to.u32(value),
};

export const u64: Codec<bigint> = {
  size: 8,
  read: (from) => from.u64(),
  write: (to, value) => to.u64(value),
};

/** A byte that is 0 or not; a "true" other than 1 is remembered as padding. */
export const boolean: Codec<boolean> = {
  size: 1,
  spareSize: 1,
  read(from) {
    const byte = from.u8();
    from.spare.push(byte === 0 ? 0 : byte ^ 1);
    return byte !== 0;
  },
  write(to, value) {
    const spare = to.spare.shift() ?? 0;
    to.u8(value ? spare ^ 1 : 0);
  },
};

/** Bytes without meaning. */
export function padding(size: number): Codec<void> {
  return {
    size,
    spareSize: size,
    read: (from) => void from.spare.push(...from.slice(size)),
    write: (to) => to.put(to.spare.splice(0, size)),
  };
}

/** Bytes that were checked before the layout was chosen. */
export function literal(bytes: Uint8Array): Codec<void> {
  return {
    size: bytes.length,
    read: (from) => void from.slice(bytes.length),
    write: (to) => to.put(bytes),
  };
}

/** A property the revision has no field for: always `value`. */
export function absent<T>(value: T): Codec<T> {
  return {
    size: 0,
    read: () => value,
    write(to, actual) {
      if (!equal(actual, value))
        to.fail(`is always ${show(value)} in this revision, not ${show(actual)}`);
    },
  };
}

function equal(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  const keys = Object.keys(b);
  return (
    Object.keys(a).length === keys.length &&
    keys.every((key) => equal(Reflect.get(a, key), Reflect.get(b, key)))
  );
}

function show(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  const properties = Object.entries(value).map(([name, part]) => `${name}: ${show(part)}`);
  return `{${properties.join(", ")}}`;
}

/** A number of which some values have names; the others stay numbers. */
export function code<Name extends string>(
  word: Codec<number>,
  codes: Partial<Record<Name, number>>,
): Codec<Name | number> {
  return {
    size: word.size,
    read: (from) => nameOf(codes, word.read(from)),
    write(to, value) {
      const number = typeof value === "number" ? value : codes[value];
      if (number === undefined)
        return to.fail(
          `"${value}" is not among the codes of this revision: ${Object.keys(codes).join(", ")}`,
        );
      word.write(to, number);
    },
  };
}

function nameOf<Name extends string>(
  codes: Partial<Record<Name, number>>,
  number: number,
): Name | number {
  for (const name in codes) if (codes[name] === number) return name;
  return number;
}

/**
 * What a part of a flag word means: a mask alone is a boolean; with two values, what clear and set
 * mean; with codes, a number in the masked low bits.
 */
type BitField =
  | number
  | readonly [mask: number, clear: string | number, set: string | number]
  | { readonly mask: number; readonly codes: Readonly<Record<string, number>> };

function maskOf(field: BitField): number {
  if (typeof field === "number") return field;
  return "mask" in field ? field.mask : field[0];
}

function readBits(field: BitField, bits: number): boolean | string | number {
  if (typeof field === "number") return bits !== 0;
  if ("mask" in field) return nameOf(field.codes, bits);
  return bits === 0 ? field[1] : field[2];
}

function bitsFor(field: BitField, value: unknown): number {
  if (typeof field === "number") return value === true ? field : 0;
  if ("mask" in field)
    return (typeof value === "number" ? value : (field.codes[String(value)] ?? 0)) & field.mask;
  return value === field[2] ? field[0] : 0;
}

/**
 * A flag word as properties of one object, one per entry of `fields`; bits that no entry names stand
 * in the property `unknown`.
 */
export function bits<T extends object>(
  word: Codec<number> | Codec<bigint>,
  fields: Readonly<Record<string, BitField>>,
  unknown = "unknownBits",
): Codec<T> {
  const entries = Object.entries(fields);
  const named = entries.reduce((mask, [, field]) => mask | BigInt(maskOf(field)), 0n);
  const wide = word.size === 8;

  function unpack(value: bigint): Record<string, unknown> {
    const result: Record<string, unknown> = {};
    for (const [name, field] of entries)
      result[name] = readBits(field, Number(value & BigInt(maskOf(field))));
    const rest = value & ~named;
    result[unknown] = wide ? rest : Number(rest);
    return result;
  }

  return {
    size: word.size,
    read: (from) => unpack(BigInt(word.read(from))) as T,
    write(to, value) {
      let packed = BigInt(Reflect.get(value, unknown) as number | bigint);
      for (const [name, field] of entries)
        packed |= BigInt(bitsFor(field, Reflect.get(value, name)));
      for (const [name, actual] of Object.entries(unpack(packed)))
        if (actual !== Reflect.get(value, name))
          to.within(name, () =>
            to.fail(`${Reflect.get(value, name)} cannot be expressed in this revision`),
          );
      (word as Codec<number | bigint>).write(to, wide ? packed : Number(packed));
    },
  };
}

/** One line of a layout: a property and its field, padding, or several properties in one field. */
export type Row<T> =
  | { readonly [K in keyof T]-?: readonly [K, Codec<T[K]>] }[keyof T]
  | Codec<void>
  | Spread<T>;

/** A field that holds several properties of the record. */
export interface Spread<T> {
  readonly size: number;
  /** @param before the properties read so far. */
  readAll(from: ByteReader, before: Partial<T>): Partial<T>;
  writeAll(to: ByteWriter, value: T): void;
}

/** The properties of `part` stand directly in the record. */
export function spread<T>(part: Codec<Partial<T>>): Spread<T> {
  return {
    size: part.size,
    readAll: (from) => part.read(from),
    writeAll: (to, value) => part.write(to, value),
  };
}

export interface RecordCodec<T> extends Codec<T> {
  /** Where the record's property begins, relative to the record. */
  offsetOf(property: keyof T): number;
}

/** A packed structure: the rows follow each other without gaps. */
export function record<T extends object>(rows: readonly Row<T>[]): RecordCodec<T> {
  type Property = readonly [string, Codec<unknown>];
  const isProperty = (row: unknown): row is Property => Array.isArray(row);
  const codecs = rows.map((row) => (isProperty(row) ? row[1] : row) as Codec<void> | Spread<T>);
  const spareSize = codecs.reduce((sum, c) => sum + (("spareSize" in c && c.spareSize) || 0), 0);

  return {
    size: codecs.reduce((sum, codec) => sum + codec.size, 0),

    read(from) {
      const outer = from.spare;
      const spare: number[] = [];
      from.spare = spare;
      const value: Record<string, unknown> = {};
      for (const row of rows)
        if (isProperty(row)) {
          const [name, field] = row;
          value[name] = from.within(name, () => field.read(from));
        } else if ("readAll" in row) Object.assign(value, row.readAll(from, value as Partial<T>));
        else (row as Codec<void>).read(from);
      if (spare.some((byte) => byte !== 0)) value.unused = Uint8Array.from(spare);
      from.spare = outer;
      return value as T;
    },

    write(to, value) {
      const outer = to.spare;
      const { unused } = value as Preserved;
      if (unused !== undefined && spareSize > 0 && unused.length !== spareSize)
        to.within("unused", () =>
          to.fail(`the padding is ${spareSize} bytes in this revision, not ${unused.length}`),
        );
      to.spare = unused === undefined ? new Array<number>(spareSize).fill(0) : [...unused];
      for (const row of rows)
        if (isProperty(row)) {
          const [name, field] = row;
          to.within(name, () => field.write(to, Reflect.get(value, name)));
        } else if ("writeAll" in row) row.writeAll(to, value);
        else (row as Codec<void>).write(to, undefined);
      to.spare = outer;
    },

    offsetOf(property) {
      let offset = 0;
      for (const row of rows) {
        if (isProperty(row) && row[0] === property) return offset;
        offset += isProperty(row) ? row[1].size : (row as Codec<void>).size;
      }
      throw new RangeError(`the record has no property ${String(property)}`);
    },
  };
}

/** A fixed number of slots, of which those behind the last used one are all zero and not listed. */
export function slots<T extends object>(slot: Codec<T>, count: number): Codec<readonly T[]> {
  return {
    size: slot.size * count,
    read(from) {
      const list: T[] = [];
      let used = 0;
      for (let index = 0; index < count; index++) {
        const start = from.offset;
        list.push(from.within(`[${index}]`, () => slot.read(from)));
        const bytes = from.bytes.subarray(start, from.offset);
        if (bytes.some((byte) => byte !== 0)) used = index + 1;
      }
      return list.slice(0, used);
    },
    write(to, list) {
      if (list.length > count) to.fail(`${list.length} entries, the file has room for ${count}`);
      const end = to.offset + slot.size * count;
      list.forEach((value, index) => {
        to.within(`[${index}]`, () => slot.write(to, value));
      });
      to.offset = end;
    },
  };
}
