/**
 * Configuration space of a conventional PCI function (PCI 3.0, chapter 6) with header type 0: it
 * says what the function is, where its registers answer, whether it may use the bus on its own, and
 * how its interrupts travel.
 */

import type { InterruptLine, PortWidth, Stateful } from "../device.ts";
import type { PciFunction } from "../pci-host.ts";
import { RegisterBytes, touches } from "../register-bytes.ts";
import { type Bar, BaseAddress } from "./base-address.ts";
import type { Dma } from "./dma.ts";
import { MSI_CAPABILITY, Msi } from "./msi.ts";
import type { PciSlot } from "./slot.ts";

const CONFIGURATION_BYTES = 256;

const VENDOR_ID = 0x00;
const DEVICE_ID = 0x02;
const COMMAND = 0x04;
const STATUS = 0x06;
const REVISION_ID = 0x08;
const CLASS_CODE = 0x09;
const CACHE_LINE_SIZE = 0x0c;
const LATENCY_TIMER = 0x0d;
const SUBSYSTEM_VENDOR_ID = 0x2c;
const SUBSYSTEM_ID = 0x2e;
const CAPABILITIES_POINTER = 0x34;
const INTERRUPT_LINE = 0x3c;
const INTERRUPT_PIN = 0x3d;

const COMMAND_IO = 0x0001;
const COMMAND_MEMORY = 0x0002;
const COMMAND_BUS_MASTER = 0x0004;
const COMMAND_INTX_DISABLE = 0x0400;
/** And parity error response, SERR# enable: kept, without effect. */
const COMMAND_WRITABLE = 0x0547;

const STATUS_INTERRUPT = 0x0008;
const STATUS_CAPABILITIES = 0x0010;
const STATUS_MASTER_ABORT = 0x2000;
/** The error bits. */
const STATUS_CLEARABLE = 0xf900;

export interface PciIdentity {
  /** For messages. */
  readonly name: string;
  readonly vendor: number;
  readonly device: number;
  /** Base class, sub-class and interface: bits 23:16, 15:8, 7:0. */
  readonly classCode: number;
  readonly revision: number;
  readonly subsystemVendor: number;
  readonly subsystem: number;
  /** 1 = INTA# to 4 = INTD#; 0: none. */
  readonly interruptPin: number;
  /** Offset of the MSI capability. */
  readonly msi: number;
}

export interface PciConfigurationState {
  registers: Uint8Array;
  interrupt: boolean;
  messageSent: boolean;
}

export class PciConfiguration implements PciFunction, Stateful<PciConfigurationState> {
  /** The function's interrupt condition: a message when it comes up, or INTx while it is up. */
  readonly interrupt: InterruptLine = {
    set: (level) => {
      if (level === this.#interrupt) return;
      this.#interrupt = level;
      this.#driveInterrupt();
    },
  };
  readonly #config = new RegisterBytes(CONFIGURATION_BYTES);
  readonly #bars: readonly BaseAddress[];
  readonly #msi: Msi;
  readonly #intx: InterruptLine;
  readonly #dma: Dma;
  #interrupt = false;
  /** The message for the present interrupt condition is on its way. */
  #messageSent = false;

  /**
   * As firmware leaves it: BARs assigned, memory and ports enabled, bus mastering off.
   * @param addresses of the BARs, 0 or missing: not assigned
   * @throws RangeError if a BAR's address does not fit it or is taken
   */
  constructor(
    slot: PciSlot,
    identity: PciIdentity,
    bars: readonly Bar[],
    addresses: readonly (number | undefined)[],
  ) {
    const config = this.#config;
    this.#dma = slot.dma;
    this.#intx = slot.interruptRouter.connect(slot.bdf, identity.interruptPin);
    config.define(VENDOR_ID, 2, { reset: identity.vendor });
    config.define(DEVICE_ID, 2, { reset: identity.device });
    config.define(COMMAND, 2, {
      reset: COMMAND_IO | COMMAND_MEMORY,
      writable: COMMAND_WRITABLE,
    });
    config.define(STATUS, 2, { reset: STATUS_CAPABILITIES, clearable: STATUS_CLEARABLE });
    config.define(REVISION_ID, 1, { reset: identity.revision });
    config.define(CLASS_CODE, 2, { reset: identity.classCode & 0xffff });
    config.define(CLASS_CODE + 2, 1, { reset: identity.classCode >>> 16 });
    config.define(CACHE_LINE_SIZE, 1, { writable: 0xff });
    config.define(LATENCY_TIMER, 1, { writable: 0xff });
    config.define(SUBSYSTEM_VENDOR_ID, 2, { reset: identity.subsystemVendor });
    config.define(SUBSYSTEM_ID, 2, { reset: identity.subsystem });
    config.define(CAPABILITIES_POINTER, 1, { reset: identity.msi });
    config.define(INTERRUPT_LINE, 1, { writable: 0xff });
    config.define(INTERRUPT_PIN, 1, { reset: identity.interruptPin });
    config.define(identity.msi, 1, { reset: MSI_CAPABILITY });
    this.#msi = new Msi(config, identity.msi, slot.apicBus);
    this.#bars = bars.map(
      (bar, n) => new BaseAddress(identity.name, bar, n, addresses[n] ?? 0, config, slot),
    );
  }

  configRead(register: number, width: PortWidth): number {
    // conventional functions have no extended configuration space
    if (register + width > CONFIGURATION_BYTES) return 2 ** (8 * width) - 1;
    return this.#config.get(register, width);
  }

  configWrite(register: number, width: PortWidth, value: number): void {
    if (register + width > CONFIGURATION_BYTES) return;
    this.#config.write(register, width, value);
    if (touches(register, width, COMMAND, 2) || touches(register, width, 0x10, 24)) this.#decode();
    this.#driveInterrupt();
  }

  /** Read memory. @returns false if the function may not, now or there */
  dmaRead(address: number, target: Uint8Array, size?: number): boolean {
    return this.#isBusMaster && (this.#dma.read(address, target, size) || this.#masterAbort());
  }

  /** Write memory. @returns false if the function may not, now or there */
  dmaWrite(address: number, source: Uint8Array, size?: number): boolean {
    return this.#isBusMaster && (this.#dma.write(address, source, size) || this.#masterAbort());
  }

  save(): PciConfigurationState {
    return {
      registers: this.#config.save(),
      interrupt: this.#interrupt,
      messageSent: this.#messageSent,
    };
  }

  load(state: PciConfigurationState): void {
    this.#config.load(state.registers);
    this.#interrupt = state.interrupt;
    this.#messageSent = state.messageSent;
    this.#decode();
    this.#driveInterrupt();
  }

  get #command(): number {
    return this.#config.get(COMMAND, 2);
  }

  get #isBusMaster(): boolean {
    return (this.#command & COMMAND_BUS_MASTER) !== 0;
  }

  #decode(): void {
    const command = this.#command;
    for (const bar of this.#bars)
      bar.decode((command & (bar.kind === "io" ? COMMAND_IO : COMMAND_MEMORY)) !== 0);
  }

  /** A message needs the bus: one that cannot go yet goes when the function becomes its master. */
  #driveInterrupt(): void {
    const status = this.#config.get(STATUS, 2) & ~STATUS_INTERRUPT;
    this.#config.set(STATUS, 2, status | (this.#interrupt ? STATUS_INTERRUPT : 0));
    const byMessage = this.#msi.enabled;
    const message = this.#interrupt && byMessage && this.#isBusMaster;
    const due = message && !this.#messageSent;
    this.#messageSent = message;
    this.#intx.set(this.#interrupt && !byMessage && (this.#command & COMMAND_INTX_DISABLE) === 0);
    if (due) this.#msi.send();
  }

  #masterAbort(): false {
    this.#config.set(STATUS, 2, this.#config.get(STATUS, 2) | STATUS_MASTER_ABORT);
    return false;
  }
}
