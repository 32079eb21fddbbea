import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { NicDriver, RING_LENGTH, VECTOR } from "../testing/nic-driver.ts";
import { PciSystem } from "../testing/pci-system.ts";
import { frameCheckSequence } from "./frame-check-sequence.ts";

const FIRST = 0x19 << 3;
const SECOND = 0x1a << 3;
const BARS = [0xfebc0000, 0xfebe0000];
const MACS = [
  [0x52, 0x54, 0, 0, 0, 1],
  [0x52, 0x54, 0, 0, 0, 2],
];
const BROADCAST = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

/** Causes in ICR. */
const TXDW = 0x01;
const TXQE = 0x02;
const LSC = 0x04;
const RXDMT0 = 0x10;
const RXO = 0x40;
const RXT0 = 0x80;

const RCTL = 0x100;
const RCTL_USUAL = 0x04008002;

function pair() {
  const machine = new PciSystem([
    { kind: "e1000", bdf: FIRST, bar0: BARS[0], mac: Uint8Array.from(MACS[0]), wire: "lan" },
    { kind: "e1000", bdf: SECOND, bar0: BARS[1], mac: Uint8Array.from(MACS[1]), wire: "lan" },
  ]);
  const a = new NicDriver(machine, FIRST, BARS[0], 0x20000);
  const b = new NicDriver(machine, SECOND, BARS[1], 0x40000);
  for (const nic of [a, b]) nic.read(0xc0);
  return { machine, a, b };
}

const frame = (to: readonly number[], payload: readonly number[], from = MACS[0]) => [
  ...to,
  ...from,
  0x4a,
  0x00,
  ...payload,
];
const ramp = (length: number) => Array.from({ length }, (_, n) => n & 0xff);

let machine: PciSystem;
let a: NicDriver;
let b: NicDriver;
beforeEach(() => {
  ({ machine, a, b } = pair());
});

describe("the controller's registers", () => {
  it("show the link that the PHY has, as software asks for it", () => {
    expect(a.read(0x08) & 0xc3).toBe(0x83);
    a.write(0x00, 0x00);
    expect(a.read(0x08) & 2).toBe(0);
    expect(a.read(0xc0)).toBe(LSC);
    // speed and duplex by force: 100 Mb/s, half
    a.write(0x00, 0x1940);
    expect(a.read(0x08) & 0xc3).toBe(0x42);
    a.write(0x00, 0x40);
    // power down by MDIC, and up again
    a.write(0x20, 0x04200800);
    expect(a.read(0x20)).toBe(0x14200800);
    expect(a.read(0x08) & 2).toBe(0);
    a.write(0x20, 0x04201140);
    expect(a.read(0x08) & 2).toBe(2);
    // link status and the identifier of the PHY; another address is an error
    a.write(0x20, 0x08210000);
    expect(a.read(0x20) & 0xffff).toBe(0x796d);
    a.write(0x20, 0x08220000);
    expect(a.read(0x20) & 0xffff).toBe(0x0141);
    a.write(0x20, 0x08420000);
    expect(a.read(0x20) >>> 30).toBe(1);
  });

  it("without a cable there is no link", () => {
    const alone = new PciSystem([
      { kind: "e1000", bdf: FIRST, bar0: BARS[0], mac: Uint8Array.from(MACS[0]) },
    ]);
    const nic = new NicDriver(alone, FIRST, BARS[0], 0x20000);
    expect(nic.read(0x08) & 2).toBe(0);
    nic.send(frame(BROADCAST, ramp(46)));
    expect(nic.sentStatus).toBe(1);
  });

  it("hold the EEPROM's address after reset, and nothing of what was written", () => {
    a.write(0x5400, 0x12345678);
    a.write(0xd0, 0xff);
    a.write(0x00, 0x04000000);
    expect(a.read(0x5400)).toBe(0x00005452);
    expect(a.read(0x5404)).toBe(0x80000100);
    expect([a.read(0x100), a.read(0x400), a.read(0xd0), a.read(0x2818)]).toEqual([0, 0, 0, 0]);
    expect(a.read(0x00) & 0x04000000).toBe(0);
  });

  it("are 32 bits wide", () => {
    expect(machine.load(BARS[0] + 0x5402, 2)).toBe(0);
    expect(machine.load(BARS[0] + 0x5400, 1)).toBe(0x52);
    machine.store(BARS[0] + 0x5400, 0, 1);
    expect(a.read(0x5400)).toBe(0x00005452);
    machine.board.memoryBus.write(BARS[0] + 0x5408, 8, 1, 0x80000002);
    expect([a.read(0x5408), a.read(0x540c)]).toEqual([1, 0x80000002]);
    a.write(0x1fffc, 1);
    expect(a.read(0x1fffc)).toBe(0);
  });

  it("ICR is cleared by reading, IMS and IMC set and clear the mask", () => {
    a.write(0xc8, 0x84);
    expect(a.read(0xc0)).toBe(0x84);
    expect(a.read(0xc0)).toBe(0);
    a.write(0xd0, 0x84);
    a.write(0xd8, 0x04);
    expect(a.read(0xd0)).toBe(0x80);
    a.write(0xc8, 0x04);
    expect(machine.vectors()).toEqual([]);
    a.write(0xc8, 0x80);
    expect(machine.vectors()).toEqual([VECTOR]);
    a.write(0xc0, 0x80);
    expect(a.read(0xc0)).toBe(0x04);
  });

  it("ITR keeps interrupts apart, in units of 256 nanoseconds", () => {
    a.write(0xc4, 400);
    a.write(0xd0, 0x80);
    a.write(0xc8, 0x80);
    expect(machine.vectors()).toEqual([VECTOR]);
    a.read(0xc0);
    a.write(0xc8, 0x80);
    machine.run(102_399);
    expect(machine.vectors()).toEqual([]);
    machine.run(1);
    expect(machine.vectors()).toEqual([VECTOR]);
    // one that is taken back in the meantime never comes
    a.read(0xc0);
    a.write(0xc8, 0x80);
    a.read(0xc0);
    machine.run(1_000_000);
    expect(machine.vectors()).toEqual([]);
  });
});

describe("frames", () => {
  it("arrive after the time that they take on the wire, and its latency", () => {
    const sent = frame(MACS[1], ramp(100));
    a.send(sent);
    expect(a.sentStatus).toBe(1);
    expect(a.read(0xc0)).toBe(TXDW | TXQE);
    // check sequence, preamble and gap; 1 Gb/s
    const takes = (sent.length + 4 + 20) * 8 + 10_000;
    machine.run(takes - 1);
    expect(b.receive()).toBeUndefined();
    machine.run(1);
    expect(b.receive()?.bytes).toEqual(sent);
    expect(b.read(0xc0) & RXT0).toBe(RXT0);
    expect(a.receive()).toBeUndefined();
  });

  it("follow each other at the speed of the link", () => {
    b.write(0xd0, RXT0);
    const arrivals: number[] = [];
    for (let n = 0; n < 5; n++) a.send(frame(MACS[1], [n, ...ramp(45)]));
    for (let n = 0; n < 20_000; n++) {
      machine.run(1);
      for (const _ of machine.vectors()) {
        arrivals.push(n);
        b.read(0xc0);
      }
    }
    const gaps = arrivals.slice(1).map((at, n) => at - arrivals[n]);
    expect(gaps).toEqual([672, 672, 672, 672]);
    expect([0, 1, 2, 3, 4].map(() => b.receive()?.bytes[14])).toEqual([0, 1, 2, 3, 4]);
    // forced to 10 Mb/s each takes 100 times as long
    a.write(0x00, 0x840);
    a.send(frame(MACS[1], ramp(46)));
    a.send(frame(MACS[1], ramp(46)));
    machine.run(67_200 + 10_000);
    expect(b.receive()).toBeDefined();
    expect(b.receive()).toBeUndefined();
    machine.run(67_200);
    expect(b.receive()).toBeDefined();
  });

  it("short ones are padded if asked, else thrown away by who receives them", () => {
    a.send(frame(MACS[1], [1, 2, 3]));
    machine.run(20_000);
    expect(b.receive()?.bytes).toEqual([...frame(MACS[1], [1, 2, 3]), ...Array(43).fill(0)]);
    a.write(0x400, 0x00040002);
    a.send(frame(MACS[1], [1, 2, 3]));
    machine.run(20_000);
    expect(b.receive()).toBeUndefined();
    expect(b.read(0x40a4)).toBe(1);
  });

  it("keep their check sequence if it is not stripped", () => {
    b.write(RCTL, 0x00008002);
    const sent = frame(MACS[1], ramp(50));
    a.send(sent);
    machine.run(20_000);
    const crc = frameCheckSequence(Uint8Array.from(sent));
    expect(b.receive()?.bytes).toEqual([
      ...sent,
      ...[0, 8, 16, 24].map((shift) => (crc >>> shift) & 0xff),
    ]);
    // the check value of CRC-32
    expect(frameCheckSequence(new TextEncoder().encode("123456789"))).toBe(0xcbf43926);
    // software may bring its own; a wrong one is nobody's frame
    b.write(RCTL, RCTL_USUAL);
    const own = [...sent, ...[0, 8, 16, 24].map((shift) => (crc >>> shift) & 0xff)];
    a.send(own, 0x09);
    machine.run(20_000);
    expect(b.receive()?.bytes).toEqual(sent);
    a.send([...own.slice(0, -1), own[own.length - 1] ^ 1], 0x09);
    machine.run(20_000);
    expect(b.receive()).toBeUndefined();
  });

  it("fill several buffers, and come from several", () => {
    b.write(RCTL, RCTL_USUAL | (3 << 16));
    const sent = frame(MACS[1], ramp(700));
    machine.memory.u8.set(sent, 0x70000);
    a.descriptor(0x70000, 0x0a000000 | 300, 0);
    expect(b.receive()).toBeUndefined();
    a.descriptor(0x70000 + 300, 0x0b000000 | (sent.length - 300), 0);
    machine.run(30_000);
    expect(b.receive()?.bytes).toEqual(sent);
    expect(b.read(0x2810)).toBe(3);
  });

  it("too long are dropped, up to 16384 bytes taken only if asked", () => {
    a.send(frame(MACS[1], ramp(1504)));
    machine.run(100_000);
    expect(b.receive()?.bytes).toHaveLength(1518);
    a.send(frame(MACS[1], ramp(1505)));
    machine.run(100_000);
    expect(b.receive()).toBeUndefined();
    expect(b.read(0x40ac)).toBe(1);
    b.write(RCTL, RCTL_USUAL | 0x20);
    a.send(frame(MACS[1], ramp(1990)));
    machine.run(100_000);
    expect(b.receive()?.bytes).toHaveLength(2004);
  });

  it("arrive unchanged, whatever they are, however many", () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 46, maxLength: 1500 }), {
          minLength: 1,
          maxLength: 20,
        }),
        (payloads) => {
          const frames = payloads.map((payload) => frame(MACS[1], [...payload]));
          const received = frames.map((each) => {
            a.send(each);
            machine.run(25_000);
            return b.receive()?.bytes;
          });
          expect(received).toEqual(frames);
        },
      ),
      { numRuns: 20 },
    );
  });
});

describe("the receive filter", () => {
  const arrives = (to: readonly number[]) => {
    a.send(frame(to, ramp(46)));
    machine.run(20_000);
    return b.receive()?.status;
  };

  it("takes its own address and, if asked, broadcasts", () => {
    expect(arrives(MACS[1])).toBe(0x07);
    expect(arrives([0x52, 0x54, 0, 0, 0, 3])).toBeUndefined();
    expect(arrives(BROADCAST)).toBe(0x07);
    b.write(RCTL, RCTL_USUAL & ~0x8000);
    expect(arrives(BROADCAST)).toBeUndefined();
    expect(arrives(MACS[1])).toBe(0x07);
    b.write(0x5404, b.read(0x5404) & 0x7fffffff);
    expect(arrives(MACS[1])).toBeUndefined();
    // any of the sixteen
    b.write(0x5478, 0x04030201 << 1);
    b.write(0x547c, 0x80000c0a);
    expect(arrives([0x02, 0x04, 0x06, 0x08, 0x0a, 0x0c])).toBe(0x07);
  });

  it("takes multicasts by hash, and says that it is not sure", () => {
    const group = [0x01, 0x00, 0x5e, 0x00, 0x12, 0x34];
    expect(arrives(group)).toBeUndefined();
    // bits 47:36 of the address: 0x341, register 26, bit 1
    b.write(0x5200 + 4 * 26, 2);
    expect(arrives(group)).toBe(0x87);
    b.write(RCTL, RCTL_USUAL | (3 << 12));
    expect(arrives(group)).toBeUndefined();
    // bits 43:32: 0x412
    b.write(0x5200 + 4 * 32, 1 << 18);
    expect(arrives(group)).toBe(0x87);
  });

  it("takes everything of a kind in promiscuous mode", () => {
    b.write(RCTL, RCTL_USUAL | 0x08);
    expect(arrives([0x52, 0, 0, 0, 0, 9])).toBe(0x87);
    expect(arrives([0x01, 0, 0, 0, 0, 9])).toBeUndefined();
    b.write(RCTL, RCTL_USUAL | 0x10);
    expect(arrives([0x01, 0, 0, 0, 0, 9])).toBe(0x87);
  });

  it("takes nothing while receiving is off", () => {
    b.write(RCTL, RCTL_USUAL & ~2);
    expect(arrives(MACS[1])).toBeUndefined();
    b.write(RCTL, RCTL_USUAL);
    expect(b.receive()).toBeUndefined();
  });
});

describe("without descriptors", () => {
  const flood = (count: number, length: number) => {
    for (let n = 0; n < count; n++) {
      a.send(frame(MACS[1], [n, ...ramp(length)]));
      machine.run(30_000);
    }
  };

  it("frames wait in the packet buffer, and are lost when it is full", () => {
    // seven descriptors, then 48 KiB
    const waiting = Math.floor((48 * 1024) / 1519);
    flood(7, 1500);
    expect(b.read(0xc0)).toBe(RXT0 | RXDMT0);
    flood(waiting + 2, 1500);
    expect(b.read(0x4010)).toBe(2);
    expect(b.read(0xc0) & RXO).toBe(RXO);
    const numbers: (number | undefined)[] = [];
    for (let n = 0; n < 7 + waiting; n++) numbers.push(b.receive()?.bytes[14]);
    expect(numbers).toEqual([...ramp(7), ...ramp(waiting)]);
    expect(b.receive()).toBeUndefined();
  });

  it("the interrupt of few descriptors comes at half, a quarter or an eighth of the ring", () => {
    for (const [rdmts, at] of [
      [0, 3],
      [1, 5],
      [2, 6],
    ]) {
      const { machine: m, a: from, b: to } = pair();
      to.write(RCTL, RCTL_USUAL | (rdmts << 8));
      const low: number[] = [];
      for (let n = 1; n < RING_LENGTH; n++) {
        from.send(frame(MACS[1], ramp(46)));
        m.run(20_000);
        if ((to.read(0xc0) & RXDMT0) !== 0) low.push(n);
      }
      expect(low).toEqual([at]);
    }
  });

  it("a frame that the ring can never hold is dropped", () => {
    b.write(RCTL, (RCTL_USUAL & ~0x30000) | (3 << 16) | 0x20);
    a.send(frame(MACS[1], ramp(1990)));
    machine.run(50_000);
    expect(b.read(0x4010)).toBe(1);
    a.send(frame(MACS[1], ramp(46)));
    machine.run(50_000);
    expect(b.receive()?.bytes).toHaveLength(60);
  });
});

describe("memory that cannot be reached", () => {
  it("sends nothing, and stores nothing", () => {
    machine.configWrite(FIRST, 4, 6, 2);
    a.descriptor(0xfebc0000, 0x0b000000 | 60, 0);
    machine.run(20_000);
    expect(b.receive()).toBeUndefined();
    // the ring itself: the controller does not go on
    const head = a.read(0x3810);
    a.write(0x3804, 1);
    a.descriptor(0x70000, 0x0b000000 | 60, 0);
    expect(a.read(0x3810)).toBe(head);
    expect(machine.configRead(FIRST, 6, 2) & 0x2000).toBe(0x2000);
  });

  it("rings of impossible shape hold no descriptors", () => {
    a.write(0x3808, 0);
    a.write(0x3818, 5);
    expect(a.read(0x3810)).toBe(0);
    a.write(0x3808, 128);
    a.write(0x3818, 0xffff);
    expect(a.read(0x3810)).toBe(0);
  });
});

describe("statistics", () => {
  it("count packets and octets by kind and size, and are cleared by reading", () => {
    a.send(frame(MACS[1], ramp(46)));
    a.send(frame(BROADCAST, ramp(200)));
    a.send(frame([1, 2, 3, 4, 5, 6], ramp(1000)));
    machine.run(50_000);
    const counts = (nic: NicDriver, ...registers: number[]) => registers.map((r) => nic.read(r));
    expect(counts(a, 0x4080, 0x40d4, 0x40f4, 0x40f0)).toEqual([3, 3, 1, 1]);
    expect(counts(a, 0x40d8, 0x40e0, 0x40e8)).toEqual([1, 1, 1]);
    const octets = 64 + 218 + 1018;
    // the low half stays until the high half is read
    expect(counts(a, 0x4090, 0x4090, 0x4094, 0x4090)).toEqual([octets, octets, 0, 0]);
    expect(counts(b, 0x40d0, 0x4074, 0x4078, 0x407c)).toEqual([3, 2, 1, 0]);
    expect(counts(b, 0x4074, 0x40c0)).toEqual([0, octets]);
  });
});
