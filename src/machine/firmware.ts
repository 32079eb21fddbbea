/**
 * What a PC's firmware has set up by the time it starts a program: for guests
 * that are entered without any, as multiboot kernels are.
 */

import type { Board } from "./board.ts";

/** Port and byte, in order. */
const PROGRAM: readonly (readonly [port: number, byte: number])[] = [
  // 8259 pair: vectors 0x08 and 0x70, everything masked but the timer and the cascade
  [0x20, 0x11],
  [0x21, 0x08],
  [0x21, 0x04],
  [0x21, 0x01],
  [0xa0, 0x11],
  [0xa1, 0x70],
  [0xa1, 0x02],
  [0xa1, 0x01],
  [0x21, 0xfa],
  [0xa1, 0xff],
  // 8254: counter 0 in mode 2 with the longest count, 18.2 Hz; counter 1 for memory refresh
  [0x43, 0x34],
  [0x40, 0x00],
  [0x40, 0x00],
  [0x43, 0x54],
  [0x41, 0x12],
];

/** Program the interrupt controllers and the timer; the local APIC of CPU 0 passes the 8259 pair on. */
export function setUpAsFirmware(board: Board): void {
  board.localApics[0].virtualWire();
  for (const [port, byte] of PROGRAM) board.portBus.write(port, 1, byte);
}
