/** Shared-memory device, version 1: the tables of the ivshmem document, section 1. */
import { describe, expect, test } from "vitest";
import type { CellConfig, PciDevice, Revision } from "../../config/types.ts";
import { demo, enabled, errnoOf, expectOk, type TestMachine } from "../testing/machine.ts";
import { PciGuest } from "../testing/pci-guest.ts";

/** A function that root does not have. */
const BDF = 0x68;
const REGISTERS = 0x20_0000;
const TABLE = 0x20_1000;

const IVPOS = REGISTERS + 0x08;
const DOORBELL = REGISTERS + 0x0c;
const LSTATE = REGISTERS + 0x10;
const RSTATE = REGISTERS + 0x14;

function cellOf(
  name: string,
  cpu: number,
  device: Partial<PciDevice> = {},
  revision: Revision = 10,
): CellConfig {
  const config = demo("ivshmem-demo", revision, { name, cpus: [cpu] });
  return {
    ...config,
    pciDevices: config.pciDevices.map((each) => ({ ...each, bdf: BDF, ...device })),
  };
}

/** Puts the BARs in place and switches the device on. */
function open(guest: PciGuest): PciGuest {
  guest.enableApic();
  guest.configWrite(0x10, REGISTERS);
  guest.configWrite(0x20, TABLE);
  guest.configWrite(0x04, 0x6, 2);
  guest.configWrite(0x52, 0x8000, 2);
  guest.programVector(TABLE, 0x40);
  return guest;
}

function pair(revision: Revision = 10) {
  const machine = enabled(revision);
  machine.startCell(cellOf("a", 1, {}, revision));
  machine.startCell(cellOf("b", 2, {}, revision));
  return { machine, a: new PciGuest(machine, 1, BDF), b: new PciGuest(machine, 2, BDF) };
}

function single(device: Partial<PciDevice> = {}): PciGuest {
  const machine = enabled(10);
  machine.startCell(cellOf("a", 1, device));
  return new PciGuest(machine, 1, BDF);
}

describe("assignment (1.1)", () => {
  const create = (machine: TestMachine, config: CellConfig) =>
    machine.now(machine.hypervisor.createCell(config));

  test("the console names the two cells", () => {
    const machine = enabled(10);
    expectOk(create(machine, cellOf("a", 1)));
    expectOk(create(machine, cellOf("b", 2)));
    expect(machine.lines.filter((line) => /virtual|Shared/.test(line))).toEqual([
      'Adding virtual PCI device 00:0d.0 to cell "a"',
      'Adding virtual PCI device 00:0d.0 to cell "b"',
      'Shared memory connection established: "b" <--> "a"',
    ]);
  });

  test("root's own end is the first", () => {
    const machine = enabled(10);
    expectOk(create(machine, cellOf("a", 1, { bdf: 0x78 })));
    expect(machine.lines).toContain('Shared memory connection established: "a" <--> "QEMU-VM"');
    const third = create(machine, cellOf("b", 2, { bdf: 0x78 }));
    expect(third).toMatchObject({
      errno: "EBUSY",
      reason:
        'cell "b", shared-memory device 00:0f.0: both ends of the link are taken, by cell "QEMU-VM" and by cell "a"',
    });
  });

  const sharedAt = (change: object) => {
    const config = cellOf("b", 2);
    const memoryRegions = config.memoryRegions.map((region, index) =>
      index === 2 ? { ...region, ...change } : region,
    );
    return { ...config, memoryRegions };
  };
  test.each<[string, CellConfig, string]>([
    ["region", cellOf("b", 2, { shmemRegionsStart: 3 }), "EINVAL"],
    ["address", sharedAt({ physStart: 0x3f1f_e000n }), "EINVAL"],
    ["size", sharedAt({ size: 0x800n }), "EINVAL"],
    ["protocol", cellOf("b", 2, { shmemProtocol: 1 }), "EINVAL"],
    ["guest address may differ", sharedAt({ virtStart: 0x4000_0000n }), "success"],
  ])("%s", (_, config, errno) => {
    const machine = enabled(10);
    expectOk(create(machine, cellOf("a", 1)));
    const used = machine.hypervisor.core.pool.used;
    expect(errnoOf(create(machine, config))).toBe(errno);
    if (errno !== "success") expect(machine.hypervisor.core.pool.used).toBe(used);
  });
});

describe("configuration space (1.2)", () => {
  const content: [number, 1 | 2 | 4, number][] = [
    [0x00, 2, 0x1af4],
    [0x02, 2, 0x1110],
    [0x04, 2, 0x0000],
    [0x06, 2, 0x0010],
    [0x08, 1, 0],
    [0x09, 1, 0x34],
    [0x0a, 1, 0x12],
    [0x0b, 1, 0xff],
    [0x0c, 4, 0],
    [0x10, 4, 0x4],
    [0x14, 4, 0],
    [0x18, 4, 0],
    [0x1c, 4, 0],
    [0x20, 4, 0x4],
    [0x24, 4, 0],
    [0x28, 4, 0],
    [0x2c, 4, 0x1110_1af4],
    [0x30, 4, 0],
    [0x34, 1, 0x50],
    [0x3c, 2, 0],
    [0x40, 4, 0x3f1f_f000],
    [0x44, 4, 0],
    [0x48, 4, 0x1000],
    [0x4c, 4, 0],
    [0x50, 4, 0x0000_0011],
    [0x54, 4, 0x4],
    [0x58, 4, 0x14],
    [0x5c, 4, 0xffff_ffff],
    [0xfd, 1, 0xff],
  ];
  test.each(content)("%i, %i bytes", (register, width, value) => {
    expect(single({ shmemProtocol: 0x1234 }).configRead(register, width)).toBe(value);
  });

  test("without MSI-X", () => {
    const guest = single({ numMsixVectors: 0 });
    expect(guest.configRead(0x34, 1)).toBe(0);
    expect(guest.configRead(0x3d, 1)).toBe(2); // device 13
    expect(guest.configRead(0x20)).toBe(0);
    expect(guest.configRead(0x50)).toBe(0x11);
  });

  test("a read across dwords gives what the first holds", () => {
    const guest = single();
    const base = 0xb000_0000 + BDF * 4096;
    expect(guest.load(base + 1, 4)).toBe(0x0011_101a);
    expect(guest.load(base + 3, 2)).toBe(0x0011);
  });

  const writes: [number, 1 | 2 | 4, number, number | "fatal"][] = [
    [0x00, 2, 0, "fatal"],
    [0x02, 2, 0, "fatal"],
    [0x04, 2, 0xffff, 0x0006],
    [0x04, 1, 0xff, 0x06],
    [0x06, 2, 0xffff, 0x0010],
    [0x04, 4, 0xffff_ffff, 0x0010_0006],
    [0x08, 1, 0, "fatal"],
    [0x09, 2, 0, "fatal"],
    [0x0c, 4, 0xffff_ffff, 0],
    [0x10, 4, 0xffff_ffff, 0xffff_ff04],
    [0x14, 4, 0xffff_ffff, 0xffff_ffff],
    [0x18, 4, 0xffff_ffff, 0],
    [0x20, 4, 0xffff_ffff, 0xffff_ffe4],
    [0x11, 1, 0xab, 0xab],
    [0x28, 4, 0, "fatal"],
    [0x2c, 2, 0, "fatal"],
    [0x2e, 2, 0, "fatal"],
    [0x30, 4, 0xffff_ffff, 0],
    [0x34, 1, 0, "fatal"],
    [0x3c, 1, 0x0b, 0],
    [0x3c, 2, 0, "fatal"],
    [0x3d, 1, 0, "fatal"],
    [0x40, 4, 1, 0x3f1f_f000],
    [0x48, 4, 1, 0x1000],
    [0x51, 1, 1, 0],
    [0x52, 2, 0xffff, 0xc000],
    [0x54, 4, 0, 0x4],
    [0x58, 4, 0, 0x14],
    [0x5c, 4, 0, "fatal"],
    [0xfc, 1, 0, "fatal"],
  ];
  test.each(writes)("write of %i, %i bytes", (register, width, value, expected) => {
    const guest = single();
    const lines = guest.configWrite(register, value, width);
    if (expected === "fatal") {
      const address = ((BDF << 8) | (register & 0xfc)).toString(16);
      const port = (0xcfc + (register & 3)).toString(16);
      expect(lines).toEqual([
        `FATAL: Invalid PCI config write, port: ${port}, size ${width}, address port: ${address}`,
      ]);
      return;
    }
    expect(lines).toEqual([]);
    expect(guest.configRead(register, width)).toBe(expected);
  });
});

describe("BARs (1.3)", () => {
  test("registers answer while memory is enabled, where the BAR was then", () => {
    const guest = single();
    guest.configWrite(0x10, REGISTERS);
    guest.configWrite(0x14, 0x12);
    expect(guest.store(0x12_0020_0010, 1)[0]).toMatch(/Invalid MMIO\/RAM write/);
    const other = single();
    other.configWrite(0x10, REGISTERS);
    other.configWrite(0x14, 0x12);
    other.configWrite(0x04, 2, 2);
    other.configWrite(0x14, 0);
    expect(other.store(0x12_0020_0010, 5)).toEqual([]);
    expect(other.load(0x12_0020_0010)).toBe(5);
    other.configWrite(0x04, 0, 2);
    other.configWrite(0x04, 2, 2);
    expect(other.load(LSTATE)).toBe(5);
    expect(other.store(0x12_0020_0010, 1)[0]).toMatch(/Invalid MMIO/);
  });

  test("256 and 32 bytes", () => {
    const guest = open(single());
    expect(guest.load(TABLE + 0x1c)).toBe(0);
    expect(guest.store(REGISTERS + 0x100, 0)[0]).toMatch(/^FATAL: Invalid MMIO/);
    expect(open(single()).store(TABLE + 0x20, 0)[0]).toMatch(/^FATAL: Invalid MMIO/);
  });

  test("RAM at the same place stays RAM: without MSI-X the table is at 0", () => {
    const guest = single({ numMsixVectors: 0 });
    guest.configWrite(0x10, REGISTERS);
    expect(guest.configWrite(0x04, 2, 2)).toEqual([]);
    const cell = expectOk(guest.machine.hypervisor.cell("a"));
    expect(cell.mmio.find(0, 4)).toBeDefined();
    guest.machine.startCell(demo("tiny-demo", 10, { cpus: [3] }));
    expect(cell.map.find(0)).toBeDefined();
    expect(guest.machine.hypervisor.core.root.map.find(0)).toBeDefined();
  });
});

describe("registers (1.4)", () => {
  test("position, states, and no peer", () => {
    const guest = open(single());
    expect(guest.load(IVPOS)).toBe(0);
    expect(guest.load(DOORBELL)).toBe(0);
    expect(guest.load(RSTATE)).toBe(0);
    guest.store(LSTATE, 0xdead_beef);
    expect(guest.load(LSTATE)).toBe(0xdead_beef);
    guest.store(LSTATE, 0x5a, 1);
    expect(guest.load(LSTATE, 8)).toBe(0x5a);
    guest.store(REGISTERS, 0xffff_ffff);
    expect(guest.load(REGISTERS)).toBe(1);
    expect(guest.store(DOORBELL, 1)).toEqual([]);
  });

  test.each<[string, number, "read" | "write", string]>([
    ["position", 0x08, "write", "08"],
    ["peer's state", 0x14, "write", "14"],
    ["hole", 0x04, "read", "04"],
    ["behind", 0x18, "write", "18"],
    ["inside a register", 0x11, "read", "11"],
    ["last", 0xfc, "read", "fc"],
  ])("%s", (_, offset, direction, number) => {
    const guest = open(single());
    const lines =
      direction === "write"
        ? guest.store(REGISTERS + offset, 0)
        : guest.execute((v) => v.load8(REGISTERS + offset, 1));
    expect(lines).toEqual([`FATAL: Invalid ivshmem register ${direction}, number ${number}`]);
  });
});

describe("MSI-X (1.5)", () => {
  test("the table", () => {
    const guest = single();
    guest.configWrite(0x20, TABLE);
    guest.configWrite(0x04, 2, 2);
    expect([0, 4, 8, 12].map((offset) => guest.load(TABLE + offset))).toEqual([0, 0, 0, 1]);
    guest.store(TABLE + 4, 0x1234_5678);
    expect(guest.load(TABLE + 4)).toBe(0x1234_5678);
    expect(guest.load(TABLE + 0x10)).toBe(0);
  });

  test.each([
    ["pending bits are read-only", 0x10, 4],
    ["unaligned", 0x02, 2],
  ] as const)("%s", (_, offset, width) => {
    expect(open(single()).store(TABLE + offset, 0, width)).toEqual([
      "FATAL: Invalid PCI MSI-X table/PBA access, device 00:0d.0",
    ]);
  });

  test("what is masked is lost", () => {
    const { a, b } = pair();
    open(a);
    open(b);
    const ring = () => {
      a.store(DOORBELL, 0);
      return b.interrupts();
    };
    expect(ring()).toEqual([0x40]);
    const switches: [() => void, () => void][] = [
      [() => b.store(TABLE + 12, 1), () => b.store(TABLE + 12, 0)],
      [() => b.configWrite(0x52, 0xc000, 2), () => b.configWrite(0x52, 0x8000, 2)],
      [() => b.configWrite(0x52, 0, 2), () => b.configWrite(0x52, 0x8000, 2)],
      [() => b.configWrite(0x04, 2, 2), () => b.configWrite(0x04, 6, 2)],
      [() => b.store(TABLE, 0xfed0_2000), () => b.store(TABLE, 0xfee0_2000)],
    ];
    for (const [off, on] of switches) {
      off();
      expect(ring()).toEqual([]);
      on();
      expect(b.interrupts()).toEqual([]);
      expect(ring()).toEqual([0x40]);
    }
  });

  const outside = 'FATAL: ivshmem MSI-X target outside of cell "a" device 00:0d.0';

  test("a destination outside the cell, by the table", () => {
    const guest = open(single());
    guest.store(TABLE + 12, 1);
    expect(guest.store(TABLE, 0xfee0_2000)).toEqual([]);
    expect(guest.store(TABLE + 12, 0)).toEqual([outside]);
  });

  test("... and by configuration space", () => {
    const guest = open(single());
    guest.configWrite(0x52, 0, 2);
    expect(guest.store(TABLE, 0xfee0_2000)).toEqual([]);
    expect(guest.configWrite(0x52, 0x8000, 2)).toEqual([
      outside,
      "FATAL: Invalid PCI config write, port: cfe, size 2, address port: 6850",
    ]);
  });

  test("lowest priority goes to one CPU of several, fixed to all", () => {
    const machine = enabled(10);
    machine.startCell(cellOf("a", 1));
    machine.startCell({ ...cellOf("b", 2), cpus: [2, 3] });
    const a = open(new PciGuest(machine, 1, BDF));
    const b = open(new PciGuest(machine, 2, BDF));
    const other = new PciGuest(machine, 3, BDF);
    other.enableApic();
    b.store(TABLE, 0xfee0_c004);
    a.store(DOORBELL, 0);
    expect([b.interrupts(), other.interrupts()]).toEqual([[0x40], [0x40]]);
    b.store(TABLE + 8, 0x141);
    a.store(DOORBELL, 0);
    expect([b.interrupts(), other.interrupts()]).toEqual([[0x41], []]);
  });
});

describe("events (1.6)", () => {
  test("the peer sees a state and is interrupted, changed or not", () => {
    const { a, b } = pair();
    open(a);
    open(b);
    expect([a.load(IVPOS), b.load(IVPOS)]).toEqual([0, 1]);
    a.store(LSTATE, 7);
    expect(b.load(RSTATE)).toBe(7);
    expect(b.interrupts()).toEqual([0x40]);
    a.store(LSTATE, 7);
    expect(b.interrupts()).toEqual([0x40]);
    expect(a.interrupts()).toEqual([]);
  });

  test("a start resets the device silently", () => {
    const { machine, a, b } = pair();
    open(a);
    open(b);
    a.store(LSTATE, 7);
    b.interrupts();
    expectOk(machine.now(machine.hypervisor.startCell("a")));
    expect(b.interrupts()).toEqual([]);
    expect(b.load(RSTATE)).toBe(0);
    expect(a.configRead(0x04, 2)).toBe(0);
    expect(a.configRead(0x10)).toBe(4);
    expect(expectOk(machine.hypervisor.cell("a")).mmio.find(LSTATE, 4)).toBeUndefined();
    a.configWrite(0x20, TABLE);
    a.configWrite(0x04, 2, 2);
    expect(a.load(TABLE + 12)).toBe(1);
  });

  test.each([
    [9, 7],
    [10, 0],
  ] as const)("set-loadable of revision %i leaves the state %i", (revision, state) => {
    const { machine, a, b } = pair(revision);
    open(a);
    open(b);
    a.store(LSTATE, 7);
    expectOk(machine.now(machine.hypervisor.setLoadable("a")));
    expect(b.load(RSTATE)).toBe(state);
  });

  test("an end goes and another comes", () => {
    const { machine, a, b } = pair();
    const { pool, links } = machine.hypervisor.core;
    open(a);
    open(b);
    a.store(LSTATE, 7);
    b.interrupts();
    expectOk(machine.now(machine.hypervisor.destroyCell("a")));
    expect(b.interrupts()).toEqual([0x40]);
    expect([b.load(IVPOS), b.load(RSTATE)]).toEqual([1, 0]);
    machine.startCell(cellOf("c", 1));
    const c = open(new PciGuest(machine, 1, BDF));
    expect(c.load(IVPOS)).toBe(0);
    c.store(DOORBELL, 0);
    expect(b.interrupts()).toEqual([0x40]);
    expectOk(machine.now(machine.hypervisor.destroyCell("c")));
    const used = pool.used;
    expectOk(machine.now(machine.hypervisor.destroyCell("b")));
    expect(links.has(BDF)).toBe(false);
    expect(pool.used).toBeLessThan(used - 1);
  });
});
