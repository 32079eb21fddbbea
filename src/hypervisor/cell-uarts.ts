/**
 * Serial ports of a cell. The board has one chip behind each COM port, which
 * several cells may be permitted at once; so that their output does not mix,
 * each cell that may use a port gets a chip of its own behind it.
 */
import { isPortPermitted } from "../config/ports.ts";
import type { CellConfig } from "../config/types.ts";
import type { Board } from "../machine/board.ts";
import { UNCONNECTED } from "../machine/device.ts";
import { PortBus } from "../machine/port-bus.ts";
import { Uart16550 } from "../machine/uart16550.ts";

/** COM1 to COM4: first of eight ports, ISA interrupt, which is also the IOAPIC pin. */
const COM_PORTS = [
  { base: 0x3f8, irq: 4 },
  { base: 0x2f8, irq: 3 },
  { base: 0x3e8, irq: 4 },
  { base: 0x2e8, irq: 3 },
] as const;

const REGISTERS = 8;

export class CellUarts {
  /** Answers at the cell's serial ports only. */
  readonly bus = new PortBus();
  /** By base port. */
  readonly byPort = new Map<number, Uart16550>();
  readonly #owned = new Uint8Array(0x10000);

  /** @param transmit gets every byte that the cell sends, with the base port it sent it through */
  constructor(board: Board, config: CellConfig, transmit: (port: number, byte: number) => void) {
    for (const { base, irq } of COM_PORTS) {
      const permitted = Array.from({ length: REGISTERS }, (_, n) => base + n).some((port) =>
        isPortPermitted(config.ports, port),
      );
      if (!permitted) continue;
      const ownsPin = config.irqchips.some(({ pinBitmap }) => (pinBitmap[0] & (1 << irq)) !== 0);
      const line = ownsPin ? board.irqs[irq] : UNCONNECTED;
      const uart = new Uart16550(board.clock, line, (byte) => transmit(base, byte));
      this.byPort.set(base, uart);
      this.bus.claim(`UART of cell "${config.name}"`, base, REGISTERS, uart);
      this.#owned.fill(1, base, base + REGISTERS);
    }
  }

  has(port: number): boolean {
    return this.#owned[port] === 1;
  }
}
