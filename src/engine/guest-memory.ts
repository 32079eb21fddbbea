/**
 * The host-physical memory of a machine: one WebAssembly memory. Its low part
 * belongs to the engine (vCPU state, TLBs, decoded code); guest RAM starts at
 * {@link GuestMemory.ramOffset}. Host-physical address 0 is the first byte of RAM.
 */
export class GuestMemory {
  /** Bytes below RAM that the engine keeps for itself. */
  static readonly ENGINE_BYTES = 64 * 1024 * 1024;
  /** A 32-bit WebAssembly memory ends at 4 GiB. */
  static readonly MAXIMUM_RAM_BYTES = 4 * 1024 ** 3 - 65536 - GuestMemory.ENGINE_BYTES;

  readonly memory: WebAssembly.Memory;
  readonly ramOffset = GuestMemory.ENGINE_BYTES;
  readonly ramBytes: number;
  /** Views of guest RAM only: index = host-physical address (/2, /4). */
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly view: DataView;

  /** @param ramBytes multiple of 4096; @throws RangeError if it does not fit. */
  constructor(ramBytes: number) {
    if (ramBytes <= 0 || ramBytes % 4096 !== 0 || ramBytes > GuestMemory.MAXIMUM_RAM_BYTES)
      throw new RangeError(
        `RAM of ${ramBytes} bytes: must be a positive multiple of 4096, at most ${GuestMemory.MAXIMUM_RAM_BYTES}`,
      );
    this.ramBytes = ramBytes;
    // one spare page behind RAM: wide stores at its very end never need a bounds check of their own
    const pages = Math.ceil((this.ramOffset + ramBytes) / 65536) + 1;
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const buffer = this.memory.buffer;
    this.u8 = new Uint8Array(buffer, this.ramOffset, ramBytes);
    this.u16 = new Uint16Array(buffer, this.ramOffset, ramBytes / 2);
    this.u32 = new Uint32Array(buffer, this.ramOffset, ramBytes / 4);
    this.view = new DataView(buffer, this.ramOffset, ramBytes);
  }

  /** A view of RAM, or RangeError naming the range that is not RAM. */
  bytes(hostAddress: number, size: number): Uint8Array {
    if (hostAddress < 0 || size < 0 || hostAddress + size > this.ramBytes)
      throw new RangeError(
        `0x${hostAddress.toString(16)}+0x${size.toString(16)} is outside RAM of 0x${this.ramBytes.toString(16)} bytes`,
      );
    return this.u8.subarray(hostAddress, hostAddress + size);
  }
}
