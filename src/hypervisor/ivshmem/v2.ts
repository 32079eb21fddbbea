/**
 * Shared-memory device, version 2 (v0.12, master): up to 64 ends, their states in a table in shared
 * memory, one part of it that all may write, and one part for the output of each.
 */
import type { ReadResult } from "../../machine/device.ts";
import type { Violation } from "../mmio-dispatch.ts";
import {
  COMMAND,
  COMMAND_BUS_MASTER,
  COMMAND_INTX_DISABLE,
  COMMAND_MEMORY,
  MSIX,
  VENDOR_SPECIFIC,
} from "../pci-header.ts";
import { physicalWrite } from "../physical-access.ts";
import {
  ConfigSpace,
  MSIX_CONTROL_ENABLE,
  MSIX_CONTROL_MASK_ALL,
  type SpaceLayout,
} from "./config-space.ts";
import { IvshmemDevice, type IvshmemPlace } from "./device.ts";
import { IvshmemMsix } from "./msix.ts";

/** Of a link. The device could have 65536; Jailhouse keeps room for {@link USUAL_PEERS}. */
export const MAXIMUM_PEERS = 64;
/** Whatever number of peers a device names, its own number may be below that. */
export const USUAL_PEERS = 12;

/** Places of the sections' regions, counted from the first of the device. */
export const STATE_TABLE = 0;
export const COMMON = 1;
export const FIRST_OUTPUT = 2;

const VENDOR_CAPABILITY = 0x40;
const VENDOR_CAPABILITY_BYTES = 0x20;
const STATE_TABLE_SIZE = 0x44;
const COMMON_SIZE = 0x48;
const OUTPUT_SIZE = 0x50;
const BASE_ADDRESS = 0x58;
/** Privileged control is the top byte of the vendor capability's first dword. */
const ONE_SHOT = 0x0100_0000;

const MSIX_CAPABILITY = 0x60;
const MSIX_BAR = 1;
const PENDING = 0x100;
const TABLE_BYTES = 0x200;

const WRITABLE = new Map([
  [COMMAND, COMMAND_MEMORY | COMMAND_BUS_MASTER | COMMAND_INTX_DISABLE],
  [VENDOR_CAPABILITY, ONE_SHOT],
  [MSIX_CAPABILITY, MSIX_CONTROL_ENABLE | MSIX_CONTROL_MASK_ALL],
]);

const ID = 0x00;
const MAX_PEERS = 0x04;
const INT_CTRL = 0x08;
const DOORBELL = 0x0c;
const STATE = 0x10;

/** Vector of a change of state. */
const STATE_VECTOR = 0;

export class IvshmemV2 extends IvshmemDevice {
  /** One even without MSI-X. */
  readonly vectors: number;
  /** INT_CTRL: whether interrupts are let through. */
  interruptsEnabled = false;
  protected readonly msixCapability = MSIX_CAPABILITY;
  protected readonly space: ConfigSpace;
  protected readonly msix: IvshmemMsix;
  /** Physical address of the own state in the table. */
  readonly #stateAddress: number;
  #state = 0;

  constructor(place: IvshmemPlace) {
    super(place);
    const { core, cell, config, id } = place;
    const { shmemRegionsStart, numMsixVectors, bdf } = config;
    const region = (index: number) => cell.config.memoryRegions[shmemRegionsStart + index];
    this.vectors = Math.max(numMsixVectors, 1);
    this.#stateAddress = Number(region(STATE_TABLE).physStart) + 4 * id;
    const layout: SpaceLayout = {
      bytes: 0x80,
      identity: 0x4106_110a,
      capabilities: VENDOR_CAPABILITY,
      writable: WRITABLE,
      bars: [0, 0, 0, 0, 0, 0],
    };
    this.space = new ConfigSpace(config, layout, (view) => {
      const next = numMsixVectors > 0 ? MSIX_CAPABILITY : 0;
      view.setUint32(
        VENDOR_CAPABILITY,
        VENDOR_SPECIFIC | (next << 8) | (VENDOR_CAPABILITY_BYTES << 16),
        true,
      );
      view.setUint32(STATE_TABLE_SIZE, Number(region(STATE_TABLE).size & 0xffff_ffffn), true);
      view.setBigUint64(COMMON_SIZE, region(COMMON).size, true);
      // a device for no peers at all has no output region either
      view.setBigUint64(OUTPUT_SIZE, region(FIRST_OUTPUT)?.size ?? 0n, true);
      view.setBigUint64(BASE_ADDRESS, region(STATE_TABLE).virtStart, true);
      view.setUint32(MSIX_CAPABILITY, MSIX | (((numMsixVectors - 1) & 0x7ff) << 16), true);
      view.setUint32(MSIX_CAPABILITY + 4, MSIX_BAR, true);
      view.setUint32(MSIX_CAPABILITY + 8, PENDING | MSIX_BAR, true);
    });
    this.msix = new IvshmemMsix(core, cell, { bdf, vectors: numMsixVectors, pending: PENDING });
  }

  get state(): number {
    return this.#state;
  }

  /** INT_CTRL falls back to off with each interrupt. */
  get oneShot(): boolean {
    return (this.space.dword(VENDOR_CAPABILITY) & ONE_SHOT) !== 0;
  }

  set oneShot(on: boolean) {
    this.space.write(VENDOR_CAPABILITY + 3, 1, on ? 1 : 0);
  }

  read(offset: number, result: ReadResult): Violation | undefined {
    if (offset === ID) result.lo = this.id;
    else if (offset === MAX_PEERS) result.lo = this.config.shmemPeers;
    else if (offset === INT_CTRL) result.lo = this.interruptsEnabled ? 1 : 0;
    else if (offset === STATE) result.lo = this.#state;
    return undefined;
  }

  write(offset: number, value: number): Violation | undefined {
    if (offset === DOORBELL) this.ring(value >>> 16, value & 0xffff);
    else if (offset === INT_CTRL) this.interruptsEnabled = (value & 1) !== 0;
    else if (offset === STATE) this.setState(value);
    return undefined;
  }

  /** The table always has it; the peers are interrupted if it is a change. */
  setState(value: number): void {
    const changed = this.#state !== value >>> 0;
    this.#state = value >>> 0;
    this.#writeTable();
    if (!changed) return;
    for (let peer = 0; peer < this.config.shmemPeers && peer < MAXIMUM_PEERS; peer++)
      if (peer !== this.id) this.link.ends[peer]?.interrupt(STATE_VECTOR);
  }

  ring(target: number, vector: number): void {
    if (vector < this.vectors && target < MAXIMUM_PEERS) this.link.ends[target]?.interrupt(vector);
  }

  interrupt(vector: number): void {
    if (!this.interruptsEnabled) return;
    if (this.oneShot) this.interruptsEnabled = false;
    this.raise(vector);
  }

  protected bars() {
    const registerBytes = -this.config.barMask[0] >>> 0;
    return {
      registers: { start: this.space.bars.address(0), size: registerBytes },
      msix: { start: this.space.bars.address(MSIX_BAR), size: TABLE_BYTES },
    };
  }

  protected resetRegisters(): void {
    this.interruptsEnabled = false;
    this.setState(0);
  }

  protected leave(): void {
    this.setState(0);
  }

  #writeTable(): void {
    physicalWrite(this.core.board, this.#stateAddress, 4, this.#state, 0);
  }
}
