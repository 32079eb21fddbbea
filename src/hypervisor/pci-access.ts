/** How a cell reaches PCI configuration space: ports 0xcf8 and 0xcfc, and the memory-mapped window (4.1). */
import type { PortRead, PortWrite, Width } from "../engine/vcpu.ts";
import type { ReadResult } from "../machine/device.ts";
import { allOnes } from "../machine/memory-bus.ts";
import type { Cell } from "./cell.ts";
import type { Cpu } from "./cpu.ts";
import type { Range } from "./memory-map.ts";
import type { MmioHandler, Violation } from "./mmio-dispatch.ts";
import type { PciWidth, PhysicalPciDevice } from "./pci-device.ts";

const ADDRESS_PORT = 0xcf8;
const DATA_PORT = 0xcfc;
const DATA_PORT_END = 0xd00;

/** Bytes of configuration space of one function in the memory-mapped window. */
const FUNCTION_BYTES = 4096;

export function isPciPort(port: number): boolean {
  return port === ADDRESS_PORT || (port >= DATA_PORT && port < DATA_PORT_END);
}

/** `bb:dd.f` */
export function formatBdf(bdf: number): string {
  const hex2 = (value: number): string => value.toString(16).padStart(2, "0");
  return `${hex2(bdf >> 8)}:${hex2((bdf >> 3) & 0x1f)}.${(bdf & 7).toString(16)}`;
}

/** The functions that a cell has now, in the order of its configuration. */
export class PciView {
  readonly devices: PhysicalPciDevice[] = [];
  /** What the cell wrote to the address port; the enable bit means nothing. */
  #address = 0;

  /** The function that answers for an address; undefined: absent. */
  find(bdf: number): PhysicalPciDevice | undefined {
    return this.devices.find(({ config }) => config.bdf === bdf);
  }

  reset(): void {
    for (const device of this.devices) device.reset();
  }

  /** An access to one of the configuration ports. */
  port({ cell }: Cpu, exit: PortRead | PortWrite): Violation | undefined {
    const { port, width } = exit;
    const ok =
      port === ADDRESS_PORT
        ? this.#addressPort(exit)
        : port + width <= DATA_PORT_END && this.#dataPort(cell, exit);
    if (ok) return undefined;
    const direction = exit.kind === "port-read" ? "read" : "write";
    const address = this.#address.toString(16);
    return `FATAL: Invalid PCI config ${direction}, port: ${port.toString(16)}, size ${width}, address port: ${address}`;
  }

  #addressPort(exit: PortRead | PortWrite): boolean {
    if (exit.width !== 4) return false;
    if (exit.kind === "port-read") exit.value = this.#address;
    else this.#address = exit.value >>> 0;
    return true;
  }

  #dataPort(cell: Cell, exit: PortRead | PortWrite): boolean {
    const bdf = (this.#address >>> 8) & 0xffff;
    const register = (this.#address & 0xfc) + (exit.port - DATA_PORT);
    const device = this.find(bdf);
    if (exit.kind === "port-read") {
      exit.value = device === undefined ? ones(exit.width) : device.read(register, exit.width);
      return true;
    }
    return device?.write(cell, register, exit.width, exit.value) ?? false;
  }
}

function ones(width: PciWidth): number {
  return width === 4 ? 0xffffffff : width === 2 ? 0xffff : 0xff;
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
    const device = cell.pci.find(Math.floor(offset / FUNCTION_BYTES));
    if (device === undefined) allOnes(width, result);
    else {
      result.lo = device.read(offset % FUNCTION_BYTES, width);
      result.hi = 0;
    }
    return undefined;
  }

  write({ cell }: Cpu, offset: number, width: Width, lo: number): Violation | undefined {
    const device = cell.pci.find(Math.floor(offset / FUNCTION_BYTES));
    const done = width !== 8 && device?.write(cell, offset % FUNCTION_BYTES, width, lo);
    return done === true ? undefined : violation("write", offset, width);
  }
}

function violation(direction: "read" | "write", offset: number, width: Width): Violation {
  const bdf = formatBdf(Math.floor(offset / FUNCTION_BYTES));
  const register = (offset % FUNCTION_BYTES).toString(16);
  return `FATAL: Invalid PCI MMCONFIG ${direction}, device ${bdf}, reg: ${register}, size: ${width}`;
}
