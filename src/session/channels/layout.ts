/** The layout of docs/channels.md; in C: inmates/lib/include/inmate/channel.h. Offsets in bytes. */

export const MAGIC = 0x4e484347;
export const VERSION = 1;
export const NAME_BYTES = 32;
export const MAXIMUM_CHANNELS = 64;
export const MAXIMUM_SLOTS = 65536;
/** A larger count of messages cannot be right. */
export const MAXIMUM_WRITTEN = 2 ** 52;

/** At the start of an area. */
export const AREA = { magic: 0, version: 4, count: 6, epoch: 8, size: 12, BYTES: 64 } as const;

/** One for each channel, behind the header. */
export const ENTRY = {
  name: 0,
  offset: 32,
  slots: 36,
  messageBytes: 40,
  written: 48,
  BYTES: 64,
} as const;

export const SLOT = { stamp: 0, length: 8, message: 16 } as const;

/** Distance of two slots. */
export function slotBytes(messageBytes: number): number {
  return SLOT.message + Math.ceil(messageBytes / 8) * 8;
}

export function entryOffset(index: number): number {
  return AREA.BYTES + index * ENTRY.BYTES;
}

/** Stamp of a slot while message `number` is written to it. */
export const writing = (number: number): number => 2 * number + 1;
/** Stamp of a slot that holds message `number`. */
export const complete = (number: number): number => 2 * number + 2;
