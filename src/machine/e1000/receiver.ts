/**
 * Receiving (3.2): frames that pass the filter wait in the packet buffer until there are descriptors
 * for them, then go to memory. A frame may fill several buffers.
 */

import type { Stateful } from "../device.ts";
import type { PciConfiguration } from "../pci/function.ts";
import { DescriptorRing } from "./descriptor-ring.ts";
import { frameCheckSequence } from "./frame-check-sequence.ts";
import type { InterruptCauses } from "./interrupt-causes.ts";
import { accept, isBroadcast, isMulticast } from "./receive-filter.ts";
import {
  PBA,
  RCTL,
  RCTL_BSEX,
  RCTL_BSIZE_SHIFT,
  RCTL_ENABLE,
  RCTL_LPE,
  RCTL_RDMTS_SHIFT,
  RCTL_SBP,
  RCTL_SECRC,
  RDBAL,
  RXCSUM,
  RXDMT0,
  RXO,
  RXT0,
} from "./registers.ts";
import {
  BPRC,
  GORCL,
  GPRC,
  MPC,
  MPRC,
  PRC64,
  ROC,
  RUC,
  type Statistics,
  TORL,
  TPR,
} from "./statistics.ts";

/** Lengths with the frame check sequence. */
const MINIMUM_BYTES = 64;
const MAXIMUM_BYTES = 1522;
const MAXIMUM_LONG_BYTES = 16384;
export const FCS_BYTES = 4;

/** RCTL.BSIZE; 16 times as much with BSEX, where the first is reserved. */
const BUFFER_BYTES: readonly number[] = [2048, 1024, 512, 256];

/** Fields of a descriptor. */
const LENGTH = 8;
const CHECKSUM = 10;
const STATUS = 12;
const ERRORS = 13;
const SPECIAL = 14;

const STATUS_DONE = 0x01;
const STATUS_END_OF_PACKET = 0x02;
/** No checksum was looked at but the packet's own. */
const STATUS_IGNORE_CHECKSUM = 0x04;
const STATUS_INEXACT = 0x80;

interface Waiting {
  readonly frame: Uint8Array;
  readonly inexact: boolean;
}

export type ReceiverState = readonly Waiting[];

export class Receiver implements Stateful<ReceiverState> {
  readonly ring: DescriptorRing;
  readonly #registers: Uint32Array;
  readonly #pci: PciConfiguration;
  readonly #interrupts: InterruptCauses;
  readonly #statistics: Statistics;
  /** The packet buffer, frames with their check sequence. */
  #waiting: Waiting[] = [];

  constructor(
    registers: Uint32Array,
    pci: PciConfiguration,
    interrupts: InterruptCauses,
    statistics: Statistics,
  ) {
    this.#registers = registers;
    this.#pci = pci;
    this.#interrupts = interrupts;
    this.#statistics = statistics;
    this.ring = new DescriptorRing(registers, RDBAL, pci);
  }

  /** A frame from the wire, without its check sequence. */
  receive(data: Uint8Array): void {
    const rctl = this.#registers[RCTL];
    if ((rctl & RCTL_ENABLE) === 0) return;
    const bytes = data.length + FCS_BYTES;
    const statistics = this.#statistics;
    statistics.count(TPR);
    statistics.addOctets(TORL, bytes);
    if (!this.#hasGoodLength(bytes, rctl)) return;
    const acceptance = accept(this.#registers, data);
    if (acceptance === "rejected") return;
    if (this.#waitingBytes + bytes > this.#bufferBytes) {
      statistics.count(MPC);
      this.#interrupts.raise(RXO);
      return;
    }
    const frame = new Uint8Array(bytes);
    frame.set(data);
    new DataView(frame.buffer).setUint32(data.length, frameCheckSequence(data), true);
    this.#waiting.push({ frame, inexact: acceptance === "inexact" });
    statistics.count(GPRC);
    statistics.addOctets(GORCL, bytes);
    statistics.countSize(PRC64, bytes);
    if (isBroadcast(data)) statistics.count(BPRC);
    else if (isMulticast(data)) statistics.count(MPRC);
    this.drain();
  }

  /** Store what there are descriptors for. */
  drain(): void {
    const rctl = this.#registers[RCTL];
    if ((rctl & RCTL_ENABLE) === 0) return;
    const size = bufferBytes(rctl);
    for (;;) {
      const [first] = this.#waiting;
      if (first === undefined) return;
      const stored = first.frame.length - ((rctl & RCTL_SECRC) !== 0 ? FCS_BYTES : 0);
      const needed = Math.ceil(stored / size);
      if (needed > this.ring.owned) {
        // a frame that this ring can never take must not hold up those behind it
        if (needed < this.ring.count || this.ring.count === 0) return;
        this.#waiting.shift();
        this.#statistics.count(MPC);
        continue;
      }
      this.#waiting.shift();
      this.#store(first, stored, size);
    }
  }

  reset(): void {
    this.#waiting = [];
  }

  save(): ReceiverState {
    return this.#waiting.map(({ frame, inexact }) => ({ frame: frame.slice(), inexact }));
  }

  load(state: ReceiverState): void {
    this.#waiting = state.map(({ frame, inexact }) => ({ frame: frame.slice(), inexact }));
  }

  get #waitingBytes(): number {
    return this.#waiting.reduce((sum, { frame }) => sum + frame.length, 0);
  }

  /** PBA: KiB of packet buffer for receiving. */
  get #bufferBytes(): number {
    return (this.#registers[PBA] & 0xff) * 1024;
  }

  #hasGoodLength(bytes: number, rctl: number): boolean {
    if (bytes < MINIMUM_BYTES) {
      this.#statistics.count(RUC);
      return (rctl & RCTL_SBP) !== 0;
    }
    if (bytes <= ((rctl & RCTL_LPE) !== 0 ? MAXIMUM_LONG_BYTES : MAXIMUM_BYTES)) return true;
    this.#statistics.count(ROC);
    return (rctl & RCTL_SBP) !== 0 && bytes <= MAXIMUM_LONG_BYTES;
  }

  #store({ frame, inexact }: Waiting, stored: number, size: number): void {
    const { ring } = this;
    const { view } = ring;
    const checksum = this.#packetChecksum(frame);
    const before = ring.owned;
    for (let offset = 0; offset < stored; offset += size) {
      const length = Math.min(size, stored - offset);
      // what cannot be reached is lost: the bridge has aborted the transfer and says so
      if (!ring.fetch()) ring.descriptor.fill(0);
      else this.#pci.dmaWrite(ring.buffer, frame.subarray(offset, offset + length));
      const last = offset + length === stored;
      view.setUint16(LENGTH, length, true);
      view.setUint16(CHECKSUM, checksum, true);
      view.setUint8(
        STATUS,
        STATUS_DONE |
          STATUS_IGNORE_CHECKSUM |
          (last ? STATUS_END_OF_PACKET : 0) |
          (inexact ? STATUS_INEXACT : 0),
      );
      view.setUint8(ERRORS, 0);
      view.setUint16(SPECIAL, 0, true);
      ring.writeBack();
      ring.advance();
    }
    const threshold = ring.count >> (1 + ((this.#registers[RCTL] >>> RCTL_RDMTS_SHIFT) & 3));
    const low = before > threshold && ring.owned <= threshold;
    this.#interrupts.raise(RXT0 | (low ? RXDMT0 : 0));
  }

  /** Ones' complement sum from byte RXCSUM.PCSS to the end, not inverted. */
  #packetChecksum(frame: Uint8Array): number {
    let sum = 0;
    const start = this.#registers[RXCSUM] & 0xff;
    for (let n = start; n < frame.length; n++)
      sum += ((n - start) & 1) === 0 ? frame[n] << 8 : frame[n];
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    return ((sum & 0xff) << 8) | (sum >> 8);
  }
}

function bufferBytes(rctl: number): number {
  const bytes = BUFFER_BYTES[(rctl >>> RCTL_BSIZE_SHIFT) & 3];
  return (rctl & RCTL_BSEX) !== 0 && bytes < 2048 ? bytes * 16 : bytes;
}
