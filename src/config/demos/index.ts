/** The cells of the demos on the q35 board, for hypervisors and images of every revision. */

import { Q35_IOAPIC_SOURCE_ID, q35MemoryMap } from "../boards/q35.ts";
import type { LinkEnd, LinkName } from "../boards/q35-links.ts";
import { linkEnd, linkEndV1 } from "../boards/q35-links.ts";
import type { CellOptions } from "../builders/cell.ts";
import { cell } from "../builders/cell.ts";
import { capability, com1, com2, ioapic, l3Cache, ports, uart8250 } from "../builders/devices.ts";
import { commRegion, mmio, ram } from "../builders/memory.ts";
import { MiB } from "../builders/units.ts";
import { noConsole } from "../codec/elements.ts";
import type { CellConfig, MemoryRegion, PortRange, Revision } from "../types.ts";

export type DemoName = keyof typeof DEMOS;

/** What a demo adds to the common cell. */
type Demo = (revision: Revision) => Partial<CellOptions> & Pick<CellOptions, "cpus" | "memory">;

/** Inmates find the communication region here. */
const COMM_REGION = 0x10_0000;

const DEMOS = {
  /** Measures the jitter of the APIC timer; the only demo that takes part in shutdown messages. */
  "apic-demo": (revision) => ({
    cpus: [3],
    memory: [lowRam(q35MemoryMap(revision).apicDemo), commRegion({ virt: COMM_REGION })],
    cache: [l3Cache(0, 2)],
    ports: uartPorts(revision, "com1", 0xe010),
    passiveCommRegion: false,
  }),
  "tiny-demo": tinyDemo,
  /** Same cell as tiny-demo: for images built for 32-bit mode. */
  "32-bit-demo": tinyDemo,
  /** Same cell as tiny-demo: for an image that fails on purpose. */
  "fault-demo": tinyDemo,
  /** Waits for ACPI events, pin 9. */
  "ioapic-demo": (revision) => ({
    cpus: [2],
    memory: demoMemory(revision),
    irqchips: [ioapic({ sourceId: 0xff01, pins: [9] })],
    ports: [
      ...(revision < 8 ? [com2] : [com2, com1]),
      ports(0x600, 0x603), // PM1 event and control
      ports(0x800, 0x803),
      serialCard(revision, 0xe000),
    ],
  }),
  /** Takes interrupts from the sound controller. */
  "pci-demo": (revision) => ({
    cpus: [2],
    memory: [
      ...demoMemory(revision),
      mmio({ phys: revision < 8 ? 0xfebf_0000 : 0xfebd_4000, sizeBytes: 0x4000 }),
    ],
    ports: uartPorts(revision, "com2", 0xe000),
    pciDevices: [
      {
        at: "00:1b.0",
        capabilities: [capability(0x05, 0x60, 0xe)],
        numMsiVectors: 1,
        msi64bits: true,
      },
    ],
  }),
  /** Sends and receives Ethernet frames. */
  "e1000-demo": (revision) => ({
    cpus: [2],
    memory: [
      lowRam(q35MemoryMap(revision).otherDemos, true),
      passiveCommRegion(revision),
      mmio({ phys: 0xfebc_0000, sizeBytes: 0x2_0000 }),
    ],
    ports: [
      ...(revision < 8 ? [com2] : [com2, com1]),
      ports(0xc000, revision < 12 ? 0xc03f : 0xc03e),
      ports(0xe000, 0xe007),
    ],
    pciDevices: [
      {
        at: "00:19.0",
        capabilities: [capability(0x05, 0xd0, 0xe)],
        numMsiVectors: 1,
        msi64bits: true,
      },
    ],
  }),
  /** Three CPUs answer to messages of the first. */
  "smp-demo": (revision) => ({
    cpus: [1, 2, 3],
    memory: demoMemory(revision),
    ports: uartPorts(revision, "com2", 0xe000),
  }),
  /** Talks with the root cell through shared memory. */
  "ivshmem-demo": (revision) => {
    const { apicDemo, otherDemos } = q35MemoryMap(revision);
    const link = revision < 12 ? linkEndV1("demo", false) : linkEnd("demo", 1, revision);
    const own = [lowRam(revision < 12 ? apicDemo : otherDemos), passiveCommRegion(revision)];
    return {
      cpus: [revision < 12 ? 2 : 1],
      memory: revision < 12 ? [...own, ...link.regions] : [...link.regions, ...own],
      ports: revision < 8 ? [com1] : [com2, com1],
      pciDevices: [link.device],
    };
  },
  /** A Linux that the root cell's Linux boots. */
  "linux-x86-demo": (revision) => {
    const links = linuxLinks(revision);
    const shared = links.flatMap(({ regions }) => regions);
    const own = linuxMemory(revision);
    return {
      cpus: revision < 12 ? [1, 2, 3] : [2, 3],
      memory: revision < 12 ? [...own, ...shared] : [...shared, ...own],
      cache: [l3Cache(0, 2)],
      // COM1 and COM2
      irqchips: revision < 8 ? [] : [ioapic({ sourceId: Q35_IOAPIC_SOURCE_ID, pins: [3, 4] })],
      ports: uartPorts(revision, "com1", 0xe010),
      pciDevices: links.map(({ device }) => device),
      capabilityLists: [
        [
          capability(0x01, 0xc8, 0x8),
          capability(0x05, 0xd0, 0xe),
          capability(0x10, 0xe0, 0x14),
          capability(0x11, 0xa0, 0xc),
          capability(0x8001, 0x100, 0x4, "fixed"),
          capability(0x8003, 0x140, 0x4, "fixed"),
        ],
      ],
      virtualConsolePermitted: revision >= 8,
      // it finds its consoles itself
      console: noConsole,
    };
  },
} satisfies Record<string, Demo>;

export const DEMO_NAMES = Object.keys(DEMOS) as readonly DemoName[];

/** The cell of a demo, equal to Jailhouse's own of that revision (revision 10: of v0.11). */
export function demoCell(name: DemoName, revision: Revision = 14): CellConfig {
  const demo: Demo = DEMOS[name];
  return cell({
    name,
    revision,
    passiveCommRegion: true,
    virtualConsolePermitted: revision >= 10,
    console: revision < 10 ? noConsole : uart8250(com1),
    ...demo(revision),
  });
}

function tinyDemo(revision: Revision): ReturnType<Demo> {
  return {
    cpus: [2],
    memory: demoMemory(revision),
    cache: [l3Cache(2, 1)],
    ports: uartPorts(revision, "com2", 0xe000),
    testDevice: revision >= 9,
  };
}

/** The MiB that a bare-metal inmate runs in. */
function lowRam(phys: number, dma = false): MemoryRegion {
  return ram({ phys, virt: 0, sizeBytes: MiB, dma });
}

function demoMemory(revision: Revision): MemoryRegion[] {
  return [lowRam(q35MemoryMap(revision).otherDemos), passiveCommRegion(revision)];
}

/** From v0.8 to v0.10 a cell that answers no messages was only allowed to read it. */
function passiveCommRegion(revision: Revision): MemoryRegion {
  return commRegion({ virt: COMM_REGION, writable: revision < 8 || revision > 9 });
}

/** UARTs: one on the board up to revision 4, both later; and one on a PCI card. */
function uartPorts(revision: Revision, first: "com1" | "com2", card: number): PortRange[] {
  const own = first === "com1" ? [com1] : [com2];
  return [...(revision < 8 ? own : [com2, com1]), serialCard(revision, card)];
}

/** A UART of a PCI card; from revision 12 on it is the same one in every demo. */
function serialCard(revision: Revision, base: number): PortRange {
  const start = revision < 12 ? base : 0xe010;
  return ports(start, start + 7);
}

function linuxMemory(revision: Revision): MemoryRegion[] {
  const { inmates, inmatesEnd, otherDemos } = q35MemoryMap(revision);
  const rest = inmates + MiB;
  // up to revision 10 it overlaps the demos' memory
  const end = revision < 12 ? inmatesEnd : otherDemos;
  return [
    ram({ phys: inmates, virt: 0, sizeBytes: MiB, dma: true }),
    passiveCommRegion(revision),
    ram({ phys: rest, virt: 2 * MiB, sizeBytes: end - rest, dma: true }),
  ];
}

function linuxLinks(revision: Revision): LinkEnd[] {
  if (revision < 12) return [linkEndV1("network", false)];
  const ends: [LinkName, number][] = [
    ["block", 1],
    ["console", 1],
    ["demo", 2],
    ["network", 1],
  ];
  return ends.map(([name, id]) => linkEnd(name, id, revision));
}
