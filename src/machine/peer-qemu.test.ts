/**
 * The same device accesses on this board and on QEMU's q35: what they read, and which interrupts
 * they cause, must agree. Steps stay clear of what QEMU 7.2 does not model as the datasheets say:
 * the 8254's null count and OUT with GATE low, 8259 requests that fall early, OUT2's gate on the
 * UART's interrupt, LVT entries masked by a software-disabled APIC.
 */

import { describe, expect, it } from "vitest";
import {
  available,
  load,
  onBoard,
  onQemu,
  out,
  read,
  type Step,
  store,
  waitMemory,
  waitPort,
  window,
} from "./testing/port-script.ts";

const apic = (register: number) => 0xfee00000 + 16 * register;
const ioapic = (index: number, value: number): Step[] => [
  store(0xfec00000, index),
  store(0xfec00010, value),
];
const ioapicRead = (index: number): Step[] => [store(0xfec00000, index), load(0xfec00010)];

const EOI = store(apic(0x0b), 0);
/** COM1 raises IRQ 4, COM2 IRQ 3, by enabling the interrupt of an empty THR; reading IIR lowers it. */
const raise = (com: number) => out(com + 1, 0, 2);
const lower = (com: number): Step => read(com + 2);
const COM1 = 0x3f8;
const COM2 = 0x2f8;

const quiet: Step[] = [
  ...[COM1, COM2].flatMap((com) => [
    ...out(com + 3, 3),
    ...out(com + 1, 0),
    ...out(com + 2, 0),
    ...out(com + 4, 8),
    read(com + 2),
  ]),
  // the 8254 in mode 0 with the longest count, and masked everywhere
  ...out(0x43, 0x30),
  ...out(0x40, 0xff, 0xff),
  ...out(0x70, 0x0b),
  ...out(0x71, 0x02),
  ...out(0x70, 0x0c),
  read(0x71, 0),
];

const initialise8259 = (icw4 = 1): Step[] => [
  ...out(0x20, 0x11),
  ...out(0x21, 0x40, 0x04, icw4),
  ...out(0xa0, 0x11),
  ...out(0xa1, 0x48, 0x02, 0x01),
  ...out(0x21, 0xe3),
  ...out(0xa1, 0xff),
];

const virtualWire: Step[] = [
  store(apic(0x0f), 0x1ff),
  store(apic(0x35), 0x700),
  store(apic(0x36), 0x10000),
  store(apic(0x08), 0),
];

const initialStates: Step[] = [
  ...quiet,
  load(apic(0x02)),
  load(apic(0x0d)),
  load(apic(0x0e)),
  ...ioapicRead(1),
  ...ioapicRead(0x10 + 2 * 20),
];

const pic: Step[] = [
  ...quiet,
  ...initialise8259(),
  ...virtualWire,
  read(0x21),
  window,
  // both requested: 3 before 4; in service and request registers
  ...raise(COM1),
  ...raise(COM2),
  ...out(0x20, 0x0a),
  read(0x20, 0x18),
  window,
  read(0x20, 0x18),
  ...out(0x20, 0x0b),
  read(0x20),
  window,
  ...out(0x20, 0x20),
  window,
  read(0x20),
  // specific end
  ...out(0x20, 0x64),
  read(0x20),
  lower(COM1),
  lower(COM2),
  // poll
  ...raise(COM1),
  ...out(0x20, 0x0c),
  read(0x20),
  ...out(0x20, 0x0b),
  read(0x20),
  ...out(0x20, 0x20, 0x0c),
  read(0x20, 0x80),
  lower(COM1),
  // rotation: 3 lowest, so 4 comes first
  ...out(0x20, 0xc3),
  ...raise(COM2),
  ...raise(COM1),
  window,
  ...out(0x20, 0xa0),
  window,
  ...out(0x20, 0x20),
  lower(COM1),
  lower(COM2),
  ...out(0x20, 0xc7),
  // special mask: 3 in service and masked lets 4 through
  ...raise(COM2),
  window,
  ...raise(COM1),
  window,
  // (mode before mask: QEMU looks at its requests only after the latter)
  ...out(0x20, 0x68),
  ...out(0x21, 0xeb),
  window,
  ...out(0x20, 0x0b),
  read(0x20),
  ...out(0x20, 0x63, 0x64, 0x48),
  ...out(0x21, 0xe3),
  lower(COM1),
  lower(COM2),
  // automatic end
  ...initialise8259(3),
  ...raise(COM1),
  window,
  ...out(0x20, 0x0b),
  read(0x20),
  lower(COM1),
  // level-triggered: again after every end, until it falls
  ...initialise8259(),
  ...out(0x4d0, 0x18),
  read(0x4d0),
  ...raise(COM1),
  window,
  ...out(0x20, 0x20),
  window,
  ...out(0x20, 0x20),
  lower(COM1),
  window,
  ...out(0x4d0, 0),
  ...out(0x21, 0xff),
];

const localApic: Step[] = [
  ...quiet,
  ...initialise8259(),
  ...out(0x21, 0xff),
  store(apic(0x0f), 0x1ff),
  store(apic(0x0e), 0x1fffffff),
  load(apic(0x0e)),
  store(apic(0x0e), 0xffffffff),
  store(apic(0x0d), 0x12345678),
  load(apic(0x0d)),
  // requests by self-IPI, to every class, under a task priority
  ...[0x51, 0x5f, 0x83, 0x61].map((vector) => store(apic(0x30), 0x40000 | vector)),
  load(apic(0x22)),
  load(apic(0x23)),
  load(apic(0x24)),
  store(apic(0x08), 0x65),
  load(apic(0x0a)),
  window,
  load(apic(0x0a)),
  load(apic(0x14)),
  store(apic(0x08), 0),
  window,
  EOI,
  window,
  load(apic(0x0a)),
  EOI,
  window,
  EOI,
  window,
  EOI,
  window,
  // physical, logical and all-including-self
  store(apic(0x31), 0),
  store(apic(0x30), 0x71),
  window,
  EOI,
  store(apic(0x0d), 0x04000000),
  store(apic(0x31), 0x0c000000),
  store(apic(0x30), 0x872),
  window,
  EOI,
  store(apic(0x31), 0x03000000),
  store(apic(0x30), 0x873),
  window,
  store(apic(0x30), 0x80074),
  window,
  EOI,
  store(apic(0x30), 0xc0075),
  window,
];

const timer: Step[] = [
  ...quiet,
  ...initialise8259(),
  ...out(0x21, 0xff),
  store(apic(0x0f), 0x1ff),
  store(apic(0x3e), 0x0b),
  load(apic(0x3e)),
  store(apic(0x32), 0x41),
  store(apic(0x38), 5000),
  waitMemory(apic(0x22), 2),
  load(apic(0x39)),
  load(apic(0x38)),
  window,
  EOI,
  window,
  // masked: counts, does not request
  store(apic(0x32), 0x10041),
  store(apic(0x38), 50_000_000),
  load(apic(0x22)),
  store(apic(0x38), 0),
  load(apic(0x39)),
  // periodic
  store(apic(0x32), 0x20042),
  store(apic(0x38), 3_000_000),
  waitMemory(apic(0x22), 4),
  window,
  EOI,
  waitMemory(apic(0x22), 4),
  store(apic(0x32), 0x10000),
  window,
  EOI,
  window,
];

const ioApic: Step[] = [
  ...quiet,
  ...initialise8259(),
  ...out(0x21, 0xff),
  store(apic(0x0f), 0x1ff),
  store(apic(0x08), 0),
  ...ioapic(0x19, 0),
  ...ioapic(0x18, 0x44),
  ...ioapicRead(0x18),
  ...raise(COM1),
  window,
  EOI,
  window,
  lower(COM1),
  ...raise(COM1),
  window,
  EOI,
  lower(COM1),
  // level
  ...ioapic(0x18, 0x8044),
  ...raise(COM1),
  ...ioapicRead(0x18),
  window,
  load(apic(0x1a)),
  EOI,
  window,
  lower(COM1),
  EOI,
  ...ioapicRead(0x18),
  window,
  // asserted while masked: delivered on unmasking if level, by physical destination 0
  ...ioapic(0x18, 0x18044),
  ...raise(COM1),
  window,
  ...ioapic(0x18, 0x8044),
  window,
  lower(COM1),
  EOI,
  ...ioapic(0x18, 0x10000),
  ...ioapicRead(0x18),
];

const interval: Step[] = [
  ...quiet,
  ...out(0x61, 0x01),
  // counter 2 through its modes: status once OUT has its final level, null count left out
  ...out(0x43, 0xb0),
  ...out(0x42, 0x40, 0x00),
  waitPort(0x61, 0x20, 0x20),
  ...out(0x43, 0xe8),
  read(0x42, 0xbf),
  read(0x61, 0x2f),
  // least significant byte only, mode 4
  ...out(0x43, 0x98),
  ...out(0x42, 0xff),
  ...out(0x43, 0xe8),
  read(0x42, 0x3f),
  // most significant byte, mode 2, BCD: status and count latched together come in that order
  ...out(0x43, 0xa5),
  ...out(0x42, 0x99),
  ...out(0x61, 0x00),
  ...out(0x43, 0xc8),
  read(0x42, 0x3f),
  // mode 3 with GATE low: OUT is high
  ...out(0x43, 0xb6),
  ...out(0x42, 0x10, 0x00),
  read(0x61, 0x2f),
  ...out(0x61, 0x03),
  waitPort(0x61, 0x20, 0x00),
  waitPort(0x61, 0x20, 0x20),
  read(0x61, 0x0f),
  ...out(0x61, 0x00),
];

const uart: Step[] = [
  ...quiet,
  ...out(COM1 + 7, 0x5a),
  read(COM1 + 7),
  ...out(COM1 + 3, 0x83),
  ...out(COM1, 0x21),
  ...out(COM1 + 1, 0x43),
  read(COM1),
  read(COM1 + 1),
  ...out(COM1, 0x01),
  ...out(COM1 + 1, 0x00),
  ...out(COM1 + 3, 0x03),
  read(COM1 + 5),
  read(COM1 + 2),
  read(COM1 + 6),
  // loopback of the modem lines
  ...[0x10, 0x11, 0x12, 0x14, 0x18, 0x1f].flatMap((mcr) => [
    ...out(COM1 + 4, mcr),
    read(COM1 + 6, 0xf0),
  ]),
  ...out(COM1 + 4, 0x10),
  // loopback of data: one byte, interrupt identification by priority
  ...out(COM1 + 1, 0x03),
  ...out(COM1, 0x77),
  read(COM1 + 2),
  read(COM1 + 5),
  read(COM1),
  read(COM1 + 2),
  read(COM1 + 2),
  read(COM1 + 5),
  // FIFOs
  ...out(COM1 + 1, 0x01),
  ...out(COM1 + 2, 0x07),
  read(COM1 + 2),
  ...out(COM1, 1, 2, 3),
  read(COM1 + 2),
  read(COM1),
  read(COM1),
  read(COM1),
  read(COM1 + 5),
  ...out(COM1 + 2, 0x00),
  ...out(COM1 + 4, 0x08),
  ...out(COM1 + 1, 0x00),
];

/** Hours in every mode, as they read after having been set. */
const clockHours: Step[] = [
  ...quiet,
  ...[
    [0x00, 0x91, 0x20],
    [0x00, 0x12, 0x20],
    [0x02, 0x23, 0x20],
    [0x04, 0x8b, 20],
    [0x06, 0x17, 20],
  ].flatMap(([mode, hour, century]) => [
    ...[
      [0x0b, 0x80 | mode],
      [0x32, century],
      [0x09, 9],
      [0x08, 1],
      [0x07, 1],
      [0x04, hour],
      [0x02, 5],
      [0x00, 5],
      [0x0b, mode],
    ].flatMap(([index, byte]) => [...out(0x70, index), ...out(0x71, byte)]),
    ...[0x04, 0x02, 0x06, 0x07, 0x08, 0x09, 0x32, 0x0d].flatMap((index) => [
      ...out(0x70, index),
      read(0x71),
    ]),
  ]),
  ...out(0x70, 0x0b),
  ...out(0x71, 0x02),
];

const SCRIPTS: Record<string, Step[]> = {
  initialStates,
  pic,
  localApic,
  timer,
  ioApic,
  interval,
  uart,
  clockHours,
};

describe.skipIf(!available())("the board beside QEMU's q35 (qemu-system-x86_64 and nasm)", () => {
  for (const [name, script] of Object.entries(SCRIPTS))
    it(`agrees: ${name}`, { timeout: 90_000 }, () => {
      const ours = onBoard(script).map((word) => word.toString(16));
      const theirs = onQemu(script).map((word) => word.toString(16));
      expect(ours.length).toBeGreaterThan(0);
      expect(ours).toEqual(theirs);
    });
});
