import { describe, expect, test } from "vitest";
import { q35 } from "../boards/q35.ts";
import { rootShared } from "../builders/memory.ts";
import { sharedMemoryRegions } from "../builders/shared-memory.ts";
import { demoCell } from "../demos/index.ts";
import { type Finding, formatFinding } from "../finding.ts";
import { REVISIONS } from "../releases.ts";
import type { CellConfig, MemoryRegion, PciDevice, Revision } from "../types.ts";
import { checkLinks } from "./check.ts";

/** ivshmem-demo with its device and one of its regions changed. */
function changed(
  revision: Revision,
  device: Partial<PciDevice> = {},
  region: readonly [number, Partial<MemoryRegion>] = [0, {}],
  cell: Partial<CellConfig> = {},
): CellConfig {
  const config = demoCell("ivshmem-demo", revision);
  const [index, change] = region;
  return {
    ...config,
    memoryRegions: config.memoryRegions.map((each, at) =>
      at === index ? { ...each, ...change } : each,
    ),
    pciDevices: config.pciDevices.map((each) => ({ ...each, ...device })),
    ...cell,
  };
}

const check = (revision: Revision, ...cells: CellConfig[]): Finding[] =>
  checkLinks(q35(revision), cells).filter(({ rule }) => !rule.startsWith("a register BAR smaller"));

/** All regions of a device for 64 peers, end 12, behind one another. */
function manyRegions(): Partial<CellConfig> {
  const link = { base: 0x3f0f_0000, commonBytes: 0x9000, outputBytes: 0x2000, peers: 64 };
  return { memoryRegions: sharedMemoryRegions(link, 12, true) };
}

const flagsOf = (revision: Revision, index: number) =>
  demoCell("ivshmem-demo", revision).memoryRegions[index].flags;

describe("shipped configurations", () => {
  test.each(REVISIONS)("revision %i", (revision) => {
    const cells = [demoCell("ivshmem-demo", revision), demoCell("linux-x86-demo", revision)];
    const found = checkLinks(q35(revision), cells);
    // version 1 had register BARs of 256 bytes; both of root's are found
    expect(found.map(({ places }) => places[0].value)).toEqual(
      revision < 12 ? ["0xffffff00", "0xffffff00"] : [],
    );
  });
});

test("a BAR that Linux cannot map", () => {
  const [finding] = checkLinks(q35(9), []);
  expect(formatFinding(finding)).toBe(
    "warning: a register BAR smaller than a page may be placed within one, such as at 0xc0000200 " +
      "(read as 0xc0000204), where Linux cannot map it into an application: " +
      '"QEMU-VM" pciDevices[7].barMask[0] is 0xffffff00; set barMask[0] to 0xfffff000',
  );
});

type Case = readonly [
  string,
  readonly CellConfig[],
  readonly (readonly [Finding["severity"], RegExp, readonly string[]])[],
];

const v1: Case[] = [
  [
    "no such region",
    [changed(9, { shmemRegionsStart: 3 })],
    [["error", /index of a memory region/, ["pciDevices[0].shmemRegionsStart"]]],
  ],
  [
    "another size",
    [changed(9, {}, [2, { size: 0x2000n }])],
    [["error", /same memory/, ["memoryRegions[15].size", "memoryRegions[2].size"]]],
  ],
  [
    "another address",
    [changed(9, {}, [2, { physStart: 0x3f1f_e000n }])],
    [["error", /same memory/, ["memoryRegions[15].physStart", "memoryRegions[2].physStart"]]],
  ],
  [
    "another protocol",
    [changed(9, { shmemProtocol: 0x100 })],
    [["error", /same protocol/, ["pciDevices[8].shmemProtocol", "pciDevices[0].shmemProtocol"]]],
  ],
  [
    "a third end",
    [changed(9), changed(9, {}, [0, {}], { name: "third" })],
    [
      [
        "error",
        /two ends: "QEMU-VM" and "ivshmem-demo" have 00:0f.0/,
        ["pciDevices[0].bdf", "pciDevices[0].bdf"],
      ],
    ],
  ],
  [
    "without ROOTSHARED",
    [changed(9, {}, [2, { flags: { ...flagsOf(9, 2), rootShared: false } }])],
    [
      [
        "warning",
        /must be ROOTSHARED: else root loses it/,
        ["memoryRegions[2].flags", "memoryRegions[15].physStart"],
      ],
    ],
  ],
  [
    "no right to write",
    [changed(9, {}, [2, { flags: rootShared({ phys: 0, sizeBytes: 0, writable: false }).flags }])],
    [["warning", /read and write/, ["memoryRegions[2].flags"]]],
  ],
  [
    "no whole page",
    [changed(9, {}, [2, { virtStart: 0x3f1f_f200n }])],
    [["warning", /whole pages/, ["memoryRegions[2].virtStart"]]],
  ],
  [
    "a mask with a hole",
    [changed(9, { barMask: [0xffff_0f00, 0xffff_ffff, 0, 0, 0, 0] })],
    [["warning", /power of two/, ["pciDevices[0].barMask[0]"]]],
  ],
];

const v2: Case[] = [
  [
    "regions missing",
    [changed(12, { shmemRegionsStart: 3 })],
    [["error", /3 peers has 5 regions/, ["pciDevices[0].shmemRegionsStart"]]],
  ],
  [
    "too many vectors",
    [changed(12, { numMsixVectors: 17 })],
    [["error", /at most 16/, ["pciDevices[0].numMsixVectors"]]],
  ],
  [
    "number too high",
    [changed(12, { shmemDevId: 12 }, [3, { flags: flagsOf(12, 2) }])],
    [["error", /0 to 11/, ["pciDevices[0].shmemDevId"]]],
  ],
  [
    "more ends than Jailhouse has",
    [changed(12, { shmemDevId: 12, shmemPeers: 64 }, [0, {}], manyRegions())],
    [
      ["warning", /Jailhouse itself connects ends 0 to 11 only/, ["pciDevices[0].shmemDevId"]],
      ["warning", /same number of peers/, ["pciDevices[9].shmemPeers", "pciDevices[0].shmemPeers"]],
    ],
  ],
  [
    "number of root",
    [changed(12, { shmemDevId: 0 })],
    [
      ["warning", /own output only/, ["memoryRegions[2].flags"]],
      ["warning", /own output only/, ["memoryRegions[3].flags"]],
      ["error", /number of its own/, ["pciDevices[9].shmemDevId", "pciDevices[0].shmemDevId"]],
    ],
  ],
  [
    "number beyond the peers",
    [changed(12, { shmemDevId: 3 }, [3, { flags: flagsOf(12, 2) }])],
    [
      [
        "warning",
        /below the number of peers/,
        ["pciDevices[0].shmemDevId", "pciDevices[0].shmemPeers"],
      ],
    ],
  ],
  [
    "other peers",
    [changed(12, { shmemPeers: 2 })],
    [["warning", /same number of peers/, ["pciDevices[9].shmemPeers", "pciDevices[0].shmemPeers"]]],
  ],
  [
    "another protocol",
    [changed(12, { shmemProtocol: 1 })],
    [["warning", /same protocol/, ["pciDevices[9].shmemProtocol", "pciDevices[0].shmemProtocol"]]],
  ],
  [
    "another state table",
    [changed(12, {}, [0, { physStart: 0x3f0e_f000n }])],
    [["warning", /its state table/, ["memoryRegions[8].physStart", "memoryRegions[0].physStart"]]],
  ],
  [
    "a gap",
    [changed(12, {}, [4, { virtStart: 0x3f10_0000n }])],
    [["warning", /without gaps/, ["memoryRegions[4].virtStart"]]],
  ],
  [
    "without ROOTSHARED",
    [changed(12, {}, [1, { flags: { ...flagsOf(12, 1), rootShared: false } }])],
    [["warning", /else root loses it/, ["memoryRegions[1].flags", "memoryRegions[9].physStart"]]],
  ],
];

describe.each([
  [9, v1],
  [12, v2],
] as const)("revision %i", (revision, cases) => {
  test.each(cases)("%s", (_, cells, expected) => {
    const found = check(revision, ...cells);
    expect(
      found.map(({ severity, places }) => [severity, places.map(({ field }) => field)]),
    ).toEqual(expected.map(([severity, , fields]) => [severity, fields]));
    for (const [index, [, rule]] of expected.entries()) expect(found[index].rule).toMatch(rule);
  });
});

test("two cells that share without root", () => {
  const flags = { ...flagsOf(9, 2), rootShared: false };
  const ends = ["a", "b"].map((name) => changed(9, { bdf: 0x68 }, [2, { flags }], { name }));
  expect(check(9, ends[0])).toEqual([]);
  expect(check(9, ...ends).map(({ rule, places }) => [rule.slice(-50), places[0].cell])).toEqual([
    ["goes to the root cell when the first of them is destroyed".slice(-50), "a"],
    ["goes to the root cell when the first of them is destroyed".slice(-50), "b"],
  ]);
});

test("the two sides of virtio agree", () => {
  const [block] = q35(12).rootCell.pciDevices.filter(({ type }) => type === "ivshmem");
  expect(block.shmemProtocol).toBe(0xc002);
  expect(demoCell("linux-x86-demo", 12).pciDevices[0].shmemProtocol).toBe(0x8002);
});
