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

/** Segment of the ROM. */
const ROM = 0xf000;
/** Real-mode interrupt handlers, at offsets in the ROM. */
const UNEXPECTED = { offset: 0x00, code: [0xcf] }; // iret
/** push ax; mov al, 0x20; out 0x20, al; pop ax; iret */
const MASTER = { offset: 0x10, code: [0x50, 0xb0, 0x20, 0xe6, 0x20, 0x58, 0xcf] };
/** As the master's, with out 0xa0, al before. */
const SLAVE = { offset: 0x20, code: [0x50, 0xb0, 0x20, 0xe6, 0xa0, 0xe6, 0x20, 0x58, 0xcf] };

/**
 * Program the interrupt controllers and the timer; the local APIC of CPU 0 passes the 8259 pair on.
 * The interrupt table of real mode gets handlers that end interrupts and do nothing else. For a
 * board that has executed nothing yet.
 */
export function setUpAsFirmware(board: Board): void {
  board.localApics[0].virtualWire();
  for (const [port, byte] of PROGRAM) board.portBus.write(port, 1, byte);
  const { memory } = board;
  for (const { offset, code } of [UNEXPECTED, MASTER, SLAVE])
    memory.bytes(ROM * 16 + offset, code.length).set(code);
  for (let vector = 0; vector < 256; vector++) {
    const { offset } = vector >> 3 === 1 ? MASTER : vector >> 3 === 0x0e ? SLAVE : UNEXPECTED;
    memory.view.setUint32(vector * 4, ROM * 0x10000 + offset, true);
  }
}
