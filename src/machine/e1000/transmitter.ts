/**
 * Sending (3.3): descriptors are gathered into packets, and packets leave one after the other at the
 * speed of the link. Legacy descriptors, and those with context for offloads; no VLAN tags.
 */

import type { Clock, Timer } from "../clock.ts";
import type { Stateful } from "../device.ts";
import type { PciConfiguration } from "../pci/function.ts";
import { DescriptorRing } from "./descriptor-ring.ts";
import { frameCheckSequence } from "./frame-check-sequence.ts";
import type { InterruptCauses } from "./interrupt-causes.ts";
import {
  insertChecksum,
  NO_CONTEXT,
  type OffloadContext,
  type OffloadRequest,
  offload,
} from "./offload.ts";
import { isBroadcast, isMulticast } from "./receive-filter.ts";
import { FCS_BYTES } from "./receiver.ts";
import { TCTL, TCTL_ENABLE, TCTL_PSP, TDBAL, TXDW, TXQE } from "./registers.ts";
import { BPTC, GOTCL, GPTC, MPTC, PTC64, type Statistics, TOTL, TPT } from "./statistics.ts";

/** Without the frame check sequence. */
const MINIMUM_BYTES = 60;
const MAXIMUM_BYTES = 16384 - FCS_BYTES;
/** Preamble, start of frame, and the gap between frames. */
const GAP_BYTES = 20;
/** One packet before it is segmented. */
const MAXIMUM_PACKET_BYTES = 0x11000;

/** Fields of descriptors; those of legacy descriptors and the command's bits are also the others'. */
const LENGTH = 8;
const CHECKSUM_OFFSET = 10;
const TYPE = 10;
const COMMAND = 11;
const STATUS = 12;
const CHECKSUM_START = 13;
const OPTIONS = 13;

const COMMAND_END_OF_PACKET = 0x01;
const COMMAND_INSERT_FCS = 0x02;
/** Legacy: insert a checksum. Extended: segment. */
const COMMAND_CHECKSUM = 0x04;
const COMMAND_SEGMENT = 0x04;
const COMMAND_REPORT = 0x18;
const COMMAND_EXTENDED = 0x20;
const STATUS_DONE = 0x01;
const OPTION_IP_CHECKSUM = 0x01;
const OPTION_TCP_CHECKSUM = 0x02;
const CONTEXT_TCP = 0x01;
const CONTEXT_IPV4 = 0x02;

const NO_OFFLOAD: OffloadRequest = { segment: false, ipChecksum: false, tcpChecksum: false };

export interface TransmitterState {
  packet: Uint8Array;
  tooLong: boolean;
  started: boolean;
  context: OffloadContext;
  request: OffloadRequest;
  busyUntilNs: number;
}

/** The way out: a frame without its check sequence, and when its last byte leaves. */
export type FrameSink = (frame: Uint8Array, sentNs: number) => void;

export class Transmitter implements Stateful<TransmitterState> {
  readonly ring: DescriptorRing;
  /** Speed of the link. */
  megabitsPerSecond = 1000;
  readonly #registers: Uint32Array;
  readonly #pci: PciConfiguration;
  readonly #interrupts: InterruptCauses;
  readonly #statistics: Statistics;
  readonly #clock: Clock;
  readonly #timer: Timer;
  readonly #send: FrameSink;
  readonly #buffer = new Uint8Array(MAXIMUM_PACKET_BYTES);
  /** Bytes gathered so far. */
  #length = 0;
  #tooLong = false;
  /** A descriptor of the present packet has been seen. */
  #started = false;
  #context: OffloadContext = { ...NO_CONTEXT };
  #request: OffloadRequest = { ...NO_OFFLOAD };
  /** The link is taken. */
  #busyUntilNs = 0;

  constructor(
    registers: Uint32Array,
    pci: PciConfiguration,
    interrupts: InterruptCauses,
    statistics: Statistics,
    clock: Clock,
    send: FrameSink,
  ) {
    this.#registers = registers;
    this.#pci = pci;
    this.#interrupts = interrupts;
    this.#statistics = statistics;
    this.#clock = clock;
    this.#send = send;
    this.#timer = clock.timer(() => this.run());
    this.ring = new DescriptorRing(registers, TDBAL, pci);
  }

  /** Send what software has handed over, until the link is busy. */
  run(): void {
    const { ring } = this;
    let causes = 0;
    while ((this.#registers[TCTL] & TCTL_ENABLE) !== 0 && ring.owned > 0) {
      if (this.#clock.now < this.#busyUntilNs) {
        this.#timer.arm(this.#busyUntilNs);
        break;
      }
      // the bridge has aborted the transfer: it is tried again when the tail is written
      if (!ring.fetch()) break;
      const command = ring.view.getUint8(COMMAND);
      this.#take(command);
      if ((command & COMMAND_REPORT) !== 0) {
        ring.view.setUint8(STATUS, ring.view.getUint8(STATUS) | STATUS_DONE);
        ring.writeBack();
        causes |= TXDW;
      }
      ring.advance();
      if (ring.owned === 0) causes |= TXQE;
    }
    if (causes !== 0) this.#interrupts.raise(causes);
  }

  reset(): void {
    this.#begin();
    this.#context = { ...NO_CONTEXT };
    this.#busyUntilNs = 0;
    this.#timer.disarm();
  }

  save(): TransmitterState {
    return {
      packet: this.#buffer.slice(0, this.#length),
      tooLong: this.#tooLong,
      started: this.#started,
      context: { ...this.#context },
      request: { ...this.#request },
      busyUntilNs: this.#busyUntilNs,
    };
  }

  load(state: TransmitterState): void {
    this.#buffer.set(state.packet);
    this.#length = state.packet.length;
    this.#tooLong = state.tooLong;
    this.#started = state.started;
    this.#context = { ...state.context };
    this.#request = { ...state.request };
    this.#busyUntilNs = state.busyUntilNs;
    this.#timer.arm(
      this.ring.owned > 0 && this.#clock.now < this.#busyUntilNs
        ? this.#busyUntilNs
        : Number.POSITIVE_INFINITY,
    );
  }

  #begin(): void {
    this.#length = 0;
    this.#tooLong = false;
    this.#started = false;
    this.#request = { ...NO_OFFLOAD };
  }

  /** The descriptor at the head. */
  #take(command: number): void {
    const { view } = this.ring;
    if ((command & COMMAND_EXTENDED) === 0) {
      this.#gather(view.getUint16(LENGTH, true));
      if ((command & COMMAND_END_OF_PACKET) === 0) return;
      if ((command & COMMAND_CHECKSUM) !== 0)
        insertChecksum(
          this.#buffer.subarray(0, this.#length),
          view.getUint8(CHECKSUM_START),
          view.getUint8(CHECKSUM_OFFSET),
          0,
        );
    } else if (view.getUint8(TYPE) >> 4 === 0) {
      this.#setContext();
      return;
    } else {
      if (!this.#started) {
        const options = view.getUint8(OPTIONS);
        this.#request = {
          segment: (command & COMMAND_SEGMENT) !== 0,
          ipChecksum: (options & OPTION_IP_CHECKSUM) !== 0,
          tcpChecksum: (options & OPTION_TCP_CHECKSUM) !== 0,
        };
      }
      this.#gather(view.getUint32(LENGTH, true) & 0xfffff);
      if ((command & COMMAND_END_OF_PACKET) === 0) return;
    }
    this.#finish((command & COMMAND_INSERT_FCS) !== 0);
  }

  #setContext(): void {
    const { view } = this.ring;
    const command = view.getUint8(COMMAND);
    this.#context = {
      ipStart: view.getUint8(0),
      ipOffset: view.getUint8(1),
      ipEnd: view.getUint16(2, true),
      tcpStart: view.getUint8(4),
      tcpOffset: view.getUint8(5),
      tcpEnd: view.getUint16(6, true),
      headerBytes: view.getUint8(13),
      segmentBytes: view.getUint16(14, true),
      isTcp: (command & CONTEXT_TCP) !== 0,
      isIpv4: (command & CONTEXT_IPV4) !== 0,
    };
  }

  /** What cannot be read, or is too much for one packet, makes the packet unfit to be sent. */
  #gather(bytes: number): void {
    this.#started = true;
    if (this.#length + bytes > MAXIMUM_PACKET_BYTES) this.#tooLong = true;
    if (bytes === 0 || this.#tooLong) return;
    const target = this.#buffer.subarray(this.#length, this.#length + bytes);
    if (this.#pci.dmaRead(this.ring.buffer, target)) this.#length += bytes;
    else this.#tooLong = true;
  }

  #finish(insertFcs: boolean): void {
    const packet = this.#buffer.subarray(0, this.#length);
    if (!this.#tooLong && packet.length > 0)
      for (const frame of offload(packet, this.#context, this.#request))
        this.#emit(insertFcs ? frame : withoutOwnFcs(frame));
    this.#begin();
  }

  #emit(frame: Uint8Array | undefined): void {
    if (frame === undefined || frame.length > MAXIMUM_BYTES) return;
    let sent = frame;
    if (frame.length < MINIMUM_BYTES && (this.#registers[TCTL] & TCTL_PSP) !== 0) {
      sent = new Uint8Array(MINIMUM_BYTES);
      sent.set(frame);
    }
    const octets = sent.length + FCS_BYTES;
    const durationNs = Math.ceil(((octets + GAP_BYTES) * 8 * 1000) / this.megabitsPerSecond);
    this.#busyUntilNs = Math.max(this.#clock.now, this.#busyUntilNs) + durationNs;
    this.#send(sent, this.#busyUntilNs);
    const statistics = this.#statistics;
    statistics.count(GPTC);
    statistics.count(TPT);
    statistics.addOctets(GOTCL, octets);
    statistics.addOctets(TOTL, octets);
    statistics.countSize(PTC64, octets);
    if (isBroadcast(sent)) statistics.count(BPTC);
    else if (isMulticast(sent)) statistics.count(MPTC);
  }
}

/** Software has appended the check sequence; a frame with a wrong one is nothing to any receiver. */
function withoutOwnFcs(frame: Uint8Array): Uint8Array | undefined {
  const end = frame.length - FCS_BYTES;
  if (end < 0) return undefined;
  const data = frame.subarray(0, end);
  const given = new DataView(frame.buffer, frame.byteOffset + end).getUint32(0, true);
  return given === frameCheckSequence(data) ? data : undefined;
}
