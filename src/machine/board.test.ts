import { describe, expect, it } from "vitest";
import { GuestMemory } from "../engine/guest-memory.ts";
import type { Exit, Width } from "../engine/vcpu.ts";
import { Board, type BoardOptions } from "./board.ts";
import { type Effect, FakeVcpu, HLT } from "./testing/fake-vcpu.ts";

const halt = (): Effect => HLT;

function machine(cpus = 1, options: Partial<BoardOptions> = {}) {
  const vcpus = Array.from({ length: cpus }, (_, n) => new FakeVcpu(n, halt));
  const serial: string[] = ["", "", "", ""];
  const board = new Board({
    memory: new GuestMemory(65536),
    vcpus,
    serial: serial.map((_, n) => (byte) => {
      serial[n] += String.fromCharCode(byte);
    }),
    ...options,
  });
  const on = (cpu: number, exit: Exit) => board.bareModerator.exit(vcpus[cpu], exit);
  const out = (port: number, value: number, width: 1 | 2 | 4 = 1, cpu = 0) =>
    on(cpu, { kind: "port-write", port, width, string: false, value });
  const read = (port: number, width: 1 | 2 | 4 = 1) => {
    const exit: Exit = { kind: "port-read", port, width, string: false, value: 0 };
    on(0, exit);
    return exit.value;
  };
  const load = (address: number, width: Width = 4, cpu = 0) => {
    const exit: Exit = { kind: "memory-read", address, width, lo: 0, hi: 0 };
    expect(on(cpu, exit)).toBe("done");
    return exit.lo;
  };
  const store = (address: number, lo: number, cpu = 0) =>
    on(cpu, { kind: "memory-write", address, width: 4, lo, hi: 0 });
  const wrmsr = (msr: number, lo: number, hi = 0, cpu = 0) =>
    on(cpu, { kind: "msr-write", msr, lo, hi });
  const initialisePic = () => {
    for (const [port, value] of [
      [0x20, 0x11],
      [0x21, 0x20],
      [0x21, 0x04],
      [0x21, 0x01],
      [0xa0, 0x11],
      [0xa1, 0x28],
      [0xa1, 0x02],
      [0xa1, 0x01],
    ])
      out(port, value);
  };
  const route = (pin: number, low: number, cpu = 0) => {
    store(0xfec00000, 0x11 + 2 * pin);
    store(0xfec00010, cpu << 24);
    store(0xfec00000, 0x10 + 2 * pin);
    store(0xfec00010, low);
  };
  return { board, vcpus, serial, on, out, read, load, store, wrmsr, initialisePic, route };
}

const SVR = 0xfee000f0;
const MS = 1_000_000;

describe("Board", () => {
  it("brings the 8254 to CPU 0 through the 8259 pair and LINT0", () => {
    const { board, vcpus, out, initialisePic } = machine();
    board.localApics[0].virtualWire();
    initialisePic();
    out(0x43, 0x34);
    out(0x40, 11932 & 0xff);
    out(0x40, 11932 >> 8);
    vcpus[0].step = (vcpu) => {
      if (vcpu.taken.length > 0) out(0x20, 0x20);
      return HLT;
    };
    board.scheduler.run(50.5 * MS);
    // OUT rises with the control word, then every 10 ms
    expect(vcpus[0].taken.map(({ vector }) => vector)).toEqual(Array(6).fill(0x20));
    expect(vcpus[0].taken.map(({ at }) => Math.round(at / MS))).toEqual([0, 10, 20, 30, 40, 50]);
  });

  it("brings the 8254 to IOAPIC pin 2, and COM1, RTC and ACPI to 4, 8 and 9", () => {
    const { board, vcpus, out, store, route } = machine(2);
    store(SVR, 0x1ff, 0);
    store(SVR, 0x1ff, 1);
    board.scheduler.setOnline(1, true);
    for (const [pin, vector] of [
      [2, 0x32],
      [4, 0x34],
      [8, 0x38],
      [9, 0x8039],
    ])
      route(pin, vector, 1);
    vcpus[1].step = () => {
      store(0xfee000b0, 0, 1);
      return HLT;
    };
    out(0x3f9, 2);
    out(0x3fc, 8);
    board.scheduler.run(1 * MS);
    out(0x43, 0x34);
    board.scheduler.run(2 * MS);
    out(0x70, 0x0b);
    out(0x71, 0x42);
    board.scheduler.run(4 * MS);
    out(0x602, 1, 2);
    board.scheduler.run(2343.5 * MS);
    const vectors = vcpus[1].taken.map(({ vector }) => vector);
    expect(vectors.slice(0, 3)).toEqual([0x34, 0x32, 0x38]);
    // level-triggered: again and again until the status is cleared
    expect(vectors.slice(3).every((vector) => vector === 0x39)).toBe(true);
    expect(vectors.length).toBeGreaterThan(5);
    expect(vcpus[1].taken[3].at).toBeCloseTo((2 ** 23 / 3_579_545) * 1e9, -3);
    expect(vcpus[0].taken).toEqual([]);
  });

  it("shares IRQ 4 between COM1 and COM3", () => {
    const { board, out, read, store, route } = machine();
    store(SVR, 0x1ff);
    route(4, 0x8034);
    for (const base of [0x3f8, 0x3e8]) {
      out(base + 1, 2);
      out(base + 4, 8);
    }
    expect(board.localApics[0].acknowledge()).toBe(0x34);
    read(0x3fa);
    store(0xfee000b0, 0);
    expect(board.localApics[0].acknowledge()).toBe(0x34);
    read(0x3ea);
    store(0xfee000b0, 0);
    expect(board.localApics[0].pending()).toBe(-1);
  });

  it("has the serial ports at their sinks and ports, and unclaimed ports read all ones", () => {
    const { serial, out, read } = machine();
    [0x3f8, 0x2f8, 0x3e8, 0x2e8].forEach((port, n) => {
      out(port, 0x41 + n);
    });
    expect(serial).toEqual(["A", "B", "C", "D"]);
    expect(read(0x3fd)).toBe(0x60);
    expect(read(0x1234, 4)).toBe(0xffffffff);
    // a word access of two byte-wide registers
    expect(read(0x3fd, 2)).toBe(0xb060);
    expect(read(0x608, 4)).toBe(0);
  });

  it("reads all ones from memory nobody answers, and gives every CPU its own APIC page", () => {
    const { board, load, store, wrmsr, on } = machine(2);
    expect(load(0xd0000000)).toBe(0xffffffff);
    store(0xd0000000, 1);
    expect(load(0xb0000000)).toBe(0xffffffff);
    expect([load(0xfee00020, 4, 0), load(0xfee00020, 4, 1)]).toEqual([0, 0x01000000]);
    expect(on(0, { kind: "memory-fetch", address: 0xd0000000 })).toBe("undefined");
    expect(wrmsr(0x1b, 0xfee00c00, 0, 1)).toBe("done");
    expect(load(0xfee00020, 4, 1)).toBe(0xffffffff);
    expect(wrmsr(0x80f, 0x1ff, 0, 1)).toBe("done");
    expect(wrmsr(0x80f, 0x1ff, 0, 0)).toBe("fault");
    expect(board.localApics[1].acceptsFixed).toBe(true);
    const msr: Exit = { kind: "msr-read", msr: 0x802, lo: 0, hi: 0 };
    expect(on(1, msr)).toBe("done");
    expect(msr.lo).toBe(1);
    expect(on(0, { kind: "msr-read", msr: 0x277, lo: 0, hi: 0 })).toBe("native");
    expect(on(0, { kind: "hypercall", instruction: "vmcall" })).toBe("undefined");
  });

  it("starts application processors by INIT and start-up messages, once", () => {
    const { board, vcpus, store } = machine(2);
    vcpus[1].step = () => undefined;
    const icr = (low: number) => {
      store(0xfee00310, 1 << 24);
      store(0xfee00300, low);
    };
    expect(board.scheduler.isOnline(1)).toBe(false);
    vcpus[0].step = (vcpu) => {
      if (vcpu.retired === 1000) icr(0xc500);
      if (vcpu.retired === 2000) icr(0x8500);
      if (vcpu.retired === 3000) icr(0x069a);
      if (vcpu.retired === 4000) icr(0x0612);
      return vcpu.retired === 5000 ? HLT : undefined;
    };
    board.scheduler.run(100_000);
    expect(vcpus[1].registers.segment("cs")).toEqual({
      selector: 0x9a00,
      base: 0x9a000n,
      limit: 0xffff,
      attributes: 0x9b,
    });
    expect(vcpus[1].retired).toBe(97_000);
    icr(0xc500);
    expect(board.scheduler.isOnline(1)).toBe(false);
    expect(vcpus[1].resets).toBe(2);
  });

  it("abandons the instruction of a CPU that sends INIT to itself", () => {
    const { board, vcpus, out, store } = machine(1);
    const verdicts: string[] = [];
    vcpus[0].step = (vcpu) => {
      if (vcpu.resets > 0) return HLT;
      store(0xfee00310, 0);
      const verdict = store(0xfee00300, 0x0500);
      verdicts.push(verdict);
      return verdict === "stop" ? { kind: "stopped" } : undefined;
    };
    board.scheduler.run(1000);
    expect(verdicts).toEqual(["stop"]);
    expect(vcpus[0].resets).toBe(1);
    expect(out(0x80, 1)).toBe("done");
  });

  it("moves the TSC deadline with a guest's write to the time-stamp counter", () => {
    const { board, vcpus, wrmsr } = machine(1);
    board.localApics[0].writeRegister(0x0f, 0x1ff);
    board.localApics[0].writeRegister(0x32, 0x40040);
    expect(wrmsr(0x3b, 500)).toBe("native");
    wrmsr(0x6e0, 10_500);
    board.scheduler.run(1 * MS);
    expect(vcpus[0].taken).toEqual([{ vector: 0x40, at: 10_000 }]);
    board.localApics[0].writeRegister(0x0b, 0);
    expect(wrmsr(0x10, 0)).toBe("native");
    wrmsr(0x6e0, 700);
    const { now } = board.clock;
    board.scheduler.run(2 * MS);
    expect(vcpus[0].taken[1].at).toBe(now + 700);
  });

  it("stops for a reset or a sleep request", () => {
    for (const [port, value, width, request] of [
      [0xcf9, 0x06, 1, { kind: "reset", how: "hard" }],
      [0x64, 0xfe, 1, { kind: "reset", how: "soft" }],
      [0x604, 0x2000, 2, { kind: "sleep", type: 0 }],
    ] as const) {
      const { board, vcpus, out } = machine();
      vcpus[0].step = (vcpu) => {
        if (vcpu.retired === 7) out(port, value, width);
        return undefined;
      };
      expect(board.scheduler.run(1000)).toBe("stopped");
      expect(vcpus[0].retired).toBe(8);
      expect(board.powerRequest).toEqual(request);
    }
  });

  it("refuses what does not fit", () => {
    const memory = new GuestMemory(65536);
    expect(() => new Board({ memory, vcpus: [] })).toThrow("0 CPUs: a board has 1 to 255");
    expect(() => new Board({ memory, vcpus: [new FakeVcpu(1)] })).toThrow(
      "vCPU 1 stands in place 0",
    );
    expect(
      () => new Board({ memory, vcpus: [new FakeVcpu(0)], mmconfig: { base: 0x8000, buses: 1 } }),
    ).toThrow(/reaches into device memory at 0x8000/);
    expect(() => new Board({ memory, vcpus: [new FakeVcpu(0)], pmTimerPort: 0x3f8 + 8 })).toThrow(
      "ACPI PM: port 0x3f8 belongs to COM1",
    );
    expect(() => new Board({ memory, vcpus: [new FakeVcpu(0)], busHz: 0 })).toThrow(/busHz 0/);
  });
});
