/**
 * What a cell may write to the header of a PCI function (PCI access moderation, 4.3), and how
 * accesses of 1, 2 and 4 bytes fall on the dwords of configuration space.
 */
import type { PciDevice } from "../config/types.ts";

export type PciWidth = 1 | 2 | 4;

/** Why a write was refused: FATAL lines to stand before the one that names the access. */
export type Rejection = readonly string[];

/** Refused, and there is no more to say than which access it was. */
export const REJECTED: Rejection = [];

export const COMMAND = 0x04;
export const COMMAND_MEMORY = 0x0002;
export const COMMAND_BUS_MASTER = 0x0004;
export const COMMAND_INTX_DISABLE = 0x0400;
const BARS = 0x10;
const BARS_END = 0x28;
export const EXPANSION_ROM = 0x30;
/** The header ends here, and the capabilities begin. */
export const CAPABILITIES = 0x40;

export const MSI = 0x05;
export const VENDOR_SPECIFIC = 0x09;
export const MSIX = 0x11;

/** What a write to a dword of the header may do, byte by byte: forward, drop, or refuse (neither). */
interface HeaderRule {
  readonly forwarded: number;
  readonly ignored: number;
}

export type HeaderRules = ReadonlyMap<number, HeaderRule>;

export const ENDPOINT_HEADER: HeaderRules = new Map([
  [0x04, { forwarded: 0xffffffff, ignored: 0 }],
  [0x0c, { forwarded: 0xffffffff, ignored: 0 }],
  [0x30, { forwarded: 0, ignored: 0xffffffff }],
  [0x3c, { forwarded: 0x000000ff, ignored: 0 }],
]);

export const BRIDGE_HEADER: HeaderRules = new Map([
  [0x04, { forwarded: 0xffffffff, ignored: 0 }],
  [0x0c, { forwarded: 0xffffffff, ignored: 0 }],
  [0x1c, { forwarded: 0, ignored: 0x0000ffff }],
  [0x20, { forwarded: 0, ignored: 0xffffffff }],
  [0x24, { forwarded: 0, ignored: 0xffffffff }],
  [0x28, { forwarded: 0, ignored: 0xffffffff }],
  [0x2c, { forwarded: 0, ignored: 0xffffffff }],
  [0x30, { forwarded: 0, ignored: 0xffffffff }],
  [0x3c, { forwarded: 0xffff00ff, ignored: 0 }],
]);

/** What becomes of a write below {@link CAPABILITIES} that is not to a BAR of an endpoint. */
export function headerFate(
  rules: HeaderRules,
  register: number,
  width: PciWidth,
): "forwarded" | "ignored" | "rejected" {
  const rule = rules.get(register & ~3);
  const bits = touched(register, width);
  if (rule === undefined || (bits & ~(rule.forwarded | rule.ignored)) !== 0) return "rejected";
  return (bits & rule.forwarded) !== 0 ? "forwarded" : "ignored";
}

/** The bits of its dword that an access touches. */
export function touched(register: number, width: PciWidth): number {
  return (ones(width) << (8 * (register & 3))) >>> 0;
}

/** The accessed bytes out of a dword; beyond it there is nothing. */
export function extract(dword: number, register: number, width: PciWidth): number {
  return ((dword >>> (8 * (register & 3))) & ones(width)) >>> 0;
}

/** A dword after a write, of whose bits only those in `writable` change. */
export function merge(
  dword: number,
  register: number,
  width: PciWidth,
  value: number,
  writable = 0xffffffff,
): number {
  const mask = touched(register, width) & writable;
  return ((dword & ~mask) | ((value << (8 * (register & 3))) & mask)) >>> 0;
}

/** What an absent function reads. */
export function ones(width: PciWidth): number {
  return width === 4 ? 0xffffffff : width === 2 ? 0xffff : 0xff;
}

/** Base address registers as a cell sees them: they never reach hardware. */
export class BarShadows {
  readonly values = new Uint32Array(6);
  readonly #masks: PciDevice["barMask"];

  constructor({ barMask }: PciDevice) {
    this.#masks = barMask;
  }

  static has(register: number): boolean {
    return register >= BARS && register < BARS_END;
  }

  /** Offset of a BAR in configuration space. */
  static register(bar: number): number {
    return BARS + 4 * bar;
  }

  read(register: number, width: PciWidth): number {
    return extract(this.values[(register - BARS) >> 2], register, width);
  }

  write(register: number, width: PciWidth, value: number): void {
    const bar = (register - BARS) >> 2;
    this.values[bar] = merge(this.values[bar], register, width, value, this.#masks[bar]);
  }

  /** Address in a 32-bit BAR, without its flags. */
  address(bar: number): number {
    return (this.values[bar] & ~0xf) >>> 0;
  }

  /** Address in a BAR and the upper half in the next. */
  address64(bar: number): number {
    return this.values[bar + 1] * 2 ** 32 + this.address(bar);
  }
}
