/** How a cell reaches PCI configuration space: ports 0xcf8 and 0xcfc, and the memory-mapped window (4.1). */
import { formatBdf } from "../config/builders/devices.ts";
import type { PciDevice } from "../config/types.ts";
import type { PortRead, PortWrite, Width } from "../engine/vcpu.ts";
import type { ReadResult } from "../machine/device.ts";
import { allOnes } from "../machine/memory-bus.ts";
import type { Cpu } from "./cpu.ts";
import type { Range } from "./memory-map.ts";
import type { MmioHandler, Violation } from "./mmio-dispatch.ts";
import type { CellPciFunction } from "./pci-device.ts";
import { ones, REJECTED, type Rejection } from "./pci-header.ts";

const ADDRESS_PORT = 0xcf8;
const DATA_PORT = 0xcfc;
const DATA_PORT_END = 0xd00;

/** Bytes of configuration space of one function in the memory-mapped window. */
const FUNCTION_BYTES = 4096;

export function isPciPort(port: number): boolean {
  return port === ADDRESS_PORT || (port >= DATA_PORT && port < DATA_PORT_END);
}

/** The functions that a cell's configuration lists; those that it has now answer. */
export class PciView {
  readonly #listed: readonly PciDevice[];
  /** By place in the list; undefined: another cell has it, or nobody. */
  readonly #functions: (CellPciFunction | undefined)[];
  /** Place of the first function with an address: it alone answers there. */
  readonly #places = new Map<number, number>();
  /** What the cell wrote to the address port; the enable bit means nothing. */
  #address = 0;

  constructor(listed: readonly PciDevice[]) {
    this.#listed = listed;
    this.#functions = listed.map(() => undefined);
    for (const [place, { bdf }] of listed.entries())
      if (!this.#places.has(bdf)) this.#places.set(bdf, place);
  }

  /** What the cell has now, in the order of its configuration. */
  get functions(): readonly CellPciFunction[] {
    return this.#functions.filter((each) => each !== undefined);
  }

  /** The function that answers for an address; undefined: absent. */
  find(bdf: number): CellPciFunction | undefined {
    const place = this.#places.get(bdf);
    return place === undefined ? undefined : this.#functions[place];
  }

  /** The cell gets a function of its list. */
  add(added: CellPciFunction): void {
    this.#functions[this.#listed.indexOf(added.config)] = added;
  }

  remove(removed: CellPciFunction): void {
    this.#functions[this.#listed.indexOf(removed.config)] = undefined;
  }

  reset(): void {
    for (const each of this.#functions) each?.reset();
  }

  /** An access to one of the configuration ports. */
  port(exit: PortRead | PortWrite): Violation | undefined {
    const { port, width } = exit;
    const rejection =
      port === ADDRESS_PORT
        ? this.#addressPort(exit)
        : port + width <= DATA_PORT_END
          ? this.#dataPort(exit)
          : REJECTED;
    if (rejection === undefined) return undefined;
    const direction = exit.kind === "port-read" ? "read" : "write";
    const address = this.#address.toString(16);
    const line = `FATAL: Invalid PCI config ${direction}, port: ${port.toString(16)}, size ${width}, address port: ${address}`;
    return [...rejection, line].join("\n");
  }

  #addressPort(exit: PortRead | PortWrite): Rejection | undefined {
    if (exit.width !== 4) return REJECTED;
    if (exit.kind === "port-read") exit.value = this.#address;
    else this.#address = exit.value >>> 0;
    return undefined;
  }

  #dataPort(exit: PortRead | PortWrite): Rejection | undefined {
    const register = (this.#address & 0xfc) + (exit.port - DATA_PORT);
    const found = this.find((this.#address >>> 8) & 0xffff);
    if (exit.kind === "port-write")
      return found === undefined ? REJECTED : found.configWrite(register, exit.width, exit.value);
    exit.value = found === undefined ? ones(exit.width) : found.configRead(register, exit.width);
    return undefined;
  }
}

/** The memory-mapped window, for every cell if the system has one. */
export class MmconfigWindow implements MmioHandler {
  readonly range: Range;

  /** @param base physical, the same for all cells */
  constructor(base: number, endBus: number) {
    this.range = { start: base, size: (endBus + 1) * 2 ** 20 };
  }

  read({ cell }: Cpu, offset: number, width: Width, result: ReadResult): Violation | undefined {
    if (width === 8) return violation("read", offset, width);
    const found = cell.pci.find(Math.floor(offset / FUNCTION_BYTES));
    if (found === undefined) allOnes(width, result);
    else {
      result.lo = found.configRead(offset % FUNCTION_BYTES, width);
      result.hi = 0;
    }
    return undefined;
  }

  write({ cell }: Cpu, offset: number, width: Width, lo: number): Violation | undefined {
    if (width === 8) return violation("write", offset, width);
    const found = cell.pci.find(Math.floor(offset / FUNCTION_BYTES));
    const rejection =
      found === undefined ? REJECTED : found.configWrite(offset % FUNCTION_BYTES, width, lo);
    return rejection && [...rejection, violation("write", offset, width)].join("\n");
  }
}

function violation(direction: "read" | "write", offset: number, width: Width): Violation {
  const bdf = formatBdf(Math.floor(offset / FUNCTION_BYTES));
  const register = (offset % FUNCTION_BYTES).toString(16);
  return `FATAL: Invalid PCI MMCONFIG ${direction}, device ${bdf}, reg: ${register}, size: ${width}`;
}
