/**
 * PCI devices of a scenario's machine. What is left out comes from the configurations: a cell that
 * lists a function and a memory region as large as its registers says where they are.
 */
import { formatBdf, parseBdf } from "../config/builders/devices.ts";
import type { CellConfig, SystemConfig } from "../config/types.ts";
import { E1000_MEMORY_BYTES } from "../machine/e1000/e1000.ts";
import { IO_PORTS } from "../machine/e1000/io-window.ts";
import { INTEL_HDA_BYTES } from "../machine/hda/intel-hda.ts";
import type { PciDeviceOptions } from "../machine/pci-devices.ts";
import { ScenarioError } from "./scenario.ts";

/** Addresses must be multiples of the size of what stands there. */
export type ScenarioDevice =
  | {
      /** Intel 82540EM gigabit Ethernet controller, 8086:100e. */
      readonly kind: "e1000";
      /** Bus, device and function: "00:19.0". */
      readonly bdf: string;
      /** Of 128 KiB of registers. By default the region of that size in the cell that lists the device. */
      readonly bar0?: number;
      /** First of 64 I/O ports. By default those that the cell may access; else none are assigned. */
      readonly ioBase?: number;
      /** "52:54:00:12:34:56", and the next for each further controller, by default. */
      readonly mac?: string;
      /** Controllers with the same name here hear each other. Default "lan". */
      readonly wire?: string;
    }
  | {
      /** Intel HD Audio controller with one codec, 8086:2668. */
      readonly kind: "intel-hda";
      readonly bdf: string;
      /** Of 16 KiB of registers. By default the region of that size in the cell that lists the device. */
      readonly bar0?: number;
    };

const BAR0_BYTES: Readonly<Record<ScenarioDevice["kind"], number>> = {
  e1000: E1000_MEMORY_BYTES,
  "intel-hda": INTEL_HDA_BYTES,
};

/** Of the range that QEMU uses. */
const FIRST_MAC = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];
const DEFAULT_WIRE = "lan";

/** Ports of PCI devices lie above those of the board's own chips. */
const FIRST_PCI_PORT = 0x1000;

/** @throws ScenarioError for a place or address that is none, is taken, or is neither given nor to be found */
export function resolveDevices(
  devices: readonly ScenarioDevice[],
  system: SystemConfig,
  cells: readonly CellConfig[],
): PciDeviceOptions[] {
  const owners = [...cells, system.rootCell];
  const places = new Set<number>();
  const taken: { name: string; start: number; end: number }[] = [];
  let controllers = 0;
  return devices.map((device): PciDeviceOptions => {
    const { kind } = device;
    const bdf = place(device);
    const name = `device ${kind} at ${formatBdf(bdf)}`;
    if (places.has(bdf)) throw new ScenarioError(`${name}: another device is there already`);
    places.add(bdf);
    const owner = owners.find(({ pciDevices }) =>
      pciDevices.some((each) => each.type === "device" && each.bdf === bdf),
    );
    const bar0 = device.bar0 ?? findRegisters(name, BAR0_BYTES[kind], owner);
    checkAddress(name, "bar0", bar0, BAR0_BYTES[kind], 2 ** 32);
    const registers = { name, start: bar0, end: bar0 + BAR0_BYTES[kind] };
    const other = taken.find(({ start, end }) => start < registers.end && bar0 < end);
    if (other !== undefined)
      throw new ScenarioError(
        `${name}: its registers at 0x${bar0.toString(16)} overlap those of ${other.name} at 0x${other.start.toString(16)}; one of them needs another bar0, and its cell that region`,
      );
    taken.push(registers);
    if (kind === "intel-hda") return { kind, bdf, bar0 };
    const ioBase = device.ioBase ?? findPorts(owner);
    if (ioBase !== undefined) checkAddress(name, "ioBase", ioBase, IO_PORTS, 0x10000);
    const mac = device.mac === undefined ? nextMac(controllers++) : parseMac(name, device.mac);
    return { kind, bdf, bar0, ioBase, mac, wire: device.wire ?? DEFAULT_WIRE };
  });
}

function place({ kind, bdf }: ScenarioDevice): number {
  try {
    return parseBdf(bdf);
  } catch (error) {
    throw new ScenarioError(`device ${kind}: ${(error as RangeError).message}`);
  }
}

function findRegisters(name: string, size: number, owner: CellConfig | undefined): number {
  const bytes = `0x${size.toString(16)} bytes`;
  if (owner === undefined)
    throw new ScenarioError(`${name}: no cell lists it, so bar0 must say where its ${bytes} are`);
  const regions = owner.memoryRegions.filter(
    ({ size: each, flags }) =>
      Number(each) === size && !flags.execute && !flags.loadable && !flags.dma && !flags.rootShared,
  );
  if (regions.length !== 1)
    throw new ScenarioError(
      `${name}: cell "${owner.name}" lists it with ${regions.length} regions of ${bytes} for its registers, so bar0 must say where they are`,
    );
  return Number(regions[0].physStart);
}

/** The last port may be missing: some of Jailhouse's files end their ranges early. */
function findPorts(owner: CellConfig | undefined): number | undefined {
  const range = owner?.ports.find(
    ({ base, length }) =>
      base >= FIRST_PCI_PORT &&
      base % IO_PORTS === 0 &&
      length >= IO_PORTS - 1 &&
      length <= IO_PORTS,
  );
  return range?.base;
}

function checkAddress(
  name: string,
  field: string,
  address: number,
  size: number,
  limit: number,
): void {
  if (Number.isInteger(address) && address > 0 && address % size === 0 && address < limit) return;
  throw new ScenarioError(
    `${name}: ${field} 0x${address.toString(16)} is not a multiple of 0x${size.toString(16)} below 0x${limit.toString(16)}`,
  );
}

function nextMac(index: number): Uint8Array {
  const mac = Uint8Array.from(FIRST_MAC);
  mac[5] += index;
  return mac;
}

function parseMac(name: string, text: string): Uint8Array {
  const bytes = text
    .split(":")
    .map((byte) => (/^[0-9a-f]{2}$/i.test(byte) ? Number(`0x${byte}`) : -1));
  if (bytes.length !== 6 || bytes.includes(-1) || (bytes[0] & 1) !== 0)
    throw new ScenarioError(
      `${name}: mac "${text}" is not the address of one station, such as 52:54:00:12:34:56`,
    );
  return Uint8Array.from(bytes);
}
