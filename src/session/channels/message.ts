/**
 * Typed messages: a description of fields in the words of C's types gives the TypeScript type, and
 * the bytes that a C struct of the same fields has (x86-64: natural alignment, little-endian).
 *
 *     const Sample = messageFormat("sample", { timeNs: "u64", speed: "f64", phase: ["f32", 3] });
 *     // struct sample { uint64_t time_ns; double speed; float phase[3]; };
 */
import { LinkError } from "../shared-section.ts";

const SCALARS = {
  u8: { bytes: 1, get: (v, at) => v.getUint8(at), set: (v, at, x) => v.setUint8(at, x) },
  i8: { bytes: 1, get: (v, at) => v.getInt8(at), set: (v, at, x) => v.setInt8(at, x) },
  u16: {
    bytes: 2,
    get: (v, at) => v.getUint16(at, true),
    set: (v, at, x) => v.setUint16(at, x, true),
  },
  i16: {
    bytes: 2,
    get: (v, at) => v.getInt16(at, true),
    set: (v, at, x) => v.setInt16(at, x, true),
  },
  u32: {
    bytes: 4,
    get: (v, at) => v.getUint32(at, true),
    set: (v, at, x) => v.setUint32(at, x, true),
  },
  i32: {
    bytes: 4,
    get: (v, at) => v.getInt32(at, true),
    set: (v, at, x) => v.setInt32(at, x, true),
  },
  f32: {
    bytes: 4,
    get: (v, at) => v.getFloat32(at, true),
    set: (v, at, x) => v.setFloat32(at, x, true),
  },
  f64: {
    bytes: 8,
    get: (v, at) => v.getFloat64(at, true),
    set: (v, at, x) => v.setFloat64(at, x, true),
  },
} satisfies Record<string, Codec<number>>;

/** 64-bit integers are bigints: a double does not hold them all. */
const WIDE_SCALARS = {
  u64: {
    bytes: 8,
    get: (v, at) => v.getBigUint64(at, true),
    set: (v, at, x) => v.setBigUint64(at, x, true),
  },
  i64: {
    bytes: 8,
    get: (v, at) => v.getBigInt64(at, true),
    set: (v, at, x) => v.setBigInt64(at, x, true),
  },
} satisfies Record<string, Codec<bigint>>;

interface Codec<T, V = T> {
  readonly bytes: number;
  readonly get: (view: DataView, at: number) => T;
  readonly set: (view: DataView, at: number, value: V) => void;
}

type Narrow = keyof typeof SCALARS;
type Wide = keyof typeof WIDE_SCALARS;
type Scalar = Narrow | Wide;

/** A number, an array of them, or text of at most so many Latin-1 characters (`char name[n]`). */
export type Field = Scalar | readonly [Scalar, number] | { readonly text: number };

type ScalarValue<S extends Scalar> = S extends Wide ? bigint : number;
type FieldValue<F extends Field> = F extends Scalar
  ? ScalarValue<F>
  : F extends readonly [infer S extends Scalar, number]
    ? readonly ScalarValue<S>[]
    : string;

type Values<F extends Readonly<Record<string, Field>>> = {
  readonly [K in keyof F]: FieldValue<F[K]>;
};

export interface MessageFormat<T> {
  readonly name: string;
  /** sizeof the C struct; the most of them if their number varies. */
  readonly bytes: number;
  /** A message may have fewer bytes. */
  readonly varies: boolean;
  /** Of each field, in bytes. */
  readonly offsets: Readonly<Record<string, number>>;
  encode(message: T): Uint8Array;
  /** Of as many bytes as the format allows, nobody else's. */
  decode(bytes: Uint8Array<ArrayBuffer>): T;
}

/** The type of a format's messages: `type Sample = MessageOf<typeof Sample>`. */
export type MessageOf<F> = F extends MessageFormat<infer T> ? T : never;

interface Placed {
  readonly name: string;
  readonly field: Field;
  readonly offset: number;
}

/** Messages that are just bytes, at most so many. */
export function anyBytes(maximum: number): MessageFormat<Uint8Array> {
  return {
    name: "bytes",
    bytes: maximum,
    varies: true,
    offsets: {},
    encode: (message) => message,
    decode: (bytes) => bytes,
  };
}

/** @throws LinkError for an array or a text without room */
export function messageFormat<const F extends Readonly<Record<string, Field>>>(
  name: string,
  fields: F,
): MessageFormat<Values<F>> {
  let end = 0;
  let alignment = 1;
  const placed = Object.entries(fields).map(([key, field]): Placed => {
    const { unit, count } = shape(field);
    if (!(Number.isInteger(count) && count >= 1))
      throw new LinkError(
        `format "${name}", field "${key}": ${count} elements, must be at least 1`,
      );
    const offset = Math.ceil(end / unit) * unit;
    end = offset + unit * count;
    alignment = Math.max(alignment, unit);
    return { name: key, field, offset };
  });
  const bytes = Math.ceil(end / alignment) * alignment;
  const empty = Object.fromEntries(placed.map((each) => [each.name, undefined]));
  return {
    name,
    bytes,
    varies: false,
    offsets: Object.fromEntries(placed.map((each) => [each.name, each.offset])),
    encode(message) {
      const view = new DataView(new ArrayBuffer(bytes));
      for (const each of placed) encodeField(view, each, message[each.name]);
      return new Uint8Array(view.buffer);
    },
    decode(encoded) {
      const view = new DataView(encoded.buffer, encoded.byteOffset, bytes);
      // of a known shape from the start
      const message: Record<string, unknown> = { ...empty };
      for (const each of placed) message[each.name] = decodeField(view, each);
      return message as Values<F>;
    },
  };
}

/** Bytes of one element, and how many there are. */
function shape(field: Field): { unit: number; count: number } {
  if (typeof field === "string") return { unit: CODECS[field].bytes, count: 1 };
  if ("text" in field) return { unit: 1, count: field.text };
  return { unit: CODECS[field[0]].bytes, count: field[1] };
}

const CODECS: Readonly<Record<Scalar, Codec<number | bigint, never>>> = {
  ...SCALARS,
  ...WIDE_SCALARS,
};

function encodeField(view: DataView, { field, offset }: Placed, value: unknown): void {
  const { unit, count } = shape(field);
  const values =
    typeof field === "string"
      ? [value]
      : "text" in field
        ? Array.from(value as string, (character) => character.charCodeAt(0))
        : (value as readonly unknown[]);
  const scalar = typeof field === "string" ? field : "text" in field ? "u8" : field[0];
  const { set } = CODECS[scalar];
  // what is too long is cut, what is too short stays 0
  for (let index = 0; index < Math.min(count, values.length); index++)
    set(view, offset + index * unit, values[index] as never);
}

function decodeField(view: DataView, { field, offset }: Placed): unknown {
  if (typeof field === "string") return CODECS[field].get(view, offset);
  const { unit, count } = shape(field);
  if ("text" in field) {
    const bytes = new Uint8Array(view.buffer, view.byteOffset + offset, count);
    const end = bytes.indexOf(0);
    return String.fromCharCode(...bytes.subarray(0, end < 0 ? count : end));
  }
  const { get } = CODECS[field[0]];
  return Array.from({ length: count }, (_, index) => get(view, offset + index * unit));
}
