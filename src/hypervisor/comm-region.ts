/**
 * The communication region: one page of the hypervisor's memory, mapped into a
 * cell, through which cell and hypervisor exchange the cell's state and
 * messages (hypervisor interface, 4). Cell and hypervisor both write it, so
 * nothing of it is cached here.
 */
import type { GuestMemory } from "../engine/guest-memory.ts";
import { PAGE_SIZE } from "./memory-map.ts";
import type { Release } from "./release.ts";

/** Values of the state word. */
export const CELL_STATE = {
  running: 0,
  runningLocked: 1,
  shutDown: 2,
  failed: 3,
  /** The inmate was compiled for another ABI revision. */
  commMismatch: 4,
} as const;

export const MESSAGE = { shutdownRequest: 1, reconfigCompleted: 2 } as const;
export const REPLY = { unknown: 1, denied: 2, approved: 3, received: 4 } as const;

/** Offset of the state word in every release. */
const STATE = 8;
const SIGNATURE = "JHCOMM";
const ABI_REVISION = 6;

const CONSOLE_PERMITTED = 1;
const CONSOLE_ACTIVE = 2;

/** What a cell learns from its page. */
export interface CommContent {
  readonly consolePermitted: boolean;
  readonly consoleActive: boolean;
  /** The cell's console structure as in its configuration, 32 bytes. */
  readonly console: Uint8Array;
  readonly pciMmconfigBase: bigint;
  readonly pmTimerAddress: number;
  readonly cpuCount: number;
  readonly tscKilohertz: number;
  readonly apicKilohertz: number;
}

export class CommRegion {
  /** Host-physical address of the page. */
  readonly page: number;
  readonly #memory: GuestMemory;
  readonly #release: Release;

  constructor(memory: GuestMemory, page: number, release: Release) {
    this.page = page;
    this.#memory = memory;
    this.#release = release;
  }

  /** The word that the cell or the hypervisor wrote last; only 0 to 4 mean something. */
  get state(): number {
    return this.#memory.view.getUint32(this.page + STATE, true);
  }

  set state(state: number) {
    this.#memory.view.setUint32(this.page + STATE, state, true);
  }

  get reply(): number {
    return this.#memory.view.getUint32(this.page + this.#release.comm.replyFromCell, true);
  }

  send(message: number): void {
    const { replyFromCell, messageToCell } = this.#release.comm;
    this.#memory.view.setUint32(this.page + replyFromCell, 0, true);
    this.#memory.view.setUint32(this.page + messageToCell, message, true);
  }

  /** A page as a new cell has it. */
  create(content: CommContent): void {
    this.#clear();
    if (!this.#release.commClearedAtStart) this.#fill(content);
    this.state = CELL_STATE.shutDown;
  }

  /** A page as a cell finds it when its CPUs start. */
  start(content: CommContent): void {
    if (this.#release.commClearedAtStart) {
      this.#clear();
      this.#fill(content);
    } else this.#memory.view.setUint32(this.page + this.#release.comm.messageToCell, 0, true);
    this.state = CELL_STATE.running;
  }

  #clear(): void {
    this.#memory.bytes(this.page, PAGE_SIZE).fill(0);
  }

  #fill(content: CommContent): void {
    const { view } = this.#memory;
    const { comm, commRegionAbi } = this.#release;
    const at = (offset: number): number => this.page + offset;
    if (commRegionAbi !== undefined) {
      for (let i = 0; i < SIGNATURE.length; i++) view.setUint8(at(i), SIGNATURE.charCodeAt(i));
      view.setUint16(at(ABI_REVISION), commRegionAbi, true);
    }
    if (comm.flags !== undefined)
      view.setUint32(
        at(comm.flags),
        (content.consolePermitted ? CONSOLE_PERMITTED : 0) |
          (content.consoleActive ? CONSOLE_ACTIVE : 0),
        true,
      );
    if (comm.console !== undefined)
      this.#memory.bytes(at(comm.console), content.console.length).set(content.console);
    if (comm.pciMmconfigBase !== undefined)
      view.setBigUint64(at(comm.pciMmconfigBase), content.pciMmconfigBase, true);
    view.setUint16(at(comm.pmTimerAddress), content.pmTimerAddress, true);
    view.setUint16(at(comm.cpuCount), content.cpuCount, true);
    if (comm.tscKilohertz !== undefined)
      view.setUint32(at(comm.tscKilohertz), content.tscKilohertz, true);
    if (comm.apicKilohertz !== undefined)
      view.setUint32(at(comm.apicKilohertz), content.apicKilohertz, true);
  }
}
