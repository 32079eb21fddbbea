/** The 65,536 I/O ports: which chip answers which. */

import type { PortDevice, PortWidth } from "./device.ts";

const PORTS = 0x10000;

interface Claim {
  readonly name: string;
  readonly first: number;
  readonly end: number;
  readonly device: PortDevice;
  /** Its methods: V8 looks up those of many classes slowly. */
  readonly read: PortDevice["portRead"];
  readonly write: PortDevice["portWrite"];
  readonly maximumWidth: PortWidth;
}

const hex = (port: number): string => `0x${port.toString(16)}`;

export class PortBus {
  /** Index into `#claims` plus one; 0 is an unclaimed port. */
  readonly #owner = new Uint8Array(PORTS);
  /** A place given back is empty. */
  readonly #claims: (Claim | undefined)[] = [];

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
        throw new RangeError(`${name}: port ${hex(port)} belongs to ${this.nameAt(port)}`);
    }
    const empty = this.#claims.indexOf(undefined);
    const index = empty < 0 ? this.#claims.length : empty;
    if (index === 255) throw new RangeError(`${name}: more than 255 port ranges`);
    const { portRead: read, portWrite: write } = device;
    this.#claims[index] = { name, first, end, device, read, write, maximumWidth };
    this.#owner.fill(index + 1, first, end);
  }

  /** Whether `count` ports from `first` can be claimed. */
  isFree(first: number, count: number): boolean {
    const end = first + count;
    return end <= PORTS && this.#owner.subarray(first, end).every((owner) => owner === 0);
  }

  /** Give a range back. @throws RangeError if none starts there */
  release(first: number): void {
    const index = this.#claims.findIndex((claim) => claim?.first === first);
    const claim = this.#claims[index];
    if (claim === undefined) throw new RangeError(`no port range starts at ${hex(first)}`);
    this.#owner.fill(0, first, claim.end);
    this.#claims[index] = undefined;
  }

  /** The range that a port belongs to. */
  #claimOf(port: number): Claim | undefined {
    const owner = this.#owner[port & 0xffff];
    return owner === 0 ? undefined : this.#claims[owner - 1];
  }

  /** Name of the chip at a port, or undefined. */
  nameAt(port: number): string | undefined {
    return this.#claimOf(port)?.name;
  }

  /** @returns unsigned value; bytes that no chip answers are 0xff */
  read(port: number, width: PortWidth): number {
    const claim = this.#claimOf(port);
    if (claim !== undefined && width <= claim.maximumWidth && port + width <= claim.end)
      return claim.read.call(claim.device, port, width);
    if (width === 1) return 0xff;
    const half = width === 4 ? 2 : 1;
    return (this.read(port, half) | (this.read(port + half, half) << (8 * half))) >>> 0;
  }

  /** Bytes that no chip takes vanish. */
  write(port: number, width: PortWidth, value: number): void {
    const claim = this.#claimOf(port);
    if (claim !== undefined && width <= claim.maximumWidth && port + width <= claim.end) {
      claim.write.call(claim.device, port, width, value);
      return;
    }
    if (width === 1) return;
    const half = width === 4 ? 2 : 1;
    this.write(port, half, value & (half === 2 ? 0xffff : 0xff));
    this.write(port + half, half, value >>> (8 * half));
  }
}
