import { describe, expect, it } from "vitest";
import { GuestMemory } from "../engine/guest-memory.ts";
import { Board } from "./board.ts";
import { setUpAsFirmware } from "./firmware.ts";
import { FakeVcpu, HLT } from "./testing/fake-vcpu.ts";

describe("setUpAsFirmware", () => {
  it("leaves a timer interrupt 18.2 times a second at vector 8", () => {
    const vcpu = new FakeVcpu(0, ({ taken }) => {
      if (taken.length > 0) board.portBus.write(0x20, 1, 0x20);
      return HLT;
    });
    const board = new Board({ memory: new GuestMemory(0x100000), vcpus: [vcpu] });
    setUpAsFirmware(board);
    board.scheduler.run(10e9);
    expect(new Set(vcpu.taken.map(({ vector }) => vector))).toEqual(new Set([8]));
    // one edge comes with the control word, before the first period
    expect(vcpu.taken.length - 1).toBe(182);
  });
});
