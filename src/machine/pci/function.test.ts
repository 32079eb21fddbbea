import { describe, expect, it } from "vitest";
import { READ, WRITE } from "../../engine/vcpu.ts";
import type { E1000 } from "../e1000/e1000.ts";
import { PciSystem } from "../testing/pci-system.ts";
import { pirqPin } from "./interrupt-router.ts";

const BDF = 0x19 << 3;
const OTHER = 0x1a << 3;
const BAR0 = 0xfebc0000;
const MAC = Uint8Array.of(0x52, 0x54, 0, 1, 2, 3);
const STATUS_REGISTER = 8;

function system(options: { bar0?: number; ioBase?: number } = { bar0: BAR0, ioBase: 0xc000 }) {
  const machine = new PciSystem([
    { kind: "e1000", bdf: BDF, mac: MAC, ...options },
    { kind: "intel-hda", bdf: OTHER, bar0: 0xfebf0000 },
  ]);
  return { machine, nic: machine.board.devices.e1000s[0] as E1000 };
}

/** ICS and IMS of the controller: an interrupt at will. */
const raise = (machine: PciSystem) => machine.store(BAR0 + 0xc8, 4);
const allow = (machine: PciSystem) => machine.store(BAR0 + 0xd0, 4);
const acknowledge = (machine: PciSystem) => machine.load(BAR0 + 0xc0);

describe("configuration space of a function", () => {
  it("says what the function is, in any width", () => {
    const { machine } = system();
    expect(machine.configRead(BDF, 0)).toBe(0x100e8086);
    expect(machine.configRead(BDF, 2, 2)).toBe(0x100e);
    expect(machine.configRead(BDF, 8)).toBe(0x02000003);
    expect(machine.configRead(BDF, 0x0b, 1)).toBe(0x02);
    expect(machine.configRead(BDF, 0x3d, 1)).toBe(1);
    expect(machine.configRead(OTHER, 0)).toBe(0x26688086);
    // extended configuration space is for PCI Express
    expect(machine.configRead(BDF, 0x100)).toBe(0xffffffff);
  });

  it("leaves read-only bits as they are", () => {
    const { machine } = system();
    const before = Array.from({ length: 64 }, (_, n) => machine.configRead(BDF, 4 * n));
    for (const register of [0, 8, 0x2c, 0x34]) machine.configWrite(BDF, register, 0xffffffff);
    expect(Array.from({ length: 64 }, (_, n) => machine.configRead(BDF, 4 * n))).toEqual(before);
  });

  it("tells the size of BARs by the bits that stay 0", () => {
    const { machine } = system();
    for (let bar = 0; bar < 6; bar++) machine.configWrite(BDF, 0x10 + 4 * bar, 0xffffffff);
    const probed = Array.from({ length: 6 }, (_, bar) => machine.configRead(BDF, 0x10 + 4 * bar));
    expect(probed).toEqual([0xfffe0000, 0xffffffc1, 0, 0, 0, 0]);
  });

  it("lists MSI as the capability that it has, 64 bits wide, one message", () => {
    const { machine } = system();
    for (const [bdf, at] of [
      [BDF, 0xd0],
      [OTHER, 0x60],
    ] as const) {
      expect(machine.configRead(bdf, 6, 2) & 0x10).toBe(0x10);
      expect(machine.configRead(bdf, 0x34, 1)).toBe(at);
      expect(machine.configRead(bdf, at)).toBe(0x00800005);
    }
  });
});

describe("decoding", () => {
  it("needs the command register", () => {
    const { machine } = system();
    expect(machine.load(BAR0)).toBeDefined();
    machine.configWrite(BDF, 4, 0, 2);
    expect(machine.load(BAR0)).toBeUndefined();
    expect(machine.board.portBus.nameAt(0xc000)).toBeUndefined();
    machine.configWrite(BDF, 4, 1, 2);
    expect(machine.load(BAR0)).toBeUndefined();
    expect(machine.board.portBus.nameAt(0xc03f)).toBe("82540EM BAR 1");
    machine.configWrite(BDF, 4, 2, 2);
    expect(machine.load(BAR0 + 0x1fffc)).toBe(0);
    expect(machine.load(BAR0 + 0x20000)).toBeUndefined();
  });

  it("follows the BAR, but to no place that is taken", () => {
    const { machine } = system();
    machine.configWrite(BDF, 0x10, 0xfea00000);
    expect(machine.load(BAR0)).toBeUndefined();
    expect(machine.load(0xfea00000)).toBeDefined();
    // the IOAPIC, and the other function
    for (const taken of [0xfec00000, 0xfebe0000]) {
      machine.configWrite(BDF, 0x10, taken);
      expect(machine.load(0xfea00000)).toBeUndefined();
      expect(
        machine.board.memoryBus.find(taken === 0xfec00000 ? taken : 0xfebf0000, 4)?.name,
      ).not.toBe("82540EM BAR 0");
    }
    machine.configWrite(BDF, 0x10, 0);
    machine.configWrite(BDF, 0x14, 0x3c1);
    expect(machine.board.portBus.nameAt(0x3f8)).toBe("COM1");
    expect(machine.board.portBus.nameAt(0x3c0)).toBeUndefined();
    machine.configWrite(BDF, 0x14, 0xd001);
    expect(machine.board.portBus.nameAt(0xd000)).toBe("82540EM BAR 1");
  });

  it("refuses an address of firmware's that is none", () => {
    expect(() => system({ bar0: 0xfebc1000 })).toThrow(/BAR 0 at 0xfebc1000 must be a multiple/);
    expect(() => system({ ioBase: 0x10000 })).toThrow(/BAR 1 at 0x10000 must be/);
  });

  it("reaches the registers by IOADDR and IODATA", () => {
    const { machine } = system();
    const { portBus } = machine.board;
    portBus.write(0xc000, 4, 0x5404);
    expect(portBus.read(0xc004, 4)).toBe(0x80000302);
    portBus.write(0xc004, 4, 0x80001234);
    expect(machine.load(BAR0 + 0x5404)).toBe(0x80001234);
    portBus.write(0xc000, 4, 0x20000);
    portBus.write(0xc004, 4, 0xffffffff);
    expect(portBus.read(0xc004, 4)).toBe(0);
  });
});

describe("interrupts of a function", () => {
  it("are messages while MSI is enabled, one for each time the condition comes up", () => {
    const { machine } = system();
    machine.enable(BDF, 0xd0, 0x41);
    raise(machine);
    expect(machine.vectors()).toEqual([]);
    allow(machine);
    expect(machine.vectors()).toEqual([0x41]);
    raise(machine);
    expect(machine.vectors()).toEqual([]);
    acknowledge(machine);
    raise(machine);
    expect(machine.vectors()).toEqual([0x41]);
  });

  it("wait until the function may use the bus", () => {
    const { machine } = system();
    machine.enable(BDF, 0xd0, 0x41);
    machine.configWrite(BDF, 4, 2, 2);
    raise(machine);
    allow(machine);
    expect(machine.vectors()).toEqual([]);
    machine.configWrite(BDF, 4, 6, 2);
    expect(machine.vectors()).toEqual([0x41]);
  });

  it("go nowhere but to local APICs", () => {
    const { machine } = system();
    machine.enable(BDF, 0xd0, 0x41);
    machine.configWrite(BDF, 0xd8, 1);
    raise(machine);
    allow(machine);
    expect(machine.vectors()).toEqual([]);
  });

  it("are levels on INTA# otherwise, shared by functions, unless disabled", () => {
    const { machine, nic } = system();
    const { ioapic, devices } = machine.board;
    const other = devices.intelHdas[0];
    // device 25 and 26 share PIRQ A, pin 16: level-triggered to CPU 0
    const pin = pirqPin(BDF, 1);
    expect([pin, pirqPin(OTHER, 1), pirqPin(3 << 3, 2), pirqPin(30 << 3, 1)]).toEqual([
      16, 16, 20, 20,
    ]);
    ioapic.writeRegister(0x10 + 2 * pin, 0x8050);
    nic.pci.interrupt.set(true);
    expect(machine.configRead(BDF, 6, 2) & 8).toBe(8);
    expect(machine.board.localApics[0].acknowledge()).toBe(0x50);
    other.pci.interrupt.set(true);
    nic.pci.interrupt.set(false);
    machine.board.localApics[0].writeRegister(0x0b, 0);
    expect(machine.board.localApics[0].acknowledge()).toBe(0x50);
    machine.configWrite(OTHER, 4, 0x0402, 2);
    machine.board.localApics[0].writeRegister(0x0b, 0);
    expect(machine.vectors()).toEqual([]);
    // the condition still shows
    expect(machine.configRead(OTHER, 6, 2) & 8).toBe(8);
  });
});

describe("DMA of a function", () => {
  const bytes = Uint8Array.of(1, 2, 3, 4);

  it("needs bus mastering, and ends where RAM ends", () => {
    const { machine, nic } = system();
    const end = machine.memory.ramBytes;
    expect(nic.pci.dmaWrite(0x1000, bytes)).toBe(false);
    machine.configWrite(BDF, 4, 6, 2);
    expect(nic.pci.dmaWrite(0x1000, bytes)).toBe(true);
    expect([...machine.memory.bytes(0x1000, 4)]).toEqual([1, 2, 3, 4]);
    expect(machine.configRead(BDF, 6, 2) & 0x2000).toBe(0);
    for (const address of [end - 2, end, BAR0, 2 ** 40, 2 ** 64]) {
      expect(nic.pci.dmaWrite(address, bytes)).toBe(false);
      // received master abort, cleared by writing 1
      expect(machine.configRead(BDF, 6, 2) & 0x2000).toBe(0x2000);
      machine.configWrite(BDF, 6, 0x2000, 2);
      expect(machine.configRead(BDF, 6, 2) & 0x2000).toBe(0);
    }
    expect([...machine.memory.bytes(end - 2, 2)]).toEqual([1, 2]);
  });

  it("goes where the IOMMU says, in the direction that it allows", () => {
    const { machine, nic } = system();
    const { iommu } = machine.board;
    machine.configWrite(BDF, 4, 6, 2);
    iommu.enable();
    expect(nic.pci.dmaRead(0, new Uint8Array(4))).toBe(false);
    const regions = [
      { guest: 0, size: 0x1000, host: 0x8000, rights: READ | WRITE },
      { guest: 0x1000, size: 0x1000, host: 0x4000, rights: READ | WRITE },
      { guest: 0x2000, size: 0x1000, host: 0x6000, rights: READ },
    ];
    iommu.assign(BDF, {
      find: (address) =>
        regions.find(({ guest, size }) => address >= guest && address < guest + size),
    });
    expect(nic.pci.dmaWrite(0xffe, bytes)).toBe(true);
    expect([...machine.memory.bytes(0x8ffe, 2), ...machine.memory.bytes(0x4000, 2)]).toEqual([
      1, 2, 3, 4,
    ]);
    const back = new Uint8Array(4);
    expect(nic.pci.dmaRead(0xffe, back)).toBe(true);
    expect(back).toEqual(bytes);
    expect(nic.pci.dmaWrite(0x2000, bytes)).toBe(false);
    expect(nic.pci.dmaRead(0x2000, back)).toBe(true);
    iommu.release(BDF);
    expect(nic.pci.dmaRead(0, back)).toBe(false);
    iommu.disable();
    expect(nic.pci.dmaRead(0, back)).toBe(true);
    expect(machine.load(BAR0 + STATUS_REGISTER)).toBeDefined();
  });
});
