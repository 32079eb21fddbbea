/**
 * QEMU's firmware configuration device (its docs/specs/fw_cfg), traditional interface: a 16-bit
 * selector, and a data port that reads the selected item byte by byte. Items are read-only here,
 * and there is no DMA interface.
 */

import type { PortDevice, PortWidth, Stateful } from "./device.ts";

/** Selector at the first port, data at the second. */
export const FW_CFG_PORTS = { first: 0x510, count: 2 } as const;

const SIGNATURE = 0x00;
/** Bit 0: traditional interface. */
const ID = 0x01;
const RAM_SIZE = 0x03;
/** No screen. */
const NOGRAPHIC = 0x04;
const NB_CPUS = 0x05;
const MAX_CPUS = 0x0f;

export interface FwCfgState {
  selector: number;
  offset: number;
}

function littleEndian(value: number, bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, k) => Math.floor(value / 256 ** k) % 256);
}

export class FwCfg implements PortDevice, Stateful<FwCfgState> {
  readonly #items: ReadonlyMap<number, Uint8Array>;
  #selector = 0;
  #offset = 0;

  /** @param ramBytes RAM from address 0 */
  constructor(ramBytes: number, cpus: number) {
    this.#items = new Map([
      [SIGNATURE, new TextEncoder().encode("QEMU")],
      [ID, littleEndian(1, 4)],
      [RAM_SIZE, littleEndian(ramBytes, 8)],
      [NOGRAPHIC, littleEndian(1, 2)],
      [NB_CPUS, littleEndian(cpus, 2)],
      [MAX_CPUS, littleEndian(cpus, 2)],
    ]);
  }

  /** Behind an item's end, and of an item that is none, zeros. The selector cannot be read. */
  portRead(port: number, _width: PortWidth): number {
    if (port === FW_CFG_PORTS.first) return 0;
    return this.#items.get(this.#selector)?.[this.#offset++] ?? 0;
  }

  portWrite(port: number, width: PortWidth, value: number): void {
    if (port !== FW_CFG_PORTS.first || width !== 2) return;
    this.#selector = value;
    this.#offset = 0;
  }

  save(): FwCfgState {
    return { selector: this.#selector, offset: this.#offset };
  }

  load({ selector, offset }: FwCfgState): void {
    this.#selector = selector;
    this.#offset = offset;
  }
}
