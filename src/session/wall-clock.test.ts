import { describe, expect, it } from "vitest";
import { Pace, type WallClock } from "./wall-clock.ts";

/** A host whose time passes only when told, or when slept. */
class FakeHost implements WallClock {
  now = 0;
  slept: number[] = [];
  nowMs = () => this.now;
  sleep = async (milliseconds: number) => {
    this.slept.push(milliseconds);
    this.now += milliseconds;
  };
}

describe("Pace", () => {
  it("in real time sleeps exactly as long as virtual time is ahead", async () => {
    const host = new FakeHost();
    const pace = new Pace(host, true, 5e9);
    for (let ms = 10; ms <= 100; ms += 10) {
      host.now += 3; // each slice of 10 ms takes the host 3
      await pace.wait(5e9 + ms * 1e6);
    }
    expect(host.now).toBeCloseTo(100, 6);
    expect(host.slept).toHaveLength(10);
  });

  it("does not try to catch up after a long stop of the host", async () => {
    const host = new FakeHost();
    const pace = new Pace(host, true, 0);
    host.now = 60_000;
    await pace.wait(10e6);
    host.slept.length = 0;
    host.now += 1;
    await pace.wait(20e6);
    expect(host.slept).toEqual([9]);
  });

  it("otherwise only lets the host's events through now and then", async () => {
    const host = new FakeHost();
    const pace = new Pace(host, false, 0);
    for (let slice = 0; slice < 100; slice++) {
      host.now += 5;
      await pace.wait(slice * 1e9);
    }
    expect(host.slept).toEqual(Array.from({ length: 10 }, () => 0));
  });
});

describe("Between two looks at the clock", () => {
  it("less virtual time passes the longer the host takes for it", () => {
    let nowMs = 0;
    const pace = new Pace({ nowMs: () => nowMs, sleep: () => Promise.resolve() }, false, 0);
    const look = (tookMs: number): number => {
      nowMs += tookMs;
      void pace.wait(0);
      return pace.partNs;
    };
    for (let k = 0; k < 10; k++) look(1);
    expect(pace.partNs).toBe(1_000_000);
    expect(look(10)).toBe(1_000_000);
    expect(look(100)).toBe(500_000);
    for (let k = 0; k < 10; k++) look(100);
    expect(pace.partNs).toBeLessThanOrEqual(20_000);
    expect(look(1)).toBe(40_000);
  });
});
