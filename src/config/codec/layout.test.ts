/** The tables of the format: where every field of every revision stands, and how big things are. */
import { describe, expect, test } from "vitest";
import { q35 } from "../boards/q35.ts";
import { cell } from "../builders/cell.ts";
import { demoCell } from "../demos/index.ts";
import { REVISIONS } from "../releases.ts";
import type { ArmPlatform, CellConfig, Revision, SystemConfig } from "../types.ts";
import { decodeConfig, encodeConfig } from "./index.ts";

function only(config: unknown, path: string): unknown {
  return path
    .split(".")
    .reduce<unknown>((value, step) => (value as Record<string, unknown>)[step], config);
}

const emptyCell = (revision: Revision): CellConfig => ({
  ...cell({ name: "", revision, cpus: [], cpuSetBytes: 0, memory: [] }),
  pioBitmapSize: 0,
});

const armPlatform: ArmPlatform = {
  kind: "arm",
  maintenanceIrq: 0,
  gicVersion: 0,
  gicdBase: 0n,
  giccBase: 0n,
  gichBase: 0n,
  gicvBase: 0n,
  gicrBase: 0n,
  iommuUnits: [],
};

const emptySystem = (revision: Revision, architecture: "x86" | "arm"): SystemConfig => {
  const rootCell = emptyCell(revision);
  const resetAddress = architecture === "arm" && revision < 8 ? 0n : rootCell.cpuResetAddress;
  const system = q35(revision);
  return {
    ...system,
    architecture,
    rootCell: { ...rootCell, architecture, cpuResetAddress: resetAddress },
    platform: architecture === "x86" ? system.platform : armPlatform,
  };
};

/** Sizes and offsets per revision, undefined where the field does not exist. */
type ByRevision = readonly (number | undefined)[];

function perRevision(values: ByRevision): [Revision, number][] {
  return REVISIONS.flatMap((revision, index): [Revision, number][] => {
    const value = values[index];
    return value === undefined ? [] : [[revision, value]];
  });
}

test("sizes of the cell descriptor", () => {
  for (const [revision, size] of perRevision([80, 80, 96, 96, 128, 132, 132]))
    expect(encodeConfig(emptyCell(revision)).length, `revision ${revision}`).toBe(size);
});

test("sizes of a system with an empty root cell, on every architecture", () => {
  for (const [revision, size] of perRevision([332, 332, 356, 358, 394, 486, 488]))
    for (const architecture of ["x86", "arm"] as const)
      expect(
        encodeConfig(emptySystem(revision, architecture)).length,
        `revision ${revision} ${architecture}`,
      ).toBe(size);
});

test("the first eight bytes", () => {
  const head = (config: SystemConfig | CellConfig) =>
    Array.from(encodeConfig(config).subarray(0, 8), (byte) =>
      byte.toString(16).padStart(2, "0"),
    ).join(" ");
  expect(head(q35(3))).toBe("4a 48 53 59 53 54 03 00");
  expect(head(demoCell("apic-demo", 3))).toBe("4a 48 43 45 4c 4c 03 00");
  expect(head(q35(12))).toBe("4a 48 53 59 53 54 0c 00");
  expect(head(demoCell("apic-demo", 12))).toBe("4a 48 43 45 4c 4c 0c 00");
  expect(head(q35(14))).toBe("4a 48 53 59 53 00 0e 00");
  expect(head(demoCell("apic-demo", 14))).toBe("4a 48 43 4c 4c 00 0e 00");
  expect(
    head({ ...emptySystem(14, "arm"), rootCell: { ...emptyCell(14), architecture: "arm" } }),
  ).toBe("4a 48 53 59 53 01 0e 00");
});

/**
 * Finds where a field really is: writes a value at the offset the format names, decodes, and looks
 * into the property. A field elsewhere or of another width shows.
 */
function expectFieldAt(
  bytes: Uint8Array,
  offset: number,
  width: 1 | 2 | 4 | 8,
  path: string,
  architecture: "x86" | "arm",
): void {
  const patched = bytes.slice();
  const pattern = Uint8Array.of(0x81, 0x72, 0x63, 0x54, 0x45, 0x36, 0x27, 0x18).subarray(0, width);
  patched.set(pattern, offset);
  const value = pattern.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  const config = decodeConfig(patched, { file: "patched", architecture });
  expect(only(config, path), `${path} at ${offset} in revision ${config.revision}`).toBe(
    width === 8 ? value : Number(value),
  );
}

describe("offsets of the fields", () => {
  test("of a cell", () => {
    const fields: [string, 1 | 2 | 4 | 8, ByRevision][] = [
      ["id", 4, [40, 40, 40, 40, 40, 40, 40]],
      ["vpciIrqBase", 4, [76, 76, 76, 76, 76, 80, 80]],
      ["cpuResetAddress", 8, [undefined, undefined, 80, 80, 80, 84, 84]],
      ["msgReplyTimeout", 8, [undefined, undefined, 88, 88, 88, 92, 92]],
      ["console.address", 8, [undefined, undefined, undefined, undefined, 96, 100, 100]],
      ["console.type", 2, [undefined, undefined, undefined, undefined, 108, 112, 112]],
      ["console.divider", 4, [undefined, undefined, undefined, undefined, 112, 116, 116]],
    ];
    for (const [path, width, offsets] of fields)
      for (const [revision, offset] of perRevision(offsets))
        expectFieldAt(encodeConfig(emptyCell(revision)), offset, width, path, "x86");
  });

  test("of a system", () => {
    const fields: [string, 1 | 2 | 4 | 8, ByRevision][] = [
      ["hypervisorMemory.physStart", 8, [8, 8, 8, 8, 12, 12, 12]],
      ["debugConsole.address", 8, [40, 40, 40, 40, 44, 44, 44]],
      ["debugConsole.clockReg", 8, [64, 64, 64, 64, 68, 68, 68]],
      ["pciMmconfigBase", 8, [72, 72, 72, 72, 76, 76, 76]],
      ["pciMmconfigEndBus", 1, [80, 80, 80, 80, 84, 84, 84]],
      ["pciDomain", 2, [undefined, undefined, undefined, 82, 86, 86, 86]],
      ["platform.pmTimerAddress", 2, [82, 82, 82, 84, 88, 88, 312]],
      ["platform.vtdInterruptLimit", 4, [84, 84, 84, 86, 90, 90, 316]],
      ["platform.apicMode", 1, [88, 88, 88, 90, 94, 94, 314]],
      ["platform.tscKhz", 4, [undefined, undefined, 92, 94, 98, 98, 320]],
      ["platform.apicKhz", 4, [undefined, undefined, 96, 98, 102, 102, 324]],
      ["platform.iommuUnits.0.base", 8, [92, 92, 100, 102, 106, 110, 92]],
      ["platform.iommuUnits.0.amdBdf", 2, [104, 104, 112, 114, 118, 122, 104]],
      ["rootCell.id", 4, [292, 292, 300, 302, 306, 394, 396]],
    ];
    for (const [path, width, offsets] of fields)
      for (const [revision, offset] of perRevision(offsets))
        expectFieldAt(encodeConfig(emptySystem(revision, "x86")), offset, width, path, "x86");
  });

  test("of the ARM part of a system", () => {
    const fields: [string, 1 | 8, ByRevision][] = [
      ["platform.maintenanceIrq", 1, [82, 82, 82, 84, 88, 88, 312]],
      ["platform.gicVersion", 1, [undefined, undefined, 83, 85, 89, 89, 313]],
      ["platform.gicdBase", 8, [84, 84, 84, 86, 90, 90, 316]],
      ["platform.giccBase", 8, [92, 92, 92, 94, 98, 98, 324]],
      ["platform.gichBase", 8, [100, 100, 100, 102, 106, 106, 332]],
      ["platform.gicvBase", 8, [108, 108, 108, 110, 114, 114, 340]],
      ["platform.gicrBase", 8, [116, 116, 116, 118, 122, 122, 348]],
      [
        "platform.iommuUnits.0.base",
        8,
        [undefined, undefined, undefined, undefined, undefined, 134, 92],
      ],
    ];
    for (const [path, width, offsets] of fields)
      for (const [revision, offset] of perRevision(offsets))
        expectFieldAt(encodeConfig(emptySystem(revision, "arm")), offset, width, path, "arm");
  });

  test("of a PCI device", () => {
    const device = cell({ name: "", cpus: [], memory: [], pciDevices: [{ at: "00:00.0" }] });
    const fields: [string, 1 | 2 | 4 | 8, number][] = [
      ["type", 1, 0],
      ["iommu", 1, 1],
      ["domain", 2, 2],
      ["bdf", 2, 4],
      ["barMask.0", 4, 6],
      ["barMask.5", 4, 26],
      ["capsStart", 2, 30],
      ["numCaps", 2, 32],
      ["numMsiVectors", 1, 34],
      ["numMsixVectors", 2, 36],
      ["msixRegionSize", 2, 38],
      ["msixAddress", 8, 40],
      ["shmemRegionsStart", 4, 48],
      ["shmemDevId", 1, 52],
      ["shmemPeers", 1, 53],
      ["shmemProtocol", 2, 54],
    ];
    const bytes = encodeConfig(device);
    expect(bytes.length).toBe(132 + 8 + 56);
    for (const [path, width, offset] of fields)
      expectFieldAt(bytes, 132 + 8 + offset, width, `pciDevices.0.${path}`, "x86");
  });
});

describe("flags and codes by revision", () => {
  /** Decodes a cell whose flag word is `word`. */
  function flagsOf(revision: Revision, word: number) {
    const bytes = encodeConfig(emptyCell(revision));
    new DataView(bytes.buffer).setUint32(44, word, true);
    return (decodeConfig(bytes, { file: "flags" }) as CellConfig).flags;
  }

  test("of a cell", () => {
    expect(flagsOf(8, 0x2)).toMatchObject({ virtualConsolePermitted: true, testDevice: false });
    expect(flagsOf(8, 0x4)).toMatchObject({ testDevice: false, unknownBits: 4 });
    expect(flagsOf(9, 0x4)).toMatchObject({ testDevice: true, unknownBits: 0 });
    expect(flagsOf(10, 0x2)).toMatchObject({ virtualConsolePermitted: false, testDevice: true });
    expect(flagsOf(12, 0x4)).toMatchObject({ aarch32: false, unknownBits: 4 });
    expect(flagsOf(14, 0x4)).toMatchObject({ aarch32: true, unknownBits: 0 });
    expect(flagsOf(12, 0xc000_0001)).toEqual({
      passiveCommRegion: true,
      testDevice: false,
      aarch32: false,
      virtualConsolePermitted: true,
      virtualConsoleActive: true,
      unknownBits: 0,
    });
  });

  test("of a memory region: bit 8 changed its meaning in revision 12", () => {
    for (const [revision, word, flag] of [
      [10, 0x100n, "ioUnaligned"],
      [12, 0x100n, "noHugepages"],
      [12, 0x8000n, "ioUnaligned"],
    ] as const) {
      const { hypervisorMemory } = q35(revision);
      const { flags } = hypervisorMemory;
      const bytes = encodeConfig({ ...emptyCell(revision), memoryRegions: [hypervisorMemory] });
      new DataView(bytes.buffer).setBigUint64(bytes.length - 8, word, true);
      const decoded = decodeConfig(bytes, { file: "flags" }) as CellConfig;
      expect(decoded.memoryRegions[0]?.flags).toEqual({ ...flags, [flag]: true });
    }
  });

  /** The debug console whose flag word (or type and flags) is `word`. */
  function consoleOf(revision: Revision, word: number) {
    const bytes = encodeConfig(emptySystem(revision, "x86"));
    new DataView(bytes.buffer).setUint32(revision < 10 ? 52 : 56, word, true);
    return decodeConfig(bytes, { file: "console" }) as SystemConfig;
  }

  test("of the debug console", () => {
    const portUart = { type: "8250", access: "pio", registerDistance: 1, unknownBits: 0 };
    expect(consoleOf(3, 0x11).debugConsole).toMatchObject(portUart);
    expect(consoleOf(3, 0x24).debugConsole).toMatchObject({ type: "pl011", access: "mmio" });
    expect(consoleOf(3, 0x12).debugConsole.type).toBe("vga");
    expect(consoleOf(4, 0x102).debugConsole).toMatchObject(portUart);
    expect(consoleOf(4, 0x102).flags.virtualDebugConsole).toBe(true);
    expect(consoleOf(9, 0x002).flags.virtualDebugConsole).toBe(false);
    expect(consoleOf(9, 0x32).debugConsole).toMatchObject({
      type: "8250",
      access: "mmio",
      registerDistance: 4,
    });
    expect(consoleOf(8, 0x16).debugConsole.type).toBe("hscif");
    expect(consoleOf(8, 0x17).debugConsole.type).toBe(7);
    expect(consoleOf(9, 0x17).debugConsole.type).toBe("scifa");
    expect(consoleOf(10, 0x0000_0002).debugConsole).toMatchObject(portUart);
    expect(consoleOf(12, 0x0004_0001).debugConsole).toMatchObject({
      type: "efifb",
      framebuffer1080: true,
    });
    expect(consoleOf(12, 0x0000_000a).debugConsole.type).toBe(10);
    expect(consoleOf(14, 0x0003_000a).debugConsole).toMatchObject({
      type: "scif",
      access: "mmio",
      registerDistance: 4,
    });
    expect(consoleOf(10, 0x2001_0002).debugConsole).toMatchObject({
      mdrQuirk: false,
      unknownBits: 0x2000,
    });
    expect(consoleOf(12, 0x2001_0002).debugConsole.mdrQuirk).toBe(true);
  });
});
