/**
 * The same accesses to an HD Audio controller and to two 82540EM on one wire, here and in QEMU.
 * Left out is what QEMU 7.2 does not model as the datasheets say (parity error response, two
 * registers read together, TXQE only for a queue that has emptied, octets with padding), and what is
 * each one's own: the codec's widgets, the EEPROM's words of initialisation, packet checksums.
 */

import { describe, expect, it } from "vitest";
import {
  available,
  load,
  load16,
  onBoard,
  onQemu,
  type Step,
  store,
  store16,
  waitMemory,
  window,
} from "./testing/port-script.ts";

const NICS = [0x19 << 3, 0x1a << 3];
const HDA = 0x1b << 3;
const DEVICES = [
  ...NICS.map((bdf, n) => ({
    kind: "e1000" as const,
    bdf,
    mac: Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56 + n),
    wire: "lan",
  })),
  { kind: "intel-hda" as const, bdf: HDA },
];
const ARGUMENTS = [
  ...["-netdev", "hubport,id=a,hubid=0", "-netdev", "hubport,id=b,hubid=0"],
  ...["-device", "e1000,addr=19,netdev=a,romfile=,mac=52:54:00:12:34:56"],
  ...["-device", "e1000,addr=1a,netdev=b,romfile=,mac=52:54:00:12:34:57"],
  ...["-audiodev", "none,id=n", "-device", "intel-hda,addr=1b"],
  ...["-device", "hda-output,audiodev=n,mixer=off"],
];

const config = (bdf: number, register: number) => 0xb0000000 + bdf * 4096 + register;
const probe = (bdf: number, bar: number): Step[] => [
  store(config(bdf, 0x10 + 4 * bar), 0xffffffff),
  load(config(bdf, 0x10 + 4 * bar)),
];

/** A local APIC that takes fixed interrupts. */
const apic: Step[] = [store(0xfee000f0, 0x1ff), store(0xfee00080, 0)];
const EOI = store(0xfee000b0, 0);
/** The 8259s quiet. */
const quiet: Step[] = [
  [1, 0x21, 0xff],
  [1, 0xa1, 0xff],
];

const BARS = [0xd0000000, 0xd0100000];
const HDA_BAR = 0xd0200000;

/** Off, registers at `bar`, and on again as bus master. */
const place = (bdf: number, bar: number): Step[] => [
  store16(config(bdf, 4), 0),
  store(config(bdf, 0x10), bar),
  store16(config(bdf, 4), 6),
];

const configuration: Step[] = [
  ...[...NICS, HDA].flatMap((bdf) => [
    store16(config(bdf, 4), 0),
    load(config(bdf, 0)),
    load16(config(bdf, 4)),
    load(config(bdf, 8)),
    load(config(bdf, 0x0c)),
    ...[0, 1, 2, 3, 4, 5].flatMap((bar) => probe(bdf, bar)),
    load(config(bdf, 0x2c)),
    load(config(bdf, 0x30)),
    load16(config(bdf, 0x3c), 0xff00),
    store16(config(bdf, 4), 0xffff),
    load16(config(bdf, 4), 0xffbf),
    store16(config(bdf, 4), 0),
    load(config(bdf, 0x100)),
  ]),
  load(config(HDA, 0x34)),
  load(config(HDA, 0x60)),
  store16(config(HDA, 0x62), 0xffff),
  store(config(HDA, 0x64), 0xffffffff),
  store(config(HDA, 0x68), 0x12345678),
  store(config(HDA, 0x6c), 0xffffffff),
  load(config(HDA, 0x64)),
  load(config(HDA, 0x68)),
  load16(config(HDA, 0x6c)),
];

/** Registers of the HD Audio controller. */
const hda = (register: number) => HDA_BAR + register;
const CORB = 0x20000;
const RIRB = 0x21000;
const immediate = (verb: number, mask = 0xffffffff): Step[] => [
  store16(hda(0x68), 2),
  store(hda(0x60), verb),
  store16(hda(0x68), 1),
  waitMemory(hda(0x68), 2),
  load16(hda(0x68)),
  load(hda(0x64), mask),
];

const sound: Step[] = [
  ...quiet,
  ...apic,
  ...place(HDA, HDA_BAR),
  store(config(HDA, 0x64), 0xfee00000),
  store(config(HDA, 0x68), 0),
  store(config(HDA, 0x6c), 0x41),
  store16(config(HDA, 0x62), 1),
  load16(hda(0x00)),
  load16(hda(0x04)),
  load16(hda(0x06)),
  // into reset and out of it: the codec shows, and interrupts when it may
  store(hda(0x08), 0),
  load(hda(0x08)),
  store(hda(0x08), 1),
  load(hda(0x08)),
  ...Array.from({ length: 600 }, () => load(hda(0x08))),
  load16(hda(0x0e)),
  load(hda(0x24)),
  store16(hda(0x0c), 0x000f),
  load16(hda(0x0c)),
  store(hda(0x20), 0x40000000),
  window,
  store(hda(0x20), 0xc0000000),
  load(hda(0x24)),
  window,
  EOI,
  store16(hda(0x0e), 0x7fff),
  load16(hda(0x0e)),
  load(hda(0x24)),
  // one command at a time
  ...immediate(0x000f0000, 0xffff0000),
  ...immediate(0x000f0004),
  ...immediate(0x001f0005, 0xff),
  ...immediate(0x001f0004, 0xff),
  // the rings
  store(hda(0x40), CORB),
  store(hda(0x50), RIRB),
  store16(hda(0x58), 0x8000),
  load16(hda(0x58)),
  store16(hda(0x5a), 2),
  load16(hda(0x4e), 0xff),
  load16(hda(0x5e), 0xff),
  store(CORB + 4, 0x000f0000),
  store(CORB + 8, 0x000f0004),
  store16(hda(0x5c), 0x03),
  store16(hda(0x4c), 0x02),
  store16(hda(0x48), 2),
  waitMemory(hda(0x58), 2),
  load16(hda(0x58)),
  load16(hda(0x4a), 0xff),
  load(RIRB + 8, 0xffff0000),
  load(RIRB + 12),
  load(RIRB + 16),
  load16(hda(0x5c), 0xff),
  window,
  EOI,
  // in reset everything else is as after power-on
  store(hda(0x08), 0),
  load(hda(0x20)),
  load(hda(0x40)),
  load16(hda(0x48)),
  load16(hda(0x5a)),
];

const [FIRST, SECOND] = BARS;
const rings = (n: number) => 0x10000 + n * 0x20000;
const RECEIVE = 0x0000;
const SEND = 0x1000;
const BUFFERS = 0x2000;

const start = (n: number): Step[] => {
  const bar = BARS[n];
  return [
    ...place(NICS[n], bar),
    store(bar + 0x00, 0x04000000),
    store(bar + 0x00, 0x00000241),
    store(bar + 0xd8, 0xffffffff),
    load(bar + 0xc0, 0),
    ...Array.from({ length: 8 }, (_, d) => [
      store(rings(n) + RECEIVE + 16 * d, rings(n) + BUFFERS + 2048 * d),
      store(rings(n) + RECEIVE + 16 * d + 4, 0),
      store(rings(n) + RECEIVE + 16 * d + 12, 0),
    ]).flat(),
    store(bar + 0x2800, rings(n) + RECEIVE),
    store(bar + 0x2804, 0),
    store(bar + 0x2808, 128),
    store(bar + 0x2810, 0),
    store(bar + 0x2818, 0),
    store(bar + 0x3800, rings(n) + SEND),
    store(bar + 0x3804, 0),
    store(bar + 0x3808, 128),
    store(bar + 0x3810, 0),
    store(bar + 0x3818, 0),
    store(bar + 0x0100, 0x04008002),
    store(bar + 0x2818, 7),
    store(bar + 0x0400, 0x0004000a),
    // statistics from 0
    ...[0x4074, 0x4078, 0x407c, 0x4080, 0x408c, 0x4094, 0x40c4, 0x40cc].map((r) =>
      load(bar + r, 0),
    ),
    ...[0x40d0, 0x40d4, 0x40f0, 0x40f4].map((r) => load(bar + r, 0)),
  ];
};

/** A frame of `length` bytes to an address, by descriptor `d` of the first controller. */
const send = (d: number, to: readonly [number, number], length: number): Step[] => {
  const buffer = rings(0) + BUFFERS + 0x8000;
  const at = rings(0) + SEND + 16 * d;
  return [
    store(buffer, to[0]),
    store(buffer + 4, to[1] | 0x54520000),
    store(buffer + 8, 0x56341200),
    store(buffer + 12, 0x0100004a),
    store(at, buffer),
    store(at + 4, 0),
    store(at + 8, 0x0b000000 | length),
    store(at + 12, 0),
    store(FIRST + 0x3818, d + 1),
    waitMemory(at + 12, 1),
    load(at + 12),
    load(FIRST + 0x3810),
  ];
};
/** What has come of it in descriptor `d` of the second: length, status, first words. */
const arrived = (d: number): Step[] => [
  waitMemory(rings(1) + RECEIVE + 16 * d + 12, 1),
  load(rings(1) + RECEIVE + 16 * d + 8, 0xffff),
  load(rings(1) + RECEIVE + 16 * d + 12),
  load(rings(1) + BUFFERS + 2048 * d),
  load(rings(1) + BUFFERS + 2048 * d + 12),
  load(SECOND + 0x2810),
];
/** Time for a frame that is not taken to be over. */
const pass: Step[] = Array.from({ length: 30 }, () => load(SECOND + 0x2810));

const ethernet: Step[] = [
  ...quiet,
  ...apic,
  ...start(0),
  ...start(1),
  // link up, 1000 Mb/s, full duplex
  load(FIRST + 0x08, 0xc3),
  load(FIRST + 0x5400),
  load(FIRST + 0x5404),
  load(SECOND + 0x5400),
  ...[0, 1, 2].flatMap((word) => [
    store(FIRST + 0x14, (word << 8) | 1),
    load(FIRST + 0x14, 0xffff0010),
  ]),
  // PHY: identifiers, link, abilities of the partner
  ...[2, 3].flatMap((r) => [store(FIRST + 0x20, 0x08200000 | (r << 16)), load(FIRST + 0x20)]),
  store(FIRST + 0x20, 0x08210000),
  load(FIRST + 0x20, 0x10000004),
  // another PHY address
  store(FIRST + 0x20, 0x08420000),
  load(FIRST + 0x20, 0x50000000),
  // causes and mask
  store(FIRST + 0xc8, 0x84),
  load(FIRST + 0xc0, 0x1fffd),
  load(FIRST + 0xc0, 0x1fffd),
  store(FIRST + 0xd0, 0x84),
  store(FIRST + 0xd8, 0x04),
  load(FIRST + 0xd0),
  store(FIRST + 0xd8, 0xffffffff),
  load(SECOND + 0xc0, 0),
  // its own address, padded; broadcast; not its own; a multicast, with and without its hash
  ...send(0, [0x12005452, 0x5734], 14),
  ...arrived(0),
  load(SECOND + 0xc0, 0xd4),
  ...send(1, [0xffffffff, 0xffff], 100),
  ...arrived(1),
  ...send(2, [0x12005452, 0x5834], 60),
  ...pass,
  ...send(3, [0x005e0001, 0x3412], 60),
  ...pass,
  store(SECOND + 0x5200 + 4 * 26, 2),
  ...send(4, [0x005e0001, 0x3412], 1000),
  waitMemory(rings(1) + RECEIVE + 16 * 2 + 12, 1),
  load(rings(1) + RECEIVE + 16 * 2 + 8, 0xffff),
  load(SECOND + 0x2810),
  // promiscuous; then broadcasts refused
  store(SECOND + 0x0100, 0x04000008 | 2),
  ...send(5, [0x12005452, 0x5834], 60),
  waitMemory(rings(1) + RECEIVE + 16 * 3 + 12, 1),
  ...send(6, [0xffffffff, 0xffff], 60),
  ...pass,
  // statistics: sent by the first, received by the second
  ...[0x4080, 0x40d4, 0x40f0, 0x40f4].map((r) => load(FIRST + r)),
  ...[0x4074, 0x4078, 0x407c, 0x4088, 0x408c].map((r) => load(SECOND + r)),
  load(SECOND + 0x4074),
];

describe.skipIf(!available())("PCI devices beside QEMU's (qemu-system-x86_64 and nasm)", () => {
  for (const [name, script] of Object.entries({ configuration, sound, ethernet }))
    it(`agree: ${name}`, { timeout: 90_000 }, () => {
      const ours = onBoard(script, DEVICES).map((word) => word.toString(16));
      const theirs = onQemu(script, ARGUMENTS).map((word) => word.toString(16));
      expect(ours.length).toBeGreaterThan(0);
      expect(ours).toEqual(theirs);
    });
});
