import { ConfigError } from "../config-error.ts";

/** A place in the bytes of a configuration, little-endian, with the path of the field being handled. */
class ByteCursor {
  readonly file: string;
  readonly bytes: Uint8Array;
  protected readonly view: DataView;
  offset = 0;
  /** Property path of the field at hand, such as `rootCell.memoryRegions[3].size`. */
  path = "";
  /** Padding of the record at hand, in file order; see `Preserved.unused`. */
  spare: number[] = [];

  constructor(bytes: Uint8Array, file: string) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.file = file;
  }

  /** Runs `body` with the path extended by a property name or an `[index]`. */
  within<T>(step: string, body: () => T): T {
    const outer = this.path;
    this.path = outer === "" || step.startsWith("[") ? outer + step : `${outer}.${step}`;
    const result = body();
    this.path = outer;
    return result;
  }

  get remaining(): number {
    return this.bytes.length - this.offset;
  }

  fail(rule: string, offset = this.offset): never {
    throw new ConfigError(this.file, offset, this.path, rule);
  }
}

export class ByteReader extends ByteCursor {
  /** The offset of the next `size` bytes, which are consumed. */
  private take(size: number): number {
    if (size > this.remaining)
      this.fail(`needs ${size} bytes, but the file ends after ${this.remaining}`);
    this.offset += size;
    return this.offset - size;
  }

  u8(): number {
    return this.view.getUint8(this.take(1));
  }

  u16(): number {
    return this.view.getUint16(this.take(2), true);
  }

  u32(): number {
    return this.view.getUint32(this.take(4), true);
  }

  u64(): bigint {
    return this.view.getBigUint64(this.take(8), true);
  }

  /** A copy of the next bytes. */
  slice(size: number): Uint8Array {
    const start = this.take(size);
    return new Uint8Array(this.bytes.subarray(start, start + size));
  }

  /** Errors in a file name the fields as the format does: `num_memory_regions`. */
  override fail(rule: string, offset = this.offset): never {
    const field = this.path.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    throw new ConfigError(this.file, offset, field, rule);
  }
}

export class ByteWriter extends ByteCursor {
  private range(value: number, bits: number): number {
    if (!Number.isInteger(value) || value < 0 || value >= 2 ** bits)
      this.fail(`${value} is not an unsigned integer of ${bits} bits`);
    this.offset += bits / 8;
    return value;
  }

  u8(value: number): void {
    this.view.setUint8(this.offset, this.range(value, 8));
  }

  u16(value: number): void {
    this.view.setUint16(this.offset, this.range(value, 16), true);
  }

  u32(value: number): void {
    this.view.setUint32(this.offset, this.range(value, 32), true);
  }

  u64(value: bigint): void {
    if (typeof value !== "bigint" || value < 0n || value >= 1n << 64n)
      this.fail(`${value} is not an unsigned integer of 64 bits`);
    this.view.setBigUint64(this.offset, value, true);
    this.offset += 8;
  }

  put(bytes: ArrayLike<number>): void {
    this.bytes.set(bytes, this.offset);
    this.offset += bytes.length;
  }
}
