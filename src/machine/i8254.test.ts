import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Clock } from "./clock.ts";
import { I8254 } from "./i8254.ts";
import { I8254Counter } from "./i8254-counter.ts";

/** Drives one counter by hand, tick by tick. */
function counter(mode: number, { gate = true, bcd = false } = {}) {
  const chip = new I8254Counter(gate);
  let tick = 0;
  chip.control(0x30 | (mode << 1) | (bcd ? 1 : 0));
  return {
    chip,
    count: (value: number) => {
      chip.write(value & 0xff, tick);
      chip.write(value >> 8, tick);
    },
    /** OUT and count over the next ticks. */
    run: (ticks: number) => {
      let outs = "";
      for (let n = 0; n < ticks; n++) {
        tick++;
        outs += chip.out(tick) ? "H" : "L";
      }
      return outs;
    },
    value: () => chip.read(tick) | (chip.read(tick) << 8),
    gate: (level: boolean) => chip.setGate(level, tick),
    out: () => chip.out(tick),
  };
}

describe("8254 counter (datasheet 231164)", () => {
  it("mode 0: OUT rises N+1 clocks after the write, GATE holds the count", () => {
    const c = counter(0);
    expect(c.out()).toBe(false);
    c.count(4);
    expect(c.run(6)).toBe("LLLLHH");
    expect(c.value()).toBe(0xffff);
    c.count(4);
    expect(c.out()).toBe(false);
    expect(c.run(2)).toBe("LL");
    expect(c.value()).toBe(3);
    c.gate(false);
    expect(c.run(5)).toBe("LLLLL");
    expect(c.value()).toBe(3);
    c.gate(true);
    // figure 16: counting resumes with the clock after GATE rises
    expect(c.run(4)).toBe("LLLH");
  });

  it("mode 0: the first byte of two stops the count and takes OUT low", () => {
    const c = counter(0);
    c.count(2);
    expect(c.run(4)).toBe("LLHH");
    c.chip.write(3, 4);
    expect(c.out()).toBe(false);
    expect(c.run(5)).toBe("LLLLL");
    c.chip.write(0, 9);
    expect(c.run(4)).toBe("LLLH");
  });

  it("mode 1: a trigger takes OUT low for N clocks, and again retriggers", () => {
    const c = counter(1, { gate: false });
    c.count(3);
    expect(c.run(3)).toBe("HHH");
    c.gate(true);
    expect(c.run(5)).toBe("LLLHH");
    c.gate(false);
    c.gate(true);
    expect(c.run(2)).toBe("LL");
    c.gate(false);
    c.gate(true);
    expect(c.run(4)).toBe("LLLH");
    // a new count waits for the next trigger
    c.gate(false);
    c.gate(true);
    c.run(1);
    c.count(5);
    expect(c.run(3)).toBe("LLH");
    c.gate(false);
    c.gate(true);
    expect(c.run(6)).toBe("LLLLLH");
  });

  it("mode 2: low for one clock in N, a new count starts with the next period", () => {
    const c = counter(2);
    c.count(3);
    expect(c.run(7)).toBe("HHLHHLH");
    c.count(5);
    expect(c.run(12)).toBe("HLHHHHLHHHHL");
  });

  it("mode 2: GATE low takes OUT high, its rise restarts", () => {
    const c = counter(2);
    c.count(3);
    expect(c.run(3)).toBe("HHL");
    c.gate(false);
    expect(c.out()).toBe(true);
    expect(c.run(4)).toBe("HHHH");
    c.gate(true);
    expect(c.run(4)).toBe("HHLH");
  });

  it("mode 3: high for the longer half, counts down by two", () => {
    const even = counter(3);
    even.count(4);
    expect(even.run(8)).toBe("HHLLHHLL");
    const odd = counter(3);
    odd.count(5);
    expect(odd.run(10)).toBe("HHHLLHHHLL");
    const counts = counter(3);
    counts.count(6);
    const seen: number[] = [];
    for (let n = 0; n < 6; n++) {
      counts.run(1);
      seen.push(counts.value());
    }
    expect(seen).toEqual([6, 4, 2, 6, 4, 2]);
    const oddCounts = counter(3);
    oddCounts.count(5);
    seen.length = 0;
    for (let n = 0; n < 5; n++) {
      oddCounts.run(1);
      seen.push(oddCounts.value());
    }
    expect(seen).toEqual([4, 2, 0, 4, 2]);
  });

  it("mode 3: a new count takes over at the end of the half period", () => {
    const c = counter(3);
    c.count(6);
    expect(c.run(1)).toBe("H");
    c.count(2);
    expect(c.run(7)).toBe("HHLHLHL");
    const late = counter(3);
    late.count(6);
    expect(late.run(4)).toBe("HHHL");
    late.count(4);
    expect(late.run(6)).toBe("LLHHLL");
  });

  it("mode 4: a strobe of one clock, N+1 after the write, once", () => {
    const c = counter(4);
    c.count(3);
    expect(c.run(7)).toBe("HHHLHHH");
    c.count(2);
    expect(c.run(5)).toBe("HHLHH");
  });

  it("mode 5: the same, from a trigger", () => {
    const c = counter(5, { gate: false });
    c.count(2);
    expect(c.run(4)).toBe("HHHH");
    c.gate(true);
    expect(c.run(5)).toBe("HHLHH");
  });

  it("counts in BCD, 0 being ten thousand", () => {
    const c = counter(0, { bcd: true });
    c.count(0x0100);
    c.run(2);
    expect(c.value()).toBe(0x0099);
    c.count(0);
    c.run(2);
    expect(c.value()).toBe(0x9999);
  });

  it("announces the tick of every change of OUT, in every mode", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 5 }),
        fc.integer({ min: 2, max: 12 }),
        fc.option(fc.tuple(fc.integer({ min: 1, max: 25 }), fc.integer({ min: 2, max: 12 }))),
        (mode, count, change) => {
          const chip = new I8254Counter(mode !== 1 && mode !== 5);
          chip.control(0x10 | (mode << 1));
          chip.write(count, 0);
          if (mode === 1 || mode === 5) chip.setGate(true, 0);
          let before = chip.out(0);
          let announced = chip.nextChange(0);
          for (let tick = 1; tick < 60; tick++) {
            const now = chip.out(tick);
            if (now !== before) expect(announced).toBe(tick);
            if (change && tick === change[0]) chip.write(change[1], tick);
            before = chip.out(tick);
            announced = chip.nextChange(tick);
            expect(announced).toBeGreaterThan(tick);
          }
        },
      ),
    );
  });
});

describe("8254 counter state", () => {
  const make = (what: string, value: fc.Arbitrary<number>) =>
    fc.record({ what: fc.constant(what), value });
  const operation = fc.oneof(
    { weight: 1, arbitrary: make("control", fc.integer({ min: 0x10, max: 0x3f })) },
    { weight: 4, arbitrary: make("write", fc.integer({ min: 0, max: 12 })) },
    { weight: 1, arbitrary: make("gate", fc.nat(1)) },
    { weight: 1, arbitrary: make("latch", fc.constant(0)) },
    { weight: 1, arbitrary: make("status", fc.constant(0)) },
    { weight: 2, arbitrary: make("read", fc.constant(0)) },
    { weight: 3, arbitrary: make("pass", fc.integer({ min: 1, max: 9 })) },
  );

  /** Performs operations on a counter and tells all that can be seen of it. */
  function drive(chip: I8254Counter, from: number, operations: { what: string; value: number }[]) {
    const seen: (number | boolean)[] = [];
    let tick = from;
    for (const { what, value } of operations) {
      if (what === "control" && (value & 0x30) !== 0) chip.control(value);
      else if (what === "write") chip.write(value, tick);
      else if (what === "gate") chip.setGate(value === 1, tick);
      else if (what === "latch") chip.latchCount(tick);
      else if (what === "status") chip.latchStatus(tick);
      else if (what === "read") seen.push(chip.read(tick));
      else
        for (let n = 0; n < value; n++) {
          tick++;
          seen.push(chip.out(tick), chip.nextChange(tick));
        }
    }
    return { seen, tick };
  }

  it("goes on identically in another chip", () => {
    fc.assert(
      fc.property(
        fc.array(operation, { maxLength: 25 }),
        fc.array(operation, { maxLength: 25 }),
        (before, after) => {
          const first = new I8254Counter(true);
          const { tick } = drive(first, 0, before);
          const second = new I8254Counter(true);
          second.load(structuredClone(first.save()));
          expect(second.save()).toEqual(first.save());
          expect(drive(second, tick, after)).toEqual(drive(first, tick, after));
        },
      ),
      { numRuns: 500 },
    );
  });
});

const TICK_NS = 1e9 / 1_193_181.818181818;

function pit() {
  const clock = new Clock();
  const edges: number[] = [];
  let level = false;
  const chip = new I8254(clock, {
    set(next) {
      if (next && !level) edges.push(clock.now);
      level = next;
    },
  });
  const out = (port: number, ...values: number[]) => {
    for (const value of values) chip.portWrite(port, 1, value);
  };
  const read = (port: number) => chip.portRead(port, 1);
  return {
    clock,
    chip,
    edges,
    out,
    read,
    ticks: (n: number) => clock.advance(clock.now + n * TICK_NS),
  };
}

describe("8254 in a PC", () => {
  it("raises IRQ 0 at the programmed rate, without drift", () => {
    const { clock, edges, out } = pit();
    out(0x43, 0x34);
    out(0x40, 11932 & 0xff, 11932 >> 8);
    // the control word itself took OUT high
    expect(edges.splice(0)).toEqual([0]);
    clock.advance(10e9);
    expect(edges.length).toBe(Math.floor(10e9 / (11932 * TICK_NS)));
    const last = edges.length - 1;
    expect(Math.abs(edges[last] - edges[0] - last * 11932 * TICK_NS)).toBeLessThan(1);
  });

  it("keeps its rate after days of virtual time", () => {
    const { clock, edges, out } = pit();
    clock.advance(5 * 86_400e9);
    out(0x43, 0x36);
    out(0x40, 0, 0);
    edges.length = 0;
    clock.advance(5 * 86_400e9 + 1e9);
    expect(edges.length).toBe(18);
  });

  it("latches a count until it is read, and ignores latching again", () => {
    const { out, read, ticks } = pit();
    out(0x43, 0x34);
    out(0x40, 0x00, 0x10);
    ticks(10.5);
    out(0x43, 0x00);
    ticks(100);
    out(0x43, 0x00);
    const first = read(0x40) | (read(0x40) << 8);
    expect(first).toBe(0x1000 - 9);
    const later = read(0x40) | (read(0x40) << 8);
    expect(later).toBe(0x1000 - 109);
  });

  it("reads back status first, then count; null count until loaded", () => {
    const { out, read, ticks } = pit();
    out(0x43, 0xb0); // counter 2, both bytes, mode 0: OUT low
    out(0x43, 0xe8);
    expect(read(0x42)).toBe(0x70);
    out(0x61, 1);
    out(0x42, 0x64, 0x00);
    out(0x43, 0xe8);
    expect(read(0x42)).toBe(0x70);
    ticks(3);
    out(0x43, 0xc8);
    ticks(200);
    expect(read(0x42)).toBe(0x30);
    const latched = read(0x42) | (read(0x42) << 8);
    expect(latched).toBeLessThanOrEqual(0x64 - 1);
    expect(latched).toBeGreaterThanOrEqual(0x64 - 3);
    out(0x43, 0xe8);
    expect(read(0x42)).toBe(0xb0);
  });

  it("accesses one byte where told so", () => {
    const { out, read, ticks } = pit();
    out(0x43, 0x60 | (0x80 & 0) | 0x04); // counter 1, most significant byte, mode 2
    out(0x41, 0x20);
    ticks(1.5);
    expect(read(0x41)).toBe(0x20);
    out(0x43, 0x54); // least significant byte
    out(0x41, 0x20);
    ticks(5);
    expect(read(0x41)).toBe(0x20 - 4);
    expect(read(0x43)).toBe(0xff);
  });

  it("gates counter 2 with bit 0 of port 0x61, and shows its output at bit 5", () => {
    const { out, read, ticks } = pit();
    out(0x61, 0x02);
    out(0x43, 0xb0);
    out(0x42, 100, 0);
    ticks(500);
    expect(read(0x61) & 0x2f).toBe(0x02);
    out(0x61, 0x01);
    ticks(99);
    expect(read(0x61) & 0x20).toBe(0);
    ticks(3);
    expect(read(0x61) & 0x2f).toBe(0x21);
  });

  it("toggles bit 4 of port 0x61 every 15 microseconds", () => {
    const { clock, read } = pit();
    let toggles = 0;
    let last = read(0x61) & 0x10;
    for (let n = 0; n < 1000; n++) {
      clock.advance(n * 1000);
      const now = read(0x61) & 0x10;
      if (now !== last) toggles++;
      last = now;
    }
    expect(toggles).toBe(Math.floor(999_000 / (18 * TICK_NS)));
  });
});
