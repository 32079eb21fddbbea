import { describe, expect, it } from "vitest";
import { type PciFunction, PciHost } from "./pci-host.ts";
import { type ResetKind, ResetPort } from "./reset-port.ts";

function system() {
  const resets: ResetKind[] = [];
  const pci = new PciHost(new ResetPort((how) => resets.push(how)));
  const space = new DataView(new ArrayBuffer(4096));
  const card: PciFunction = {
    configRead: (register, width) =>
      width === 4
        ? space.getUint32(register, true)
        : width === 2
          ? space.getUint16(register, true)
          : space.getUint8(register),
    configWrite(register, width, value) {
      if (width === 4) space.setUint32(register, value, true);
      else if (width === 2) space.setUint16(register, value, true);
      else space.setUint8(register, value);
    },
  };
  return { pci, card, resets };
}

const BDF = (2 << 8) | (3 << 3) | 1;
const ADDRESS = 0x80000000 + BDF * 256;

describe("PciHost", () => {
  it("reads all ones from an empty bus, through both mechanisms", () => {
    const { pci } = system();
    const result = { lo: 0, hi: 0 };
    pci.portWrite(0xcf8, 4, 0x80000000);
    expect(pci.portRead(0xcf8, 4)).toBe(0x80000000);
    expect([pci.portRead(0xcfc, 4), pci.portRead(0xcfe, 2), pci.portRead(0xcff, 1)]).toEqual([
      0xffffffff, 0xffff, 0xff,
    ]);
    pci.memoryRead(0x1000, 8, result);
    expect(result).toEqual({ lo: 0xffffffff, hi: 0xffffffff });
    pci.memoryWrite(0x1000, 4, 1, 0);
  });

  it("reaches a function by ports and by memory", () => {
    const { pci, card } = system();
    const result = { lo: 0, hi: 0 };
    pci.plug(BDF, card);
    pci.portWrite(0xcf8, 4, ADDRESS + 0x13);
    expect(pci.portRead(0xcf8, 4)).toBe(ADDRESS + 0x10);
    pci.portWrite(0xcfc, 4, 0x12345678);
    pci.portWrite(0xcfe, 1, 0xab);
    expect(pci.portRead(0xcfc, 4)).toBe(0x12ab5678);
    expect(pci.portRead(0xcfd, 2)).toBe(0xffff);
    pci.memoryWrite(BDF * 4096 + 0xff8, 8, 0x11112222, 0x33334444);
    pci.memoryRead(BDF * 4096 + 0xff8, 8, result);
    expect(result).toEqual({ lo: 0x11112222, hi: 0x33334444 });
    pci.memoryRead(BDF * 4096 + 0x10, 2, result);
    expect(result).toEqual({ lo: 0x5678, hi: 0 });
    expect(() => pci.plug(BDF, card)).toThrow("PCI function 0x219 is plugged already");
    pci.unplug(BDF);
    expect(pci.portRead(0xcfc, 4)).toBe(0xffffffff);
  });

  it("is silent without the enable bit, and lets 0xcf9 through to the reset register", () => {
    const { pci, card, resets } = system();
    pci.plug(BDF, card);
    pci.portWrite(0xcf8, 4, ADDRESS - 0x80000000);
    expect(pci.portRead(0xcfc, 4)).toBe(0xffffffff);
    pci.portWrite(0xcf9, 1, 0x02);
    expect(resets).toEqual([]);
    pci.portWrite(0xcf9, 1, 0x06);
    pci.portWrite(0xcf9, 1, 0x06);
    expect(resets).toEqual(["hard"]);
    expect(pci.portRead(0xcf9, 1)).toBe(0x06);
    pci.portWrite(0xcf9, 1, 0x00);
    pci.portWrite(0xcf9, 1, 0x04);
    expect(resets).toEqual(["hard", "soft"]);
    pci.portWrite(0xcf8, 1, 0xff);
    expect(pci.portRead(0xcf8, 4)).toBe(ADDRESS - 0x80000000);
  });
});
