import { describe, expect, test } from "vitest";
import { q35 } from "../boards/q35.ts";
import { encodeConfig } from "../codec/index.ts";
import { REVISIONS } from "../releases.ts";
import type { Config, MemoryRegion, Revision } from "../types.ts";
import type { DemoName } from "./index.ts";
import { DEMO_NAMES, demoCell } from "./index.ts";

const NAMES = [
  "q35",
  "apic-demo",
  "tiny-demo",
  "ioapic-demo",
  "pci-demo",
  "e1000-demo",
  "smp-demo",
  "ivshmem-demo",
  "linux-x86-demo",
] as const;

const config = (name: (typeof NAMES)[number], revision: Revision): Config =>
  name === "q35" ? q35(revision) : demoCell(name, revision);

/**
 * SHA-256 (first 16 digits) of the .cell files that Jailhouse v0.6, v0.7, v0.8, v0.9.1, v0.11, v0.12
 * and its master branch build from their own sources, in the order of NAMES.
 */
const JAILHOUSE: Readonly<Record<Revision, string>> = {
  3: "866840b6c1c3dad3 3605b1879df2699f d38c72ac948c0e5e 2bfb44ab19d5cb10 0ec32c191d914068 c44fa5adc2271850 4de6b5c99ca416f8 0598f2b93dff6c11 abccfeecc6c6e97e",
  4: "a8ab391757b14268 0dacf8220eec089b b586b40b6fea5feb 1f9ddac7fe22123c 2d8a6dcaf61894bb b8b86c06baffff34 8ba46b86af8966f1 ccc1f807744e2b91 e3f9c90ac0338732",
  8: "f194e9cc77b094eb 0382358ec419274c e8d01fe557aba89f 48659a3295c2b912 5417c994e6d0fa57 dc9c1312c97308b6 f2713de63e72b087 154cb392d73afcc8 3a3524ef14907c63",
  9: "206df1809abe696d 93fcc437e401a4aa 3138fd81eb90c171 cdc7240b13e28442 e088d9f72f0a12fa 6181e208cbf9e70b 599e5b2f99c26a5b c5c3febd8aa6ad0c bd729b8d073e4677",
  10: "e88435596a9665c3 867fae48b48ec3de d28b6d2523ff5219 430b52f1a0503b5e 416283f8d12c4ffd ac834b19f73af1bf e3baea7554c818cd 7d5b595d3b6b517a a9ad0483c3a8cc8e",
  12: "4d40b5c4f0b2dc1a ba05c572d64c0eb5 fa5ee3c07ac72055 e21378115275de40 4d9224b89846f7c7 beb81b30c40e7057 ea2efa0a6a9ed350 bd3e3a2aed7086cf 0a30f97431994aaf",
  14: "e5a3a82f9e496d55 a41c42974c9bf245 305841eca64051bc b5027f2b82430df7 5a9e8d53a8b50a4d 7e0f7004e2ff07ca 4bebd275e34b4542 981a27034c29e532 10802aadc6f44757",
};

describe("the encoded board and demos are Jailhouse's own, byte for byte", () => {
  test.each(REVISIONS)("of revision %d", async (revision) => {
    const digests = JAILHOUSE[revision].split(" ");
    expect(digests.length).toBe(NAMES.length);
    for (const [index, name] of NAMES.entries()) {
      const bytes = Uint8Array.from(encodeConfig(config(name, revision)));
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).subarray(0, 8);
      const digits = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
      expect(digits, name).toBe(digests[index]);
    }
  });
});

test("sizes of the files", () => {
  const sizes: [(typeof NAMES)[number], Revision, number][] = [
    ["q35", 3, 9668],
    ["apic-demo", 3, 8356],
    ["tiny-demo", 3, 8356],
    ["ioapic-demo", 3, 8376],
    ["smp-demo", 3, 8344],
    ["pci-demo", 3, 8440],
    ["e1000-demo", 3, 8440],
    ["ivshmem-demo", 3, 8432],
    ["linux-x86-demo", 3, 8524],
    ["q35", 12, 2270],
    ["apic-demo", 12, 228],
    ["tiny-demo", 12, 228],
    ["ioapic-demo", 12, 256],
    ["smp-demo", 12, 216],
    ["pci-demo", 12, 312],
    ["e1000-demo", 12, 316],
    ["ivshmem-demo", 12, 428],
    ["linux-x86-demo", 12, 1108],
    ["q35", 14, 2372],
  ];
  for (const [name, revision, size] of sizes)
    expect(encodeConfig(config(name, revision)).length, `${name} ${revision}`).toBe(size);
});

test("32-bit-demo and fault-demo live in the cell of tiny-demo", () => {
  for (const revision of REVISIONS)
    for (const name of ["32-bit-demo", "fault-demo"] as const)
      expect(demoCell(name, revision)).toEqual({ ...demoCell("tiny-demo", revision), name });
});

describe("every demo fits on the board", () => {
  const end = (region: MemoryRegion) => region.physStart + region.size;

  test.each(REVISIONS)("of revision %d", (revision) => {
    const board = q35(revision);
    const root = board.rootCell;
    for (const name of DEMO_NAMES satisfies readonly DemoName[]) {
      const demo = demoCell(name, revision);
      expect(demo.cpus.every((cpu) => root.cpus.includes(cpu))).toBe(true);
      expect(demo.cpus).not.toContain(0);
      for (const region of demo.memoryRegions) {
        if (!region.flags.loadable) continue;
        const owner = root.memoryRegions.find(
          (owned) => owned.physStart <= region.physStart && end(region) <= end(owned),
        );
        expect(owner?.flags, `${name} at 0x${region.physStart.toString(16)}`).toMatchObject({
          read: true,
          write: true,
          execute: true,
        });
      }
    }
    const hypervisor = board.hypervisorMemory;
    for (const region of root.memoryRegions)
      expect(
        end(region) <= hypervisor.physStart || region.physStart >= end(hypervisor),
        `root region at 0x${region.physStart.toString(16)} beside the hypervisor's memory`,
      ).toBe(true);
  });
});
