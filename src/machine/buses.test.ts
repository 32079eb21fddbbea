import { describe, expect, it } from "vitest";
import type { MemoryDevice, PortDevice } from "./device.ts";
import { MemoryBus } from "./memory-bus.ts";
import { PortBus } from "./port-bus.ts";

/** Bytes that remember the widths they were accessed with. */
class Bytes implements PortDevice, MemoryDevice {
  readonly bytes = new Uint8Array(0x10000);
  readonly log: string[] = [];
  portRead(port: number, width: 1 | 2 | 4): number {
    this.log.push(`r${width}@${port.toString(16)}`);
    let value = 0;
    for (let n = width - 1; n >= 0; n--) value = value * 256 + this.bytes[port + n];
    return value;
  }
  portWrite(port: number, width: 1 | 2 | 4, value: number): void {
    this.log.push(`w${width}@${port.toString(16)}`);
    for (let n = 0; n < width; n++) this.bytes[port + n] = value >>> (8 * n);
  }
  memoryRead(offset: number, _width: number, result: { lo: number; hi: number }): void {
    result.lo = offset;
  }
  memoryWrite(offset: number, width: number, lo: number, hi: number): void {
    this.log.push(`w${width}@${offset.toString(16)}=${lo},${hi}`);
  }
}

describe("PortBus", () => {
  it("reads all ones where nobody answers, and lets writes vanish", () => {
    const bus = new PortBus();
    expect([bus.read(0x1000, 1), bus.read(0x1000, 2), bus.read(0xffff, 4)]).toEqual([
      0xff, 0xffff, 0xffffffff,
    ]);
    bus.write(0x1000, 4, 1);
    expect(bus.nameAt(0x1000)).toBeUndefined();
  });

  it("splits accesses that are too wide or leave the range, lowest port first", () => {
    const bus = new PortBus();
    const narrow = new Bytes();
    const wide = new Bytes();
    bus.claim("narrow", 0x100, 3, narrow);
    bus.claim("wide", 0x104, 4, wide, 4);
    bus.write(0x100, 4, 0x44332211);
    expect(narrow.log).toEqual(["w1@100", "w1@101", "w1@102"]);
    expect(bus.read(0x100, 4)).toBe(0xff332211);
    bus.write(0x104, 4, 0x88776655);
    expect(wide.log).toEqual(["w4@104"]);
    expect(bus.read(0x106, 4)).toBe(0xffff8877);
    expect(bus.read(0x103, 2)).toBe(0x55ff);
  });

  it("refuses a port that is taken, naming both, and what is no range of ports", () => {
    const bus = new PortBus();
    bus.claim("COM1", 0x3f8, 8, new Bytes());
    expect(() => bus.claim("modem", 0x3f0, 9, new Bytes())).toThrow(
      "modem: port 0x3f8 belongs to COM1",
    );
    expect(() => bus.claim("x", 0xffff, 2, new Bytes())).toThrow(RangeError);
    expect(bus.nameAt(0x3f7)).toBeUndefined();
    expect(bus.nameAt(0x3ff)).toBe("COM1");
  });
});

describe("MemoryBus", () => {
  it("finds the range that holds the whole access", () => {
    const bus = new MemoryBus();
    const devices = [0, 1, 2].map(() => new Bytes());
    const result = { lo: 0, hi: 0 };
    bus.claim("b", 0x2000, 0x1000, devices[1]);
    bus.claim("c", 0x8_0000_0000, 0x10, devices[2]);
    bus.claim("a", 0x1000, 0x1000, devices[0]);
    expect([bus.find(0xfff, 1), bus.find(0x1fff, 2), bus.find(0x8_0000_000f, 2)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(bus.find(0x1fff, 1)?.name).toBe("a");
    expect(bus.read(0x8_0000_0008, 8, result)).toBe(true);
    expect(result).toEqual({ lo: 8, hi: 0 });
    expect(bus.write(0x2010, 8, 5, 6)).toBe(true);
    expect(devices[1].log).toEqual(["w8@10=5,6"]);
    expect(bus.read(0x5000, 8, result)).toBe(false);
    expect(result).toEqual({ lo: 0xffffffff, hi: 0xffffffff });
    expect(bus.read(0x5000, 2, result)).toBe(false);
    expect(result).toEqual({ lo: 0xffff, hi: 0 });
    bus.release(0x2000);
    expect(bus.write(0x2010, 8, 5, 6)).toBe(false);
  });

  it("refuses overlaps, naming both", () => {
    const bus = new MemoryBus();
    bus.claim("IOAPIC", 0xfec00000, 0x1000, new Bytes());
    for (const [address, size] of [
      [0xfec00fff, 1],
      [0xfebff000, 0x1001],
      [0xfe000000, 0x1000000],
      [0xfec00000, 0x1000],
    ])
      expect(() => bus.claim("card", address, size, new Bytes())).toThrow(
        /card: .* overlaps IOAPIC/,
      );
    bus.claim("below", 0xfebff000, 0x1000, new Bytes());
    bus.claim("above", 0xfec01000, 0x1000, new Bytes());
    expect(() => bus.claim("x", 0, 0, new Bytes())).toThrow(RangeError);
    expect(() => bus.release(0x1234)).toThrow(/0x1234/);
  });
});
