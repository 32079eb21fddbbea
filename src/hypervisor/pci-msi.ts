/**
 * The MSI capability of a physical function in the hands of a cell (PCI access moderation, 4.3,
 * 4.5): what the cell writes is a shadow. The function is told the message once it is one that the
 * cell may send, so that it never sends another.
 */
import type { PciCapability, PciDevice } from "../config/types.ts";
import type { PciHost } from "../machine/pci-host.ts";
import type { Cell } from "./cell.ts";
import { checkMessage, nativeMessage } from "./interrupt-message.ts";
import { extract, merge, type PciWidth } from "./pci-header.ts";

const CONTROL = 2;
const CONTROL_ENABLE = 0x0001_0000;
const ADDRESS = 4;

export class MsiShadow {
  readonly start: number;
  readonly #host: PciHost;
  readonly #cell: Cell;
  readonly #bdf: number;
  readonly #wide: boolean;
  /** Control (upper half), address, upper address if wide, data: as the cell wrote them. */
  readonly #dwords: Uint32Array;

  /** Takes over what the hardware holds. */
  constructor(host: PciHost, cell: Cell, config: PciDevice, { start }: PciCapability) {
    this.#host = host;
    this.#cell = cell;
    this.start = start;
    this.#bdf = config.bdf;
    this.#wide = config.msi64bits;
    this.#dwords = new Uint32Array(this.#wide ? 4 : 3);
    for (let word = 0; word < this.#dwords.length; word++)
      this.#dwords[word] = host.configRead(this.#bdf, start + 4 * word, 4);
  }

  /** Whether an access at this offset in the capability is to the shadow of address and data. */
  holdsMessage(offset: number): boolean {
    return offset >= ADDRESS && offset < (this.#wide ? 14 : 10);
  }

  /** Address and data. */
  read(offset: number, width: PciWidth): number {
    return extract(this.#dwords[offset >> 2], offset, width);
  }

  /** Control word, address or data. @returns false if the cell may not have that */
  write(offset: number, width: PciWidth, value: number): boolean {
    const word = offset >> 2;
    this.#dwords[word] = merge(this.#dwords[word], offset, width, value);
    return this.update();
  }

  /** Gives the function the message if MSI is on. @returns false for one that the cell may not send */
  update(): boolean {
    if ((this.#dwords[0] & CONTROL_ENABLE) === 0) return true;
    const message = nativeMessage(this.#dwords[1], this.#data);
    const acceptable = message === undefined || checkMessage(this.#cell, message) === undefined;
    const sent = message !== undefined && acceptable;
    const dataAt = this.start + (this.#wide ? 12 : 8);
    this.#host.configWrite(this.#bdf, this.start + ADDRESS, 4, sent ? this.#dwords[1] : 0);
    if (this.#wide) this.#host.configWrite(this.#bdf, this.start + 8, 4, 0);
    this.#host.configWrite(this.#bdf, dataAt, 2, sent ? this.#data : 0);
    return acceptable;
  }

  clear(): void {
    this.#dwords.fill(0);
  }

  /** Off, in hardware. */
  disable(): void {
    this.#host.configWrite(this.#bdf, this.start + CONTROL, 2, 0);
  }

  get #data(): number {
    return this.#dwords[this.#wide ? 3 : 2] & 0xffff;
  }
}
