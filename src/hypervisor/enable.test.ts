import { describe, expect, test } from "vitest";
import { q35 } from "../config/boards/q35.ts";
import type { Revision, X86Platform } from "../config/types.ts";
import { READ } from "../engine/vcpu.ts";
import { enabled, errnoOf, TestMachine } from "./testing/machine.ts";

function x86(revision: Revision, change: Partial<X86Platform>): { platform: X86Platform } {
  const { platform } = q35(revision);
  if (platform.kind !== "x86") throw new Error("not x86");
  return { platform: { ...platform, ...change } };
}

const PROCESSORS = [
  "Initializing processors:",
  " CPU 0... (APIC ID 0) OK",
  " CPU 1... (APIC ID 1) OK",
  " CPU 2... (APIC ID 2) OK",
  " CPU 3... (APIC ID 3) OK",
];

/** Counts depend on the build: only their places are compared. */
function withoutCounts(lines: readonly string[]): string[] {
  return lines.map((line) =>
    line.startsWith("Page pool usage") ? line.replace(/\d+\/\d+/g, "N/N") : line,
  );
}

describe("messages", () => {
  test("of v0.12, with unit headings", () => {
    const machine = new TestMachine(12);
    machine.enable();
    expect(withoutCounts(machine.lines)).toEqual([
      "",
      "Initializing Jailhouse hypervisor v0.12 on CPU 0",
      "Code location: 0xfffffffff0000050",
      "Using x2APIC",
      "Page pool usage after early setup: mem N/N, remap N/N",
      ...PROCESSORS,
      "Initializing unit: VT-d",
      "DMAR unit @0xfed90000/0x1000",
      "Reserving 24 interrupt(s) for device ff:00.0 at index 0",
      "Initializing unit: IOAPIC",
      "Initializing unit: Test device",
      "Initializing unit: Cache Allocation Technology",
      "Initializing unit: PCI",
      'Adding PCI device 00:01.0 to cell "QEMU-VM"',
      'Adding PCI device 00:02.0 to cell "QEMU-VM"',
      "Reserving 5 interrupt(s) for device 00:02.0 at index 24",
      'Adding PCI device 00:1b.0 to cell "QEMU-VM"',
      "Reserving 1 interrupt(s) for device 00:1b.0 at index 29",
      'Adding PCI device 00:1f.0 to cell "QEMU-VM"',
      'Adding PCI device 00:1f.2 to cell "QEMU-VM"',
      "Reserving 1 interrupt(s) for device 00:1f.2 at index 30",
      'Adding PCI device 00:1f.3 to cell "QEMU-VM"',
      'Adding PCI device 00:1f.7 to cell "QEMU-VM"',
      "Reserving 2 interrupt(s) for device 00:1f.7 at index 31",
      'Adding virtual PCI device 00:0c.0 to cell "QEMU-VM"',
      'Adding virtual PCI device 00:0d.0 to cell "QEMU-VM"',
      'Adding virtual PCI device 00:0e.0 to cell "QEMU-VM"',
      'Adding virtual PCI device 00:0f.0 to cell "QEMU-VM"',
      "Page pool usage after late setup: mem N/N, remap N/N",
      "Activating hypervisor",
    ]);
  });

  test("of v0.6, without", () => {
    const machine = new TestMachine(3, x86(3, { apicMode: "xapic" }));
    machine.enable();
    const lines = withoutCounts(machine.lines);
    expect(lines.slice(0, 12)).toEqual([
      "",
      "Initializing Jailhouse hypervisor v0.6 on CPU 0",
      "Code location: 0xfffffffff0000040",
      "Using xAPIC",
      "Page pool usage after early setup: mem N/N, remap N/N",
      ...PROCESSORS,
      "DMAR unit @0xfed90000/0x1000",
      "Reserving 24 interrupt(s) for device ff00 at index 0",
    ]);
    expect(lines.some((line) => line.startsWith("Initializing unit"))).toBe(false);
  });

  test.each([
    [4, "v0.7", "50"],
    [8, "v0.8", "60"],
    [9, "v0.9", "60"],
    [10, "v0.11", "50"],
    [14, "v0.12 (master)", "50"],
  ] as const)("revision %i is %s", (revision, version, offset) => {
    const machine = new TestMachine(revision);
    machine.enable();
    expect(machine.lines[1]).toBe(`Initializing Jailhouse hypervisor ${version} on CPU 0`);
    expect(machine.lines[2]).toBe(`Code location: 0xfffffffff00000${offset}`);
  });
});

describe("figures of the pools (section 11)", () => {
  test.each([
    [9, 4 * 4, 64],
    [10, 4 * 6, 0],
  ] as const)("revision %i", (revision, cpuPages, remapUsed) => {
    const { core } = enabled(revision).hypervisor;
    // three pages of the six MiB are not in the pool; configuration and bitmap take one each or more
    expect(core.pool.size).toBe(0x600000 / 4096 - 3);
    expect(core.pool.used).toBeGreaterThanOrEqual(cpuPages + 2);
    expect(core.remapPool).toEqual({ size: 131072, used: remapUsed });
  });
});

describe("refusals", () => {
  const cases: [string, Revision, Partial<ReturnType<typeof q35>>, string][] = [
    ["no CPU", 12, { rootCell: { ...q35(12).rootCell, cpus: [] } }, "EINVAL"],
    [
      "fewer CPUs than the machine",
      12,
      { rootCell: { ...q35(12).rootCell, cpus: [0, 1] } },
      "EINVAL",
    ],
    ["v0.6 without PM timer", 3, x86(3, { pmTimerAddress: 0 }), "EINVAL"],
    ["v0.8 without PM timer", 8, x86(8, { pmTimerAddress: 0 }), "success"],
    ["32768 interrupts", 12, x86(12, { vtdInterruptLimit: 32768 }), "success"],
    ["more interrupts", 12, x86(12, { vtdInterruptLimit: 32769 }), "EINVAL"],
    ["no IOMMU", 12, x86(12, { iommuUnits: [] }), "EINVAL"],
    [
      "memory that is not RAM",
      12,
      { hypervisorMemory: { ...q35(12).hypervisorMemory, physStart: 0x4000_0000n } },
      "EINVAL",
    ],
    [
      "too little memory",
      12,
      { hypervisorMemory: { ...q35(12).hypervisorMemory, size: 0x10000n } },
      "EINVAL",
    ],
  ];
  test.each(cases)("%s", (_, revision, change, errno) => {
    expect(errnoOf(new TestMachine(revision, change).enable())).toBe(errno);
  });

  test("an IOMMU of another vendor, from v0.12 on", () => {
    const unit = { type: "amd" as const };
    const units = (revision: Revision) =>
      x86(revision, {
        iommuUnits: (q35(revision).platform as X86Platform).iommuUnits.map((u) => ({
          ...u,
          ...unit,
        })),
      });
    expect(errnoOf(new TestMachine(12, units(12)).enable())).toBe("EINVAL");
  });

  test("a second hypervisor, until the first is disabled", () => {
    const machine = enabled();
    expect(errnoOf(machine.enable())).toBe("EBUSY");
    machine.now(machine.hypervisor.disable());
    expect(errnoOf(machine.enable())).toBe("success");
  });

  test("APICs in the wrong mode", () => {
    expect(
      errnoOf(
        new TestMachine(12, x86(12, { apicMode: "x2apic" })).enable({ rootApicMode: "xapic" }),
      ),
    ).toBe("EIO");
  });
});

describe("root's view of the hypervisor's memory", () => {
  test("is zeros, read-only, but for the console page", () => {
    const machine = enabled(12);
    const { root } = machine.hypervisor.core;
    const first = root.map.find(0x3a00_0000);
    const last = root.map.find(0x3a5f_f123);
    expect(first?.rights).toBe(READ);
    expect(first?.host).toBe(last?.host);
    expect(machine.board.memory.bytes(first?.host ?? 0, 4096).every((byte) => byte === 0)).toBe(
      true,
    );
    const pages = Array.from({ length: 0x600 }, (_, n) => root.map.find(0x3a00_0000 + n * 4096));
    const others = pages.filter((page) => page?.host !== first?.host);
    expect(others.length).toBe(1);
    const text = new TextDecoder().decode(
      machine.board.memory.bytes((others[0]?.host ?? 0) + 8, 40),
    );
    expect(text.startsWith("\nInitializing Jailhouse hypervisor v0.12")).toBe(true);
  });

  test("has no console page in v0.6", () => {
    const { root } = enabled(3).hypervisor.core;
    const hosts = Array.from(
      { length: 0x600 },
      (_, n) => root.map.find(0x3b00_0000 + n * 4096)?.host,
    );
    expect(new Set(hosts).size).toBe(1);
  });
});
