/**
 * Intel 82540EM gigabit Ethernet controller: what its registers do. Where the MSI capability stands
 * (0xd0) is not this chip's own choice but that of its successors, for which Jailhouse's
 * configurations were written.
 */

import type { Width } from "../../engine/vcpu.ts";
import type { MemoryDevice, ReadResult, Stateful } from "../device.ts";
import type { EthernetPort, EthernetWire } from "../ethernet-wire.ts";
import { PciConfiguration, type PciConfigurationState } from "../pci/function.ts";
import type { PciSlot } from "../pci/slot.ts";
import type { Bdf } from "../pci-host.ts";
import { Eeprom, type EepromState } from "./eeprom.ts";
import { InterruptCauses, type InterruptCausesState } from "./interrupt-causes.ts";
import { IO_PORTS, IoWindow } from "./io-window.ts";
import { Phy } from "./phy.ts";
import { Receiver, type ReceiverState } from "./receiver.ts";
import * as reg from "./registers.ts";
import { Statistics } from "./statistics.ts";
import { Transmitter, type TransmitterState } from "./transmitter.ts";

/** BAR 0. */
export const E1000_MEMORY_BYTES = 0x20000;

const VENDOR = 0x8086;
const DEVICE = 0x100e;
/** As QEMU names it. */
const SUBSYSTEM_VENDOR = 0x1af4;
const SUBSYSTEM = 0x1100;

const MDIC_DATA = 0xffff;
const MDIC_WRITE = 1 << 26;
const MDIC_READ = 2 << 26;
const MDIC_READY = 1 << 28;
const MDIC_INTERRUPT = 1 << 29;
const MDIC_ERROR = 1 << 30;
const PHY_ADDRESS = 1;

/** Registers that are not 0 after reset. */
const DEFAULTS: readonly (readonly [register: number, value: number])[] = [
  [reg.CTRL, reg.CTRL_FULL_DUPLEX | reg.CTRL_SPEED_1000],
  [reg.FCAL, 0x00c28001],
  [reg.FCAH, 0x0100],
  [reg.FCT, 0x8808],
  [reg.VET, 0x8100],
  [reg.TIPG, 0x00602008],
  [reg.LEDCTL, 0x07068302],
  [reg.PBA, 0x00100030],
];

/** Bits of plain registers that software may set; a register that is not here reads 0 and stays so. */
const WRITABLE = new Map<number, number>([
  [reg.CTRL, 0x7bffffff],
  [reg.CTRL_EXT, 0xffffffff],
  [reg.FCAL, 0xffffffff],
  [reg.FCAH, 0xffff],
  [reg.FCT, 0xffff],
  [reg.VET, 0xffff],
  [reg.RCTL, 0x07ffffff],
  [reg.FCTTV, 0xffff],
  [reg.TXCW, 0xffffffff],
  [reg.TCTL, 0x03ffffff],
  [reg.TIPG, 0x3fffffff],
  [reg.AIFS, 0xffff],
  [reg.LEDCTL, 0xffffffff],
  [reg.PBA, 0x3f],
  [reg.FCRTL, 0x8000fff8],
  [reg.FCRTH, 0xfff8],
  [reg.RDTR, 0xffff],
  [reg.RXDCTL, 0x033fffff],
  [reg.RADV, 0xffff],
  [reg.RSRPD, 0xfff],
  [reg.TIDV, 0xffff],
  [reg.TXDCTL, 0xff3fffff],
  [reg.TADV, 0xffff],
  [reg.TSPMT, 0xffffffff],
  [reg.RXCSUM, 0x7ff],
  [reg.WUC, 0x7],
  [reg.WUFC, 0xf],
  [reg.MANC, 0xffffffff],
]);
for (let n = 0; n < 128; n++) {
  WRITABLE.set(reg.MTA + n, 0xffffffff);
  WRITABLE.set(reg.VFTA + n, 0xffffffff);
}
for (let n = 0; n < 16; n++) {
  WRITABLE.set(reg.RA + 2 * n, 0xffffffff);
  WRITABLE.set(reg.RA + 2 * n + 1, 0x8003ffff);
}

/** CTRL.SPEED and STATUS.SPEED, in Mb/s. */
const SPEEDS: readonly number[] = [10, 100, 1000, 1000];
const SPEED_1000 = 2;

export interface E1000Options {
  /** Address of BAR 0, registers in memory. */
  readonly bar0?: number | undefined;
  /** Address of BAR 1, registers by ports. */
  readonly ioBase?: number | undefined;
  /** Six bytes, in the order in which they are written. */
  readonly mac: Uint8Array;
  /** Without one the link stays down. */
  readonly wire?: EthernetWire | undefined;
}

export interface E1000State {
  pci: PciConfigurationState;
  registers: Uint32Array;
  eeprom: EepromState;
  phy: Uint16Array;
  interrupts: InterruptCausesState;
  receiver: ReceiverState;
  transmitter: TransmitterState;
  ioAddress: number;
}

export class E1000 implements MemoryDevice, Stateful<E1000State> {
  readonly bdf: Bdf;
  readonly pci: PciConfiguration;
  readonly #registers = new Uint32Array(reg.REGISTERS);
  readonly #eeprom: Eeprom;
  readonly #phy: Phy;
  readonly #interrupts: InterruptCauses;
  readonly #statistics = new Statistics(this.#registers);
  readonly #receiver: Receiver;
  readonly #transmitter: Transmitter;
  readonly #ioWindow = new IoWindow(this, E1000_MEMORY_BYTES);
  readonly #wire: EthernetPort | undefined;

  /** @throws RangeError if the address of a BAR or the MAC address is none */
  constructor(slot: PciSlot, options: E1000Options) {
    const { mac, wire } = options;
    if (mac.length !== 6 || (mac[0] & 1) !== 0)
      throw new RangeError(`MAC address ${mac.join(":")}: six bytes of a unicast address`);
    this.bdf = slot.bdf;
    this.pci = new PciConfiguration(
      slot,
      {
        name: "82540EM",
        vendor: VENDOR,
        device: DEVICE,
        classCode: 0x020000,
        revision: 3,
        subsystemVendor: SUBSYSTEM_VENDOR,
        subsystem: SUBSYSTEM,
        interruptPin: 1,
        msi: 0xd0,
      },
      [
        { kind: "memory", size: E1000_MEMORY_BYTES, device: this },
        { kind: "io", size: IO_PORTS, device: this.#ioWindow },
      ],
      [options.bar0, options.ioBase],
    );
    this.#eeprom = new Eeprom({
      mac,
      vendor: VENDOR,
      device: DEVICE,
      subsystemVendor: SUBSYSTEM_VENDOR,
      subsystem: SUBSYSTEM,
    });
    this.#phy = new Phy(wire !== undefined);
    this.#interrupts = new InterruptCauses(slot.clock, this.pci.interrupt);
    this.#receiver = new Receiver(this.#registers, this.pci, this.#interrupts, this.#statistics);
    this.#transmitter = new Transmitter(
      this.#registers,
      this.pci,
      this.#interrupts,
      this.#statistics,
      slot.clock,
      (frame, sentNs) => {
        if (this.#linkUp) this.#wire?.send(frame, sentNs);
      },
    );
    this.#wire = wire?.attach({
      receive: (frame) => {
        if (this.#linkUp) this.#receiver.receive(frame);
      },
    });
    this.#reset();
  }

  /** Registers are 32 bits wide; a narrower read gets its part of one. */
  memoryRead(offset: number, width: Width, result: ReadResult): void {
    if (width === 8) {
      result.lo = this.#read(offset >> 2);
      result.hi = this.#read((offset >> 2) + 1);
      return;
    }
    const value = this.#read(offset >> 2) >>> (8 * (offset & 3));
    result.lo = width === 4 ? value : value & (width === 2 ? 0xffff : 0xff);
    result.hi = 0;
  }

  /** Narrower writes are not decoded. */
  memoryWrite(offset: number, width: Width, lo: number, hi: number): void {
    if (width < 4 || (offset & 3) !== 0) return;
    this.#write(offset >> 2, lo);
    if (width === 8) this.#write((offset >> 2) + 1, hi);
  }

  save(): E1000State {
    return {
      pci: this.pci.save(),
      registers: this.#registers.slice(),
      eeprom: this.#eeprom.save(),
      phy: this.#phy.save(),
      interrupts: this.#interrupts.save(),
      receiver: this.#receiver.save(),
      transmitter: this.#transmitter.save(),
      ioAddress: this.#ioWindow.save(),
    };
  }

  load(state: E1000State): void {
    this.#registers.set(state.registers);
    this.#eeprom.load(state.eeprom);
    this.#phy.load(state.phy);
    this.pci.load(state.pci);
    this.#interrupts.load(state.interrupts);
    this.#receiver.load(state.receiver);
    this.#transmitter.load(state.transmitter);
    this.#transmitter.megabitsPerSecond = SPEEDS[this.#speed];
    this.#ioWindow.load(state.ioAddress);
  }

  get #linkUp(): boolean {
    return (this.#registers[reg.CTRL] & reg.CTRL_SLU) !== 0 && this.#phy.linkUp;
  }

  /** As CTRL.SPEED. */
  get #speed(): number {
    const ctrl = this.#registers[reg.CTRL];
    return (ctrl & reg.CTRL_FORCE_SPEED) !== 0 ? (ctrl & reg.CTRL_SPEED) >> 8 : SPEED_1000;
  }

  get #status(): number {
    const ctrl = this.#registers[reg.CTRL];
    const half = (ctrl & reg.CTRL_FORCE_DUPLEX) !== 0 && (ctrl & reg.CTRL_FULL_DUPLEX) === 0;
    return (
      (half ? 0 : reg.STATUS_FULL_DUPLEX) |
      (this.#linkUp ? reg.STATUS_LINK_UP : 0) |
      (this.#speed << reg.STATUS_SPEED_SHIFT) |
      // what auto-speed detection has found
      (SPEED_1000 << 8)
    );
  }

  #read(register: number): number {
    if (register >= reg.REGISTERS) return 0;
    if (register >= reg.STATISTICS && register < reg.STATISTICS_END)
      return this.#statistics.read(register);
    switch (register) {
      case reg.STATUS:
        return this.#status;
      case reg.EECD:
        return this.#eeprom.eecd;
      case reg.EERD:
        return this.#eeprom.eerd;
      case reg.ICR:
        return this.#interrupts.readCauses();
      case reg.ITR:
        return this.#interrupts.interval;
      case reg.IMS:
        return this.#interrupts.mask;
      default:
        return this.#registers[register];
    }
  }

  #write(register: number, value: number): void {
    const { ring: receiveRing } = this.#receiver;
    const { ring: transmitRing } = this.#transmitter;
    switch (register) {
      case reg.CTRL:
        this.#control(value);
        break;
      case reg.EECD:
        this.#eeprom.eecd = value;
        break;
      case reg.EERD:
        this.#eeprom.eerd = value;
        break;
      case reg.MDIC:
        this.#managementData(value);
        break;
      case reg.ICR:
        this.#interrupts.clear(value);
        break;
      case reg.ITR:
        this.#interrupts.interval = value;
        break;
      case reg.ICS:
        this.#interrupts.raise(value);
        break;
      case reg.IMS:
        this.#interrupts.mask |= value;
        break;
      case reg.IMC:
        this.#interrupts.mask &= ~value;
        break;
      default:
        if (receiveRing.owns(register)) {
          receiveRing.write(register, value);
          if (receiveRing.isTail(register)) this.#receiver.drain();
        } else if (transmitRing.owns(register)) {
          transmitRing.write(register, value);
          if (transmitRing.isTail(register)) this.#transmitter.run();
        } else this.#writePlain(register, value);
    }
  }

  #writePlain(register: number, value: number): void {
    const writable = WRITABLE.get(register);
    if (writable === undefined) return;
    this.#registers[register] = (this.#registers[register] & ~writable) | (value & writable);
    if (register === reg.RCTL) this.#receiver.drain();
    else if (register === reg.TCTL) this.#transmitter.run();
    else if (register === reg.PBA) {
      // what receiving leaves of the 64 KiB is for sending
      const receive = this.#registers[reg.PBA] & 0xff;
      this.#registers[reg.PBA] = receive | ((64 - receive) << 16);
    }
  }

  #control(value: number): void {
    if ((value & reg.CTRL_RESET) !== 0) {
      this.#reset();
      return;
    }
    this.#changeLink(() => {
      if (value >>> 31 === 1) this.#phy.reset();
      this.#writePlain(reg.CTRL, value);
    });
  }

  /** MDIC: one access to a register of the PHY, done at once. */
  #managementData(value: number): void {
    const register = (value >>> 16) & 31;
    const isPhy = ((value >>> 21) & 31) === PHY_ADDRESS;
    const result = value & ~(MDIC_READY | MDIC_ERROR);
    let data = value & MDIC_DATA;
    if (isPhy && (value & MDIC_READ) !== 0) data = this.#phy.read(register);
    else if (isPhy && (value & MDIC_WRITE) !== 0)
      this.#changeLink(() => this.#phy.write(register, data));
    this.#registers[reg.MDIC] =
      (result & ~MDIC_DATA) | data | MDIC_READY | (isPhy ? 0 : MDIC_ERROR);
    if ((value & MDIC_INTERRUPT) !== 0) this.#interrupts.raise(reg.MDAC);
  }

  /** Do what may take the link up or down. */
  #changeLink(change: () => void): void {
    const before = this.#linkUp;
    change();
    this.#transmitter.megabitsPerSecond = SPEEDS[this.#speed];
    if (this.#linkUp !== before) this.#interrupts.raise(reg.LSC);
  }

  /** All but the PHY and configuration space. The MAC address comes from the EEPROM. */
  #reset(): void {
    this.#registers.fill(0);
    for (const [register, value] of DEFAULTS) this.#registers[register] = value;
    const { words } = this.#eeprom;
    this.#registers[reg.RA] = words[0] | (words[1] << 16);
    this.#registers[reg.RA + 1] = words[2] | reg.RAH_VALID;
    this.#receiver.reset();
    this.#transmitter.reset();
    this.#transmitter.megabitsPerSecond = SPEEDS[this.#speed];
    this.#interrupts.reset();
  }
}
