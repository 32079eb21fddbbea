/** A growing byte string with the integer encodings of the WebAssembly binary format (LEB128). */
export class Bytes {
  private buffer = new Uint8Array(256);
  length = 0;

  private room(count: number): void {
    if (this.length + count <= this.buffer.length) return;
    const grown = new Uint8Array(Math.max(this.buffer.length * 2, this.length + count));
    grown.set(this.buffer.subarray(0, this.length));
    this.buffer = grown;
  }

  byte(...values: number[]): this {
    this.room(values.length);
    for (const value of values) this.buffer[this.length++] = value;
    return this;
  }

  append(other: Bytes): this {
    this.room(other.length);
    this.buffer.set(other.buffer.subarray(0, other.length), this.length);
    this.length += other.length;
    return this;
  }

  /** Unsigned LEB128, 0 .. 2^32-1. */
  u32(value: number): this {
    this.room(5);
    let rest = value >>> 0;
    while (rest >= 0x80) {
      this.buffer[this.length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.buffer[this.length++] = rest;
    return this;
  }

  /** Signed LEB128 of a 32-bit value. */
  s32(value: number): this {
    this.room(5);
    let rest = value | 0;
    for (;;) {
      const low = rest & 0x7f;
      rest >>= 7;
      const isLast = rest === (low & 0x40 ? -1 : 0);
      this.buffer[this.length++] = isLast ? low : low | 0x80;
      if (isLast) return this;
    }
  }

  /** Signed LEB128 of a 64-bit value. */
  s64(value: bigint): this {
    if (value >= -0x8000_0000n && value <= 0x7fff_ffffn) return this.s32(Number(value));
    let rest = BigInt.asIntN(64, value);
    for (;;) {
      const low = Number(rest & 0x7fn);
      rest >>= 7n;
      if ((rest === 0n && (low & 0x40) === 0) || (rest === -1n && (low & 0x40) !== 0))
        return this.byte(low);
      this.byte(low | 0x80);
    }
  }

  /** A name: length, then UTF-8 (ASCII here). */
  name(text: string): this {
    this.u32(text.length);
    for (let i = 0; i < text.length; i++) this.byte(text.charCodeAt(i));
    return this;
  }

  /** Length-prefixed content, as sections and function bodies are. */
  sized(content: Bytes): this {
    return this.u32(content.length).append(content);
  }

  done(): Uint8Array<ArrayBuffer> {
    return this.buffer.slice(0, this.length);
  }
}
