import { describe, expect, test } from "vitest";
import { encodeConfig } from "../codec/index.ts";
import { ConfigError } from "../config-error.ts";
import { REVISIONS } from "../releases.ts";
import {
  amdIommu,
  capability,
  cell,
  com1,
  com2,
  commRegion,
  formatBdf,
  ioapic,
  MiB,
  mmio,
  parseBdf,
  pinsOf,
  ports,
  ram,
  region,
  rootRam,
  rootShared,
  sharedMemoryRegions,
  system,
  uart8250,
  virtioProtocol,
} from "./index.ts";

describe("a cell in a few lines", () => {
  const turbine = (revision: (typeof REVISIONS)[number]) =>
    cell({
      name: "turbine",
      revision,
      cpus: [1],
      memory: [
        ram({ phys: 0x3f00_0000, virt: 0, sizeBytes: MiB }),
        commRegion({ virt: 0x10_0000 }),
      ],
      ports: [com1],
    });

  test("encodes in every revision without saying more", () => {
    for (const revision of REVISIONS) {
      const bytes = encodeConfig(turbine(revision));
      const view = new DataView(bytes.buffer);
      expect(view.getUint16(6, true)).toBe(revision);
      // cpu_set of 8 bytes with CPU 1, two memory regions
      expect(view.getUint32(48, true)).toBe(8);
      expect(view.getUint32(52, true)).toBe(2);
    }
  });

  test("has the fixed reset address where none can be given", () => {
    expect(REVISIONS.map((revision) => turbine(revision).cpuResetAddress)).toEqual([
      0xffff0n,
      0xffff0n,
      0n,
      0n,
      0n,
      0n,
      0n,
    ]);
  });

  test("has a CPU set as large as its CPUs need", () => {
    expect(cell({ name: "a", cpus: [63], memory: [] }).cpuSetSize).toBe(8);
    expect(cell({ name: "a", cpus: [64, 2], memory: [] })).toMatchObject({
      cpuSetSize: 9,
      cpus: [2, 64],
    });
  });
});

describe("memory", () => {
  const set = (flags: object) =>
    Object.entries(flags)
      .filter(([, value]) => value === true)
      .map(([name]) => name);

  test("the flags of each kind", () => {
    const place = { phys: 0x1000, sizeBytes: 0x1000 };
    expect(set(ram(place).flags)).toEqual(["read", "write", "execute", "loadable"]);
    expect(set(ram({ ...place, dma: true }).flags)).toContain("dma");
    expect(set(rootRam(place).flags)).toEqual(["read", "write", "execute", "dma"]);
    expect(set(mmio(place).flags)).toEqual(["read", "write"]);
    expect(set(rootShared(place).flags)).toEqual(["read", "write", "rootShared"]);
    expect(set(rootShared({ ...place, writable: false }).flags)).toEqual(["read", "rootShared"]);
    expect(set(commRegion({ virt: 0 }).flags)).toEqual(["read", "write", "commRegion"]);
    expect(set(region(place, "io", "io32").flags)).toEqual(["io", "io32"]);
  });

  test("virt is phys unless said otherwise", () => {
    expect(ram({ phys: 0x5000, sizeBytes: 1 })).toMatchObject({
      physStart: 0x5000n,
      virtStart: 0x5000n,
      size: 1n,
    });
    expect(ram({ phys: 0x5000, virt: 0, sizeBytes: 1 }).virtStart).toBe(0n);
  });
});

describe("shared memory", () => {
  const link = { base: 0x10_0000, commonBytes: 0x4000, outputBytes: 0x2000, peers: 3 };
  const access = (id: number) =>
    sharedMemoryRegions(link, id, true).map(
      ({ physStart, size, flags }) =>
        `${physStart.toString(16)}+${size.toString(16)} ${flags.read ? "r" : ""}${flags.write ? "w" : ""}`,
    );

  test("each end writes the common part and its own output", () => {
    expect(access(0)).toEqual([
      "100000+1000 r",
      "101000+4000 rw",
      "105000+2000 rw",
      "107000+2000 r",
      "109000+2000 r",
    ]);
    expect(access(2)).toEqual([
      "100000+1000 r",
      "101000+4000 rw",
      "105000+2000 r",
      "107000+2000 r",
      "109000+2000 rw",
    ]);
  });

  test("parts the link does not have are empty regions", () => {
    const network = { base: 0x20_0000, outputBytes: 0x7_f000, peers: 2 };
    expect(sharedMemoryRegions(network, 1, true).map(({ physStart, size }) => [physStart, size]))
      // state table, common part, output of either end
      .toEqual([
        [0x20_0000n, 0x1000n],
        [0n, 0n],
        [0x20_1000n, 0x7_f000n],
        [0x28_0000n, 0x7_f000n],
      ]);
  });

  test("a device finds its regions in the memory of the cell", () => {
    const regions = sharedMemoryRegions(link, 1, true);
    const own = ram({ phys: 0, sizeBytes: MiB });
    const device = { at: "00:0e.0", ivshmem: { regions, id: 1, peers: 3 } };
    const linked = cell({ name: "a", cpus: [1], memory: [own, ...regions], pciDevices: [device] });
    expect(linked.pciDevices[0]).toMatchObject({
      type: "ivshmem",
      shmemRegionsStart: 1,
      shmemDevId: 1,
      shmemPeers: 3,
    });
    expect(() => cell({ name: "a", cpus: [1], memory: [own], pciDevices: [device] })).toThrow(
      ConfigError,
    );
  });

  test("protocol codes of virtio", () => {
    expect(virtioProtocol("back", "block")).toBe(0xc002);
    expect(virtioProtocol("front", "console")).toBe(0x8003);
  });
});

describe("PCI", () => {
  test("addresses", () => {
    expect(parseBdf("00:1f.2")).toBe(0xfa);
    expect(parseBdf("ff:00.7")).toBe(0xff07);
    for (const bdf of [0, 0xfa, 0xff00, 0xffff]) expect(parseBdf(formatBdf(bdf))).toBe(bdf);
    for (const wrong of ["", "1f.2", "00:20.0", "00:1f.8", "100:00.0", "00:1f.2 "])
      expect(() => parseBdf(wrong)).toThrow(/is not a PCI address/);
  });

  test("capabilities of all devices share one array; a list used twice stands there once", () => {
    const msi = [capability(0x05, 0x60, 0xe)];
    const other = [capability(0x01, 0x40, 8), capability(0x10, 0x70, 0x3c, "fixed")];
    const { pciDevices, pciCapabilities } = cell({
      name: "a",
      cpus: [1],
      memory: [],
      pciDevices: [
        { at: "00:01.0", capabilities: other },
        { at: "00:02.0", capabilities: msi },
        { at: "00:03.0", capabilities: other },
        { at: "00:04.0" },
      ],
    });
    expect(pciCapabilities).toEqual([...other, ...msi]);
    expect(pciDevices.map(({ capsStart, numCaps }) => [capsStart, numCaps])).toEqual([
      [0, 2],
      [2, 1],
      [0, 2],
      [0, 0],
    ]);
  });
});

describe("interrupt pins", () => {
  test("go into the bitmap and come back", () => {
    const pins = [0, 9, 31, 32, 119, 127];
    const chip = ioapic({ sourceId: 0xff00, pins });
    expect(chip.pinBitmap).toEqual([0x8000_0201, 1, 0, 0x8080_0000]);
    expect(pinsOf(chip)).toEqual(pins);
    expect(pinsOf({ ...chip, pinBase: 32 })).toEqual(pins.map((pin) => pin + 32));
  });

  test("are from 0 to 127", () => {
    expect(() => ioapic({ sourceId: 0, pins: [128] })).toThrow(/pin 128 is not from 0 to 127/);
    expect(() => ioapic({ sourceId: 0, pins: [-1] })).toThrow(/pin -1/);
  });
});

test("a system in a few lines, in every revision", () => {
  for (const revision of REVISIONS) {
    const board = system({
      revision,
      hypervisorMemory: { phys: 0x1000_0000, sizeBytes: 6 * MiB },
      platform: {
        kind: "x86",
        pmTimerPort: 0x608,
        iommuUnits: [
          amdIommu({ base: 0xfeb8_0000, at: "00:00.2", baseCap: 0x40, msiCap: 0x64, features: 1 }),
        ],
      },
      rootCell: { name: "root", cpus: [0, 1], memory: [rootRam({ phys: 0, sizeBytes: MiB })] },
    });
    expect(board.flags.virtualDebugConsole).toBe(revision >= 4);
    expect(board.debugConsole).toEqual(uart8250(com1));
    expect(board.platform.iommuUnits[0]?.type).toBe(revision < 12 ? "unspecified" : "amd");
    expect(encodeConfig(board).length).toBeGreaterThan(332);
  }
});

test("port ranges", () => {
  expect(com1).toEqual({ base: 0x3f8, length: 8 });
  expect(com2).toEqual(ports(0x2f8, 0x2ff));
  expect(ports(0x64)).toEqual({ base: 0x64, length: 1 });
});
