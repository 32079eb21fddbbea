import { describe, expect, it } from "vitest";
import { I8259Pair } from "./i8259-pair.ts";

/** A pair at vectors 0x20 and 0x28, all unmasked. */
function pair(icw4 = { master: 0x01, slave: 0x01 }) {
  let intr = false;
  const pic = new I8259Pair({
    set(level) {
      intr = level;
    },
  });
  const out = (port: number, ...values: number[]) => {
    for (const value of values) pic.portWrite(port, 1, value);
  };
  const read = (port: number) => pic.portRead(port, 1);
  out(0x20, 0x11);
  out(0x21, 0x20, 0x04, icw4.master);
  out(0xa0, 0x11);
  out(0xa1, 0x28, 0x02, icw4.slave);
  const raise = (...irqs: number[]) => {
    for (const irq of irqs) pic.pins[irq].set(true);
  };
  const lower = (...irqs: number[]) => {
    for (const irq of irqs) pic.pins[irq].set(false);
  };
  return { pic, out, read, raise, lower, intr: () => intr };
}

const EOI = 0x20;
const READ_IRR = 0x0a;
const READ_ISR = 0x0b;

describe("8259A pair (datasheet 231468)", () => {
  it("serves IR0 before IR7, nests only higher priorities, and the slave between 1 and 3", () => {
    const { pic, out, raise, intr } = pair();
    raise(3, 9, 7, 1, 8);
    const order: number[] = [];
    while (intr()) {
      order.push(pic.acknowledge());
      if (order[order.length - 1] >= 0x28) out(0xa0, EOI);
      out(0x20, EOI);
    }
    expect(order).toEqual([0x21, 0x28, 0x29, 0x23, 0x27]);
    raise(5);
    pic.pins[5].set(false);
    raise(5);
    expect(pic.acknowledge()).toBe(0x25);
    pic.pins[6].set(true);
    expect(intr()).toBe(false);
    pic.pins[4].set(true);
    expect(intr()).toBe(true);
    expect(pic.vector()).toBe(0x24);
  });

  it("shows IRR and ISR through OCW3, and IMR", () => {
    const { pic, out, read, raise } = pair();
    raise(1, 4);
    out(0x20, READ_IRR);
    expect(read(0x20)).toBe(0x12);
    pic.acknowledge();
    expect(read(0x20)).toBe(0x10);
    out(0x20, READ_ISR);
    expect(read(0x20)).toBe(0x02);
    out(0x21, 0xa5);
    expect(read(0x21)).toBe(0xa5);
  });

  it("masks without forgetting the request", () => {
    const { pic, out, raise, intr } = pair();
    out(0x21, 0xff);
    raise(6);
    expect(intr()).toBe(false);
    out(0x21, 0xbf);
    expect(intr()).toBe(true);
    expect(pic.acknowledge()).toBe(0x26);
  });

  it("needs another edge after service, and gives IR7 if the request fell early", () => {
    const { pic, out, read, raise, lower, intr } = pair();
    raise(3);
    pic.acknowledge();
    out(0x20, EOI);
    expect(intr()).toBe(false);
    lower(3);
    raise(3);
    expect(intr()).toBe(true);
    lower(3);
    expect(intr()).toBe(false);
    // the CPU had already seen INTR
    expect(pic.acknowledge()).toBe(0x27);
    out(0x20, READ_ISR);
    expect(read(0x20)).toBe(0);
  });

  it("repeats while a level-triggered input is asserted", () => {
    const { pic, out, read, raise, lower, intr } = pair();
    out(0x4d0, 0xff);
    out(0x4d1, 0xff);
    expect([read(0x4d0), read(0x4d1)]).toEqual([0xf8, 0xde]);
    raise(11);
    for (let n = 0; n < 3; n++) {
      expect(pic.acknowledge()).toBe(0x2b);
      out(0xa0, EOI);
      out(0x20, EOI);
    }
    lower(11);
    expect(intr()).toBe(false);
  });

  it("ends a specific level", () => {
    const { pic, out, read, raise } = pair();
    raise(5);
    pic.acknowledge();
    raise(2, 1);
    pic.acknowledge();
    out(0x20, 0x60 | 5, READ_ISR);
    expect(read(0x20)).toBe(0x02);
    out(0x20, EOI);
    expect(read(0x20)).toBe(0);
  });

  it("rotates: on non-specific EOI, on specific EOI, and by set-priority", () => {
    const { pic, out, raise, lower } = pair();
    raise(4, 6);
    expect(pic.acknowledge()).toBe(0x24);
    // the level just served becomes lowest: 5 is highest now
    out(0x20, 0xa0);
    lower(4);
    raise(4, 5);
    expect(pic.acknowledge()).toBe(0x25);
    out(0x20, EOI);
    expect(pic.acknowledge()).toBe(0x26);
    out(0x20, 0xe0 | 6);
    expect(pic.acknowledge()).toBe(0x24);
    out(0x20, EOI);
    // IR2 lowest, so IR3 highest
    out(0x20, 0xc0 | 2);
    lower(1, 3);
    raise(1, 3);
    expect(pic.acknowledge()).toBe(0x23);
  });

  it("ends by itself in automatic-EOI mode, rotating if told", () => {
    const { pic, out, read, raise, lower, intr } = pair({ master: 0x03, slave: 0x01 });
    raise(0);
    pic.acknowledge();
    out(0x20, READ_ISR);
    expect(read(0x20)).toBe(0);
    out(0x20, 0x80);
    const order: number[] = [];
    for (let n = 0; n < 4; n++) {
      lower(0, 1);
      raise(0, 1);
      order.push(pic.acknowledge());
    }
    expect(order).toEqual([0x20, 0x21, 0x20, 0x21]);
    lower(0, 1);
    expect(intr()).toBe(false);
  });

  it("lets lower priorities through in special mask mode", () => {
    const { pic, out, raise, intr } = pair();
    raise(2, 1);
    pic.acknowledge();
    raise(6);
    expect(intr()).toBe(false);
    out(0x21, 0x02);
    expect(intr()).toBe(false);
    out(0x20, 0x68);
    expect(intr()).toBe(true);
    expect(pic.acknowledge()).toBe(0x26);
    // the masked level in service is not what a non-specific EOI ends
    out(0x20, EOI, READ_ISR);
    expect(pic.portRead(0x20, 1)).toBe(0x02);
    out(0x20, 0x48);
    out(0x21, 0);
    raise(7);
    expect(intr()).toBe(false);
  });

  it("lets the slave nest in special fully nested mode only", () => {
    for (const [icw4, nests] of [
      [0x01, false],
      [0x11, true],
    ] as const) {
      const { pic, raise, intr } = pair({ master: icw4, slave: 0x01 });
      raise(12);
      expect(pic.acknowledge()).toBe(0x2c);
      raise(9);
      expect(intr()).toBe(nests);
      if (nests) expect(pic.acknowledge()).toBe(0x29);
    }
  });

  it("answers a poll with the level, and that is the acknowledge", () => {
    const { out, read, raise, intr } = pair();
    raise(4);
    out(0x20, 0x0c);
    expect(read(0x20)).toBe(0x84);
    expect(intr()).toBe(false);
    out(0x20, READ_ISR);
    expect(read(0x20)).toBe(0x10);
    out(0x20, EOI, 0x0c);
    expect(read(0x20)).toBe(0);
  });

  it("sees the next request of the slave after automatic EOI", () => {
    const { pic, out, raise, intr } = pair({ master: 0x01, slave: 0x03 });
    raise(8, 9);
    expect(pic.acknowledge()).toBe(0x28);
    out(0x20, EOI);
    expect(intr()).toBe(true);
    expect(pic.acknowledge()).toBe(0x29);
  });

  it("forgets edges, masks and service at ICW1, and is silent until initialised", () => {
    const { pic, out, read, raise, lower, intr } = pair();
    raise(1, 3);
    pic.acknowledge();
    out(0x21, 0xff);
    out(0x20, 0x11);
    raise(5);
    expect(intr()).toBe(false);
    out(0x21, 0x40, 0x04, 0x01);
    expect(read(0x21)).toBe(0);
    expect(intr()).toBe(true);
    expect(pic.acknowledge()).toBe(0x45);
    out(0x20, EOI);
    expect(intr()).toBe(false);
    lower(3);
    raise(3);
    expect(pic.acknowledge()).toBe(0x43);
  });

  it("has no wire at IRQ 2", () => {
    const { raise, intr } = pair();
    raise(2);
    expect(intr()).toBe(false);
  });
});
