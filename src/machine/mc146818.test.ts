import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Clock } from "./clock.ts";
import { Mc146818 } from "./mc146818.ts";

// Friday 2024-03-01 is the day after a leap day
const EPOCH = Date.UTC(2024, 1, 29, 23, 59, 50) / 1000;

function system(epoch = EPOCH) {
  const clock = new Clock();
  let irq = false;
  let edges = 0;
  const rtc = new Mc146818(
    clock,
    {
      set(level) {
        if (level && !irq) edges++;
        irq = level;
      },
    },
    epoch,
  );
  const read = (index: number) => {
    rtc.portWrite(0x70, 1, index);
    return rtc.portRead(0x71, 1);
  };
  const write = (index: number, value: number) => {
    rtc.portWrite(0x70, 1, index);
    rtc.portWrite(0x71, 1, value);
  };
  const calendar = () => [0x32, 9, 8, 7, 6, 4, 2, 0].map((n) => read(n).toString(16)).join(" ");
  return { clock, rtc, read, write, calendar, irq: () => irq, edges: () => edges };
}

const SECOND = 1e9;

describe("MC146818", () => {
  it("shows the time in BCD and 24 hours, over the end of a leap February", () => {
    const { clock, calendar } = system();
    expect(calendar()).toBe("20 24 2 29 5 23 59 50");
    clock.advance(10 * SECOND);
    expect(calendar()).toBe("20 24 3 1 6 0 0 0");
  });

  it("shows it in binary and in 12 hours", () => {
    const { clock, write, calendar } = system();
    write(0x0b, 0x06);
    expect(calendar()).toBe("14 18 2 1d 5 17 3b 32");
    write(0x0b, 0x00);
    expect(calendar()).toBe("20 24 2 29 5 91 59 50");
    clock.advance(10 * SECOND);
    expect(calendar()).toBe("20 24 3 1 6 12 0 0");
    clock.advance(12 * 3600 * SECOND + 10 * SECOND);
    expect(calendar()).toBe("20 24 3 1 6 92 0 0");
  });

  it("is set with SET held, in either mode, and goes on from there", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: Date.UTC(2099, 11, 31) / 1000 }),
        fc.constantFrom(0x00, 0x02, 0x04, 0x06),
        (seconds, mode) => {
          const source = system(seconds);
          source.write(0x0b, mode);
          const target = system();
          target.write(0x0b, 0x80 | mode);
          for (const index of [0, 2, 4, 7, 8, 9, 0x32]) target.write(index, source.read(index));
          target.clock.advance(5 * SECOND);
          target.write(0x0b, mode);
          expect(target.calendar()).toBe(source.calendar());
          target.clock.advance(90_000 * SECOND);
          source.clock.advance(89_995 * SECOND);
          expect(target.calendar()).toBe(source.calendar());
        },
      ),
      { numRuns: 50 },
    );
  });

  it("raises UIP 244 microseconds before the update, not while stopped", () => {
    const { clock, read, write } = system();
    clock.advance(SECOND - 300_000);
    expect(read(0x0a)).toBe(0x26);
    clock.advance(SECOND - 200_000);
    expect(read(0x0a)).toBe(0xa6);
    write(0x0b, 0x82);
    expect(read(0x0a)).toBe(0x26);
  });

  it("interrupts periodically at the rate of register A", () => {
    for (const [rate, hertz] of [
      [1, 256],
      [3, 8192],
      [6, 1024],
      [15, 2],
    ]) {
      const { clock, read, write, edges } = system();
      write(0x0a, 0x20 | rate);
      write(0x0b, 0x42);
      while (clock.nextDeadline() <= SECOND) {
        clock.advance(clock.nextDeadline());
        expect(read(0x0c) & 0xc0).toBe(0xc0);
      }
      expect(edges()).toBe(hertz);
      expect(clock.nextDeadline()).toBeGreaterThan(SECOND);
    }
  });

  it("keeps the line up until register C is read, and lets nobody wake for flags alone", () => {
    const { clock, read, write, irq, edges } = system();
    clock.advance(2.5 * SECOND);
    expect(clock.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
    expect(read(0x0c)).toBe(0x50);
    expect(read(0x0c)).toBe(0);
    write(0x0b, 0x12);
    clock.advance(5.5 * SECOND);
    expect(irq()).toBe(true);
    expect(edges()).toBe(1);
    expect(read(0x0c)).toBe(0xd0);
    expect(irq()).toBe(false);
    clock.advance(6 * SECOND);
    expect(irq()).toBe(true);
  });

  it("alarms at the time set, or at every match of a don't-care", () => {
    const { clock, read, write, irq } = system();
    write(0x01, 0x05);
    write(0x03, 0x00);
    write(0x05, 0x00);
    write(0x0b, 0x22);
    clock.advance(15 * SECOND - 1);
    expect(irq()).toBe(false);
    clock.advance(15 * SECOND);
    expect(irq()).toBe(true);
    expect(read(0x0c) & 0xa0).toBe(0xa0);
    clock.advance(3600 * SECOND);
    expect(irq()).toBe(false);
    write(0x05, 0xff);
    write(0x03, 0xc0);
    const at = Math.ceil((clock.now / SECOND - 15) / 60) * 60 + 15;
    clock.advance(at * SECOND);
    expect(irq()).toBe(true);
  });

  it("keeps NVRAM, masks NMI with the index, and has a good battery", () => {
    const { rtc, read, write } = system();
    write(0x5a, 0x77);
    expect(read(0x5a)).toBe(0x77);
    expect(read(0x0d)).toBe(0x80);
    expect(rtc.nmiMasked).toBe(false);
    rtc.portWrite(0x70, 1, 0x80 | 0x5a);
    expect(rtc.nmiMasked).toBe(true);
    expect(rtc.portRead(0x71, 1)).toBe(0x77);
    expect(rtc.portRead(0x70, 1)).toBe(0xff);
    expect(() => new Mc146818(new Clock(), { set() {} }, 0.5)).toThrow(RangeError);
  });
});
