import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { q35 } from "../boards/q35.ts";
import { demoCell } from "../demos/index.ts";
import { arbitraryConfig } from "../testing/arbitrary.ts";
import { configToJson, showConfig } from "./index.ts";
import { numberRanges, protocolInWords, sizeInWords } from "./words.ts";

const lines = (text: string) => text.split("\n");

describe("tables", () => {
  test("of a cell", () => {
    expect(lines(showConfig(demoCell("tiny-demo", 12)))).toEqual([
      "cell           tiny-demo",
      "format         revision 12 (v0.12), x86",
      "flags          passive-comm-region, test-device, virtual-console-permitted",
      "CPUs           2",
      "reset address  0x0",
      "reply timeout  none",
      "console        8250 at port 0x3f8",
      "",
      "memory regions:",
      "  #  physical    guest        size  flags",
      "  0  0x3ee00000  0x00000000  1 MiB  read write execute loadable",
      "  1  -           0x00100000  4 KiB  read write comm-region",
      "",
      "cache regions:",
      "  start  size  type",
      "      2     1  l3",
      "",
      "irqchips: none",
      "",
      "ports:",
      "  first   last    count",
      "  0x02f8  0x02ff      8",
      "  0x03f8  0x03ff      8",
      "  0xe010  0xe017      8",
      "",
      "PCI devices: none",
      "",
      "PCI capabilities: none",
      "",
    ]);
  });

  test("of a system", () => {
    const text = showConfig(q35(14));
    for (const line of [
      "system             revision 14 (master), x86",
      "hypervisor memory  0x3a000000, 6 MiB",
      "debug console      8250 at port 0x3f8",
      "PCI MMCONFIG       0xb0000000, buses 0-255",
      "PM timer           port 0x608",
      "IOMMU 0            intel 0xfed90000, 4 KiB",
      "root cell      QEMU-VM",
      "CPUs           0-3",
      "  17  0x00000000  0x00000000    928 MiB  read write execute dma",
      "  0xfec00000  0xff00  0-23",
    ])
      expect(lines(text)).toContain(line);
    expect(text).toMatch(
      /00:02\.0 {2}device .* 1 64-bit .* 5 at 0xfea90000, 4 KiB .* PM MSI EXP MSIX ERR DSN\n/,
    );
    expect(text).toMatch(
      /01:0e\.0 {2}ivshmem .* 16 .* regions from 8, peer 0 of 3, undefined protocol\n/,
    );
  });

  test("mark what is handled access by access", () => {
    const demo = demoCell("tiny-demo");
    const [first] = demo.memoryRegions;
    const subPage = { ...demo, memoryRegions: [{ ...first!, size: 0x10n }] };
    expect(showConfig(subPage)).toContain("16 B  read write execute loadable (sub-page)");
  });

  test("cannot be broken by a name", () => {
    const text = showConfig({ ...demoCell("tiny-demo"), name: "\x1b[2J\nroot\x9b" });
    expect(text).toContain("cell           \\x1b[2J\\x0aroot\\x9b\n");
  });

  test("exist for every configuration, with aligned columns", () => {
    fc.assert(
      fc.property(arbitraryConfig, (config) => {
        const text = showConfig(config);
        expect(text.replaceAll("undefined protocol", "")).not.toMatch(/undefined|NaN|\[object/);
        const regions = lines(text.slice(text.indexOf("memory regions:"))).slice(1);
        const column = regions[0]?.indexOf("flags") ?? -1;
        const { memoryRegions } = config.kind === "system" ? config.rootCell : config;
        for (const line of regions.slice(1, memoryRegions.length + 1))
          expect(line[column - 1]).toBe(" ");
      }),
      { numRuns: 200 },
    );
  });

  test("of a device that claims more capabilities than there can be stay short", () => {
    const demo = demoCell("pci-demo");
    const [device] = demo.pciDevices;
    const text = showConfig({ ...demo, pciDevices: [{ ...device!, numCaps: 0xffff }] });
    expect(text).toContain("MSI (of 65535)");
  });
});

describe("JSON", () => {
  test("has addresses in hex, flags by name, devices by address", () => {
    expect(configToJson(demoCell("pci-demo", 12))).toMatchObject({
      kind: "cell",
      revision: 12,
      name: "pci-demo",
      flags: ["passiveCommRegion", "virtualConsolePermitted"],
      cpus: [2],
      cpuResetAddress: "0x0",
      memoryRegions: [
        {
          physStart: "0x3ee00000",
          virtStart: "0x0",
          size: "0x100000",
          flags: ["read", "write", "execute", "loadable"],
        },
        { virtStart: "0x100000", flags: ["read", "write", "commRegion"] },
        { physStart: "0xfebd4000" },
      ],
      ports: [{ base: "0x2f8", length: 8 }, { base: "0x3f8", length: 8 }, { base: "0xe010" }],
      pciDevices: [{ type: "device", bdf: "00:1b.0", capsStart: 0, numCaps: 1 }],
      pciCapabilities: [{ id: "0x5", start: "0x60", len: 14, flags: ["writable"] }],
      console: { type: "8250", address: "0x3f8" },
    });
    expect(configToJson(q35(14))).toMatchObject({
      kind: "system",
      hypervisorMemory: { physStart: "0x3a000000", size: "0x600000" },
      platform: { kind: "x86", pmTimerAddress: "0x608", iommuUnits: [{ base: "0xfed90000" }] },
      rootCell: { name: "QEMU-VM", irqchips: [{ address: "0xfec00000", id: "0xff00" }] },
    });
  });

  test("is plain for every configuration", () => {
    fc.assert(
      fc.property(arbitraryConfig, (config) => {
        const json = configToJson(config);
        expect(JSON.parse(JSON.stringify(json))).toEqual(json);
      }),
      { numRuns: 200 },
    );
  });
});

describe("words", () => {
  test("sizes are exact", () => {
    expect([0, 1, 1023, 1024, 0xff000, 0x600000, 2 ** 40].map((size) => sizeInWords(size))).toEqual(
      ["0 B", "1 B", "1023 B", "1 KiB", "1020 KiB", "6 MiB", "1 TiB"],
    );
    expect(sizeInWords(1n << 63n)).toBe("8388608 TiB");
  });

  test("ranges", () => {
    expect(numberRanges([0, 1, 2, 5, 7, 8])).toBe("0-2,5,7-8");
    expect(numberRanges([])).toBe("");
  });

  test("protocols by revision", () => {
    expect(protocolInWords(0x0100, 10)).toBe("network");
    expect(protocolInWords(0x0100, 12)).toBe("unknown protocol 0x0100");
    expect(protocolInWords(0x0001, 12)).toBe("network");
    expect(protocolInWords(0x0001, 10)).toBe("unknown protocol 0x0001");
    expect(protocolInWords(0x8002, 12)).toBe("virtio block front end");
    expect(protocolInWords(0xc003, 14)).toBe("virtio console back end");
    expect(protocolInWords(0xc010, 14)).toBe("virtio 0x10 back end");
    expect(protocolInWords(0x4001, 14)).toBe("custom protocol 0x4001");
    expect(protocolInWords(0x8002, 10)).toBe("custom protocol 0x8002");
  });
});
