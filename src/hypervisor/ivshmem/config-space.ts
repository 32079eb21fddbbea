/**
 * Configuration space of a shared-memory device (1.2 and 2.2): a fixed content, of which a guest
 * may change a few bits, and BARs that exist only here.
 */
import type { PciDevice } from "../../config/types.ts";
import {
  BarShadows,
  CAPABILITIES,
  COMMAND,
  ENDPOINT_HEADER,
  extract,
  headerFate,
  merge,
  ones,
  type PciWidth,
} from "../pci-header.ts";

const VENDOR = 0x00;
const STATUS_CAPABILITIES = 0x0010_0000;
const CLASS = 0x08;
const BASE_CLASS = 0xff00_0000;
const SUBSYSTEM = 0x2c;
const CAPABILITY_POINTER = 0x34;
const INTERRUPT = 0x3c;
const PIN_SHIFT = 8;

export const MSIX_CONTROL_ENABLE = 0x8000_0000;
export const MSIX_CONTROL_MASK_ALL = 0x4000_0000;

export interface SpaceLayout {
  /** Implemented; what lies behind reads all ones and takes no writes. */
  readonly bytes: number;
  /** Vendor in the low half, device in the upper. */
  readonly identity: number;
  /** First capability. */
  readonly capabilities: number;
  /** By offset of the dword: the bits that a write changes. Other bits are ignored where a write is allowed at all. */
  readonly writable: ReadonlyMap<number, number>;
  /** By BAR, after reset. */
  readonly bars: readonly number[];
}

export class ConfigSpace {
  readonly bars: BarShadows;
  readonly #layout: SpaceLayout;
  readonly #view: DataView;
  readonly #atReset: DataView;

  /** @param fill writes the capabilities into space that has its header already */
  constructor(config: PciDevice, layout: SpaceLayout, fill: (view: DataView) => void) {
    const { bdf, shmemProtocol, numMsixVectors } = config;
    this.#layout = layout;
    this.bars = new BarShadows(config);
    this.#view = new DataView(new ArrayBuffer(layout.bytes));
    this.#atReset = new DataView(new ArrayBuffer(layout.bytes));
    const put = (offset: number, value: number): void =>
      this.#atReset.setUint32(offset, value, true);
    put(VENDOR, layout.identity);
    put(COMMAND, STATUS_CAPABILITIES);
    put(CLASS, BASE_CLASS | (shmemProtocol << 8));
    put(SUBSYSTEM, layout.identity);
    put(CAPABILITY_POINTER, layout.capabilities);
    if (numMsixVectors === 0) put(INTERRUPT, (((bdf >> 3) & 3) + 1) << PIN_SHIFT);
    fill(this.#atReset);
    this.reset();
  }

  reset(): void {
    new Uint8Array(this.#view.buffer).set(new Uint8Array(this.#atReset.buffer));
    this.bars.values.set(this.#layout.bars);
  }

  /** @param offset of a dword */
  dword(offset: number): number {
    return this.#view.getUint32(offset, true);
  }

  read(register: number, width: PciWidth): number {
    if (BarShadows.has(register)) return this.bars.read(register, width);
    if (register >= this.#layout.bytes) return ones(width);
    return extract(this.dword(register & ~3), register, width);
  }

  /** @returns false if that may not be written */
  write(register: number, width: PciWidth, value: number): boolean {
    if (BarShadows.has(register)) {
      this.bars.write(register, width, value);
      return true;
    }
    if (register >= this.#layout.bytes) return false;
    if (register < CAPABILITIES && headerFate(ENDPOINT_HEADER, register, width) === "rejected")
      return false;
    const offset = register & ~3;
    const writable = this.#layout.writable.get(offset);
    if (writable !== undefined)
      this.#view.setUint32(
        offset,
        merge(this.dword(offset), register, width, value, writable),
        true,
      );
    return true;
  }
}
