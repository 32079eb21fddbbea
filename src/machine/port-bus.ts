/** The 65,536 I/O ports: which chip answers which. */

import type { PortDevice, PortWidth } from "./device.ts";

const PORTS = 0x10000;

interface Claim {
  readonly name: string;
  readonly first: number;
  readonly end: number;
  readonly device: PortDevice;
  readonly maximumWidth: PortWidth;
}

const hex = (port: number): string => `0x${port.toString(16)}`;

export class PortBus {
  /** Index into `#claims` plus one; 0 is an unclaimed port. */
  readonly #owner = new Uint8Array(PORTS);
  readonly #claims: Claim[] = [];

  /**
   * Give `count` ports from `first` to a chip. An access wider than `maximumWidth`, or one that
   * leaves the range, reaches it in halves, lowest port first, as on an ISA bus.
   * @throws RangeError naming both chips if a port is taken, or if the range is no range of ports
   */
  claim(
    name: string,
    first: number,
    count: number,
    device: PortDevice,
    maximumWidth: PortWidth = 1,
  ): void {
    const end = first + count;
    if (!Number.isInteger(first) || first < 0 || count < 1 || end > PORTS)
      throw new RangeError(`${name}: ${count} ports from ${first} are not within 0..0xffff`);
    for (let port = first; port < end; port++) {
      const owner = this.#owner[port];
      if (owner !== 0)
        throw new RangeError(
          `${name}: port ${hex(port)} belongs to ${this.#claims[owner - 1].name}`,
        );
    }
    if (this.#claims.length === 255) throw new RangeError(`${name}: more than 255 port ranges`);
    this.#claims.push({ name, first, end, device, maximumWidth });
    this.#owner.fill(this.#claims.length, first, end);
  }

  /** Name of the chip at a port, or undefined. */
  nameAt(port: number): string | undefined {
    const owner = this.#owner[port & 0xffff];
    return owner === 0 ? undefined : this.#claims[owner - 1].name;
  }

  /** @returns unsigned value; bytes that no chip answers are 0xff */
  read(port: number, width: PortWidth): number {
    const owner = this.#owner[port & 0xffff];
    if (owner !== 0) {
      const claim = this.#claims[owner - 1];
      if (width <= claim.maximumWidth && port + width <= claim.end)
        return claim.device.portRead(port, width);
    }
    if (width === 1) return 0xff;
    const half = width === 4 ? 2 : 1;
    return (this.read(port, half) | (this.read(port + half, half) << (8 * half))) >>> 0;
  }

  /** Bytes that no chip takes vanish. */
  write(port: number, width: PortWidth, value: number): void {
    const owner = this.#owner[port & 0xffff];
    if (owner !== 0) {
      const claim = this.#claims[owner - 1];
      if (width <= claim.maximumWidth && port + width <= claim.end) {
        claim.device.portWrite(port, width, value);
        return;
      }
    }
    if (width === 1) return;
    const half = width === 4 ? 2 : 1;
    this.write(port, half, value & (half === 2 ? 0xffff : 0xff));
    this.write(port + half, half, value >>> (8 * half));
  }
}
