import { formatBdf, pinsOf } from "../builders/devices.ts";
import { releaseOf } from "../releases.ts";
import type {
  ArmPlatform,
  CellConfig,
  Config,
  IommuUnit,
  MemoryRegion,
  PciDevice,
  SystemConfig,
  X86Platform,
} from "../types.ts";
import { properties, table } from "./table.ts";
import {
  capabilityName,
  consoleInWords,
  flagNames,
  flagsInWords,
  hex,
  inWords,
  numberRanges,
  printable,
  protocolInWords,
  sizeInWords,
} from "./words.ts";

/** A configuration as aligned tables, for people; ends with a newline. */
export function showConfig(config: Config): string {
  const sections =
    config.kind === "system"
      ? [systemSection(config), ...cellSections(config.rootCell, "root cell")]
      : cellSections(config, "cell");
  return `${sections.map((lines) => lines.join("\n")).join("\n\n")}\n`;
}

function format({ revision, architecture }: Config): string {
  return `revision ${revision} (${releaseOf(revision).versions.join(", ")}), ${architecture}`;
}

function systemSection(system: SystemConfig): string[] {
  const { hypervisorMemory: memory, pciMmconfigBase: mmconfig } = system;
  return properties([
    ["system", format(system)],
    ["flags", flagsInWords(system.flags)],
    ["hypervisor memory", `${hex(memory.physStart, 8)}, ${sizeInWords(memory.size)}`],
    ["debug console", consoleInWords(system.debugConsole)],
    [
      "PCI MMCONFIG",
      mmconfig === 0n ? "none" : `${hex(mmconfig, 8)}, buses 0-${system.pciMmconfigEndBus}`,
    ],
    ...(system.pciIsVirtual
      ? [["PCI host bridge", `virtual, domain ${system.pciDomain}`] as const]
      : []),
    ...(system.platform.kind === "x86" ? x86Lines(system.platform) : armLines(system.platform)),
  ]);
}

type Line = readonly [string, string];

function x86Lines(platform: X86Platform): Line[] {
  const frequency = (khz: number) => (khz === 0 ? "as measured" : `${khz} kHz`);
  return [
    ["PM timer", platform.pmTimerAddress === 0 ? "none" : `port ${hex(platform.pmTimerAddress)}`],
    ["remapping entries", `${platform.vtdInterruptLimit}`],
    ["APIC mode", `${platform.apicMode}`],
    ["TSC", frequency(platform.tscKhz)],
    ["APIC timer", frequency(platform.apicKhz)],
    ...iommuLines(platform.iommuUnits),
  ];
}

function armLines(platform: ArmPlatform): Line[] {
  return [
    ["GIC version", platform.gicVersion === 0 ? "not stated" : `${platform.gicVersion}`],
    ["GIC distributor", hex(platform.gicdBase, 8)],
    ["GIC CPU interface", hex(platform.giccBase, 8)],
    ["GIC hypervisor", hex(platform.gichBase, 8)],
    ["GIC virtual CPU", hex(platform.gicvBase, 8)],
    ["GIC redistributor", hex(platform.gicrBase, 8)],
    ["maintenance IRQ", `${platform.maintenanceIrq}`],
    ...iommuLines(platform.iommuUnits),
  ];
}

function iommuLines(units: readonly IommuUnit[]): Line[] {
  if (units.length === 0) return [["IOMMU", "none"]];
  return units.map((unit, index): Line => {
    const type = unit.type === "unspecified" ? "" : `${unit.type} `;
    const amd =
      unit.amdBdf === 0
        ? ""
        : `, at ${formatBdf(unit.amdBdf)}, capability ${hex(unit.amdBaseCap)}, MSI ${hex(unit.amdMsiCap)}, features ${hex(unit.amdFeatures)}`;
    const tlb =
      unit.tlbBase === 0n ? "" : `, TLB ${hex(unit.tlbBase)} ${sizeInWords(unit.tlbSize)}`;
    return [`IOMMU ${index}`, `${type}${hex(unit.base, 8)}, ${sizeInWords(unit.size)}${amd}${tlb}`];
  });
}

function cellSections(cell: CellConfig, title: string): string[][] {
  const { revision } = cell;
  const head = properties([
    [title, printable(cell.name)],
    ...(title === "cell" ? [["format", format(cell)] as const] : []),
    ["flags", flagsInWords(cell.flags)],
    ["CPUs", `${numberRanges(cell.cpus) || "none"}`],
    ["reset address", hex(cell.cpuResetAddress)],
    ["reply timeout", cell.msgReplyTimeout === 0n ? "none" : `${cell.msgReplyTimeout} polls`],
    ...(revision >= 10 ? [["console", consoleInWords(cell.console)] as const] : []),
    ...(cell.architecture === "x86" ? [] : [["virtual PCI SPIs", `${cell.vpciIrqBase}`] as const]),
    ...(cell.streamIds.length > 0
      ? [["stream ids", cell.streamIds.map((id) => hex(id)).join(", ")] as const]
      : []),
    ...(cell.surplus === undefined ? [] : [["surplus", `${cell.surplus.length} bytes`] as const]),
  ]);
  return [
    head,
    section("memory regions", cell.memoryRegions, memoryTable),
    section("cache regions", cell.cacheRegions, (caches) =>
      table(
        [{ title: "start", align: "right" }, { title: "size", align: "right" }, { title: "type" }],
        caches.map((cache) => [
          `${cache.start}`,
          `${cache.size}`,
          [`${cache.type}`, ...flagNames(cache).map(inWords)].join(", "),
        ]),
      ),
    ),
    section("irqchips", cell.irqchips, (chips) =>
      table(
        [{ title: "address" }, { title: "id" }, { title: "pins" }],
        chips.map((chip) => [
          hex(chip.address, 8),
          hex(chip.id),
          numberRanges(pinsOf(chip)) || "none",
        ]),
      ),
    ),
    ...(cell.architecture === "x86"
      ? [
          section("ports", cell.ports, (ports) =>
            table(
              [{ title: "first" }, { title: "last" }, { title: "count", align: "right" }],
              ports.map(({ base, length }) => [
                hex(base, 4),
                hex(base + Math.max(length - 1, 0), 4),
                `${length}`,
              ]),
            ),
          ),
        ]
      : []),
    section("PCI devices", cell.pciDevices, (devices) => pciTable(devices, cell)),
    section("PCI capabilities", cell.pciCapabilities, (capabilities) =>
      table(
        [
          { title: "#", align: "right" },
          { title: "id" },
          { title: "name" },
          { title: "offset" },
          { title: "length", align: "right" },
          { title: "cell may" },
        ],
        capabilities.map((capability, index) => [
          `${index}`,
          hex(capability.id, 4),
          capabilityName(capability),
          hex(capability.start),
          `${capability.len}`,
          capability.unknownBits === 0
            ? capability.writable
              ? "read, write"
              : "read"
            : `flags ${flagNames(capability).join(", ")}`,
        ]),
      ),
    ),
  ];
}

function section<T>(
  title: string,
  list: readonly T[],
  lines: (list: readonly T[]) => string[],
): string[] {
  return list.length === 0 ? [`${title}: none`] : [`${title}:`, ...lines(list)];
}

const SUB_PAGE = 0xfffn;

function memoryTable(regions: readonly MemoryRegion[]): string[] {
  const widest = regions.reduce(
    (digits, { physStart, virtStart }) =>
      Math.max(digits, physStart.toString(16).length, virtStart.toString(16).length),
    8,
  );
  return table(
    [
      { title: "#", align: "right" },
      { title: "physical" },
      { title: "guest" },
      { title: "size", align: "right" },
      { title: "flags" },
    ],
    regions.map((region, index) => [
      `${index}`,
      region.flags.commRegion ? "-" : hex(region.physStart, widest),
      hex(region.virtStart, widest),
      region.size === 0n ? "empty" : sizeInWords(region.size),
      [
        ...flagNames(region.flags).map(inWords),
        ...(((region.virtStart | region.size) & SUB_PAGE) === 0n ? [] : ["(sub-page)"]),
      ].join(" ") || "-",
    ]),
  );
}

function pciTable(devices: readonly PciDevice[], cell: CellConfig): string[] {
  return table(
    [
      { title: "address" },
      { title: "type" },
      { title: "IOMMU", align: "right" },
      { title: "MSI", align: "right" },
      { title: "MSI-X", align: "right" },
      { title: "BAR masks" },
      { title: "capabilities" },
    ],
    devices.map((device) => [
      `${device.domain === 0 ? "" : `${device.domain.toString(16).padStart(4, "0")}:`}${formatBdf(device.bdf)}`,
      typeof device.type === "number" ? `type ${device.type}` : device.type,
      `${device.iommu}`,
      msi(device),
      device.numMsixVectors === 0 ? "-" : `${device.numMsixVectors}${msixTable(device)}`,
      device.barMask.some((mask) => mask !== 0)
        ? device.barMask.map((mask) => (mask === 0 ? "0" : hex(mask, 8))).join(" ")
        : "-",
      device.type === "ivshmem" ? sharedMemory(device, cell) : capabilityNames(device, cell),
    ]),
  );
}

function msi(device: PciDevice): string {
  if (device.numMsiVectors === 0) return "-";
  const kind = `${device.msi64bits ? " 64-bit" : ""}${device.msiMaskable ? " maskable" : ""}`;
  return `${device.numMsiVectors}${kind}`;
}

function msixTable(device: PciDevice): string {
  return device.msixAddress === 0n
    ? ""
    : ` at ${hex(device.msixAddress)}, ${sizeInWords(device.msixRegionSize)}`;
}

/** More than a configuration space of 256 bytes has room for: only a broken file lists them. */
const MOST_CAPABILITIES = 64;

function capabilityNames({ capsStart, numCaps }: PciDevice, cell: CellConfig): string {
  const shown = Math.min(numCaps, MOST_CAPABILITIES);
  const names = cell.pciCapabilities.slice(capsStart, capsStart + shown).map(capabilityName);
  if (numCaps > names.length) names.push(`(of ${numCaps})`);
  return names.join(" ") || "-";
}

function sharedMemory(device: PciDevice, { revision }: CellConfig): string {
  const protocol = protocolInWords(device.shmemProtocol, revision);
  const region = device.shmemRegionsStart;
  return revision < 12
    ? `region ${region}, ${protocol}`
    : `regions from ${region}, peer ${device.shmemDevId} of ${device.shmemPeers}, ${protocol}`;
}
