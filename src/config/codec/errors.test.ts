import { describe, expect, test } from "vitest";
import { q35 } from "../boards/q35.ts";
import { ConfigError } from "../config-error.ts";
import { demoCell } from "../demos/index.ts";
import type { CellConfig, Config } from "../types.ts";
import { decodeConfig, encodeConfig } from "./index.ts";

function refusal(bytes: Uint8Array): string {
  try {
    decodeConfig(bytes, { file: "x.cell" });
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return "accepted";
}

function patched(config: Config, offset: number, ...bytes: number[]): Uint8Array {
  const file = encodeConfig(config);
  file.set(bytes, offset);
  return file;
}

const demo = demoCell("apic-demo", 12);

describe("a malformed file is refused by file, offset, field and rule", () => {
  test("neither kind", () => {
    expect(refusal(new Uint8Array(3))).toBe(
      "x.cell: offset 0x0: signature: a configuration begins with a signature of 8 bytes, the file has 3",
    );
    expect(refusal(patched(demo, 0, 0x7f))).toMatch(
      /^x\.cell: offset 0x0: signature: neither a system .* nor a cell/,
    );
  });

  test("unknown revision", () => {
    for (const revision of [0, 1, 2, 5, 6, 7, 11, 13, 15, 255])
      expect(refusal(patched(demo, 6, revision, 0))).toBe(
        `x.cell: offset 0x6: revision: ${revision} was never released, known are 3, 4, 8, 9, 10, 12, 14`,
      );
    expect(refusal(patched(demo, 6, 12, 1))).toContain("268 was never released");
  });

  test("signature of another revision", () => {
    expect(refusal(patched(demo, 6, 14))).toBe(
      "x.cell: offset 0x0: signature: revision 14 begins with JHCLL",
    );
    expect(refusal(patched(demoCell("apic-demo", 14), 6, 12))).toBe(
      "x.cell: offset 0x0: signature: revision 12 begins with JHCELL",
    );
    expect(refusal(patched(q35(14), 6, 12))).toBe(
      "x.cell: offset 0x0: signature: revision 12 begins with JHSYST",
    );
  });

  test("unknown architecture", () => {
    expect(refusal(patched(demoCell("apic-demo", 14), 5, 3))).toBe(
      "x.cell: offset 0x5: architecture: 3 is not 0 (x86), 1 (ARM) or 2 (AArch64)",
    );
  });

  test("cut in the fixed part", () => {
    expect(refusal(encodeConfig(demo).subarray(0, 42))).toBe(
      "x.cell: offset 0x28: id: needs 4 bytes, but the file ends after 2",
    );
    expect(refusal(encodeConfig(q35(12)).subarray(0, 90))).toBe(
      "x.cell: offset 0x5a: platform.vtd_interrupt_limit: needs 4 bytes, but the file ends after 0",
    );
  });

  test.each([
    [48, "cpu_set_size", "4294967295 is more than 4096"],
    [52, "num_memory_regions", "4294967295 x 32 bytes at 0x8c do not fit, the file ends after 88"],
    [56, "num_cache_regions", "4294967295 x 12 bytes at 0xcc do not fit, the file ends after 24"],
    [60, "num_irqchips", "4294967295 x 32 bytes at 0xd8 do not fit, the file ends after 12"],
    [64, "num_pio_regions", "4294967295 x 4 bytes at 0xd8 do not fit, the file ends after 12"],
    [68, "num_pci_devices", "4294967295 x 56 bytes at 0xe4 do not fit, the file ends after 0"],
    [72, "num_pci_caps", "4294967295 x 8 bytes at 0xe4 do not fit, the file ends after 0"],
    [76, "num_stream_ids", "4294967295 x 4 bytes at 0xe4 do not fit, the file ends after 0"],
  ])("the count at offset %d", (offset, field, rule) => {
    expect(refusal(patched(demo, offset, 0xff, 0xff, 0xff, 0xff))).toBe(
      `x.cell: offset 0x${offset.toString(16)}: ${field}: ${rule}`,
    );
  });

  test("the count of a root cell is named with its place in the system", () => {
    expect(refusal(patched(q35(12), 354 + 52, 0xff, 0xff, 0, 0))).toMatch(
      /^x\.cell: offset 0x196: root_cell\.num_memory_regions: 65535 x 32 bytes/,
    );
  });

  test("a port bitmap for more ports than there are", () => {
    expect(refusal(patched(demoCell("apic-demo", 3), 64, 1, 0x20))).toBe(
      "x.cell: offset 0x40: pio_bitmap_size: 8193 is more than 8192",
    );
  });
});

describe("what does not fit into the revision is not encoded", () => {
  const encodings: [string, Config, RegExp][] = [
    [
      "a flag",
      { ...demo, flags: { ...demo.flags, aarch32: true } },
      /flags\.aarch32: true cannot be expressed/,
    ],
    [
      "a field",
      { ...demoCell("apic-demo", 4), cpuResetAddress: 0n },
      /cpuResetAddress: is always 1048560 in this revision, not 0/,
    ],
    [
      "a console type",
      { ...demo, console: { ...demo.console, type: "vga" } },
      /console\.type: "vga" is not among the codes of this revision: .*efifb/,
    ],
    ["a wide number", { ...demo, id: 2 ** 32 }, /id: 4294967296 is not an unsigned integer of 32/],
    ["a negative one", { ...demo, msgReplyTimeout: -1n }, /msgReplyTimeout: -1 is not an unsigned/],
    ["a fraction", { ...demo, vpciIrqBase: 0.5 }, /vpciIrqBase: 0\.5 is not/],
    ["a long name", { ...demo, name: "x".repeat(32) }, /name: .* has 32 characters, at most 31/],
    ["a wide character", { ...demo, name: "\u20ac" }, /name: .* outside 0x01 to 0xff/],
    ["a CPU outside the set", { ...demo, cpus: [64] }, /cpus: 64 is not a CPU of a set of 8 bytes/],
    ["a huge CPU set", { ...demo, cpuSetSize: 2 ** 40 }, /cpuSetSize: \d+ is not from 0 to 4096/],
    [
      "ports outside the bitmap",
      { ...demoCell("apic-demo", 3), ports: [{ base: 0xffff, length: 2 }] },
      /ports\[0\]: 65535\+2 is outside the 65536 ports/,
    ],
    [
      "a ninth IOMMU",
      ((system) => {
        const { platform } = system;
        const iommuUnits = Array.from({ length: 9 }, () => platform.iommuUnits[0]!);
        return { ...system, platform: { ...platform, iommuUnits } };
      })(q35(14)),
      /platform\.iommuUnits: 9 entries, the file has room for 8/,
    ],
    [
      "a root cell of another revision",
      { ...q35(14), rootCell: q35(12).rootCell },
      /rootCell: revision 12 of x86 inside a system of revision 14/,
    ],
    [
      "padding of another revision",
      { ...q35(14), platform: { ...q35(14).platform, unused: new Uint8Array(3) } },
      /platform\.unused: the padding is 29 bytes in this revision, not 3/,
    ],
  ];
  test.each(encodings)("%s", (_, config, message) => {
    expect(() => encodeConfig(config)).toThrow(message);
    expect(() => encodeConfig(config)).toThrow(ConfigError);
  });
});

test("garbage is kept where it was: behind the name, in padding, behind the end", () => {
  const file = Uint8Array.of(...patched(demo, 8 + 20, 0xaa, 0xbb), 1, 2, 3);
  const decoded = decodeConfig(file, { file: "garbage" }) as CellConfig;
  expect(decoded.name).toBe("apic-demo");
  expect(decoded.surplus).toEqual(Uint8Array.of(1, 2, 3));
  expect(encodeConfig(decoded)).toEqual(file);
  // and stays there when the cell is changed
  const renamed = encodeConfig({ ...decoded, name: "x" });
  expect(renamed.subarray(8, 8 + 32)).toEqual(
    Uint8Array.from({ length: 32 }, (_, i) => ({ 0: 0x78, 20: 0xaa, 21: 0xbb })[i] ?? 0),
  );
});

test("decoding does not hold on to the file's bytes", () => {
  const file = Uint8Array.of(...encodeConfig(demo), 1, 2, 3);
  const decoded = decodeConfig(file, { file: "copy" });
  const before = encodeConfig(decoded);
  file.fill(0xff);
  expect(encodeConfig(decoded)).toEqual(before);
});
