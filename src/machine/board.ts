/** A PC in the shape of QEMU's q35: which chips there are, where they answer, and what is wired to what. */

import type { GuestMemory } from "../engine/guest-memory.ts";
import {
  EXECUTE,
  type MapRegion,
  type MemoryMap,
  READ,
  type Stop,
  type Vcpu,
  type VcpuState,
  WRITE,
} from "../engine/vcpu.ts";
import { ACPI_PM_PORTS, AcpiPm, type AcpiPmState, PM_TMR } from "./acpi-pm.ts";
import { ApicBus } from "./apic-bus.ts";
import { BareCpus, type BareCpusState } from "./bare-cpus.ts";
import { BareModerator } from "./bare-moderator.ts";
import { Clock } from "./clock.ts";
import { COPROCESSOR_ERROR_PORT, CoprocessorError } from "./coprocessor-error.ts";
import { type ByteSink, fanOut, type InterruptLine, type Stateful, wiredOr } from "./device.ts";
import { I8042, type I8042State } from "./i8042.ts";
import { I8254, type I8254State } from "./i8254.ts";
import { I8259Pair, type I8259PairState } from "./i8259-pair.ts";
import { IoApic, type IoApicState } from "./ioapic.ts";
import { Iommu } from "./iommu.ts";
import { LocalApic, type LocalApicState } from "./local-apic.ts";
import { Mc146818, type Mc146818State } from "./mc146818.ts";
import { MemoryBus } from "./memory-bus.ts";
import { Dma } from "./pci/dma.ts";
import { PciInterruptRouter } from "./pci/interrupt-router.ts";
import type { PciSlot } from "./pci/slot.ts";
import { type PciDeviceOptions, PciDevices, type PciDevicesState } from "./pci-devices.ts";
import { type Bdf, BYTES_PER_BUS, PciHost } from "./pci-host.ts";
import { PortBus } from "./port-bus.ts";
import { Port80 } from "./port80.ts";
import { PORT_92, type ResetKind, ResetPort, type ResetPortState } from "./reset-port.ts";
import { Scheduler, type SchedulerState } from "./scheduler.ts";
import { Uart16550, type Uart16550State } from "./uart16550.ts";

export const IOAPIC_ADDRESS = 0xfec00000;
export const COM_PORTS = [0x3f8, 0x2f8, 0x3e8, 0x2e8] as const;

const SCI_IRQ = 9;
const RTC_IRQ = 8;
const FERR_IRQ = 13;
const COM1_IRQ = 4;
const COM2_IRQ = 3;
/** ISA interrupt 0 enters the IOAPIC at pin 2, the 8259 pair itself at pin 0. */
const PIT_IOAPIC_PIN = 2;

/** The guest wants the machine reset or put to sleep. */
export type PowerRequest =
  | { readonly kind: "reset"; readonly how: ResetKind }
  /** @property type SLP_TYP, 0..7; this board's soft-off (S5) is 0 */
  | { readonly kind: "sleep"; readonly type: number };

export interface BoardOptions {
  memory: GuestMemory;
  /** CPU n has APIC id n. Their `interrupts`, `time`, `moderator` and `map` are set. */
  vcpus: readonly Vcpu[];
  /** Local APIC timer input, Hz; default 1e9. */
  busHz?: number;
  /** Time-stamp counter, Hz; default 1e9. */
  tscHz?: number;
  /** Length of one instruction; default 1. */
  nanosecondsPerInstruction?: number;
  /** Longest slice while several CPUs run, nanoseconds. */
  quantum?: number;
  /**
   * How long IN and OUT take, nanoseconds, rounded up to instructions; default 1000, as on the low-pin-count
   * and chipset buses of a PC. It makes waiting for the ACPI timer affordable.
   */
  portAccessNanoseconds?: number;
  /** Port of the ACPI timer, eight above PM1_STS; default 0x608. */
  pmTimerPort?: number;
  /** Window of memory-mapped PCI configuration; default 0xb0000000, 256 buses. */
  mmconfig?: { base: number; buses: number };
  /** PCI devices; default none. */
  devices?: readonly PciDeviceOptions[];
  /** Time of the RTC at power-on, seconds since 1970; default 2000-01-01. */
  epochSeconds?: number;
  /** Outputs of COM1..COM4; a missing one is dropped. */
  serial?: readonly (ByteSink | undefined)[];
  /** POST codes. */
  post?: ByteSink;
}

export interface BoardState {
  scheduler: SchedulerState;
  vcpus: VcpuState[];
  bareCpus: BareCpusState;
  localApics: LocalApicState[];
  ioapic: IoApicState;
  pic: I8259PairState;
  pit: I8254State;
  uarts: Uart16550State[];
  rtc: Mc146818State;
  acpi: AcpiPmState;
  port80: number;
  resetPort: ResetPortState;
  i8042: I8042State;
  coprocessorError: boolean;
  pci: number;
  devices: PciDevicesState;
}

const ignore: ByteSink = () => {};

export class Board implements Stateful<BoardState> {
  readonly memory: GuestMemory;
  readonly vcpus: readonly Vcpu[];
  readonly clock = new Clock();
  readonly scheduler: Scheduler;
  readonly portBus = new PortBus();
  /** Without the pages of the local APICs: whoever moderates a CPU answers its own. */
  readonly memoryBus = new MemoryBus();
  /** Its `signals` are {@link bareCpus} until a hypervisor puts itself there. */
  readonly apicBus: ApicBus;
  readonly localApics: readonly LocalApic[];
  readonly ioapic: IoApic;
  readonly pic: I8259Pair;
  readonly pit: I8254;
  /** COM1..COM4. */
  readonly uarts: readonly Uart16550[];
  readonly rtc: Mc146818;
  readonly acpi: AcpiPm;
  readonly port80: Port80;
  readonly resetPort: ResetPort;
  readonly i8042: I8042;
  readonly coprocessorError: CoprocessorError;
  readonly pci: PciHost;
  /** What PCI functions reach of memory: all of RAM until a hypervisor decides. */
  readonly iommu: Iommu;
  readonly devices: PciDevices;
  readonly bareCpus: BareCpus;
  readonly bareModerator: BareModerator;
  /** All RAM at its own address, with every right. */
  readonly ramMap: MemoryMap;
  /** ISA interrupts 0..15: wires to the 8259 pair and the IOAPIC. */
  readonly irqs: readonly InterruptLine[];
  /** Told when a vCPU leaves `run` by `stopped` or `triple-fault`. @returns whether it goes on */
  onStop: (cpu: number, stop: Stop) => boolean;
  /** Told when the guest asks for reset or sleep. By default the scheduler stops. */
  onPowerRequest: (request: PowerRequest) => void;
  /** The last reset or sleep asked for. A reset machine is a new board. */
  powerRequest: PowerRequest | undefined = undefined;

  readonly #portAccessInstructions: number;

  /** @throws RangeError naming what does not fit */
  constructor(options: BoardOptions) {
    this.#portAccessInstructions = Math.ceil(
      (options.portAccessNanoseconds ?? 1000) / (options.nanosecondsPerInstruction ?? 1),
    );
    const { memory, vcpus, serial = [], post = ignore } = options;
    const pmTimerPort = options.pmTimerPort ?? 0x608;
    const mmconfig = options.mmconfig ?? { base: 0xb0000000, buses: 256 };
    if (vcpus.length < 1 || vcpus.length > 255)
      throw new RangeError(`${vcpus.length} CPUs: a board has 1 to 255`);
    vcpus.forEach((vcpu, cpu) => {
      if (vcpu.index !== cpu) throw new RangeError(`vCPU ${vcpu.index} stands in place ${cpu}`);
    });
    if (memory.ramBytes > Math.min(mmconfig.base, IOAPIC_ADDRESS))
      throw new RangeError(
        `RAM of 0x${memory.ramBytes.toString(16)} bytes reaches into device memory at 0x${Math.min(mmconfig.base, IOAPIC_ADDRESS).toString(16)}`,
      );
    this.memory = memory;
    this.vcpus = vcpus;
    const { clock, portBus, memoryBus } = this;

    this.scheduler = new Scheduler(clock, vcpus, (cpu, stop) => this.onStop(cpu, stop), options);
    // the CPUs' controls need the APICs, whose bus needs the controls
    const localApics: LocalApic[] = [];
    this.bareCpus = new BareCpus(vcpus, localApics, this.scheduler);
    this.apicBus = new ApicBus(this.bareCpus);
    for (const { index } of vcpus)
      localApics.push(
        new LocalApic({ ...frequencies(options), id: index, clock, bus: this.apicBus }),
      );
    this.localApics = localApics;
    this.ioapic = new IoApic(this.apicBus);
    this.pic = new I8259Pair(fanOut(localApics[0].lint0, this.ioapic.pins[0]));
    for (const lapic of localApics) lapic.externalController = this.pic;

    this.irqs = this.pic.pins.map((pin, irq) =>
      fanOut(pin, this.ioapic.pins[irq === 0 ? PIT_IOAPIC_PIN : irq]),
    );
    const [com1, com3] = wiredOr(this.irqs[COM1_IRQ], 2);
    const [com2, com4] = wiredOr(this.irqs[COM2_IRQ], 2);

    this.pit = new I8254(clock, this.irqs[0]);
    this.uarts = [com1, com2, com3, com4].map(
      (irq, n) => new Uart16550(clock, irq, serial[n] ?? ignore),
    );
    this.rtc = new Mc146818(clock, this.irqs[RTC_IRQ], options.epochSeconds ?? 946_684_800);
    this.acpi = new AcpiPm(clock, pmTimerPort - PM_TMR, this.irqs[SCI_IRQ], (type) =>
      this.#request({ kind: "sleep", type }),
    );
    this.port80 = new Port80(post);
    this.resetPort = new ResetPort((how) => this.#request({ kind: "reset", how }));
    this.coprocessorError = new CoprocessorError(this.irqs[FERR_IRQ], vcpus);
    this.i8042 = new I8042(() => this.#request({ kind: "reset", how: "soft" }));
    this.pci = new PciHost(this.resetPort);

    portBus.claim("8259 master", 0x20, 2, this.pic);
    portBus.claim("8259 slave", 0xa0, 2, this.pic);
    portBus.claim("ELCR", 0x4d0, 2, this.pic);
    portBus.claim("8254", 0x40, 4, this.pit);
    portBus.claim("system control port B", 0x61, 1, this.pit);
    portBus.claim("coprocessor error", COPROCESSOR_ERROR_PORT, 1, this.coprocessorError);
    portBus.claim("8042 data", 0x60, 1, this.i8042);
    portBus.claim("8042 status", 0x64, 1, this.i8042);
    portBus.claim("RTC", 0x70, 2, this.rtc);
    portBus.claim("POST", 0x80, 1, this.port80);
    portBus.claim("system control port A", PORT_92, 1, this.resetPort);
    this.uarts.forEach((uart, n) => {
      portBus.claim(`COM${n + 1}`, COM_PORTS[n], 8, uart);
    });
    portBus.claim("ACPI PM", pmTimerPort - PM_TMR, ACPI_PM_PORTS, this.acpi, 4);
    portBus.claim("PCI configuration", 0xcf8, 8, this.pci, 4);
    memoryBus.claim("IOAPIC", IOAPIC_ADDRESS, 4096, this.ioapic);
    memoryBus.claim("PCI MMCONFIG", mmconfig.base, mmconfig.buses * BYTES_PER_BUS, this.pci);

    const ram: MapRegion = {
      guest: 0,
      host: 0,
      size: memory.ramBytes,
      rights: READ | WRITE | EXECUTE,
    };
    this.ramMap = { find: (address) => (address < ram.size ? ram : undefined) };
    this.iommu = new Iommu(this.ramMap);
    const interruptRouter = new PciInterruptRouter(this.ioapic.pins);
    this.devices = new PciDevices(this.pci, clock, options.devices ?? [], (bdf) =>
      this.#slot(bdf, interruptRouter),
    );
    this.bareModerator = new BareModerator(this);
    this.onStop = (cpu, stop) => this.bareCpus.stopped(cpu, stop);
    this.onPowerRequest = () => this.scheduler.stop();
    vcpus.forEach((vcpu, cpu) => {
      vcpu.interrupts = localApics[cpu];
      vcpu.moderator = this.bareModerator;
      vcpu.map = this.ramMap;
    });
  }

  /** The running CPU accesses a port: let the time pass that it takes. */
  portAccess(): void {
    this.scheduler.stall(this.#portAccessInstructions);
  }

  /** Everything but the contents of memory and what a hypervisor plugged in. Not from inside an exit. */
  save(): BoardState {
    return {
      scheduler: this.scheduler.save(),
      vcpus: this.vcpus.map((vcpu) => vcpu.save()),
      bareCpus: this.bareCpus.save(),
      localApics: this.localApics.map((lapic) => lapic.save()),
      ioapic: this.ioapic.save(),
      pic: this.pic.save(),
      pit: this.pit.save(),
      uarts: this.uarts.map((uart) => uart.save()),
      rtc: this.rtc.save(),
      acpi: this.acpi.save(),
      port80: this.port80.save(),
      resetPort: this.resetPort.save(),
      i8042: this.i8042.save(),
      coprocessorError: this.coprocessorError.save(),
      pci: this.pci.save(),
      devices: this.devices.save(),
    };
  }

  /** Chips before the controllers that their wires lead to, the scheduler last: what loading stirs up is overwritten. */
  load(state: BoardState): void {
    this.clock.load(state.scheduler.machineTime);
    this.pit.load(state.pit);
    this.uarts.forEach((uart, n) => {
      uart.load(state.uarts[n]);
    });
    this.rtc.load(state.rtc);
    this.acpi.load(state.acpi);
    this.port80.load(state.port80);
    this.resetPort.load(state.resetPort);
    this.i8042.load(state.i8042);
    this.coprocessorError.load(state.coprocessorError);
    this.pci.load(state.pci);
    this.devices.load(state.devices);
    this.pic.load(state.pic);
    this.ioapic.load(state.ioapic);
    this.localApics.forEach((lapic, cpu) => {
      lapic.load(state.localApics[cpu]);
    });
    this.bareCpus.load(state.bareCpus);
    this.vcpus.forEach((vcpu, cpu) => {
      vcpu.load(state.vcpus[cpu]);
    });
    this.scheduler.load(state.scheduler);
  }

  #slot(bdf: Bdf, interruptRouter: PciInterruptRouter): PciSlot {
    const { clock, memoryBus, portBus, apicBus, iommu, memory, vcpus } = this;
    const dma = new Dma(bdf, iommu, memory, vcpus);
    return { bdf, clock, memoryBus, portBus, apicBus, interruptRouter, dma };
  }

  #request(request: PowerRequest): void {
    this.powerRequest = request;
    this.onPowerRequest(request);
  }
}

function frequencies({ busHz, tscHz }: BoardOptions): { busHz?: number; tscHz?: number } {
  return { ...(busHz === undefined ? {} : { busHz }), ...(tscHz === undefined ? {} : { tscHz }) };
}
