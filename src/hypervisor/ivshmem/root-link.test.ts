import { describe, expect, test } from "vitest";
import { q35 } from "../../config/boards/q35.ts";
import { ram } from "../../config/builders/memory.ts";
import type { CellConfig, MemoryFlags, Revision } from "../../config/types.ts";
import { demo, enabled, errnoOf, expectOk, type TestMachine } from "../testing/machine.ts";
import { PciGuest } from "../testing/pci-guest.ts";
import type { RootLink } from "./root-link.ts";

const BDF_V1 = 0x78;
const BDF_V2 = 0x70;
const REGISTERS = 0x20_0000;
const TABLE = 0x20_1000;

/** A started ivshmem-demo cell on CPU 1 with its device switched on, and root's end. */
function linked(
  revision: Revision,
  change: Partial<CellConfig> = {},
): { machine: TestMachine; guest: PciGuest; link: RootLink; taken: [number, number][] } {
  const machine = enabled(revision);
  machine.board.memory.u8.fill(0, 0x3f00_0000, 0x3f20_0000);
  machine.startCell(demo("ivshmem-demo", revision, { cpus: [1], ...change }));
  const bdf = revision < 12 ? BDF_V1 : BDF_V2;
  const guest = new PciGuest(machine, 1, bdf);
  guest.enableApic();
  guest.configWrite(0x10, REGISTERS);
  guest.configWrite(revision < 12 ? 0x20 : 0x14, TABLE);
  guest.configWrite(0x04, 6, 2);
  guest.configWrite(revision < 12 ? 0x52 : 0x62, 0x8000, 2);
  guest.programVector(TABLE, 0x40);
  if (revision >= 12) guest.store(REGISTERS + 8, 1);
  const link = expectOk(machine.hypervisor.openRootLink(bdf));
  const taken: [number, number][] = [];
  link.onInterrupt((vector) => taken.push([vector, machine.board.clock.now]));
  return { machine, guest, link, taken };
}

const vectors = (taken: [number, number][]) => taken.splice(0).map(([vector]) => vector);

/** Rings root's doorbell of either version. */
const DOORBELL = REGISTERS + 0x0c;

describe("opening", () => {
  test("only a shared-memory device of root, and once", () => {
    const { hypervisor } = enabled(12);
    expect(hypervisor.rootLinks).toEqual([0x60, 0x68, 0x70, 0x78]);
    expect(hypervisor.openRootLink(0x10)).toMatchObject({
      errno: "ENODEV",
      reason:
        "the root cell has no shared-memory device at 00:02.0; it has 00:0c.0, 00:0d.0, 00:0e.0, 00:0f.0",
    });
    const link = expectOk(hypervisor.openRootLink(0x70));
    expect(errnoOf(hypervisor.openRootLink(0x70))).toBe("EBUSY");
    link.close();
    expect(errnoOf(hypervisor.openRootLink(0x70))).toBe("success");
  });

  test("memory that is not RAM", () => {
    const system = q35(10);
    const memoryRegions = system.rootCell.memoryRegions.map((region, index) =>
      index === 15 ? { ...region, physStart: 0xfd00_0000n } : region,
    );
    const machine = enabled(10, { rootCell: { ...system.rootCell, memoryRegions } });
    expect(machine.hypervisor.openRootLink(BDF_V1)).toMatchObject({
      errno: "EINVAL",
      reason: expect.stringMatching(/shared section at 0xfd000000, 0x1000 bytes, is not in/),
    });
  });

  test("what the device says of itself", () => {
    const v1 = linked(10).link;
    expect(v1).toMatchObject({ version: 1, id: 0, maxPeers: 2, vectors: 1, protocol: 0 });
    expect(v1.peers).toEqual([{ id: 1, cell: "ivshmem-demo" }]);
    const v2 = linked(12).link;
    expect(v2).toMatchObject({ version: 2, id: 0, maxPeers: 3, vectors: 16, protocol: 0 });
    const rows = v2.sections.map((section) => [
      section.kind,
      section.owner,
      section.physical,
      section.size,
      section.readable,
      section.writable,
    ]);
    expect(rows).toEqual([
      ["state-table", undefined, 0x3f0f_0000, 0x1000, true, false],
      ["common", undefined, 0x3f0f_1000, 0x9000, true, true],
      ["output", 0, 0x3f0f_a000, 0x2000, true, true],
      ["output", 1, 0x3f0f_c000, 0x2000, true, false],
      ["output", 2, 0x3f0f_e000, 0x2000, true, false],
    ]);
  });
});

describe("version 1", () => {
  test("doorbells and states both ways", () => {
    const { guest, link, taken } = linked(10);
    guest.store(DOORBELL, 1);
    expect(vectors(taken)).toEqual([0]);
    guest.store(REGISTERS + 0x10, 9);
    expect(vectors(taken)).toEqual([0]);
    expect([link.peerState(1), link.peerState(0)]).toEqual([9, 0]);
    link.ring(1);
    expect(guest.interrupts()).toEqual([0x40]);
    link.state = 3;
    expect(guest.interrupts()).toEqual([0x40]);
    expect(guest.load(REGISTERS + 0x14)).toBe(3);
    for (const [peer, vector] of [
      [0, 0],
      [1, 1],
      [2, 0],
    ])
      link.ring(peer, vector);
    expect(guest.interrupts()).toEqual([]);
  });

  test("interrupts that are off are lost; there is no one-shot mode", () => {
    const { guest, link, taken } = linked(10);
    link.interruptsEnabled = false;
    guest.store(DOORBELL, 1);
    link.interruptsEnabled = true;
    guest.interrupts();
    expect(taken).toEqual([]);
    expect(() => {
      link.oneShot = true;
    }).toThrow("need version 2");
  });

  test("the peer's destruction is an interrupt, and its state is gone", () => {
    const { machine, guest, link, taken } = linked(10);
    guest.store(REGISTERS + 0x10, 9);
    vectors(taken);
    expectOk(machine.now(machine.hypervisor.destroyCell("ivshmem-demo")));
    expect([link.peers, link.peerState(1), taken]).toEqual([[], 0, []]);
    guest.interrupts();
    expect(vectors(taken)).toEqual([0]);
  });
});

describe("version 2", () => {
  test("doorbells and states both ways", () => {
    const { guest, link, taken } = linked(12);
    guest.store(DOORBELL, 0x0000_0005);
    expect(vectors(taken)).toEqual([5]);
    guest.store(REGISTERS + 0x10, 9);
    guest.store(REGISTERS + 0x10, 9);
    expect(vectors(taken)).toEqual([0]);
    expect([0, 1, 2].map((id) => link.peerState(id))).toEqual([0, 9, 0]);
    link.state = 4;
    expect(guest.interrupts()).toEqual([0x40]);
    expect(link.peerState(0)).toBe(4);
    link.ring(1, 1); // masked in the cell
    link.ring(2);
    expect(guest.interrupts()).toEqual([]);
    link.ring(0, 7);
    guest.interrupts();
    expect(vectors(taken)).toEqual([7]);
  });

  test("INT_CTRL and one-shot mode", () => {
    const { guest, link, taken } = linked(12);
    link.oneShot = true;
    guest.store(DOORBELL, 1);
    guest.store(DOORBELL, 2);
    expect(vectors(taken)).toEqual([1]);
    expect(link.interruptsEnabled).toBe(false);
    link.interruptsEnabled = true;
    guest.interrupts();
    expect(vectors(taken)).toEqual([]);
    link.oneShot = false;
    guest.store(DOORBELL, 3);
    guest.store(DOORBELL, 4);
    expect(vectors(taken)).toEqual([3, 4]);
  });

  test("no MSI-X, no interrupts", () => {
    const system = q35(12);
    const pciDevices = system.rootCell.pciDevices.map((device) => ({
      ...device,
      numMsixVectors: 0,
    }));
    const machine = enabled(12, { rootCell: { ...system.rootCell, pciDevices } });
    const link = expectOk(machine.hypervisor.openRootLink(BDF_V2));
    const taken: number[] = [];
    link.onInterrupt((vector) => taken.push(vector));
    expect(link.vectors).toBe(0);
    link.ring(0, 0);
    machine.board.scheduler.run(1000);
    expect(taken).toEqual([]);
  });
});

describe("virtual time", () => {
  test("an interrupt arrives at the time of the doorbell, outside the instruction", () => {
    const { machine, taken } = linked(12);
    const times: number[] = [];
    machine.execute(
      1,
      () => undefined,
      (v) => {
        times.push(machine.board.clock.now);
        v.store(DOORBELL, 2);
        expect(taken).toEqual([]);
        return undefined;
      },
    );
    expect(taken.map(([vector]) => vector)).toEqual([2]);
    expect(taken[0][1] - times[0]).toBeLessThanOrEqual(1);
  });

  test("a listener may use the hypervisor, and several doorbells of a vector are one interrupt", () => {
    const { machine, link, taken } = linked(12);
    link.onInterrupt(() => machine.hypervisor.destroyCell("ivshmem-demo"));
    machine.execute(1, (v) => {
      v.store(DOORBELL, 2);
      v.store(DOORBELL, 2);
      return undefined;
    });
    expect(vectors(taken)).toEqual([2]);
    expect(machine.hypervisor.cells.map(({ name }) => name)).toEqual(["QEMU-VM"]);
  });
});

describe("memory", () => {
  test("offsets and rights", () => {
    const [states, common] = linked(12).link.sections;
    expect(common.refusal("write", 0, 0x9000)).toBeUndefined();
    expect(common.refusal("read", 0x8fff, 2)).toBe(
      "read of 2 bytes at 0x8fff of the common section: it has 0x9000 bytes",
    );
    expect(common.refusal("read", -1, 1)).toMatch("it has");
    expect(states.refusal("read", 0, 4)).toBeUndefined();
    expect(states.refusal("write", 0, 4)).toMatch("root's configuration does not grant WRITE");
  });

  test("what a cell takes without ROOTSHARED root does not reach, until it is given back", () => {
    const config = demo("ivshmem-demo", 12);
    const without = (flags: MemoryFlags) => ({ ...flags, rootShared: false });
    const memoryRegions = config.memoryRegions.map((region, index) =>
      index === 1 ? { ...region, flags: without(region.flags) } : region,
    );
    const { machine, link } = linked(12, { memoryRegions });
    const [states, common] = link.sections;
    expect(common.refusal("read", 0x10, 4)).toBe(
      "read of 4 bytes at 0x10 of the common section: 0x3f0f1010 is not mapped in the root cell; a cell lists it without ROOTSHARED",
    );
    expect(states.refusal("read", 0, 0x1000)).toBeUndefined();
    expectOk(machine.now(machine.hypervisor.destroyCell("ivshmem-demo")));
    expect(common.refusal("read", 0x10, 4)).toBeUndefined();
  });

  test("vCPUs hear of writes where a cell may execute", () => {
    const heard: [number, number][] = [];
    const { machine, link } = linked(12);
    Object.assign(machine.vcpus[0], {
      memoryChanged: (...range: [number, number]) => heard.push(range),
    });
    const [, common] = link.sections;
    common.view.setUint32(8, 1, true);
    common.written(8, 4);
    expect(machine.board.memory.view.getUint32(0x3f0f_1008, true)).toBe(1);
    expect(heard).toEqual([]);
    const code = ram({ phys: 0x3f0f_1000, virt: 0x40_0000, sizeBytes: 0x1000 });
    const tiny = demo("tiny-demo", 12);
    machine.startCell({ ...tiny, memoryRegions: [...tiny.memoryRegions, code] });
    common.written(0xffc, 8);
    common.written(0x1000, 8);
    expect(heard).toEqual([[0x3f0f_1ffc, 8]]);
  });
});

describe("closing", () => {
  test("no more interrupts, and no more use", () => {
    const { machine, guest, link, taken } = linked(12);
    machine.execute(1, (v) => {
      v.store(DOORBELL, 1);
      link.close();
      return undefined;
    });
    guest.store(DOORBELL, 2);
    expect(taken).toEqual([]);
    expect(() => link.ring(1)).toThrow("link 00:0e.0 is closed");
    expect(() => {
      link.state = 1;
    }).toThrow("is closed");
    link.close();
  });

  test("with the hypervisor the devices go", () => {
    const { machine, link } = linked(12);
    expectOk(machine.now(machine.hypervisor.disable()));
    expect(() => link.ring(1)).toThrow("the hypervisor is disabled");
    expect(errnoOf(machine.hypervisor.openRootLink(BDF_V2))).toBe("EINVAL");
    link.close();
  });
});
