/** Which PCI devices a board can have beside its own chips, and how they are plugged in. */

import type { Clock } from "./clock.ts";
import { E1000, type E1000State } from "./e1000/e1000.ts";
import { EthernetWire, type EthernetWireState } from "./ethernet-wire.ts";
import { IntelHda, type IntelHdaState } from "./hda/intel-hda.ts";
import type { PciSlot } from "./pci/slot.ts";
import type { Bdf, PciHost } from "./pci-host.ts";

/**
 * Addresses are those that firmware would assign: multiples of the size of what stands there; left
 * out: none is assigned.
 */
export type PciDeviceOptions =
  | {
      /** Intel 82540EM, 8086:100e. */
      readonly kind: "e1000";
      readonly bdf: Bdf;
      /** Registers in memory, 128 KiB. */
      readonly bar0?: number | undefined;
      /** Registers by I/O ports, 64 of them. */
      readonly ioBase?: number | undefined;
      /** Six bytes. */
      readonly mac: Uint8Array;
      /** Name of the wire it is connected to. Without one its link stays down. */
      readonly wire?: string | undefined;
    }
  | {
      /** Intel HD Audio of an ICH6 with one codec, 8086:2668. */
      readonly kind: "intel-hda";
      readonly bdf: Bdf;
      /** Registers in memory, 16 KiB. */
      readonly bar0?: number | undefined;
    };

export interface PciDevicesState {
  wires: EthernetWireState[];
  e1000s: E1000State[];
  intelHdas: IntelHdaState[];
}

export class PciDevices {
  /** By name, in the order in which they are first mentioned. */
  readonly wires = new Map<string, EthernetWire>();
  readonly e1000s: E1000[] = [];
  readonly intelHdas: IntelHda[] = [];

  /** @throws RangeError if a function's place is taken or its addresses do not fit it */
  constructor(
    host: PciHost,
    clock: Clock,
    devices: readonly PciDeviceOptions[],
    slot: (bdf: Bdf) => PciSlot,
  ) {
    for (const options of devices) {
      if (options.kind === "e1000") {
        const wire = options.wire === undefined ? undefined : this.#wire(clock, options.wire);
        const nic = new E1000(slot(options.bdf), { ...options, wire });
        this.e1000s.push(nic);
        host.plug(options.bdf, nic.pci);
      } else {
        const hda = new IntelHda(slot(options.bdf), options);
        this.intelHdas.push(hda);
        host.plug(options.bdf, hda.pci);
      }
    }
  }

  save(): PciDevicesState {
    return {
      wires: [...this.wires.values()].map((wire) => wire.save()),
      e1000s: this.e1000s.map((nic) => nic.save()),
      intelHdas: this.intelHdas.map((hda) => hda.save()),
    };
  }

  /** Of a board with the same devices. */
  load(state: PciDevicesState): void {
    [...this.wires.values()].forEach((wire, n) => {
      wire.load(state.wires[n]);
    });
    this.e1000s.forEach((nic, n) => {
      nic.load(state.e1000s[n]);
    });
    this.intelHdas.forEach((hda, n) => {
      hda.load(state.intelHdas[n]);
    });
  }

  #wire(clock: Clock, name: string): EthernetWire {
    let wire = this.wires.get(name);
    if (wire === undefined) {
      wire = new EthernetWire(clock);
      this.wires.set(name, wire);
    }
    return wire;
  }
}
