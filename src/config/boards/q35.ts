/**
 * The board of the demos: a q35 machine with 4 CPUs, 1 GiB of RAM, VT-d, VGA, a NIC, sound, AHCI and
 * two serial ports, as QEMU presents it. 82 MiB of RAM (66 MiB up to revision 8) below 0x3f200000 are
 * kept from the root cell's operating system, for the hypervisor, the cells and shared memory.
 */
import type { PciDeviceOptions } from "../builders/devices.ts";
import { capability, com2, ioapic, ports, vtd } from "../builders/devices.ts";
import { mmio, readOnly, rootRam } from "../builders/memory.ts";
import { system } from "../builders/system.ts";
import { KiB, MiB } from "../builders/units.ts";
import type { MemoryRegion, PortRange, Revision, SystemConfig } from "../types.ts";
import { linkEnd, linkEndV1, type OwnLink, ownLinkEnd } from "./q35-links.ts";

export const Q35_CPU_COUNT = 4;
/** The IOAPIC's address on PCI as VT-d sees it. */
export const Q35_IOAPIC_SOURCE_ID = 0xff00;

/** Host-physical memory map of the reserved range. */
export function q35MemoryMap(revision: Revision) {
  const hypervisor = revision < 9 ? 0x3b00_0000 : 0x3a00_0000;
  return {
    hypervisor: { phys: hypervisor, sizeBytes: 6 * MiB },
    /** For the Linux cell; a first MiB of low memory, then the rest. */
    inmates: hypervisor + 6 * MiB,
    inmatesEnd: revision < 12 ? 0x3f10_0000 : 0x3f00_0000,
    /** 1 MiB each, at the end of the inmates' memory: for apic-demo, and for the other demos. */
    apicDemo: revision < 12 ? 0x3f00_0000 : 0x3ef0_0000,
    otherDemos: revision < 12 ? 0x3ef0_0000 : 0x3ee0_0000,
    /** RAM behind the reserved range. */
    end: 0x3f20_0000,
    acpiTables: 0x3ffd_f000,
  };
}

/**
 * The machine and its root cell, for a hypervisor of the given revision.
 * @param ownLinks more links, revision 12 on, with their memory in that of the inmates
 */
export function q35(revision: Revision = 14, ownLinks: readonly OwnLink[] = []): SystemConfig {
  const map = q35MemoryMap(revision);
  const links =
    revision < 12
      ? [linkEndV1("network", true), linkEndV1("demo", true)]
      : (["block", "console", "demo", "network"] as const).map((name) =>
          linkEnd(name, 0, revision),
        );
  links.push(...ownLinks.map((link) => ownLinkEnd(link, 0)));
  const shared = links.flatMap(({ regions }) => regions);
  const holes = ownLinks.flatMap((link) => ownLinkEnd(link, 0).regions);
  const memory = [...rootMemory(revision, holes), ...deviceMemory(revision)];
  const lists = capabilities(revision);

  return system({
    revision,
    hypervisorMemory: map.hypervisor,
    pciMmconfig: { base: 0xb000_0000, endBus: 0xff },
    platform: {
      kind: "x86",
      pmTimerPort: 0x608,
      interruptRemappingEntries: 256,
      iommuUnits: [vtd(0xfed9_0000)],
    },
    rootCell: {
      name: "QEMU-VM",
      cpus: Array.from({ length: Q35_CPU_COUNT }, (_, cpu) => cpu),
      // the order in which Jailhouse's own files have them
      memory: revision < 12 ? [...memory, ...shared] : [...shared, ...memory],
      irqchips: [
        ioapic({
          sourceId: Q35_IOAPIC_SOURCE_ID,
          pins: Array.from({ length: 24 }, (_, pin) => pin),
        }),
      ],
      ports: rootPorts(revision),
      pciDevices: [...pciDevices(revision, lists), ...links.map(({ device }) => device)],
      capabilityLists: Object.values(lists),
    },
  });
}

/** @param holes of the inmates' memory: shared, so that root has other rights there */
function rootMemory(revision: Revision, holes: readonly MemoryRegion[]): MemoryRegion[] {
  const { hypervisor, inmates, inmatesEnd, end, acpiTables } = q35MemoryMap(revision);
  return [
    rootRam({ phys: 0, sizeBytes: hypervisor.phys }),
    ...rootRamAround(inmates, inmatesEnd, holes),
    rootRam({ phys: end, sizeBytes: acpiTables - end }),
    readOnly({ phys: acpiTables, sizeBytes: revision < 12 ? 192 * KiB : 132 * KiB }),
  ];
}

function rootRamAround(start: number, end: number, holes: readonly MemoryRegion[]): MemoryRegion[] {
  const pieces: MemoryRegion[] = [];
  let next = start;
  const sorted = holes
    .filter(({ size }) => size > 0n)
    .map(({ physStart, size }) => ({ from: Number(physStart), to: Number(physStart + size) }))
    .sort((a, b) => a.from - b.from);
  for (const { from, to } of [...sorted, { from: end, to: end }]) {
    if (from < next || to > end)
      throw new RangeError(
        `shared memory at 0x${from.toString(16)} to 0x${(to - 1).toString(16)}: must lie within ` +
          `0x${next.toString(16)} to 0x${(end - 1).toString(16)}, the rest of the inmates' memory`,
      );
    if (from > next) pieces.push(rootRam({ phys: next, sizeBytes: from - next }));
    next = to;
  }
  return pieces;
}

/** Where the firmware puts the BARs of the PCI devices; a newer QEMU chooses other addresses. */
function bars(revision: Revision) {
  const newer = revision >= 14;
  const base = newer ? 0xfea0_0000 : 0xfeb4_0000;
  return {
    ninep: newer ? 0xfe20_0000 : 0xfe00_0000,
    nicRom: base,
    nicRegisters: base + 0x4_0000,
    nicFlash: base + 0x6_0000,
    nicMsix: base + 0x9_0000,
    sound: base + 0x9_4000,
    vga: base + 0x9_8000,
    ahci: base + (newer ? 0x9_a000 : 0x9_9000),
    ninepMsix: base + (newer ? 0x9_b000 : 0x9_a000),
  };
}

function deviceMemory(revision: Revision): MemoryRegion[] {
  const bar = bars(revision);
  return [
    mmio({ phys: 0xfd00_0000, sizeBytes: 16 * MiB }), // VGA framebuffer
    mmio({ phys: bar.ninep, sizeBytes: 16 * KiB }),
    mmio({ phys: bar.nicRom, sizeBytes: 256 * KiB }),
    mmio({ phys: bar.nicRegisters, sizeBytes: 128 * KiB }),
    mmio({ phys: bar.nicFlash, sizeBytes: 128 * KiB }),
    mmio({ phys: bar.nicMsix + 4 * KiB, sizeBytes: 12 * KiB }), // the first page is intercepted
    mmio({ phys: bar.sound, sizeBytes: 16 * KiB }),
    mmio({ phys: bar.vga, sizeBytes: 4 * KiB }),
    mmio({ phys: bar.ahci, sizeBytes: 4 * KiB }),
    mmio({ phys: 0xfed0_0000, sizeBytes: 4 * KiB }), // HPET
  ];
}

/** COM1 is missing: it is the hypervisor's. */
function rootPorts(revision: Revision): PortRange[] {
  // from revision 12 on Jailhouse's files end two of the ranges one port early
  const short = revision < 12 ? 0 : 1;
  return [
    ports(0x0, 0x1f - short), // DMA controller
    ports(0x40, 0x43), // PIT
    ports(0x60, 0x61), // keyboard, speaker
    ports(0x64),
    ports(0x70, 0x71), // RTC
    ...(revision < 8 ? [ports(0x80)] : []), // delay
    ports(0x1ce, 0x1d0), // VBE
    com2,
    ports(0x3b0, 0x3df), // VGA
    ports(0x3f0, 0x3f7), // floppy
    ports(0x402), // firmware debug
    ...(revision < 14 ? [] : [ports(0xcd0, 0xcd7)]),
    ports(0x5658, 0x565b), // VMware backdoor
    revision < 14 ? ports(0xc000, 0xc0ff - short) : ports(0xd000, 0xd0fe), // PCI devices
  ];
}

/** Capability lists by device, in the order of the file. */
function capabilities(revision: Revision) {
  const lists = {
    sound: [capability(0x05, 0x60, 0xe), capability(0x00, 0x40, 0x10)],
    ahci: [capability(0x12, 0xa8, 0x2, "fixed"), capability(0x05, 0x80, 0xe)],
    ninep: [capability(0x11, 0x98, 0xc)],
    nic: [
      capability(0x01, 0xc8, 0x8),
      capability(0x05, 0xd0, 0xe),
      capability(0x10, 0xe0, 0x14),
      capability(0x11, 0xa0, 0xc),
      capability(0x8001, 0x100, 0x4, "fixed"),
      capability(0x8003, 0x140, 0x4, "fixed"),
    ],
  };
  if (revision < 14) return lists;
  const bridge = [
    capability(0x05, 0x8c, 0x18),
    capability(0x01, 0x84, 0x8),
    capability(0x10, 0x48, 0x3c, "fixed"),
    capability(0x0c, 0x40, 0x2, "fixed"),
    capability(0x8001, 0x100, 0x40, "fixed"),
  ];
  return { ...lists, bridge };
}

function pciDevices(
  revision: Revision,
  lists: ReturnType<typeof capabilities>,
): PciDeviceOptions[] {
  const bar = bars(revision);
  const msi = { numMsiVectors: 1, msi64bits: true };
  const nic: PciDeviceOptions = {
    at: "00:02.0",
    barMask: [0xfffe_0000, 0xfffe_0000, 0xffff_ffe0, 0xffff_c000, 0, 0],
    capabilities: lists.nic,
    ...msi,
    numMsixVectors: 5,
    msixRegionSize: 0x1000,
    msixAddress: BigInt(bar.nicMsix),
  };
  const ninep: PciDeviceOptions = {
    at: "00:1f.7",
    barMask: [0xffff_ffe0, 0xffff_f000, 0, 0, 0xffff_c000, 0xffff_ffff],
    capabilities: lists.ninep,
    numMsixVectors: 2,
    msixRegionSize: 0x1000,
    msixAddress: BigInt(bar.ninepMsix),
  };
  // shared memory devices stand behind it
  const bridge: PciDeviceOptions[] =
    "bridge" in lists
      ? [
          {
            at: "00:03.0",
            type: "bridge",
            barMask: [0xffff_ff00, 0, 0, 0, 0, 0],
            capabilities: lists.bridge,
            ...msi,
            msiMaskable: true,
          },
        ]
      : [];
  return [
    { at: "00:01.0" }, // VGA
    nic,
    ...bridge,
    { at: "00:1b.0", capabilities: lists.sound, ...msi },
    { at: "00:1f.0" }, // ISA bridge
    { at: "00:1f.2", capabilities: lists.ahci, ...msi },
    { at: "00:1f.3" }, // SMBus
    ninep,
  ];
}
