/**
 * The reading side of channels. It believes nothing that it reads: whatever another cell writes
 * into the memory, the reader gets a message of a possible length or is told what is wrong.
 */
import type { SharedSection } from "../shared-section.ts";
import {
  AREA,
  complete,
  ENTRY,
  entryOffset,
  MAGIC,
  MAXIMUM_CHANNELS,
  MAXIMUM_SLOTS,
  MAXIMUM_WRITTEN,
  NAME_BYTES,
  SLOT,
  slotBytes,
  VERSION,
  writing,
} from "./layout.ts";
import type { MessageFormat } from "./message.ts";

export type Received<T> =
  | {
      readonly kind: "message";
      /** Number of the message since the writer laid the channel out. */
      readonly sequence: number;
      /** Messages that were overwritten before this one could be read. */
      readonly lost: number;
      readonly message: T;
    }
  /** What stands there breaks the rules of the layout. The reader goes on behind it. */
  | { readonly kind: "garbage"; readonly reason: string }
  /** The writer laid the area out again: the messages begin anew. `lost` is not known. */
  | { readonly kind: "restarted" };

interface Geometry {
  readonly epoch: number;
  /** Offset of the directory entry. */
  readonly entry: number;
  readonly ring: number;
  readonly slots: number;
  readonly messageBytes: number;
}

export class ChannelReceiver<T> {
  readonly name: string;
  readonly #area: SharedSection;
  readonly #format: MessageFormat<T>;
  #geometry: Geometry | undefined;
  #next = 0;
  #pendingLoss = 0;
  #lost = 0;
  #garbage = 0;
  /** The area was open once: the next opening is a restart. */
  #known = false;
  /** What was reported last and has not changed since. */
  #reported = "";

  /**
   * The writer need not have laid out the area yet.
   * @param area where it will; everything the channel consists of must lie in it
   */
  constructor(area: SharedSection, name: string, format: MessageFormat<T>) {
    this.#area = area;
    this.name = name;
    this.#format = format;
  }

  /** Messages that were overwritten before they were read, since the beginning. */
  get lost(): number {
    return this.#lost;
  }

  /** How often garbage was reported. */
  get garbage(): number {
    return this.#garbage;
  }

  /** Takes the next message; undefined: there is none. */
  receive(): Received<T> | undefined {
    return this.#receive(false);
  }

  /** Takes the newest message; those that it passes over do not count as lost. */
  receiveNewest(): Received<T> | undefined {
    return this.#receive(true);
  }

  #receive(newest: boolean): Received<T> | undefined {
    const geometry = this.#geometry;
    if (geometry !== undefined && this.#isOpen(geometry)) return this.#take(geometry, newest);
    this.#geometry = undefined;
    return this.#open(newest);
  }

  /** All that are there. At most `limit` results, so that no writer can hold the reader. */
  *drain(limit = MAXIMUM_SLOTS): Generator<Received<T>, void, void> {
    for (let count = 0; count < limit; count++) {
      const received = this.receive();
      if (received === undefined) return;
      yield received;
    }
  }

  #isOpen({ epoch }: Geometry): boolean {
    return this.#area.getUint32(AREA.magic) === MAGIC && this.#area.getUint32(AREA.epoch) === epoch;
  }

  #open(newest: boolean): Received<T> | undefined {
    const area = this.#area;
    if (area.size < AREA.BYTES || area.getUint32(AREA.magic) !== MAGIC) return undefined;
    const count = area.getUint16(AREA.count);
    const version = area.getUint16(AREA.version);
    if (version !== VERSION)
      return this.#refuse(`area has version ${version}, this side speaks ${VERSION}`);
    if (count < 1 || count > MAXIMUM_CHANNELS || entryOffset(count) > area.size)
      return this.#refuse(`area claims ${count} channels`);
    for (let index = 0; index < count; index++) {
      const entry = entryOffset(index);
      if (area.text(entry + ENTRY.name, NAME_BYTES) === this.name)
        return this.#enter(entry, newest);
    }
    return this.#refuse(`none of the ${count} channels of the area has this name`);
  }

  #enter(entry: number, newest: boolean): Received<T> | undefined {
    const area = this.#area;
    const ring = area.getUint32(entry + ENTRY.offset);
    const slots = area.getUint32(entry + ENTRY.slots);
    const messageBytes = area.getUint32(entry + ENTRY.messageBytes);
    if (ring % 8 !== 0 || slots < 1 || slots > MAXIMUM_SLOTS)
      return this.#refuse(`directory says ${slots} slots at ${ring}`);
    if (ring + slots * slotBytes(messageBytes) > area.size)
      return this.#refuse(
        `directory says ${slots} slots of ${messageBytes} bytes at ${ring}, the area has ${area.size} bytes`,
      );
    const { name, bytes, varies } = this.#format;
    if (varies ? messageBytes > bytes : messageBytes !== bytes)
      return this.#refuse(
        `messages have ${varies ? "up to " : ""}${messageBytes} bytes, the format "${name}" has ${bytes}`,
      );
    const geometry = { epoch: area.getUint32(AREA.epoch), entry, ring, slots, messageBytes };
    const written = Number(area.getBigUint64(entry + ENTRY.written));
    if (written > MAXIMUM_WRITTEN) return this.#refuse(`directory says ${written} messages`);
    this.#geometry = geometry;
    this.#next = 0;
    this.#pendingLoss = 0;
    if (written > slots && !newest) this.#skip(written - slots);
    this.#reported = "";
    if (this.#known) return { kind: "restarted" };
    this.#known = true;
    return this.#take(geometry, newest);
  }

  #take(geometry: Geometry, newest: boolean): Received<T> | undefined {
    const area = this.#area;
    const { entry, ring, slots, messageBytes } = geometry;
    const written = Number(area.getBigUint64(entry + ENTRY.written));
    if (newest && written > this.#next && written <= MAXIMUM_WRITTEN) this.#next = written - 1;
    // nobody writes while this runs, so a message can only be overwritten before or half-way before
    for (let tries = 0; tries <= slots; tries++) {
      if (written === this.#next) {
        this.#reported = "";
        return undefined;
      }
      if (written > MAXIMUM_WRITTEN) return this.#refuse(`directory says ${written} messages`);
      if (written < this.#next) {
        const before = this.#next;
        this.#next = written;
        return this.#report(`count of messages went back from ${before} to ${written}`);
      }
      if (written - this.#next > slots) this.#skip(written - slots - this.#next);

      const number = this.#next;
      const index = number % slots;
      const slot = ring + index * slotBytes(messageBytes);
      const stamp = Number(area.getBigUint64(slot + SLOT.stamp));
      if (stamp === complete(number)) {
        this.#next++;
        return this.#decode(number, slot, messageBytes);
      }
      // right only if the writer has come round and this is a later message for the slot
      const later = Math.floor((stamp - 1) / 2);
      if (stamp < writing(number + slots) || later % slots !== index || later > written) {
        this.#next++;
        return this.#report(
          `slot ${index} of message ${number} has stamp ${stamp} instead of ${complete(number)}`,
        );
      }
      this.#skip(1);
    }
    return this.#report(`no message of the last ${slots} is whole`);
  }

  #decode(sequence: number, slot: number, messageBytes: number): Received<T> {
    const length = this.#area.getUint32(slot + SLOT.length);
    const { varies } = this.#format;
    if (varies ? length > messageBytes : length !== messageBytes)
      return this.#report(
        `message ${sequence} has ${length} bytes, ${varies ? "at most " : ""}${messageBytes} are possible`,
      );
    const message = this.#format.decode(this.#area.read(slot + SLOT.message, length));
    const lost = this.#pendingLoss;
    this.#pendingLoss = 0;
    return { kind: "message", sequence, lost, message };
  }

  #skip(count: number): void {
    this.#next += count;
    this.#pendingLoss += count;
    this.#lost += count;
  }

  /** For what stays wrong until the writer mends it: reported once. */
  #refuse(reason: string): Received<T> | undefined {
    return reason === this.#reported ? undefined : this.#report(reason);
  }

  #report(reason: string): Received<T> {
    this.#reported = reason;
    this.#garbage++;
    return { kind: "garbage", reason: `channel "${this.name}": ${reason}` };
  }
}
