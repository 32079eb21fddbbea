/** The two forms in which a configuration lists permitted I/O ports, and questions about them. */
import type { PortRange } from "./types.ts";

/** Ports of an x86 machine. */
export const PORT_COUNT = 0x1_0000;

/**
 * May the cell access all of `width` ports from `port` on? For many questions build a
 * {@link deniedPorts} bitmap once.
 */
export function isPortPermitted(ports: readonly PortRange[], port: number, width = 1): boolean {
  for (let each = port; each < port + width; each++)
    if (!ports.some(({ base, length }) => each >= base && each < base + length)) return false;
  return true;
}

/** Bit n % 8 of byte n / 8 is 1 where port n is denied. Ports beyond the bitmap are left out. */
export function deniedPorts(ports: readonly PortRange[], bytes = PORT_COUNT / 8): Uint8Array {
  const count = bytes * 8;
  // how many ranges begin less how many end at each port: however much they overlap, one sweep does
  const steps = new Int32Array(count + 1);
  for (const { base, length } of ports) {
    const start = Math.min(base, count);
    const end = Math.min(base + length, count);
    steps[start] = (steps[start] as number) + 1;
    steps[end] = (steps[end] as number) - 1;
  }
  const bitmap = new Uint8Array(bytes).fill(0xff);
  let covering = 0;
  for (let port = 0; port < count; port++) {
    covering += steps[port] as number;
    if (covering > 0) bitmap[port >> 3] = (bitmap[port >> 3] as number) & ~(1 << (port & 7));
  }
  return bitmap;
}

/** The ports whose bit is 0, as few ranges in ascending order. */
export function permittedPorts(denied: Uint8Array): PortRange[] {
  const ranges: PortRange[] = [];
  let base = -1;
  denied.forEach((byte, index) => {
    if (byte === (base < 0 ? 0xff : 0)) return; // eight ports that change nothing
    for (let bit = 0; bit < 8; bit++) {
      const port = index * 8 + bit;
      const permitted = (byte & (1 << bit)) === 0;
      if (permitted && base < 0) base = port;
      if (!permitted && base >= 0) {
        ranges.push({ base, length: port - base });
        base = -1;
      }
    }
  });
  if (base >= 0) ranges.push({ base, length: denied.length * 8 - base });
  return ranges;
}
