/** Physical PCI functions in the hands of cells: MSI, MSI-X, reset, assignment (ivshmem document, 4). */
import { describe, expect, test } from "vitest";
import { capability } from "../config/builders/devices.ts";
import { mmio } from "../config/builders/memory.ts";
import type { PciDevice, Revision } from "../config/types.ts";
import type { MemoryDevice, ReadResult } from "../machine/device.ts";
import type { PciFunction } from "../machine/pci-host.ts";
import { demo, enabled, errnoOf, expectOk, type TestMachine } from "./testing/machine.ts";
import { PciGuest } from "./testing/pci-guest.ts";

const BDF = 0x20;
const MSI = 0x60;
const MSIX = 0xa0;
const TABLE = 0xf000_0000;

/** A function with configuration space and an MSI-X table that remember what is written. */
class Hardware implements PciFunction, MemoryDevice {
  readonly config = new DataView(new ArrayBuffer(4096));
  readonly table = new Uint32Array(0x400);
  readonly commands: number[] = [];
  configRead(register: number, width: 1 | 2 | 4): number {
    if (width === 4) return this.config.getUint32(register, true);
    return width === 2 ? this.config.getUint16(register, true) : this.config.getUint8(register);
  }
  configWrite(register: number, width: 1 | 2 | 4, value: number): void {
    if (register === 4) this.commands.push(value);
    if (width === 4) this.config.setUint32(register, value, true);
    else if (width === 2) this.config.setUint16(register, value, true);
    else this.config.setUint8(register, value);
  }
  memoryRead(offset: number, _width: number, result: ReadResult): void {
    result.lo = this.table[offset >> 2];
    result.hi = 0;
  }
  memoryWrite(offset: number, _width: number, lo: number): void {
    this.table[offset >> 2] = lo;
  }
  /** MSI as the function would send it: address, upper address, data. */
  get message(): number[] {
    const at = (offset: number) => this.config.getUint32(MSI + offset, true);
    return [at(4), at(8), this.config.getUint16(MSI + 12, true)];
  }
}

const CAPABILITIES = [capability(0x05, MSI, 0x18), capability(0x11, MSIX, 0xc)];

function listed(change: Partial<PciDevice> = {}): PciDevice {
  const [device] = demo("pci-demo", 12).pciDevices;
  return {
    ...device,
    bdf: BDF,
    barMask: [0, 0, 0, 0, 0, 0],
    capsStart: 0,
    numCaps: 2,
    numMsiVectors: 1,
    msi64bits: true,
    numMsixVectors: 3,
    msixRegionSize: 0x1000,
    msixAddress: BigInt(TABLE),
    ...change,
  };
}

function cellOf(name: string, cpus: number[], revision: Revision, change: Partial<PciDevice>) {
  return {
    ...demo("tiny-demo", revision, { name, cpus }),
    pciDevices: [listed(change)],
    pciCapabilities: CAPABILITIES,
  };
}

function withDevice(revision: Revision = 12, change: Partial<PciDevice> = {}) {
  const machine = enabled(revision);
  const hardware = new Hardware();
  machine.board.pci.plug(BDF, hardware);
  machine.board.memoryBus.claim("table", TABLE, 0x1000, hardware);
  machine.startCell(cellOf("a", [2], revision, change));
  return { machine, hardware, guest: new PciGuest(machine, 2, BDF) };
}

const VIOLATION = "FATAL: Invalid PCI MSI-X table/PBA access, device 00:04.0";

describe("MSI (4.3, 4.5)", () => {
  test("the function is told a message when it is complete", () => {
    const { hardware, guest } = withDevice();
    guest.configWrite(MSI + 4, 0xfee0_2000);
    guest.configWrite(MSI + 12, 0x31, 2);
    expect(hardware.message).toEqual([0, 0, 0]);
    expect([guest.configRead(MSI + 4), guest.configRead(MSI + 12, 2)]).toEqual([0xfee0_2000, 0x31]);
    expect(guest.configWrite(MSI + 2, 1, 2)).toEqual([]);
    expect(hardware.message).toEqual([0xfee0_2000, 0, 0x31]);
    expect(hardware.config.getUint16(MSI + 2, true)).toBe(1);
    guest.configWrite(MSI + 12, 0x32, 2);
    expect(hardware.message).toEqual([0xfee0_2000, 0, 0x32]);
  });

  test("an address elsewhere is no message, and never memory", () => {
    const { hardware, guest } = withDevice();
    guest.configWrite(MSI + 4, 0x3a00_0000);
    guest.configWrite(MSI + 8, 1);
    expect(guest.configWrite(MSI + 2, 1, 2)).toEqual([]);
    expect(hardware.message).toEqual([0, 0, 0]);
    expect(guest.configRead(MSI + 4)).toBe(0x3a00_0000);
  });

  test.each([
    ["to another cell's CPU", 0xfee0_3000, 0x31],
    ["NMI", 0xfee0_2000, 0x431],
    ["logical, beyond the cell", 0xfee0_c004, 0x31],
  ])("%s", (_, address, data) => {
    const { hardware, guest } = withDevice();
    guest.configWrite(MSI + 4, address);
    guest.configWrite(MSI + 12, data, 2);
    expect(guest.configWrite(MSI + 2, 1, 2)).toEqual([
      "FATAL: Invalid PCI config write, port: cfe, size 2, address port: 2060",
    ]);
    expect(hardware.message).toEqual([0, 0, 0]);
    expect(hardware.config.getUint16(MSI + 2, true)).toBe(0);
  });

  test("mask bits behind the message are hardware's", () => {
    const { hardware, guest } = withDevice();
    guest.configWrite(MSI + 0x10, 1);
    expect(hardware.config.getUint32(MSI + 0x10, true)).toBe(1);
  });

  test("with an address of 32 bits data follow it", () => {
    const { hardware, guest } = withDevice(12, { msi64bits: false });
    guest.configWrite(MSI + 4, 0xfee0_2000);
    guest.configWrite(MSI + 8, 0x33, 2);
    guest.configWrite(MSI + 12, 5);
    guest.configWrite(MSI + 2, 1, 2);
    const { config } = hardware;
    const words = [4, 8, 12].map((offset) => config.getUint32(MSI + offset, true));
    expect(words).toEqual([0xfee0_2000, 0x33, 5]);
  });
});

describe("MSI-X table (4.4)", () => {
  test("messages reach the function when their vector is on", () => {
    const { hardware, guest } = withDevice();
    expect(guest.load(TABLE + 12)).toBe(1);
    guest.programVector(TABLE + 16, 0x40);
    expect([...hardware.table.subarray(4, 8)]).toEqual([0, 0, 0, 0]);
    expect(guest.configWrite(MSIX + 2, 0x8000, 2)).toEqual([]);
    expect([...hardware.table.subarray(4, 8)]).toEqual([0xfee0_2000, 0, 0x40, 0]);
    guest.store(TABLE + 24, 0x41);
    expect(hardware.table[6]).toBe(0x41);
    // what the hardware holds shows only in the control word, and behind the vectors
    hardware.table.set([1, 2, 3, 0x8000_0000], 4);
    hardware.table[0x40] = 0x55;
    expect([0, 4, 8, 12].map((at) => guest.load(TABLE + 16 + at))).toEqual([
      0xfee0_2000, 0, 0x41, 0x8000_0000,
    ]);
    expect(guest.load(TABLE + 0x100)).toBe(0x55);
  });

  test("an address elsewhere is no message", () => {
    const { hardware, guest } = withDevice();
    guest.configWrite(MSIX + 2, 0x8000, 2);
    guest.store(TABLE, 0x3a00_0000);
    guest.store(TABLE + 4, 1);
    expect(guest.store(TABLE + 12, 0)).toEqual([]);
    expect([...hardware.table.subarray(0, 4)]).toEqual([0, 0, 0, 0]);
  });

  test("a message that leaves the cell, by the table", () => {
    const { hardware, guest } = withDevice();
    guest.configWrite(MSIX + 2, 0x8000, 2);
    expect(guest.programVector(TABLE, 0x40, 1)).toEqual([VIOLATION]);
    expect(hardware.table[3]).toBe(1);
  });

  test("... and by the control word", () => {
    const { hardware, guest } = withDevice();
    guest.programVector(TABLE, 0x40, 1);
    expect(guest.configWrite(MSIX + 2, 0x8000, 2)).toHaveLength(1);
    expect(hardware.config.getUint16(MSIX + 2, true)).toBe(0);
  });

  test.each([
    ["unaligned", 2],
    ["behind the vectors", 0x30],
    ["pending bits", 0x800],
  ])("write %s", (_, offset) => {
    expect(withDevice().guest.store(TABLE + offset, 0, 2)).toEqual([VIOLATION]);
  });

  test("memory mapped over it wins", () => {
    const machine = enabled(12);
    const hardware = new Hardware();
    machine.board.pci.plug(BDF, hardware);
    machine.board.memoryBus.claim("table", TABLE, 0x1000, hardware);
    const config = cellOf("a", [2], 12, {});
    const memoryRegions = [...config.memoryRegions, mmio({ phys: TABLE, sizeBytes: 0x1000 })];
    const cell = machine.startCell({ ...config, memoryRegions });
    expect(cell.map.lookup(TABLE)).toBeDefined();
  });
});

describe("reset (4.6)", () => {
  test.each<[Revision, number[], number]>([
    [3, [0x400], 0],
    [4, [0x400], 1],
    [9, [0x400], 1],
    [10, [0x002, 0x400], 1],
    [14, [0x002, 0x400], 1],
  ])("revision %i", (revision, commands, vectorControl) => {
    const { machine, hardware, guest } = withDevice(revision);
    guest.configWrite(MSI + 4, 0xfee0_2000);
    guest.configWrite(MSI + 2, 1, 2);
    guest.configWrite(MSIX + 2, 0x8000, 2);
    guest.programVector(TABLE, 0x40);
    guest.configWrite(0x04, 6, 2);
    hardware.commands.length = 0;
    hardware.table[7] = 0;
    expectOk(machine.now(machine.hypervisor.startCell("a")));
    expect(hardware.commands).toEqual(commands);
    expect([hardware.table[3], hardware.table[7]]).toEqual([vectorControl, vectorControl]);
    const controls = [MSI, MSIX].map((start) => hardware.config.getUint16(start + 2, true));
    expect(controls).toEqual([0, 0]);
    expect([guest.configRead(MSI + 4), guest.load(TABLE)]).toEqual([0, 0]);
  });

  test.each([
    [9, 0],
    [10, 2],
  ] as const)("at set-loadable, revision %i", (revision, writes) => {
    const { machine, hardware } = withDevice(revision);
    hardware.commands.length = 0;
    expectOk(machine.now(machine.hypervisor.setLoadable("a")));
    expect(hardware.commands.length).toBe(writes);
  });
});

describe("assignment (4.7)", () => {
  const create = (machine: TestMachine, change: Partial<PciDevice>) =>
    machine.now(machine.hypervisor.createCell(cellOf("a", [2], 12, change)));

  test("a table of more than 16 vectors takes pages", () => {
    const machine = enabled(12, {}, {});
    const { pool } = machine.hypervisor.core;
    const used = pool.used;
    expectOk(create(machine, { numMsixVectors: 16 }));
    const small = pool.used - used;
    expectOk(machine.now(machine.hypervisor.destroyCell("a")));
    // 257 entries of 16 bytes; the remapping table has room for no more than 224
    expect(errnoOf(create(machine, { numMsixVectors: 257 }))).toBe("E2BIG");
    expect(pool.used).toBe(used);
    expectOk(create(machine, { numMsixVectors: 17 }));
    expect(pool.used - used).toBe(small + 1);
    expectOk(machine.now(machine.hypervisor.destroyCell("a")));
    expect(pool.used).toBe(used);
  });

  test("the second entry with an address never answers", () => {
    const machine = enabled(12);
    const hardware = new Hardware();
    hardware.config.setUint32(0, 0x1234_5678, true);
    machine.board.pci.plug(BDF, hardware);
    const config = cellOf("a", [2], 12, {});
    const pciDevices = [listed({ type: 0 }), listed()];
    machine.startCell({ ...config, pciDevices });
    expect(new PciGuest(machine, 2, BDF).configRead(0)).toBe(0xffff_ffff);
  });

  test("root's interrupts to a CPU that leaves are off, and it is said", () => {
    const { rootCell } = enabled(12).system;
    const machine = enabled(12, {
      rootCell: {
        ...rootCell,
        pciDevices: [
          ...rootCell.pciDevices,
          listed({ capsStart: rootCell.pciCapabilities.length }),
        ],
        pciCapabilities: [...rootCell.pciCapabilities, ...CAPABILITIES],
      },
    });
    const hardware = new Hardware();
    machine.board.pci.plug(BDF, hardware);
    machine.board.memoryBus.claim("table", TABLE, 0x1000, hardware);
    const device = machine.hypervisor.core.root.pci.find(BDF);
    device?.configWrite(MSI + 4, 4, 0xfee0_2000);
    device?.configWrite(MSI + 12, 2, 0x50);
    device?.configWrite(MSI + 2, 2, 1);
    expect(hardware.message).toEqual([0xfee0_2000, 0, 0x50]);
    machine.startCell(demo("tiny-demo", 12, { cpus: [1] }));
    expect(hardware.message).toEqual([0xfee0_2000, 0, 0x50]);
    machine.startCell(demo("smp-demo", 12, { cpus: [2] }));
    expect(hardware.message).toEqual([0, 0, 0]);
    expect(machine.lines).toContain(
      `FATAL: Unsupported MSI/MSI-X state, device 00:04.0, cap ${MSI}`,
    );
  });
});
