/**
 * Root's end of a link to other cells, in the hands of a scenario or a program: the shared memory
 * section by section, states, doorbells, interrupts.
 *
 * The machine stands still while a program runs; it goes on while all programs wait. So each access
 * happens at one moment of virtual time, between two instructions of every CPU, and the same program
 * makes the same accesses at the same moments in every run. An observer is told of each, in order:
 * with what was told of one run, another one comes to the same memory, to the byte, without the
 * program: see replay.ts.
 */
import { formatBdf } from "../config/builders/devices.ts";
import { type Direction, LinkError, type SharedMemory, SharedSection } from "./shared-section.ts";

/** What is needed of the hypervisor's device. */
export interface LinkDevice {
  readonly bdf: number;
  readonly version: 1 | 2;
  readonly id: number;
  /** Ends that the link may have. */
  readonly maxPeers: number;
  readonly vectors: number;
  readonly protocol: number;
  readonly sections: readonly DeviceSection[];
  /** The other ends that are connected now. */
  readonly peers: readonly { readonly id: number; readonly cell: string }[];
  state: number;
  peerState(id: number): number;
  ring(peer: number, vector: number): void;
  onInterrupt(listener: (vector: number) => void): () => void;
  close(): void;
}

export interface DeviceSection {
  readonly kind: "shared" | "state-table" | "common" | "output";
  /** The end that an output section belongs to. */
  readonly owner: number | undefined;
  readonly writable: boolean;
  readonly view: DataView;
  /** Why root may not access that now. */
  refusal(direction: Direction, offset: number, size: number): string | undefined;
  written(offset: number, size: number): void;
}

/** The machine under a program. */
export interface Machine {
  readonly nowNs: number;
  /** Where it is. Only while it stands still. */
  readonly moment: Moment;
  /** Lets it run until `done`. */
  runUntil(done: () => boolean): Promise<void>;
  /** Has it look at once whether somebody's wait is over. Called from inside a run. */
  stop(): void;
}

/** Where in a run something happened. */
export interface Moment {
  /** Time of the machine, behind which no CPU is. */
  readonly atNs: number;
  /** Instructions that each CPU has retired. */
  readonly retired: readonly number[];
  /** A timer is due that has not fired yet. */
  readonly due: boolean;
}

/** One thing that root did at its end of a link. */
export type LinkAccess = { readonly link: string; readonly moment: Moment } & (
  | {
      readonly kind: Direction;
      readonly section: string;
      /** Bytes from the start of the section. */
      readonly offset: number;
      /** A copy of what was read or written. */
      readonly bytes: Uint8Array;
    }
  /** From here on this end's interrupts are enabled; and disabled again. */
  | { readonly kind: "open" | "close" }
  | { readonly kind: "state"; readonly value: number }
  | { readonly kind: "remote-state"; readonly peer: number; readonly value: number }
  | { readonly kind: "ring"; readonly peer: number; readonly vector: number }
  /** Was taken by the program. */
  | { readonly kind: "interrupt"; readonly interrupt: LinkInterrupt }
);

type WithoutPlace<A> = A extends unknown ? Omit<A, "link" | "moment"> : never;
type Access = WithoutPlace<LinkAccess>;

/** As an interrupt handler sees it: one or more since the last time. */
export interface LinkInterrupt {
  /** 0 is also a change of a peer's state. */
  readonly vector: number;
  /** How often it arrived since it was last taken. */
  readonly count: number;
  /** Virtual time at which it last arrived. */
  readonly atNs: number;
}

export class RootLinkEnd {
  /** PCI address, the same for all ends: "01:0e.0". */
  readonly address: string;
  /** Of the device: 1 up to v0.11, 2 from v0.12 on. */
  readonly version: 1 | 2;
  /** Number of this end. */
  readonly id: number;
  /** Ends that the link may have, this one included. */
  readonly maxPeers: number;
  /** Interrupts that this end can receive. */
  readonly vectors: number;
  readonly protocol: number;
  /**
   * By name, empty ones left out. Version 1: `shared`, which both ends may write. Version 2:
   * `states` (32 bits each, by number of the end), `common` (all may write), `output` (this end
   * writes), `input N` (end N writes).
   */
  readonly sections: ReadonlyMap<string, SharedSection>;
  readonly #device: LinkDevice;
  readonly #machine: Machine;
  readonly #observe: ((access: LinkAccess) => void) | undefined;
  /** By vector, in order of arrival. */
  readonly #pending = new Map<number, LinkInterrupt>();

  constructor(device: LinkDevice, machine: Machine, observe?: (access: LinkAccess) => void) {
    this.#device = device;
    this.#machine = machine;
    this.#observe = observe;
    this.address = formatBdf(device.bdf);
    this.version = device.version;
    this.id = device.id;
    this.maxPeers = device.maxPeers;
    this.vectors = device.vectors;
    this.protocol = device.protocol;
    this.sections = new Map(
      device.sections.map((section) => {
        const name = nameOf(section, device.id);
        return [name, new SharedSection(name, this.#memory(name, section), section.writable)];
      }),
    );
    device.onInterrupt((vector) => this.#arrived(vector));
    this.#tell({ kind: "open" });
  }

  /** @throws LinkError naming the sections that there are */
  section(name: string): SharedSection {
    const section = this.sections.get(name);
    if (section !== undefined) return section;
    const names = [...this.sections.keys()].map((each) => `"${each}"`).join(", ");
    throw new LinkError(`link ${this.address} has no section "${name}": it has ${names}`);
  }

  /** What this end writes: its output section, or in version 1 the half of the region with its number. */
  get output(): SharedSection {
    return this.#half(this.id) ?? this.section("output");
  }

  /** What another end writes. @param peer see {@link ring} */
  input(peer?: number): SharedSection {
    const from = this.#peer(peer);
    return this.#half(from) ?? this.section(from === this.id ? "output" : `input ${from}`);
  }

  /** The other ends that are connected now: their numbers, and the names of their cells. */
  get peers(): readonly { readonly id: number; readonly cell: string }[] {
    return this.#device.peers;
  }

  /** This end's own state, 32 bits, 0 at first. */
  get state(): number {
    return this.#device.state;
  }

  /** Interrupts the peers; in version 2 only if it is another than before. */
  set state(value: number) {
    this.#device.state = value;
    this.#tell({ kind: "state", value: value >>> 0 });
  }

  /** What another end said last; 0 if it is not there. @param peer see {@link ring} */
  remoteState(peer?: number): number {
    const from = this.#peer(peer);
    const value = this.#device.peerState(from);
    this.#tell({ kind: "remote-state", peer: from, value });
    return value;
  }

  /**
   * Interrupts another end. One that has not enabled its interrupts does not notice.
   * @param peer number of the end; may be left out if the link has only two, or only one is connected
   * @throws LinkError if it is left out and could be several
   */
  ring(vector = 0, peer?: number): void {
    const target = this.#peer(peer);
    this.#device.ring(target, vector);
    this.#tell({ kind: "ring", peer: target, vector });
  }

  /** Takes what has arrived, without waiting; in order of first arrival. */
  takeInterrupts(): LinkInterrupt[] {
    return [...this.#pending.keys()].map((vector) => this.takeInterrupt(vector) as LinkInterrupt);
  }

  /** The same for one vector, by default the one that arrived first; undefined if it has not. */
  takeInterrupt(vector?: number): LinkInterrupt | undefined {
    const interrupt = this.#next(vector);
    if (interrupt === undefined) return undefined;
    this.#pending.delete(interrupt.vector);
    this.#tell({ kind: "interrupt", interrupt });
    return interrupt;
  }

  /** The next interrupt; the machine runs until there is one. @param vector only this one */
  async interrupt(vector?: number): Promise<LinkInterrupt> {
    await this.#machine.runUntil(() => this.#next(vector) !== undefined);
    return this.takeInterrupt(vector) as LinkInterrupt;
  }

  /** Interrupts as they come: `for await (const { vector } of link.interrupts()) ...`. Never ends by itself. */
  async *interrupts(vector?: number): AsyncGenerator<LinkInterrupt, never, void> {
    for (;;) yield await this.interrupt(vector);
  }

  /** Lets the machine run until another end has this state. Its interrupts stay to be taken. */
  async waitForState(state: number, peer?: number): Promise<void> {
    const from = this.#peer(peer);
    await this.#machine.runUntil(() => this.#device.peerState(from) === state);
    this.#tell({ kind: "remote-state", peer: from, value: state });
  }

  /** Gives the device back; its state stays. */
  close(): void {
    this.#device.close();
    this.#tell({ kind: "close" });
  }

  #next(vector: number | undefined): LinkInterrupt | undefined {
    return vector === undefined ? this.#pending.values().next().value : this.#pending.get(vector);
  }

  #half(id: number): SharedSection | undefined {
    if (this.version === 2) return undefined;
    const shared = this.section("shared");
    const size = Math.floor(shared.size / 16) * 8;
    return shared.part(id === this.id ? "output" : `input ${id}`, id * size, size);
  }

  #peer(given: number | undefined): number {
    if (given !== undefined) {
      if (Number.isInteger(given) && given >= 0 && given < this.maxPeers) return given;
      throw new LinkError(`link ${this.address} has ends 0 to ${this.maxPeers - 1}, not ${given}`);
    }
    if (this.maxPeers === 2) return 1 - this.id;
    const { peers } = this.#device;
    if (peers.length === 1) return peers[0].id;
    const there = peers.map(({ id, cell }) => `${id} (cell "${cell}")`).join(", ");
    throw new LinkError(
      `link ${this.address}: say which peer is meant; connected are ${there || "none"}`,
    );
  }

  #arrived(vector: number): void {
    const count = (this.#pending.get(vector)?.count ?? 0) + 1;
    this.#pending.set(vector, { vector, count, atNs: this.#machine.nowNs });
    this.#machine.stop();
  }

  #memory(name: string, section: DeviceSection): SharedMemory {
    const { view } = section;
    return {
      view,
      check: (direction, offset, size) => {
        const refusal = section.refusal(direction, offset, size);
        if (refusal !== undefined) throw new LinkError(`link ${this.address}: ${refusal}`);
      },
      accessed: (direction, offset, size) => {
        if (direction === "write") section.written(offset, size);
        if (this.#observe === undefined) return;
        const start = view.byteOffset + offset;
        const bytes = new Uint8Array(view.buffer, start, size).slice();
        this.#tell({ kind: direction, section: name, offset, bytes });
      },
    };
  }

  #tell(access: Access): void {
    if (this.#observe === undefined) return;
    const { moment } = this.#machine;
    this.#observe({ link: this.address, moment, ...access } as LinkAccess);
  }
}

function nameOf({ kind, owner }: DeviceSection, id: number): string {
  switch (kind) {
    case "shared":
    case "common":
      return kind;
    case "state-table":
      return "states";
    case "output":
      return owner === id ? "output" : `input ${owner}`;
  }
}
