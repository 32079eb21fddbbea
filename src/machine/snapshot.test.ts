/** Every chip, driven, saved, disturbed and loaded again: it is as it was, and goes on as it did. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GuestMemory } from "../engine/guest-memory.ts";
import type { Exit } from "../engine/vcpu.ts";
import { Board } from "./board.ts";
import { type Effect, FakeVcpu, HLT } from "./testing/fake-vcpu.ts";

const PORTS = [
  0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1, 0x40, 0x41, 0x42, 0x43, 0x61, 0x60, 0x64, 0x70, 0x71, 0x80,
  0x3f8, 0x3f9, 0x3fa, 0x3fb, 0x3fc, 0x3fd, 0x3fe, 0x3ff, 0x2f8, 0x2f9, 0x2fa, 0x2fc, 0x3e9, 0x2ec,
  0x600, 0x602, 0x603, 0x604, 0x605, 0x608, 0xcf8, 0xcfc, 0x92,
];
const PAGES = [
  0x20, 0x80, 0xb0, 0xd0, 0xe0, 0xf0, 0x100, 0x180, 0x200, 0x280, 0x2f0, 0x300, 0x310, 0x320, 0x350,
  0x360, 0x370, 0x380, 0x390, 0x3e0,
].map((offset) => 0xfee00000 + offset);
const IOAPIC = [0xfec00000, 0xfec00010, 0xfec00040];

type Operation =
  | { what: "out" | "in"; port: number; value: number; width: 1 | 2 | 4 }
  | { what: "store" | "load"; cpu: number; address: number; value: number }
  | { what: "wrmsr"; cpu: number; msr: number; value: number; hi?: number }
  | { what: "type"; byte: number }
  | { what: "break" | "power" | "nmi-pin" | "ring" }
  | { what: "run"; ns: number };

const value = fc.oneof(
  fc.nat(0xff),
  fc.nat(0xffffffff),
  fc.constantFrom(0x1ff, 0x34, 0x36, 0x11, 0x01, 0x20030, 0x40030, 0x8045, 0x41, 0x0b, 0x700, 0x52),
);
const cpu = fc.nat(1);
const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({
    what: fc.constantFrom("out" as const, "in" as const),
    port: fc.constantFrom(...PORTS),
    value,
    width: fc.constantFrom(1 as const, 1 as const, 1 as const, 2 as const, 4 as const),
  }),
  fc.record({
    what: fc.constantFrom("store" as const, "store" as const, "load" as const),
    cpu,
    address: fc.constantFrom(...PAGES, ...IOAPIC),
    value,
  }),
  fc.record({
    what: fc.constant("wrmsr" as const),
    cpu,
    msr: fc.constantFrom(0x1b, 0x10, 0x6e0, 0x80f, 0x832, 0x83f),
    value: fc.oneof(value, fc.constantFrom(0xfee00d00, 0xfee00900, 0xfee00c00)),
  }),
  fc.record({ what: fc.constantFrom("break", "power", "nmi-pin", "ring") }),
  // what chance alone would hardly hit upon
  fc.constantFrom<Operation>(
    { what: "store", cpu: 0, address: 0xfee00320, value: 0x40043 },
    { what: "store", cpu: 1, address: 0xfee00320, value: 0x50043 },
    { what: "store", cpu: 0, address: 0xfee00310, value: 0x01000000 },
    { what: "store", cpu: 0, address: 0xfee00300, value: 0x500 },
    { what: "store", cpu: 0, address: 0xfee00300, value: 0x699 },
    { what: "store", cpu: 0, address: 0xfee00300, value: 0x44055 },
    { what: "store", cpu: 0, address: 0xfec00000, value: 0x18 },
    { what: "store", cpu: 0, address: 0xfec00010, value: 0x8064 },
    { what: "in", port: 0x3ea, value: 0, width: 1 },
    { what: "out", port: 0x43, value: 0xe2, width: 1 },
    { what: "out", port: 0x43, value: 0xc4, width: 1 },
    { what: "out", port: 0x40, value: 0x60, width: 1 },
    { what: "out", port: 0x20, value: 0xc4, width: 1 },
    { what: "out", port: 0x20, value: 0x80, width: 1 },
    { what: "out", port: 0x20, value: 0x0c, width: 1 },
    { what: "out", port: 0x20, value: 0x68, width: 1 },
    { what: "out", port: 0x64, value: 0xd1, width: 1 },
    { what: "out", port: 0x64, value: 0xaa, width: 1 },
    { what: "out", port: 0xcf9, value: 0x08, width: 1 },
    { what: "out", port: 0xcf8, value: 0x80001234, width: 4 },
    { what: "out", port: 0x604, value: 0x0c02, width: 2 },
    { what: "wrmsr", cpu: 0, msr: 0x6e0, value: 0xfffff000 },
    { what: "wrmsr", cpu: 1, msr: 0x6e0, value: 0xfffff000 },
    { what: "wrmsr", cpu: 0, msr: 0x6e0, value: 5, hi: 1 },
  ),
  fc.record({ what: fc.constant("type" as const), byte: fc.nat(255) }),
  fc.record({ what: fc.constant("run" as const), ns: fc.integer({ min: 1, max: 500_000 }) }),
);

const outs = (...pairs: [number, number][]): Operation[] =>
  pairs.map(([port, byte]) => ({ what: "out", port, value: byte, width: 1 }));
const stores = (at: number, ...pairs: [number, number][]): Operation[] =>
  pairs.map(([address, word]) => ({ what: "store", cpu: at, address, value: word }));

/** Every source of interrupts is on, each on its way to a CPU. */
const LIVELY: Operation[] = [
  ...outs([0x20, 0x11], [0x21, 0x20], [0x21, 4], [0x21, 1]),
  ...outs([0xa0, 0x11], [0xa1, 0x28], [0xa1, 2], [0xa1, 1]),
  ...stores(0, [0xfee000f0, 0x1ff], [0xfee00350, 0x700], [0xfee00370, 0xee]),
  ...stores(0, [0xfee00310, 0x01000000], [0xfee00300, 0x500], [0xfee00300, 0x699]),
  ...stores(1, [0xfee000f0, 0x1ff], [0xfee00320, 0x20041], [0xfee00380, 20_000]),
  ...[2, 4, 8, 9].flatMap((pin) =>
    stores(
      0,
      [0xfec00000, 0x11 + 2 * pin],
      [0xfec00010, 0x01000000],
      [0xfec00000, 0x10 + 2 * pin],
      [0xfec00010, 0x60 + pin],
    ),
  ),
  // an error that ESR shows, and one that it does not yet show
  ...stores(0, [0xfee003b0, 0], [0xfee00280, 0], [0xfee00300, 0x05]),
  ...outs([0x43, 0x34], [0x40, 0x40], [0x40, 0x02]),
  // COM1 at another rate with more than a FIFO of input, COM3 on the same interrupt
  ...outs([0x3fb, 0x83], [0x3f8, 0x02], [0x3fb, 0x03], [0x3e9, 0x02], [0x3ec, 0x08]),
  ...Array.from({ length: 20 }, (_, byte): Operation => ({ what: "type", byte })),
  ...outs([0x3f9, 0x0f], [0x3fa, 0xc1], [0x3fc, 0x0b]),
  ...outs([0x70, 0x0b], [0x71, 0x72], [0x602, 1]),
  ...stores(0, [0xfee00320, 0x40043], [0xfec00000, 0], [0xfec00010, 0x05000000]),
  { what: "wrmsr", cpu: 0, msr: 0x6e0, value: 5, hi: 1 },
  // an ExtINT message for CPU 1, not yet taken
  ...stores(0, [0xfee00300, 0x700]),
];

/** The same operations in every run: which chips a run wakes decides how long it takes. */
const SEED = 20_261_122;

/** Long enough for every source of interrupts to show itself. */
const LATER: Operation = { what: "run", ns: 2_000_000 };

/** @param lively with everything going; without, as after power-on */
function machine(lively: boolean) {
  const log: string[] = [];
  let ended = 0;
  // every CPU ends most interrupts that it took, then halts
  const step = (vcpu: FakeVcpu): Effect => {
    for (const { vector, at } of vcpu.taken.splice(0)) {
      log.push(`cpu ${vcpu.index} vector ${vector} at ${at}`);
      if (vector === 0x68) {
        board.portBus.write(0x70, 1, 0x0c);
        log.push(`register C ${board.portBus.read(0x71, 1)}`);
      }
      if (ended++ % 8 !== 7) board.localApics[vcpu.index].writeRegister(0x0b, 0);
    }
    return HLT;
  };
  const vcpus = [0, 1].map((n) => new FakeVcpu(n, step));
  const board = new Board({
    memory: new GuestMemory(65536),
    vcpus,
    serial: [0, 1, 2, 3].map((n) => (byte) => log.push(`com${n + 1} ${byte}`)),
    post: (byte) => log.push(`post ${byte}`),
    busHz: 66_000_000,
    epochSeconds: lively ? 1_700_000_000 : 0,
  });
  const perform = (op: Operation): void => {
    const ask = (at: number, exit: Exit) => {
      const verdict = board.bareModerator.exit(vcpus[at], exit);
      log.push(JSON.stringify([verdict, exit]));
    };
    switch (op.what) {
      case "out": {
        const fitted =
          op.width === 4 ? op.value >>> 0 : op.value & (op.width === 2 ? 0xffff : 0xff);
        ask(0, {
          kind: "port-write",
          port: op.port,
          width: op.width,
          string: false,
          value: fitted,
        });
        break;
      }
      case "in":
        ask(0, { kind: "port-read", port: op.port, width: op.width, string: false, value: 0 });
        break;
      case "store":
        ask(op.cpu, {
          kind: "memory-write",
          address: op.address,
          width: 4,
          lo: op.value >>> 0,
          hi: 0,
        });
        break;
      case "load":
        ask(op.cpu, { kind: "memory-read", address: op.address, width: 4, lo: 0, hi: 0 });
        break;
      case "wrmsr":
        ask(op.cpu, { kind: "msr-write", msr: op.msr, lo: op.value >>> 0, hi: op.hi ?? 0 });
        break;
      case "type":
        board.uarts[0].receive(op.byte);
        break;
      case "break":
        board.uarts[0].receiveBreak();
        break;
      case "ring":
        board.uarts[0].setModemInputs(0xf0);
        break;
      case "power":
        board.acpi.pressPowerButton();
        break;
      case "nmi-pin":
        board.localApics[1].lint1.set(board.clock.now % 2 === 0);
        break;
      case "run":
        log.push(`${board.scheduler.run(board.clock.now + op.ns)} at ${board.clock.now}`);
    }
  };
  if (lively) {
    // just before bit 23 of the ACPI timer changes, so that it does so within a run
    board.scheduler.skipTo(2_343_480_000);
    for (const op of LIVELY) perform(op);
    log.length = 0;
  }
  return { board, log, perform, resetCounter: (to: number) => (ended = to), counter: () => ended };
}

describe("snapshot", () => {
  it("restores every chip: same state, same behaviour", () => {
    fc.assert(
      fc.property(
        fc.array(operation, { minLength: 1, maxLength: 60 }),
        fc.array(operation, { maxLength: 30 }),
        fc.array(operation, { maxLength: 30 }),
        (before, between, after) => {
          const { board, log, perform, resetCounter, counter } = machine(true);
          for (const op of before) perform(op);
          const saved = structuredClone(board.save());
          const ended = counter();
          log.length = 0;
          for (const op of after) perform(op);
          const expectedLog = log.splice(0);
          const expected = structuredClone(board.save());
          for (const op of between) perform(op);
          board.load(structuredClone(saved));
          expect(board.save()).toEqual(saved);
          resetCounter(ended);
          log.length = 0;
          for (const op of after) perform(op);
          expect(log).toEqual(expectedLog);
          expect(board.save()).toEqual(expected);
        },
      ),
      { numRuns: 80, seed: SEED },
    );
  });

  it("carries over to another board", () => {
    fc.assert(
      fc.property(
        fc.array(operation, { maxLength: 60 }),
        fc.array(operation, { maxLength: 30 }),
        (before, after) => {
          const first = machine(true);
          for (const op of before) first.perform(op);
          const second = machine(false);
          const saved = first.board.save();
          second.board.load(structuredClone(saved));
          // saved from a third: saving brings lazy chips up to date, which loading alone must do
          const third = machine(false);
          third.board.load(structuredClone(saved));
          expect(third.board.save()).toEqual(saved);
          second.resetCounter(first.counter());
          first.log.length = 0;
          for (const op of [...after, LATER]) {
            first.perform(op);
            second.perform(op);
          }
          expect(second.log).toEqual(first.log);
          expect(second.board.save()).toEqual(first.board.save());
        },
      ),
      { numRuns: 60, seed: SEED },
    );
  });
});
