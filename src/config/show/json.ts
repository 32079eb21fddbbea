import { formatBdf, pinsOf } from "../builders/devices.ts";
import type { CellConfig, Config, Console, IommuUnit, Preserved, SystemConfig } from "../types.ts";
import { flagNames, hex } from "./words.ts";

/**
 * A configuration as a plain object for JSON: addresses, masks and everything 64 bits wide as hex
 * strings, flags as lists of names, PCI addresses as "bus:device.function", raw bytes as hex digits.
 */
export function configToJson(config: Config): unknown {
  return config.kind === "system" ? systemToJson(config) : cellToJson(config);
}

function systemToJson(system: SystemConfig): unknown {
  const { platform, hypervisorMemory } = system;
  return {
    ...system,
    ...bytesOf(system),
    flags: flagNames(system.flags),
    hypervisorMemory: {
      physStart: hex(hypervisorMemory.physStart),
      size: hex(hypervisorMemory.size),
    },
    debugConsole: consoleToJson(system.debugConsole),
    pciMmconfigBase: hex(system.pciMmconfigBase),
    platform: {
      ...hexBigints(platform),
      ...bytesOf(platform),
      ...(platform.kind === "x86" && { pmTimerAddress: hex(platform.pmTimerAddress) }),
      iommuUnits: platform.iommuUnits.map(iommuToJson),
    },
    rootCell: cellToJson(system.rootCell),
  };
}

function cellToJson(cell: CellConfig): unknown {
  return {
    ...cell,
    ...bytesOf(cell),
    ...(cell.nameTail && { nameTail: digits(cell.nameTail) }),
    ...(cell.surplus && { surplus: digits(cell.surplus) }),
    flags: flagNames(cell.flags),
    memoryRegions: cell.memoryRegions.map((region) => ({
      ...hexBigints(region),
      flags: flagNames(region.flags),
    })),
    cacheRegions: cell.cacheRegions.map(({ rootShared, unknownBits, ...cache }) => ({
      ...cache,
      ...bytesOf(cache),
      flags: flagNames({ rootShared, unknownBits }),
    })),
    irqchips: cell.irqchips.map((chip) => ({
      address: hex(chip.address),
      id: hex(chip.id),
      pinBase: chip.pinBase,
      pins: pinsOf(chip),
    })),
    ports: cell.ports.map(({ base, length }) => ({ base: hex(base), length })),
    pciDevices: cell.pciDevices.map((device) => ({
      ...hexBigints(device),
      ...bytesOf(device),
      bdf: formatBdf(device.bdf),
      barMask: device.barMask.map((mask) => hex(mask)),
      msixRegionSize: hex(device.msixRegionSize),
      shmemProtocol: hex(device.shmemProtocol),
    })),
    pciCapabilities: cell.pciCapabilities.map(({ id, start, len, ...flags }) => ({
      id: hex(id),
      start: hex(start),
      len,
      flags: flagNames(flags),
    })),
    streamIds: cell.streamIds.map((id) => hex(id)),
    cpuResetAddress: hex(cell.cpuResetAddress),
    msgReplyTimeout: hex(cell.msgReplyTimeout),
    console: consoleToJson(cell.console),
  };
}

function consoleToJson(console: Console): unknown {
  return { ...hexBigints(console), size: hex(console.size) };
}

function iommuToJson(unit: IommuUnit): unknown {
  return {
    ...hexBigints(unit),
    ...bytesOf(unit),
    size: hex(unit.size),
    amdBdf: formatBdf(unit.amdBdf),
    amdFeatures: hex(unit.amdFeatures),
  };
}

function hexBigints(object: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(object).map(([name, value]) => [
      name,
      typeof value === "bigint" ? hex(value) : value,
    ]),
  );
}

function bytesOf({ unused }: Preserved): { unused?: string } {
  return unused === undefined ? {} : { unused: digits(unused) };
}

function digits(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
