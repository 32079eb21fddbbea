import { describe, expect, it } from "vitest";
import { DmaMap } from "./dma-map.ts";
import { demo, enabled, expectOk } from "./testing/machine.ts";

const NIC = 0x19 << 3;
const SOUND = 0x1b << 3;
const RAM = 0x3ee0_0000;

describe("what devices reach of memory", () => {
  it("is the cell's memory with the DMA flag, at the cell's addresses", () => {
    const machine = enabled(12);
    const { iommu } = machine.board;
    expect(iommu.mapOf(NIC)).toBeUndefined();
    const cell = machine.startCell(demo("e1000-demo"));
    const map = iommu.mapOf(NIC) as DmaMap;
    expect(map.find(0x1234)).toMatchObject({ guest: 0, size: 0x10_0000, host: RAM });
    // communication region, device registers, memory of others
    for (const address of [0x10_0000, 0xfebc_0000, RAM, 0x3b00_0000, 2 ** 60])
      expect(map.find(address)).toBeUndefined();
    machine.now(machine.hypervisor.destroyCell(cell.name));
    expect(iommu.mapOf(NIC)).toBeUndefined();
  });

  it("is nothing without the flag", () => {
    const machine = enabled(12);
    machine.startCell(demo("pci-demo"));
    expect(machine.board.iommu.mapOf(SOUND)?.find(0x1000)).toBeUndefined();
  });

  it("goes with memory and device from root to the cell and back", () => {
    const machine = enabled(12);
    const { iommu } = machine.board;
    const { root } = machine.hypervisor.core;
    const ofRoot = new DmaMap(root);
    expect(iommu.mapOf(SOUND)?.find(RAM)).toEqual(ofRoot.find(RAM));
    expect(ofRoot.find(RAM)?.host).toBeDefined();
    machine.startCell(demo("pci-demo"));
    expect(ofRoot.find(RAM)).toBeUndefined();
    expect(ofRoot.find(0x1000)).toBeDefined();
    machine.now(machine.hypervisor.destroyCell("pci-demo"));
    expect(iommu.mapOf(SOUND)?.find(RAM)?.host).toBeDefined();
  });

  it("is all of RAM once the hypervisor is gone", () => {
    const machine = enabled(12);
    const { iommu } = machine.board;
    expect(iommu.mapOf(NIC)).toBeUndefined();
    expectOk(machine.now(machine.hypervisor.disable()));
    expect(iommu.mapOf(NIC)?.find(0x3a00_0000)).toBeDefined();
  });
});
