/** Shared-memory device, version 2: the tables of the ivshmem document, section 2. */
import { describe, expect, test } from "vitest";
import { linkEnd } from "../../config/boards/q35-links.ts";
import type { CellConfig, PciDevice, Revision } from "../../config/types.ts";
import { demo, enabled, errnoOf, expectOk, type TestMachine } from "../testing/machine.ts";
import { PciGuest } from "../testing/pci-guest.ts";

const BDF = 0x70;
const REGISTERS = 0xff00_0000;
const TABLE = 0xff00_1000;
const STATES = 0x3f0f_0000;

const ID = REGISTERS + 0x00;
const MAX_PEERS = REGISTERS + 0x04;
const INT_CTRL = REGISTERS + 0x08;
const DOORBELL = REGISTERS + 0x0c;
const STATE = REGISTERS + 0x10;

/** End 1 or 2 of the board's link for demos; root has end 0. */
function cellOf(
  name: string,
  id: number,
  device: Partial<PciDevice> = {},
  revision: Revision = 12,
): CellConfig {
  const config = demo("ivshmem-demo", revision, { name, cpus: [id] });
  const { regions } = linkEnd("demo", id, revision);
  return {
    ...config,
    memoryRegions: [...regions, ...config.memoryRegions.slice(regions.length)],
    pciDevices: config.pciDevices.map((each) => ({ ...each, shmemDevId: id, ...device })),
  };
}

/** Puts the BARs in place, switches the device on, and vectors 0 to 3 to 0x40 ... 0x43. */
function open(guest: PciGuest): PciGuest {
  guest.enableApic();
  guest.configWrite(0x10, REGISTERS);
  guest.configWrite(0x14, TABLE);
  guest.configWrite(0x04, 0x6, 2);
  guest.configWrite(0x62, 0x8000, 2);
  for (const vector of [0, 1, 2, 3]) guest.programVector(TABLE + 16 * vector, 0x40 + vector);
  guest.store(INT_CTRL, 1);
  return guest;
}

function single(device: Partial<PciDevice> = {}, revision: Revision = 12): PciGuest {
  const machine = enabled(revision);
  machine.startCell(cellOf("a", 1, device, revision));
  return new PciGuest(machine, 1, device.bdf ?? (revision === 14 ? 0x100 | BDF : BDF));
}

function pair() {
  const machine = enabled(12);
  machine.startCell(cellOf("a", 1));
  machine.startCell(cellOf("b", 2));
  const [a, b] = [1, 2].map((cpu) => open(new PciGuest(machine, cpu, BDF)));
  return { machine, a, b };
}

describe("assignment (2.1)", () => {
  const create = (machine: TestMachine, config: CellConfig) =>
    machine.now(machine.hypervisor.createCell(config));

  test("the console names the peers by their numbers", () => {
    const machine = enabled(12);
    expectOk(create(machine, cellOf("b", 2)));
    machine.newLines();
    expectOk(create(machine, cellOf("a", 1)));
    expect(machine.newLines().slice(0, 4)).toEqual([
      'Adding virtual PCI device 00:0e.0 to cell "a"',
      "Shared memory connection established, peer cells:",
      ' "QEMU-VM"',
      ' "b"',
    ]);
  });

  test.each<[string, Partial<PciDevice>, string, regions?: number]>([
    ["regions missing", { shmemRegionsStart: 3 }, "EINVAL"],
    ["exactly enough", { shmemRegionsStart: 2 }, "success"],
    ["17 vectors", { numMsixVectors: 17 }, "EINVAL"],
    ["id 12", { shmemDevId: 12 }, "EINVAL"],
    ["id 11", { shmemDevId: 11 }, "success"],
    ["id 63 of 64", { shmemDevId: 63, shmemPeers: 64 }, "success", 66],
    ["id 64", { shmemDevId: 64, shmemPeers: 65 }, "EINVAL", 67],
    ["id 12 of 12", { shmemDevId: 12, shmemPeers: 12 }, "EINVAL", 14],
    ["id of root", { shmemDevId: 0 }, "EBUSY"],
    ["all of it wrong: the regions come first", { shmemRegionsStart: 9, shmemDevId: 0 }, "EINVAL"],
  ])("%s", (_, device, errno, regions = 0) => {
    const machine = enabled(12);
    const { pool } = machine.hypervisor.core;
    const used = pool.used;
    const config = cellOf("a", 1, device);
    const more = Array.from({ length: regions }, () => ({ ...config.memoryRegions[0], size: 0n }));
    const memoryRegions = [...config.memoryRegions, ...more];
    expect(errnoOf(create(machine, { ...config, memoryRegions }))).toBe(errno);
    if (errno !== "success") expect(pool.used).toBe(used);
  });

  test("no memory for a link", () => {
    const machine = enabled(12);
    const { pool } = machine.hypervisor.core;
    // the cell itself takes two pages
    pool.allocate(pool.size - pool.used - 2);
    expect(errnoOf(create(machine, cellOf("a", 1, { bdf: 0x50 })))).toBe("ENOMEM");
    expect(pool.used).toBe(pool.size - 2);
    expect(errnoOf(create(machine, cellOf("a", 1)))).toBe("success");
  });
});

describe("configuration space (2.2)", () => {
  const content: [number, 1 | 2 | 4, number][] = [
    [0x00, 4, 0x4106_110a],
    [0x04, 4, 0x0010_0000],
    [0x08, 4, 0xff12_3400],
    [0x0c, 4, 0],
    [0x10, 4, 0],
    [0x14, 4, 0],
    [0x24, 4, 0],
    [0x28, 4, 0],
    [0x2c, 4, 0x4106_110a],
    [0x30, 4, 0],
    [0x34, 4, 0x40],
    [0x3c, 4, 0],
    [0x40, 4, 0x0020_6009],
    [0x44, 4, 0x1000],
    [0x48, 4, 0x9000],
    [0x4c, 4, 0],
    [0x50, 4, 0x2000],
    [0x54, 4, 0],
    [0x58, 4, 0x3f0f_0000],
    [0x5c, 4, 0],
    [0x60, 4, 0x000f_0011],
    [0x64, 4, 0x0000_0001],
    [0x68, 4, 0x0000_0101],
    [0x6c, 4, 0],
    [0x7c, 4, 0],
    [0x80, 4, 0xffff_ffff],
  ];
  test.each(content)("%i, %i bytes", (register, width, value) => {
    expect(single({ shmemProtocol: 0x1234 }).configRead(register, width)).toBe(value);
  });

  test("without MSI-X", () => {
    const guest = single({ numMsixVectors: 0 });
    expect(guest.configRead(0x40)).toBe(0x0020_0009);
    expect(guest.configRead(0x3d, 1)).toBe(3); // device 14
  });

  const writes: [number, 1 | 2 | 4, number, number | "fatal"][] = [
    [0x00, 2, 0, "fatal"],
    [0x04, 2, 0xffff, 0x0406],
    [0x05, 1, 0xff, 0x04],
    [0x06, 2, 0xffff, 0x0010],
    [0x08, 1, 0, "fatal"],
    [0x0c, 4, 0xffff_ffff, 0],
    [0x10, 4, 0xffff_ffff, 0xffff_f000],
    [0x14, 4, 0xffff_ffff, 0xffff_fe00],
    [0x18, 4, 0xffff_ffff, 0],
    [0x2c, 4, 0, "fatal"],
    [0x30, 4, 0xffff_ffff, 0],
    [0x34, 1, 0, "fatal"],
    [0x3c, 1, 9, 0],
    [0x3d, 1, 9, "fatal"],
    [0x40, 1, 0, 0x09],
    [0x41, 2, 0, 0x2060],
    [0x43, 1, 0xff, 0x01],
    [0x44, 4, 0, 0x1000],
    [0x58, 4, 0, 0x3f0f_0000],
    [0x60, 2, 0xffff, 0x0011],
    [0x62, 2, 0xffff, 0xc00f],
    [0x64, 4, 0, 1],
    [0x7c, 4, 1, 0],
    [0x80, 4, 0, "fatal"],
    [0xff, 1, 0, "fatal"],
  ];
  test.each(writes)("write of %i, %i bytes", (register, width, value, expected) => {
    const guest = single();
    const lines = guest.configWrite(register, value, width);
    expect(lines.length > 0).toBe(expected === "fatal");
    if (expected !== "fatal") expect(guest.configRead(register, width)).toBe(expected);
  });
});

describe("BARs (2.3)", () => {
  test("the register BAR is as large as its mask says, the table 0x200 bytes", () => {
    expect(open(single()).load(REGISTERS + 0xffc)).toBe(0);
    expect(open(single()).store(REGISTERS + 0x1200, 0)[0]).toMatch(/Invalid MMIO/);
    const large = single({ barMask: [0xffff_0000, 0xffff_0000, 0, 0, 0, 0] });
    large.configWrite(0x10, 0xff00_0000);
    large.configWrite(0x14, 0xff01_0000);
    large.configWrite(0x04, 2, 2);
    expect(large.load(0xff00_fffc)).toBe(0);
    expect(large.load(0xff01_01fc)).toBe(0);
    expect(large.store(0xff01_0200, 0)[0]).toMatch(/^FATAL: Invalid MMIO\/RAM write/);
  });
});

describe("registers (2.4)", () => {
  test("values, and what is ignored", () => {
    const guest = open(single());
    expect([ID, MAX_PEERS, INT_CTRL, DOORBELL, STATE].map((at) => guest.load(at))).toEqual([
      1, 3, 1, 0, 0,
    ]);
    for (const at of [ID, MAX_PEERS, REGISTERS + 0x14, REGISTERS + 0x12])
      expect(guest.store(at, 0xffff_ffff)).toEqual([]);
    guest.store(INT_CTRL, 0xffff_fffe);
    expect([ID, MAX_PEERS, INT_CTRL, REGISTERS + 0x14].map((at) => guest.load(at))).toEqual([
      1, 3, 0, 0,
    ]);
  });

  test("doorbell: vector and target", () => {
    const { a, b } = pair();
    const rung: [number, number[], number[]][] = [
      [0x0002_0003, [], [0x43]],
      [0x0002_0000, [], [0x40]],
      [0x0001_0002, [0x42], []],
      [0x0002_0010, [], []],
      [0x0003_0000, [], []],
      [0x000c_0000, [], []],
      [0xffff_0000, [], []],
    ];
    for (const [value, own, peer] of rung) {
      a.store(DOORBELL, value);
      expect([value, a.interrupts(), b.interrupts()]).toEqual([value, own, peer]);
    }
  });

  test("a state stands in the table, and its changes interrupt the others", () => {
    const { machine, a, b } = pair();
    const table = machine.board.memory.u32;
    expect([...table.subarray(STATES / 4, STATES / 4 + 3)]).toEqual([0, 0, 0]);
    a.store(STATE, 0x1234_5678);
    expect(a.load(STATE)).toBe(0x1234_5678);
    expect(table[STATES / 4 + 1]).toBe(0x1234_5678);
    expect([a.interrupts(), b.interrupts()]).toEqual([[], [0x40]]);
    table[STATES / 4 + 1] = 0;
    a.store(STATE, 0x1234_5678);
    expect(table[STATES / 4 + 1]).toBe(0x1234_5678);
    expect(b.interrupts()).toEqual([]);
  });

  test("an end beyond the sender's number of peers is not told of its state", () => {
    const machine = enabled(12);
    machine.startCell(cellOf("a", 1, { shmemPeers: 2 }));
    machine.startCell(cellOf("b", 2));
    const [a, b] = [1, 2].map((cpu) => open(new PciGuest(machine, cpu, BDF)));
    a.store(STATE, 1);
    expect(b.interrupts()).toEqual([]);
    a.store(DOORBELL, 0x0002_0000);
    expect(b.interrupts()).toEqual([0x40]);
  });

  test("INT_CTRL off loses interrupts; one shot switches it off", () => {
    const { a, b } = pair();
    const ring = () => {
      a.store(DOORBELL, 0x0002_0001);
      return b.interrupts();
    };
    b.store(INT_CTRL, 0);
    expect(ring()).toEqual([]);
    b.store(INT_CTRL, 1);
    expect(b.interrupts()).toEqual([]);
    expect(ring()).toEqual([0x41]);
    expect(b.load(INT_CTRL)).toBe(1);
    b.configWrite(0x43, 1, 1);
    expect(ring()).toEqual([0x41]);
    expect(b.load(INT_CTRL)).toBe(0);
    expect(ring()).toEqual([]);
    b.store(INT_CTRL, 1);
    b.store(TABLE + 16 + 12, 1);
    expect(ring()).toEqual([]);
    expect(b.load(INT_CTRL)).toBe(0);
  });

  test("without MSI-X there is one vector to ring, and nothing to receive", () => {
    const machine = enabled(12);
    machine.startCell(cellOf("a", 1, { numMsixVectors: 0 }));
    machine.startCell(cellOf("b", 2));
    const a = new PciGuest(machine, 1, BDF);
    a.enableApic();
    a.configWrite(0x10, REGISTERS);
    a.configWrite(0x04, 6, 2);
    a.store(INT_CTRL, 1);
    const b = open(new PciGuest(machine, 2, BDF));
    a.store(DOORBELL, 0x0002_0000);
    a.store(DOORBELL, 0x0002_0001);
    expect(b.interrupts()).toEqual([0x40]);
    b.store(DOORBELL, 0x0001_0000);
    expect(a.interrupts()).toEqual([]);
  });
});

describe("MSI-X (2.5)", () => {
  const invalid = (bus: string) => `FATAL: Invalid PCI MSI-X table/PBA access, device ${bus}:0e.0`;
  test.each<[string, Partial<PciDevice>, number, "read" | "write"]>([
    ["a vector it has not, read", { numMsixVectors: 2 }, 0x20, "read"],
    ["a vector it has not, write", { numMsixVectors: 2 }, 0x20, "write"],
    ["pending bits", {}, 0x100, "write"],
    ["last pending bits", {}, 0x1fc, "write"],
    ["unaligned", {}, 0x02, "read"],
  ])("%s", (_, device, offset, direction) => {
    const guest = single(device);
    guest.configWrite(0x14, TABLE);
    guest.configWrite(0x04, 2, 2);
    const lines = guest.execute((v) =>
      direction === "read" ? v.load8(TABLE + offset, 2) : v.store(TABLE + offset, 0),
    );
    expect(lines).toEqual([invalid("00")]);
  });

  test("all vectors start masked", () => {
    const guest = single();
    guest.configWrite(0x14, TABLE);
    guest.configWrite(0x04, 2, 2);
    for (let vector = 0; vector < 16; vector++)
      expect(guest.load(TABLE + 16 * vector + 12)).toBe(1);
    expect(guest.load(TABLE + 0x100)).toBe(0);
  });

  test("what is masked is lost, by each of the switches", () => {
    const { a, b } = pair();
    const ring = () => {
      a.store(DOORBELL, 0x0002_0003);
      return b.interrupts();
    };
    const entry = TABLE + 16 * 3;
    const switches: [() => void, () => void][] = [
      [() => b.store(entry + 12, 1), () => b.store(entry + 12, 0)],
      [() => b.configWrite(0x62, 0xc000, 2), () => b.configWrite(0x62, 0x8000, 2)],
      [() => b.configWrite(0x62, 0, 2), () => b.configWrite(0x62, 0x8000, 2)],
      [() => b.configWrite(0x04, 2, 2), () => b.configWrite(0x04, 6, 2)],
      [() => b.store(entry, 0xfed0_2000), () => b.store(entry, 0xfee0_2000)],
    ];
    for (const [off, on] of switches) {
      off();
      expect(ring()).toEqual([]);
      expect(b.load(TABLE + 0x100)).toBe(0);
      on();
      expect(b.interrupts()).toEqual([]);
      expect(ring()).toEqual([0x43]);
    }
  });

  test("a destination outside the cell", () => {
    const guest = open(single());
    expect(guest.store(TABLE + 32, 0xfee0_3000)).toEqual([
      'FATAL: ivshmem MSI-X target outside of cell "a" device 00:0e.0',
    ]);
  });
});

describe("life cycle (2.7)", () => {
  test.each([
    ["start", (machine: TestMachine) => machine.hypervisor.startCell("a")],
    ["set-loadable", (machine: TestMachine) => machine.hypervisor.setLoadable("a")],
  ])("%s resets the device and its state", (_, request) => {
    const { machine, a, b } = pair();
    const table = machine.board.memory.u32;
    a.store(STATE, 5);
    b.interrupts();
    expectOk(machine.now(request(machine)));
    expect(table[STATES / 4 + 1]).toBe(0);
    expect(b.interrupts()).toEqual([0x40]);
    expectOk(machine.now(machine.hypervisor.startCell("a")));
    expect(b.interrupts()).toEqual([]);
    expect(a.configRead(0x10)).toBe(0);
    b.store(DOORBELL, 0x0001_0000);
    expect(a.interrupts()).toEqual([]);
  });

  test("an end goes, its number is free", () => {
    const { machine, a, b } = pair();
    a.store(STATE, 5);
    b.interrupts();
    expectOk(machine.now(machine.hypervisor.destroyCell("a")));
    expect(machine.board.memory.u32[STATES / 4 + 1]).toBe(0);
    expect(b.interrupts()).toEqual([0x40]);
    expect(b.store(DOORBELL, 0x0001_0000)).toEqual([]);
    machine.startCell(cellOf("c", 1));
    const c = open(new PciGuest(machine, 1, BDF));
    expectOk(machine.now(machine.hypervisor.destroyCell("b")));
    expect(c.interrupts()).toEqual([]);
  });

  test.each([
    [12, [7, 0, 9]],
    [14, [0, 0, 0]],
  ] as const)("revision %i, the first end finds the table", (revision, left) => {
    const machine = enabled(revision);
    const table = machine.board.memory.u32;
    table.set([7, 8, 9], STATES / 4);
    // on a link of its own
    machine.startCell(cellOf("a", 1, { bdf: 0x50 }, revision));
    expect([...table.subarray(STATES / 4, STATES / 4 + 3)]).toEqual(left);
  });

  test("root's devices are there from the beginning, behind a bridge from revision 14 on", () => {
    const machine = enabled(14);
    expect(machine.hypervisor.rootLinks).toEqual([0x160, 0x168, 0x170, 0x178]);
    expect(single({}, 14).configRead(0)).toBe(0x4106_110a);
  });
});
