/** The writing side of channels: lays out an area, sends messages. It never waits for a reader. */
import { LinkError, type SharedSection } from "../shared-section.ts";
import {
  AREA,
  complete,
  ENTRY,
  entryOffset,
  MAGIC,
  MAXIMUM_CHANNELS,
  MAXIMUM_SLOTS,
  NAME_BYTES,
  SLOT,
  slotBytes,
  VERSION,
  writing,
} from "./layout.ts";
import type { MessageFormat } from "./message.ts";

export interface ChannelDescription<T> {
  /** ASCII, 1 to 31 characters. */
  readonly name: string;
  /** Messages that a slow reader may fall behind before it loses one: 1 to 65536. */
  readonly slots: number;
  readonly format: MessageFormat<T>;
}

/** The writing end of one channel. */
export class ChannelSender<T> {
  readonly name: string;
  readonly slots: number;
  /** Most bytes of one message. */
  readonly messageBytes: number;
  readonly #area: SharedSection;
  readonly #entry: number;
  readonly #ring: number;
  readonly #format: MessageFormat<T>;
  #written = 0;

  /** @param entry offset of the directory entry; `ring`: of the first slot */
  constructor(
    area: SharedSection,
    { name, slots, format }: ChannelDescription<T>,
    entry: number,
    ring: number,
  ) {
    this.name = name;
    this.slots = slots;
    this.messageBytes = format.bytes;
    this.#area = area;
    this.#entry = entry;
    this.#ring = ring;
    this.#format = format;
  }

  /** Messages sent so far. */
  get written(): number {
    return this.#written;
  }

  /** @throws LinkError if the message is too long for the channel */
  send(message: T): void {
    const bytes = this.#format.encode(message);
    if (bytes.length > this.messageBytes)
      throw new LinkError(
        `message of ${bytes.length} bytes: channel "${this.name}" takes at most ${this.messageBytes}`,
      );
    const number = this.#written;
    const slot = this.#ring + (number % this.slots) * slotBytes(this.messageBytes);
    const area = this.#area;
    setCount(area, slot + SLOT.stamp, writing(number));
    area.setUint32(slot + SLOT.length, bytes.length);
    area.write(slot + SLOT.message, bytes);
    setCount(area, slot + SLOT.stamp, complete(number));
    this.#written = number + 1;
    setCount(area, this.#entry + ENTRY.written, number + 1);
  }
}

/**
 * Lays out an area in a section and so tells the readers of an earlier one that the writer has
 * started again.
 * @returns the writing ends in the order of the descriptions
 * @throws LinkError if a description is impossible or the section too small
 */
export function createChannels<T extends readonly unknown[]>(
  area: SharedSection,
  ...channels: { readonly [I in keyof T]: ChannelDescription<T[I]> }
): { readonly [I in keyof T]: ChannelSender<T[I]> } {
  if (channels.length < 1 || channels.length > MAXIMUM_CHANNELS)
    throw new LinkError(`${channels.length} channels: an area has 1 to ${MAXIMUM_CHANNELS}`);
  for (const channel of channels) checkDescription(channel);
  const directory = entryOffset(channels.length);
  const rings = channels.map(({ slots, format }) => slots * slotBytes(format.bytes));
  const bytes = rings.reduce((sum, ring) => sum + ring, directory);
  if (bytes > area.size)
    throw new LinkError(
      `channels ${channels.map(({ name }) => `"${name}"`).join(", ")} need ${bytes} bytes: section "${area.name}" has ${area.size}`,
    );

  const epoch = (area.getUint32(AREA.epoch) + 1) >>> 0;
  area.setUint32(AREA.magic, 0);
  area.fill(0, 0, bytes);
  let ring = directory;
  const senders = channels.map((channel, index) => {
    const entry = entryOffset(index);
    area.write(
      entry + ENTRY.name,
      Uint8Array.from(channel.name, (c) => c.charCodeAt(0)),
    );
    area.setUint32(entry + ENTRY.offset, ring);
    area.setUint32(entry + ENTRY.slots, channel.slots);
    area.setUint32(entry + ENTRY.messageBytes, channel.format.bytes);
    const sender = new ChannelSender(area, channel, entry, ring);
    ring += rings[index];
    return sender;
  });
  area.setUint16(AREA.version, VERSION);
  area.setUint16(AREA.count, channels.length);
  area.setUint32(AREA.epoch, epoch);
  area.setUint32(AREA.size, bytes);
  area.setUint32(AREA.magic, MAGIC);
  return senders as { readonly [I in keyof T]: ChannelSender<T[I]> };
}

function checkDescription({ name, slots, format }: ChannelDescription<unknown>): void {
  if (!/^[\x20-\x7e]+$/.test(name) || name.length >= NAME_BYTES)
    throw new LinkError(`channel name "${name}": must be 1 to ${NAME_BYTES - 1} ASCII characters`);
  if (!(Number.isInteger(slots) && slots >= 1 && slots <= MAXIMUM_SLOTS))
    throw new LinkError(`channel "${name}", slots ${slots}: must be 1 to ${MAXIMUM_SLOTS}`);
  const { bytes } = format;
  if (!(Number.isInteger(bytes) && bytes >= 0 && bytes < 2 ** 32))
    throw new LinkError(`channel "${name}", messages of ${bytes} bytes: must be 0 to 2^32 - 1`);
}

/** A 64-bit field that holds less than 2^53. */
function setCount(area: SharedSection, offset: number, value: number): void {
  area.setBigUint64(offset, BigInt(value));
}
