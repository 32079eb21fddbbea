import { describe, expect, it } from "vitest";
import { Clock } from "./clock.ts";
import { EthernetWire } from "./ethernet-wire.ts";

function wire(stations: number, latencyNs?: number) {
  const clock = new Clock();
  const ether = new EthernetWire(clock, latencyNs);
  const log: [station: number, at: number, frame: number[]][] = [];
  const ports = Array.from({ length: stations }, (_, station) =>
    ether.attach({ receive: (frame) => log.push([station, clock.now, [...frame]]) }),
  );
  return { clock, ether, ports, log };
}

describe("an Ethernet wire", () => {
  it("carries a frame to all others, ten microseconds later", () => {
    const { clock, ports, log } = wire(3);
    const frame = Uint8Array.of(1, 2, 3);
    ports[1].send(frame, 500);
    frame.fill(0);
    clock.advance(10_499);
    expect(log).toEqual([]);
    clock.advance(20_000);
    expect(log).toEqual([
      [0, 10_500, [1, 2, 3]],
      [2, 10_500, [1, 2, 3]],
    ]);
  });

  it("delivers in the order of arrival, equal times in the order of sending", () => {
    const { clock, ports, log } = wire(2, 100);
    ports[0].send(Uint8Array.of(2), 50);
    ports[0].send(Uint8Array.of(1), 20);
    ports[0].send(Uint8Array.of(3), 50);
    clock.advance(1000);
    expect(log).toEqual([
      [1, 120, [1]],
      [1, 150, [2]],
      [1, 150, [3]],
    ]);
  });

  it("answers from within a delivery are under way again", () => {
    const clock = new Clock();
    const ether = new EthernetWire(clock, 0);
    const times: number[] = [];
    const first = ether.attach({
      receive: () => {
        times.push(clock.now);
        if (times.length < 3) first.send(Uint8Array.of(0), clock.now + 5);
      },
    });
    const second = ether.attach({ receive: (frame) => second.send(frame, clock.now + 5) });
    first.send(Uint8Array.of(0), 0);
    clock.advance(100);
    expect(times).toEqual([5, 15, 25]);
  });

  it("is saved with what is under way", () => {
    const a = wire(2);
    a.ports[0].send(Uint8Array.of(7), 1);
    a.ports[1].send(Uint8Array.of(8), 2);
    const b = wire(2);
    b.ether.load(structuredClone(a.ether.save()));
    a.clock.advance(50_000);
    b.clock.advance(50_000);
    expect(b.log).toEqual(a.log);
    expect(b.log).toHaveLength(2);
  });

  it("refuses a latency that is none", () => {
    expect(() => new EthernetWire(new Clock(), -1)).toThrow(RangeError);
    expect(() => new EthernetWire(new Clock(), Number.NaN)).toThrow(RangeError);
  });
});
