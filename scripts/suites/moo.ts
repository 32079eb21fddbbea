/**
 * MOO ("machine opcode operation") files, version 1: one CPU test after another. A file is a row of
 * chunks: four characters, a length in 32 bits, as many bytes; numbers are little-endian.
 *
 *     MOO   version, 3 bytes, number of tests (32 bits), CPU (4 characters)
 *     TEST  index (32 bits), then chunks:
 *       NAME  length (32 bits), text      BYTS  length, instruction     HASH  20 bytes
 *       INIT, FINA  state before and after, of chunks:
 *         REGS  bit n: register n follows (16 bits each)
 *         RAM   count (32 bits), of each address (32 bits) and byte
 *       EXCP  vector, address of the FLAGS that were pushed (32 bits)
 *
 * Chunks with other names (bus cycles, queue) are passed over.
 */

/** In the order of REGS. */
export const MOO_REGISTERS = [
  ...(["ax", "bx", "cx", "dx", "cs", "ss", "ds", "es"] as const),
  ...(["sp", "bp", "si", "di", "ip", "flags"] as const),
] as const;
export type MooRegister = (typeof MOO_REGISTERS)[number];

export interface MooState {
  /** All of them before; after, those that changed. */
  readonly registers: Partial<Record<MooRegister, number>>;
  readonly ram: ReadonlyMap<number, number>;
}

export interface MooTest {
  readonly index: number;
  /** In assembler. */
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly before: MooState;
  readonly after: MooState;
  readonly exception?: { readonly vector: number; readonly flagsAddress: number };
  /** Hexadecimal. */
  readonly hash: string;
}

/** @throws SyntaxError if it is no such file */
export function* readMoo(file: Uint8Array): Generator<MooTest> {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  if (text(file, 0, 4) !== "MOO ") throw new SyntaxError("no MOO file: it does not begin with one");
  for (const { name, start, end } of chunks(view, 0, file.length))
    if (name === "TEST") yield readTest(view, start, end);
}

interface Chunk {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

function* chunks(view: DataView, from: number, to: number): Generator<Chunk> {
  for (let at = from; at + 8 <= to; ) {
    const start = at + 8;
    const end = start + view.getUint32(at + 4, true);
    if (end > to)
      throw new SyntaxError(`the chunk at offset ${at} reaches beyond its surroundings`);
    yield { name: text(view, at, 4), start, end };
    at = end;
  }
}

const NOTHING: MooState = { registers: {}, ram: new Map() };

function readTest(view: DataView, from: number, to: number): MooTest {
  let name = "";
  let bytes = new Uint8Array();
  let before = NOTHING;
  let after = NOTHING;
  let hash = "";
  let exception: MooTest["exception"];
  for (const { name: kind, start, end } of chunks(view, from + 4, to)) {
    if (kind === "NAME") name = text(view, start + 4, end - start - 4);
    else if (kind === "BYTS") bytes = Uint8Array.from(slice(view, start + 4, end));
    else if (kind === "INIT") before = readState(view, start, end);
    else if (kind === "FINA") after = readState(view, start, end);
    else if (kind === "HASH") hash = Buffer.from(slice(view, start, end)).toString("hex");
    else if (kind === "EXCP")
      exception = { vector: view.getUint8(start), flagsAddress: view.getUint32(start + 1, true) };
  }
  const index = view.getUint32(from, true);
  return { index, name, bytes, before, after, hash, ...(exception && { exception }) };
}

function readState(view: DataView, from: number, to: number): MooState {
  const registers: Partial<Record<MooRegister, number>> = {};
  const ram = new Map<number, number>();
  for (const { name, start } of chunks(view, from, to)) {
    if (name === "REGS") {
      const present = view.getUint16(start, true);
      let at = start + 2;
      MOO_REGISTERS.forEach((register, bit) => {
        if (((present >> bit) & 1) === 0) return;
        registers[register] = view.getUint16(at, true);
        at += 2;
      });
    } else if (name === "RAM ") {
      const count = view.getUint32(start, true);
      for (let at = start + 4; at < start + 4 + 5 * count; at += 5)
        ram.set(view.getUint32(at, true), view.getUint8(at + 4));
    }
  }
  return { registers, ram };
}

const slice = (view: DataView | Uint8Array, start: number, end: number) =>
  new Uint8Array(view.buffer, view.byteOffset + start, end - start);

const text = (view: DataView | Uint8Array, start: number, length: number) =>
  String.fromCharCode(...slice(view, start, start + length));
