/**
 * A piece of the memory that cells share, as a root application sees it: accessors as those of
 * DataView, always little-endian, at offsets in bytes from the start of the section.
 *
 * Root obeys the partition as every cell does: what the configuration does not let it read or write
 * is refused, where a processor would fault.
 */

export type Direction = "read" | "write";

/** Most characters that {@link SharedSection.text} returns. */
const TEXT_LIMIT = 4096;

/** Where a section's bytes are, and what an access to them entails. */
export interface SharedMemory {
  /** Exactly the section. */
  readonly view: DataView;
  /** Before an access, `offset` from the start of the view. @throws LinkError if root may not do it */
  check?(direction: Direction, offset: number, size: number): void;
  /** After a write, or as a read happens. */
  accessed?(direction: Direction, offset: number, size: number): void;
}

/** Float32Array and its like. */
export interface ArrayType<T> {
  new (buffer: ArrayBuffer): T;
  readonly BYTES_PER_ELEMENT: number;
}

/** An access that cannot be: outside its section, or against the configuration. */
export class LinkError extends Error {
  override readonly name = "LinkError";
}

export class SharedSection {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** False: the device gives this end no right to write here. */
  readonly writable: boolean;
  readonly #memory: SharedMemory;
  readonly #view: DataView;
  /** Of this section in `memory`, bytes. */
  readonly #start: number;

  constructor(
    name: string,
    memory: SharedMemory,
    writable: boolean,
    start = 0,
    size = memory.view.byteLength,
  ) {
    this.name = name;
    this.size = size;
    this.writable = writable;
    this.#memory = memory;
    this.#view = memory.view;
    this.#start = start;
  }

  /** A section of this section. @throws LinkError if it is not inside */
  part(name: string, offset: number, size: number): SharedSection {
    if (!(offset >= 0 && size >= 0 && offset + size <= this.size))
      throw new LinkError(
        `part "${name}" of ${size} bytes at ${offset}: section "${this.name}" has ${this.size} bytes`,
      );
    return new SharedSection(name, this.#memory, this.writable, this.#start + offset, size);
  }

  getUint8(offset: number): number {
    return this.#view.getUint8(this.#reading(offset, 1));
  }

  getInt8(offset: number): number {
    return this.#view.getInt8(this.#reading(offset, 1));
  }

  getUint16(offset: number): number {
    return this.#view.getUint16(this.#reading(offset, 2), true);
  }

  getInt16(offset: number): number {
    return this.#view.getInt16(this.#reading(offset, 2), true);
  }

  getUint32(offset: number): number {
    return this.#view.getUint32(this.#reading(offset, 4), true);
  }

  getInt32(offset: number): number {
    return this.#view.getInt32(this.#reading(offset, 4), true);
  }

  getFloat32(offset: number): number {
    return this.#view.getFloat32(this.#reading(offset, 4), true);
  }

  getFloat64(offset: number): number {
    return this.#view.getFloat64(this.#reading(offset, 8), true);
  }

  getBigUint64(offset: number): bigint {
    return this.#view.getBigUint64(this.#reading(offset, 8), true);
  }

  getBigInt64(offset: number): bigint {
    return this.#view.getBigInt64(this.#reading(offset, 8), true);
  }

  setUint8(offset: number, value: number): void {
    const at = this.#writing(offset, 1);
    this.#view.setUint8(at, value);
    this.#memory.accessed?.("write", at, 1);
  }

  setInt8(offset: number, value: number): void {
    const at = this.#writing(offset, 1);
    this.#view.setInt8(at, value);
    this.#memory.accessed?.("write", at, 1);
  }

  setUint16(offset: number, value: number): void {
    const at = this.#writing(offset, 2);
    this.#view.setUint16(at, value, true);
    this.#memory.accessed?.("write", at, 2);
  }

  setInt16(offset: number, value: number): void {
    const at = this.#writing(offset, 2);
    this.#view.setInt16(at, value, true);
    this.#memory.accessed?.("write", at, 2);
  }

  setUint32(offset: number, value: number): void {
    const at = this.#writing(offset, 4);
    this.#view.setUint32(at, value, true);
    this.#memory.accessed?.("write", at, 4);
  }

  setInt32(offset: number, value: number): void {
    const at = this.#writing(offset, 4);
    this.#view.setInt32(at, value, true);
    this.#memory.accessed?.("write", at, 4);
  }

  setFloat32(offset: number, value: number): void {
    const at = this.#writing(offset, 4);
    this.#view.setFloat32(at, value, true);
    this.#memory.accessed?.("write", at, 4);
  }

  setFloat64(offset: number, value: number): void {
    const at = this.#writing(offset, 8);
    this.#view.setFloat64(at, value, true);
    this.#memory.accessed?.("write", at, 8);
  }

  setBigUint64(offset: number, value: bigint): void {
    const at = this.#writing(offset, 8);
    this.#view.setBigUint64(at, value, true);
    this.#memory.accessed?.("write", at, 8);
  }

  setBigInt64(offset: number, value: bigint): void {
    const at = this.#writing(offset, 8);
    this.#view.setBigInt64(at, value, true);
    this.#memory.accessed?.("write", at, 8);
  }

  /** A copy of `size` bytes. */
  read(offset: number, size: number): Uint8Array<ArrayBuffer> {
    const copy = new Uint8Array(size);
    this.readInto(offset, copy);
    return copy;
  }

  /** Fills `target`. */
  readInto(offset: number, target: Uint8Array): void {
    const at = this.#reading(offset, target.length);
    target.set(new Uint8Array(this.#view.buffer, this.#view.byteOffset + at, target.length));
  }

  /**
   * A copy of the elements of an array: `array(Float32Array, 0, 1000)`. Little-endian as in the guest,
   * so the host must be that, too.
   */
  array<T>(Type: ArrayType<T>, offset: number, length: number): T {
    return new Type(this.read(offset, length * Type.BYTES_PER_ELEMENT).buffer);
  }

  write(offset: number, bytes: Uint8Array): void {
    const at = this.#writing(offset, bytes.length);
    new Uint8Array(this.#view.buffer, this.#view.byteOffset + at, bytes.length).set(bytes);
    this.#memory.accessed?.("write", at, bytes.length);
  }

  fill(value: number, offset = 0, size = this.size - offset): void {
    const at = this.#writing(offset, size);
    new Uint8Array(this.#view.buffer, this.#view.byteOffset + at, size).fill(value);
    this.#memory.accessed?.("write", at, size);
  }

  /** Latin-1 text up to a NUL, or up to `size` bytes. */
  text(offset = 0, size = this.size - offset): string {
    const bytes = this.read(offset, size);
    const end = bytes.indexOf(0);
    return String.fromCharCode(...bytes.subarray(0, Math.min(end < 0 ? size : end, TEXT_LIMIT)));
  }

  #reading(offset: number, size: number): number {
    const at = this.#at(offset, size, "read");
    this.#memory.accessed?.("read", at, size);
    return at;
  }

  #writing(offset: number, size: number): number {
    if (!this.writable)
      throw new LinkError(
        `write to section "${this.name}" at ${offset}: it belongs to another end of the link, this one may only read it`,
      );
    return this.#at(offset, size, "write");
  }

  /** @returns the offset in the view */
  #at(offset: number, size: number, direction: Direction): number {
    if (!(Number.isInteger(offset) && offset >= 0 && offset + size <= this.size))
      throw new LinkError(
        `${direction} of ${size} bytes at ${offset}: section "${this.name}" has ${this.size} bytes`,
      );
    const at = this.#start + offset;
    this.#memory.check?.(direction, at, size);
    return at;
  }
}
