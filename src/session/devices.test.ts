import { describe, expect, it } from "vitest";
import type { CellConfig } from "../config/index.ts";
import { demoCell, q35 } from "../config/index.ts";
import { resolveDevices, type ScenarioDevice } from "./devices.ts";
import { ScenarioError } from "./scenario.ts";

const resolve = (devices: ScenarioDevice[], ...cells: CellConfig[]) =>
  resolveDevices(devices, q35(), cells);
const nic = demoCell("e1000-demo");
const NIC: ScenarioDevice = { kind: "e1000", bdf: "00:19.0" };
const SECOND: ScenarioDevice = { kind: "e1000", bdf: "00:1a.0", bar0: 0xfebe0000 };
const HDA: ScenarioDevice = { kind: "intel-hda", bdf: "00:1b.0" };

describe("devices of a scenario", () => {
  it("stand where the cell that lists them has its regions", () => {
    expect(resolve([HDA], demoCell("pci-demo"))).toEqual([
      { kind: "intel-hda", bdf: 0xd8, bar0: 0xfebd4000 },
    ]);
    expect(resolveDevices([HDA], q35(3), [demoCell("pci-demo", 3)])).toMatchObject([
      { bar0: 0xfebf0000 },
    ]);
    for (const revision of [3, 12, 14] as const)
      expect(resolveDevices([NIC], q35(revision), [demoCell("e1000-demo", revision)])).toEqual([
        {
          kind: "e1000",
          bdf: 0xc8,
          bar0: 0xfebc0000,
          ioBase: 0xc000,
          mac: Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56),
          wire: "lan",
        },
      ]);
  });

  it("or where they are told to", () => {
    expect(
      resolve([NIC, { ...SECOND, ioBase: 0xc040, mac: "02:00:00:00:00:07", wire: "b" }], nic)[1],
    ).toEqual({
      kind: "e1000",
      bdf: 0xd0,
      bar0: 0xfebe0000,
      ioBase: 0xc040,
      mac: Uint8Array.of(2, 0, 0, 0, 0, 7),
      wire: "b",
    });
    expect(resolve([NIC, SECOND], nic)[1]).toMatchObject({
      ioBase: undefined,
      mac: Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x57),
    });
  });

  it.each<[string, ScenarioDevice[], RegExp]>([
    ["no place", [{ ...NIC, bdf: "19.0" }], /device e1000: "19.0" is not a PCI address/],
    ["the same place", [NIC, { ...HDA, bdf: "00:19.0" }], /intel-hda at 00:19.0: another device/],
    ["no region", [{ ...NIC, bdf: "00:1a.0" }], /no cell lists it, so bar0 must say/],
    [
      "an odd address",
      [{ ...NIC, bar0: 0xfebc1000 }],
      /bar0 0xfebc1000 is not a multiple of 0x20000/,
    ],
    [
      "an odd port",
      [{ ...NIC, ioBase: 0xc010 } as ScenarioDevice],
      /ioBase 0xc010 is not a multiple/,
    ],
    ["a group's address", [{ ...NIC, mac: "01:00:00:00:00:00" } as ScenarioDevice], /mac "01:/],
    ["half an address", [{ ...NIC, mac: "02:00:00" } as ScenarioDevice], /mac "02:00:00" is not/],
    [
      "the same registers",
      [NIC, { ...HDA, bar0: 0xfebd4000 }],
      /at 0xfebd4000 overlap those of device e1000 at 00:19.0 at 0xfebc0000/,
    ],
  ])("with %s are refused", (_, devices, message) => {
    expect(() => resolve(devices, nic)).toThrow(ScenarioError);
    expect(() => resolve(devices, nic)).toThrow(message);
  });

  it("refuse to choose among several regions", () => {
    const [first, ...rest] = nic.memoryRegions;
    const twice = { ...nic, memoryRegions: [first, ...rest, rest[1]] };
    expect(() => resolve([NIC], twice)).toThrow(
      /cell "e1000-demo" lists it with 2 regions of 0x20000 bytes/,
    );
    expect(() => resolve([HDA])).toThrow(/cell "QEMU-VM" lists it with 2 regions of 0x4000 bytes/);
  });
});
