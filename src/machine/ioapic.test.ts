import { describe, expect, it } from "vitest";
import { IOAPIC_PINS, IoApic } from "./ioapic.ts";
import { apicSystem, drain, enable } from "./testing/apic-system.ts";

const MASKED = 0x10000;
const LEVEL = 0x8000;
const REMOTE_IRR = 0x4000;

function system() {
  const base = apicSystem([0, 1]);
  const ioapic = new IoApic(base.bus);
  const result = { lo: 0, hi: 0 };
  const read = (index: number) => {
    ioapic.memoryWrite(0, 4, index, 0);
    ioapic.memoryRead(0x10, 4, result);
    return result.lo;
  };
  const write = (index: number, value: number) => {
    ioapic.memoryWrite(0, 4, index, 0);
    ioapic.memoryWrite(0x10, 4, value, 0);
  };
  const route = (pin: number, low: number, cpu = 0) => {
    write(0x11 + 2 * pin, cpu << 24);
    write(0x10 + 2 * pin, low);
  };
  return { ...base, ioapic, read, write, route };
}

describe("IoApic (82093AA)", () => {
  it("has 24 masked pins, version 0x20, and an id of four bits", () => {
    const { read, write, ioapic } = system();
    expect(read(1)).toBe(0x00170020);
    for (let pin = 0; pin < IOAPIC_PINS; pin++) {
      expect(read(0x10 + 2 * pin)).toBe(MASKED);
      expect(read(0x11 + 2 * pin)).toBe(0);
    }
    write(0, 0xffffffff);
    expect(read(0)).toBe(0x0f000000);
    write(1, 0);
    expect(read(1)).toBe(0x00170020);
    expect(read(0x40)).toBe(0);
    const result = { lo: 0, hi: 0 };
    ioapic.memoryRead(0, 4, result);
    expect(result.lo).toBe(0x40);
    read(1);
    ioapic.memoryRead(0x10, 2, result);
    expect(result.lo).toBe(0x0020);
    // delivery status and remote IRR cannot be written
    write(0x10, 0xffffffff);
    expect(read(0x10)).toBe(0x1afff);
    write(0x11, 0xffffffff);
    expect(read(0x11)).toBe(0xff000000);
  });

  it("sends an edge once for every rise, to the destination named", () => {
    const { apics, ioapic, route } = system();
    enable(...apics);
    route(5, 0x35, 1);
    ioapic.pins[5].set(true);
    ioapic.pins[5].set(true);
    expect(drain(apics[1])).toEqual([0x35]);
    expect(drain(apics[1])).toEqual([]);
    ioapic.pins[5].set(false);
    ioapic.pins[5].set(true);
    expect(drain(apics[1])).toEqual([0x35]);
    expect(drain(apics[0])).toEqual([]);
  });

  it("loses an edge on a masked pin", () => {
    const { apics, ioapic, route } = system();
    enable(...apics);
    route(5, 0x35 | MASKED);
    ioapic.pins[5].set(true);
    route(5, 0x35);
    expect(apics[0].pending()).toBe(-1);
  });

  it("holds a level with remote IRR until the end of interrupt, then repeats it while asserted", () => {
    const { apics, ioapic, read, route } = system();
    enable(...apics);
    route(9, 0x49 | LEVEL);
    ioapic.pins[9].set(true);
    expect(read(0x22)).toBe(0x49 | LEVEL | REMOTE_IRR);
    expect(apics[0].acknowledge()).toBe(0x49);
    ioapic.pins[9].set(false);
    ioapic.pins[9].set(true);
    expect(apics[0].pending()).toBe(-1);
    apics[0].writeRegister(0x0b, 0);
    expect(apics[0].acknowledge()).toBe(0x49);
    ioapic.pins[9].set(false);
    apics[0].writeRegister(0x0b, 0);
    expect(apics[0].pending()).toBe(-1);
    expect(read(0x22)).toBe(0x49 | LEVEL);
  });

  it("delivers a level that was asserted while masked, or while its CPU took none", () => {
    const { apics, ioapic, read, route } = system();
    route(9, 0x49 | LEVEL | MASKED);
    ioapic.pins[9].set(true);
    route(9, 0x49 | LEVEL);
    expect(read(0x22)).toBe(0x49 | LEVEL);
    enable(...apics);
    // nothing retries by itself: the next touch of the entry does
    route(9, 0x49 | LEVEL);
    expect(apics[0].pending()).toBe(0x49);
  });

  it("ends by EOI register, or by turning the entry to edge and back", () => {
    const { apics, ioapic, read, route, write } = system();
    enable(...apics);
    apics[0].writeRegister(0x0f, 0x11ff); // no EOI broadcasts
    route(9, 0x49 | LEVEL);
    ioapic.pins[9].set(true);
    drain(apics[0]);
    ioapic.pins[9].set(false);
    expect(read(0x22)).toBe(0x49 | LEVEL | REMOTE_IRR);
    ioapic.memoryWrite(0x40, 4, 0x48, 0);
    expect(read(0x22) & REMOTE_IRR).toBe(REMOTE_IRR);
    ioapic.memoryWrite(0x40, 4, 0x49, 0);
    expect(read(0x22)).toBe(0x49 | LEVEL);
    ioapic.pins[9].set(true);
    drain(apics[0]);
    ioapic.pins[9].set(false);
    write(0x22, 0x49 | MASKED);
    write(0x22, 0x49 | LEVEL);
    expect(read(0x22)).toBe(0x49 | LEVEL);
  });

  it("passes NMI and other delivery modes on", () => {
    const { ioapic, route, log } = system();
    route(0, 4 << 8, 1);
    ioapic.pins[0].set(true);
    expect(log).toEqual(["nmi 1"]);
  });
});
