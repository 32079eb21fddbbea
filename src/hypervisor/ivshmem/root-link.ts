/**
 * Root's end of a link in the hands of a TypeScript application, in place of a driver in a root
 * guest. It drives the device by the same rules: what the registers do happens, interrupts come
 * only while they are enabled, and everything takes place in virtual time.
 */

import { formatBdf } from "../../config/builders/devices.ts";
import type { Timer } from "../../machine/clock.ts";
import type { Core } from "../core.ts";
import { hex, type Result, refuse, success } from "../errno.ts";
import type { Region } from "../regions.ts";
import { IvshmemDevice } from "./device.ts";
import { RootSection, type SectionKind } from "./root-section.ts";
import { IvshmemV1 } from "./v1.ts";
import { COMMON, FIRST_OUTPUT, IvshmemV2, STATE_TABLE } from "./v2.ts";

const V1_ENDS = 2;

/** Another end of the link, connected at the moment. */
export interface RootLinkPeer {
  readonly id: number;
  /** Name of the cell. */
  readonly cell: string;
}

/**
 * An interrupt arrived. Called between two instructions of the machine, when every CPU has reached
 * the time of the interrupt: whatever a listener does takes place at that time, and it may use all
 * of the hypervisor's interface.
 * @param vector 0 ... vectors - 1; version 2 says a change of a peer's state by vector 0
 */
export type InterruptListener = (vector: number) => void;

export class RootLink {
  /** bus << 8 | device << 3 | function: what the ends of the link have in common. */
  readonly bdf: number;
  /** Of the device: 1 up to v0.11, 2 from v0.12. */
  readonly version: 1 | 2;
  /** Number of root's end. */
  readonly id: number;
  /** Ends that the link may have, by root's configuration; 2 in version 1. */
  readonly maxPeers: number;
  /** Vectors that root can receive. 0: none, the device has no MSI-X. */
  readonly vectors: number;
  readonly protocol: number;
  /** The link's memory in the order of the device; parts of size 0 are left out. */
  readonly sections: readonly RootSection[];
  readonly #core: Core;
  readonly #device: IvshmemV1 | IvshmemV2;
  readonly #listeners = new Set<InterruptListener>();
  /** By vector: virtual time at which its interrupt is taken, Infinity without one. As in an IRR, a vector waits once. */
  readonly #due: Float64Array;
  readonly #timer: Timer;
  #interruptsEnabled = false;
  #closed = false;

  /** Use {@link openRootLink}. */
  constructor(core: Core, device: IvshmemV1 | IvshmemV2, sections: readonly RootSection[]) {
    const { config, id } = device;
    this.#core = core;
    this.#device = device;
    this.bdf = config.bdf;
    this.id = id;
    this.protocol = config.shmemProtocol;
    this.sections = sections;
    this.version = device instanceof IvshmemV1 ? 1 : 2;
    this.maxPeers = this.version === 1 ? V1_ENDS : config.shmemPeers;
    this.vectors = this.version === 1 ? Math.min(config.numMsixVectors, 1) : config.numMsixVectors;
    this.#due = new Float64Array(this.vectors).fill(Number.POSITIVE_INFINITY);
    this.#timer = core.board.clock.timer(() => this.#take());
    device.receiver = (vector) => this.#raise(vector);
    this.interruptsEnabled = true;
  }

  /** The other ends that are connected now, by ascending id. */
  get peers(): readonly RootLinkPeer[] {
    return this.#device.link.connected
      .filter((end) => end !== this.#device)
      .map(({ id, cell }) => ({ id, cell: cell.name }));
  }

  /** Root's own state, 32 bits; 0 until it is set. */
  get state(): number {
    return this.#device.state;
  }

  /** Version 1: the peer is interrupted by every write. Version 2: the peers, by a change. */
  set state(value: number) {
    this.#open().setState(value);
  }

  /** State of an end: RSTATE of version 1, an entry of the state table in version 2. 0 if nobody is there. */
  peerState(id: number): number {
    const device = this.#open();
    if (device instanceof IvshmemV1) return device.link.ends[id]?.state ?? 0;
    const [table] = this.sections;
    const refusal = table.refusal("read", 4 * id, 4);
    if (refusal !== undefined) throw new RangeError(`link ${formatBdf(this.bdf)}: ${refusal}`);
    return table.view.getUint32(4 * id, true);
  }

  /**
   * The doorbell. Nothing happens if the end is not connected, does not let interrupts through, or
   * if the vector is not below the number that root's own device has (1 without MSI-X).
   * @param peer 0 ... 63; version 2 may also name itself
   */
  ring(peer: number, vector = 0): void {
    this.#open().ring(peer, vector);
  }

  /** INT_CTRL of version 2, in version 1 the mask of the vector. On from the beginning; an interrupt while it is off is lost. */
  get interruptsEnabled(): boolean {
    return this.#device instanceof IvshmemV2
      ? this.#device.interruptsEnabled
      : this.#interruptsEnabled;
  }

  set interruptsEnabled(enabled: boolean) {
    const device = this.#open();
    if (device instanceof IvshmemV2) device.interruptsEnabled = enabled;
    else this.#interruptsEnabled = enabled;
  }

  /** Version 2: each interrupt switches interrupts off. Always false in version 1. */
  get oneShot(): boolean {
    return this.#device instanceof IvshmemV2 && this.#device.oneShot;
  }

  /** @throws RangeError in version 1, whose devices cannot */
  set oneShot(on: boolean) {
    const device = this.#open();
    if (device instanceof IvshmemV2) device.oneShot = on;
    else if (on)
      throw new RangeError(`link ${formatBdf(this.bdf)}: one-shot interrupts need version 2`);
  }

  /** @returns how to stop listening */
  onInterrupt(listener: InterruptListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Gives the device back: interrupts off, listeners forgotten. The state stays as it is. */
  close(): void {
    if (this.#closed) return;
    if (this.#core.enabled) this.interruptsEnabled = false;
    this.#device.receiver = undefined;
    this.#listeners.clear();
    this.#timer.disarm();
    this.#closed = true;
  }

  /** @throws Error if it is closed, or the hypervisor disabled */
  #open(): IvshmemV1 | IvshmemV2 {
    if (this.#closed) throw new Error(`link ${formatBdf(this.bdf)} is closed`);
    if (!this.#core.enabled)
      throw new Error(
        `link ${formatBdf(this.bdf)}: the hypervisor is disabled, and its devices gone`,
      );
    return this.#device;
  }

  #raise(vector: number): void {
    if (this.#device instanceof IvshmemV1 && !this.#interruptsEnabled) return;
    const { now } = this.#core.board.clock;
    if (now >= this.#due[vector]) return;
    this.#due[vector] = now;
    if (now < this.#timer.deadline) this.#timer.arm(now);
  }

  #take(): void {
    if (!this.#core.enabled) return;
    const due = this.#due;
    const { now } = this.#core.board.clock;
    let next = Number.POSITIVE_INFINITY;
    for (let vector = 0; vector < due.length; vector++)
      if (due[vector] > now) next = Math.min(next, due[vector]);
      else {
        due[vector] = Number.POSITIVE_INFINITY;
        for (const listener of [...this.#listeners]) listener(vector);
      }
    if (next < this.#timer.deadline) this.#timer.arm(next);
  }
}

/** PCI addresses of root's shared-memory devices, in the order of its configuration. */
export function rootLinkAddresses({ root }: Core): number[] {
  return root.pci.functions
    .filter((device) => device instanceof IvshmemDevice)
    .map(({ config }) => config.bdf);
}

/**
 * Opens root's end of the link at a PCI address, as a driver would: interrupts are enabled.
 * @returns ENODEV if root has no such device, EBUSY if it is open already, EINVAL if its memory is not RAM
 */
export function openRootLink(core: Core, bdf: number): Result<RootLink> {
  if (!core.enabled) return refuse("EINVAL", "no hypervisor is enabled");
  const device = core.root.pci.find(bdf);
  if (!(device instanceof IvshmemV1 || device instanceof IvshmemV2)) {
    const present = rootLinkAddresses(core).map(formatBdf).join(", ");
    return refuse(
      "ENODEV",
      `the root cell has no shared-memory device at ${formatBdf(bdf)}; it has ${present || "none"}`,
    );
  }
  if (device.receiver !== undefined)
    return refuse("EBUSY", `the shared-memory device at ${formatBdf(bdf)} is open already`);
  const { config } = device;
  const first = config.shmemRegionsStart;
  const sections: RootSection[] = [];
  const parts: readonly [SectionKind, number | undefined][] =
    device instanceof IvshmemV1
      ? [["shared", undefined]]
      : Array.from({ length: FIRST_OUTPUT + config.shmemPeers }, (_, index) => partOf(index));
  for (const [index, [kind, owner]] of parts.entries()) {
    const region = core.root.regions[first + index];
    if (region.size === 0 && kind !== "state-table") continue;
    const wrong = notMemory(core, region);
    if (wrong !== undefined)
      return refuse(
        "EINVAL",
        `shared-memory device ${formatBdf(bdf)}: the ${kind} section ${wrong}`,
      );
    sections.push(new RootSection(core, region, kind, owner));
  }
  return success(new RootLink(core, device, sections));
}

function partOf(index: number): [SectionKind, number | undefined] {
  if (index === STATE_TABLE) return ["state-table", undefined];
  return index === COMMON ? ["common", undefined] : ["output", index - FIRST_OUTPUT];
}

function notMemory({ board }: Core, { physical, size }: Region): string | undefined {
  if (size === 0) return "is empty";
  return physical + size <= board.memory.ramBytes
    ? undefined
    : `at ${hex(physical)}, ${hex(size)} bytes, is not in the machine's RAM of ${hex(board.memory.ramBytes)} bytes`;
}
