/** Shared-memory device, version 1 (v0.6 to v0.11): two ends, one region that both may write. */
import type { ReadResult } from "../../machine/device.ts";
import type { Violation } from "../mmio-dispatch.ts";
import { COMMAND, COMMAND_BUS_MASTER, COMMAND_MEMORY, MSIX } from "../pci-header.ts";
import {
  ConfigSpace,
  MSIX_CONTROL_ENABLE,
  MSIX_CONTROL_MASK_ALL,
  type SpaceLayout,
} from "./config-space.ts";
import { IvshmemDevice, type IvshmemPlace } from "./device.ts";
import { IvshmemMsix } from "./msix.ts";

const MSIX_CAPABILITY = 0x50;
const SHARED_ADDRESS = 0x40;
const SHARED_SIZE = 0x48;
const PENDING = 0x10;
const REGISTER_BYTES = 256;
const TABLE_BYTES = 32;
/** BAR flag: 64 bits wide, the next BAR is its upper half. */
const WIDE = 4;

const WRITABLE = new Map([
  [COMMAND, COMMAND_MEMORY | COMMAND_BUS_MASTER],
  [MSIX_CAPABILITY, MSIX_CONTROL_ENABLE | MSIX_CONTROL_MASK_ALL],
]);

const INTX_CTRL = 0x00;
const IVPOS = 0x08;
const DOORBELL = 0x0c;
const LSTATE = 0x10;
const RSTATE = 0x14;

export class IvshmemV1 extends IvshmemDevice {
  readonly vectors = 1;
  protected readonly msixCapability = MSIX_CAPABILITY;
  protected readonly space: ConfigSpace;
  protected readonly msix: IvshmemMsix;
  #intxControl = 0;
  #state = 0;

  constructor(place: IvshmemPlace) {
    super(place);
    const { core, cell, config } = place;
    const shared = cell.config.memoryRegions[config.shmemRegionsStart];
    const hasMsix = config.numMsixVectors !== 0;
    const layout: SpaceLayout = {
      bytes: 0x5c,
      identity: 0x1110_1af4,
      capabilities: hasMsix ? MSIX_CAPABILITY : 0,
      writable: WRITABLE,
      bars: [WIDE, 0, 0, 0, hasMsix ? WIDE : 0, 0],
    };
    this.space = new ConfigSpace(config, layout, (view) => {
      view.setBigUint64(SHARED_ADDRESS, shared.virtStart, true);
      view.setBigUint64(SHARED_SIZE, shared.size, true);
      view.setUint32(MSIX_CAPABILITY, MSIX, true);
      view.setUint32(MSIX_CAPABILITY + 4, 4, true);
      view.setUint32(MSIX_CAPABILITY + 8, PENDING | 4, true);
    });
    this.msix = new IvshmemMsix(core, cell, { bdf: config.bdf, vectors: 1, pending: PENDING });
  }

  get state(): number {
    return this.#state;
  }

  read(offset: number, result: ReadResult): Violation | undefined {
    switch (offset) {
      case INTX_CTRL:
        result.lo = this.#intxControl;
        return undefined;
      case IVPOS:
        result.lo = this.id;
        return undefined;
      case DOORBELL:
        return undefined;
      case LSTATE:
        result.lo = this.#state;
        return undefined;
      case RSTATE:
        result.lo = this.#peer?.state ?? 0;
        return undefined;
      default:
        return invalidRegister("read", offset);
    }
  }

  write(offset: number, value: number): Violation | undefined {
    switch (offset) {
      case INTX_CTRL:
        this.#intxControl = value & 1;
        return undefined;
      case DOORBELL:
        this.#peer?.interrupt(0);
        return undefined;
      case LSTATE:
        this.setState(value);
        return undefined;
      default:
        return invalidRegister("write", offset);
    }
  }

  /** The peer is interrupted, whether it is a change or not. */
  setState(value: number): void {
    this.#state = value >>> 0;
    this.#peer?.interrupt(0);
  }

  ring(target: number, vector: number): void {
    if (target === 1 - this.id && vector === 0) this.#peer?.interrupt(0);
  }

  interrupt(vector: number): void {
    this.raise(vector);
  }

  protected bars() {
    return {
      registers: { start: this.space.bars.address64(0), size: REGISTER_BYTES },
      msix: { start: this.space.bars.address64(4), size: TABLE_BYTES },
    };
  }

  protected resetRegisters(): void {
    this.#intxControl = 0;
    this.#state = 0;
  }

  protected leave(): void {
    this.#peer?.interrupt(0);
  }

  get #peer(): IvshmemDevice | undefined {
    return this.link.ends[1 - this.id];
  }
}

function invalidRegister(direction: "read" | "write", offset: number): Violation {
  const number = offset.toString(16).padStart(2, "0");
  return `FATAL: Invalid ivshmem register ${direction}, number ${number}`;
}
