/**
 * A physical PCI function in the hands of a cell (PCI access moderation, 4.2,
 * 4.3, 4.6): its BARs are shadows, and writes reach the hardware only where the
 * configuration or the rules for headers allow.
 */
import type { CellConfig, PciCapability, PciDevice } from "../config/types.ts";
import type { PciHost } from "../machine/pci-host.ts";
import type { Cell } from "./cell.ts";
import { checkMessage } from "./interrupt-message.ts";

export type PciWidth = 1 | 2 | 4;

const COMMAND = 0x04;
const BARS = 0x10;
const BARS_END = 0x28;
const EXPANSION_ROM = 0x30;
const CAPABILITIES = 0x40;

const COMMAND_INTX_DISABLE = 0x0400;

const MSI = 0x05;
const MSIX = 0x11;
const MSI_ENABLE = 1;
const MSI_ADDRESS = 4;

/** What a write to a dword of the header may do, byte by byte: forward, drop, or refuse (absent). */
interface HeaderRule {
  readonly forwarded: number;
  readonly ignored: number;
}

const ENDPOINT_HEADER = new Map<number, HeaderRule>([
  [0x04, { forwarded: 0xffffffff, ignored: 0 }],
  [0x0c, { forwarded: 0xffffffff, ignored: 0 }],
  [0x30, { forwarded: 0, ignored: 0xffffffff }],
  [0x3c, { forwarded: 0x000000ff, ignored: 0 }],
]);

const BRIDGE_HEADER = new Map<number, HeaderRule>([
  [0x04, { forwarded: 0xffffffff, ignored: 0 }],
  [0x0c, { forwarded: 0xffffffff, ignored: 0 }],
  [0x1c, { forwarded: 0, ignored: 0x0000ffff }],
  [0x20, { forwarded: 0, ignored: 0xffffffff }],
  [0x24, { forwarded: 0, ignored: 0xffffffff }],
  [0x28, { forwarded: 0, ignored: 0xffffffff }],
  [0x2c, { forwarded: 0, ignored: 0xffffffff }],
  [0x30, { forwarded: 0, ignored: 0xffffffff }],
  [0x3c, { forwarded: 0xffff00ff, ignored: 0 }],
]);

/** The bits of a dword that an access touches. */
function touched(register: number, width: PciWidth): number {
  const mask = width === 4 ? 0xffffffff : width === 2 ? 0xffff : 0xff;
  return (mask << (8 * (register & 3))) >>> 0;
}

/** The accessed bytes out of a dword. */
function extract(dword: number, register: number, width: PciWidth): number {
  const value = dword >>> (8 * (register & 3));
  return width === 4 ? value : value & (width === 2 ? 0xffff : 0xff);
}

export class PhysicalPciDevice {
  readonly config: PciDevice;
  readonly #capabilities: readonly PciCapability[];
  readonly #host: PciHost;
  readonly #bars = new Uint32Array(6);
  /** Control word, and up to three dwords of address and data, as the guest wrote them. */
  readonly #msi = new Uint32Array(4);

  constructor(host: PciHost, cell: CellConfig, config: PciDevice) {
    this.#host = host;
    this.config = config;
    this.#capabilities = cell.pciCapabilities.slice(
      config.capsStart,
      config.capsStart + config.numCaps,
    );
    for (let bar = 0; bar < 6; bar++)
      this.#bars[bar] = host.configRead(config.bdf, BARS + 4 * bar, 4);
  }

  /** Never refused. @returns unsigned */
  read(register: number, width: PciWidth): number {
    if (this.config.type !== "bridge") {
      if (register >= BARS && register < BARS_END)
        return extract(this.#bars[(register - BARS) >> 2], register, width);
      if (register >= EXPANSION_ROM && register < EXPANSION_ROM + 4) return 0;
    }
    const msi = this.#capability(register);
    if (msi?.id === MSI && register - msi.start >= MSI_ADDRESS) {
      const offset = register - msi.start;
      if (offset < this.#msiMessageEnd) return extract(this.#msi[offset >> 2], register, width);
    }
    return this.#host.configRead(this.config.bdf, register, width);
  }

  /** @returns false if the cell may not write that */
  write(cell: Cell, register: number, width: PciWidth, value: number): boolean {
    if (register >= CAPABILITIES) return this.#writeCapability(cell, register, width, value);
    if (this.config.type !== "bridge" && register >= BARS && register < BARS_END) {
      this.#writeBar((register - BARS) >> 2, register, width, value);
      return true;
    }
    const header = this.config.type === "bridge" ? BRIDGE_HEADER : ENDPOINT_HEADER;
    const rule = header.get(register & ~3);
    const bits = touched(register, width);
    if (rule === undefined) return false;
    if ((bits & ~(rule.forwarded | rule.ignored)) !== 0) return false;
    if ((bits & rule.forwarded) !== 0)
      this.#host.configWrite(this.config.bdf, register, width, value);
    return true;
  }

  /** Interrupts off, and nothing but that bit in the command register. */
  reset(): void {
    const { bdf } = this.config;
    this.#msi.fill(0);
    for (const capability of this.#capabilities)
      if (capability.id === MSI || capability.id === MSIX)
        this.#host.configWrite(bdf, capability.start + 2, 2, 0);
    this.#host.configWrite(bdf, COMMAND, 2, COMMAND_INTX_DISABLE);
  }

  /** Bytes of the MSI capability that hold address and data, up to here, are shadows. */
  get #msiMessageEnd(): number {
    return this.config.msi64bits ? 14 : 10;
  }

  #capability(register: number): PciCapability | undefined {
    for (const capability of this.#capabilities)
      if (register >= capability.start && register < capability.start + capability.len)
        return capability;
    return undefined;
  }

  #writeBar(bar: number, register: number, width: PciWidth, value: number): void {
    const mask = this.config.barMask[bar] & touched(register, width);
    this.#bars[bar] = (this.#bars[bar] & ~mask) | ((value << (8 * (register & 3))) & mask);
  }

  #writeCapability(cell: Cell, register: number, width: PciWidth, value: number): boolean {
    const capability = this.#capability(register);
    if (capability === undefined || !capability.writable) return false;
    const offset = register - capability.start;
    if (capability.id === MSI && offset < this.#msiMessageEnd) {
      const bits = touched(register, width);
      const word = offset >> 2;
      this.#msi[word] = (this.#msi[word] & ~bits) | ((value << (8 * (register & 3))) & bits);
      if (!this.#isMessageAcceptable(cell)) return false;
    }
    this.#host.configWrite(this.config.bdf, register, width, value);
    return true;
  }

  /** Judged once MSI is on; an address outside the interrupt window is no message at all. */
  #isMessageAcceptable(cell: Cell): boolean {
    if (((this.#msi[0] >>> 16) & MSI_ENABLE) === 0) return true;
    const address = this.#msi[1];
    if (address >>> 20 !== 0xfee) return true;
    const data = this.config.msi64bits ? this.#msi[3] : this.#msi[2];
    const wrong = checkMessage(cell, {
      vector: data & 0xff,
      deliveryMode: (data >> 8) & 7,
      logical: (address & 4) !== 0,
      destination: (address >>> 12) & 0xff,
    });
    return wrong === undefined;
  }
}
