/** A partition: what it owns, and its views of what it shares. */

import type { CellConfig } from "../config/types.ts";
import type { Features } from "../engine/vcpu.ts";
import type { CellUarts } from "./cell-uarts.ts";
import { CELL_STATE, type CommRegion } from "./comm-region.ts";
import type { Cpu } from "./cpu.ts";
import type { IoapicView } from "./ioapic-moderation.ts";
import type { CellMemoryMap } from "./memory-map.ts";
import type { MmioDispatch } from "./mmio-dispatch.ts";
import type { PciView } from "./pci-access.ts";
import type { PortPermissions } from "./port-permissions.ts";
import type { Region } from "./regions.ts";

/** State as management sees it: the state word, or what a wrong word is called. */
export type CellStateName =
  | "running"
  | "running/locked"
  | "shut down"
  | "failed"
  | "Comm ABI mismatch"
  | "invalid";

const STATE_NAMES: readonly CellStateName[] = [
  "running",
  "running/locked",
  "shut down",
  "failed",
  "Comm ABI mismatch",
];

export class Cell {
  /** 0 = root. */
  readonly id: number;
  readonly config: CellConfig;
  /** Of its CPUs. */
  readonly features: Features;
  readonly regions: readonly Region[];
  readonly comm: CommRegion;
  /** Pages of hypervisor memory: the communication page, then room for the configuration. */
  readonly pages: { readonly address: number; readonly count: number };
  readonly map: CellMemoryMap;
  readonly ports: PortPermissions;
  readonly uarts: CellUarts;
  readonly mmio: MmioDispatch;
  readonly pci: PciView;
  readonly ioapics: readonly IoapicView[];
  /** CPUs that it owns now, ascending: root's set shrinks and grows. */
  cpus: Cpu[] = [];
  /** LOADABLE regions are mapped into root; the visible state is "shut down". */
  loadable = false;

  constructor(parts: {
    id: number;
    config: CellConfig;
    features: Features;
    regions: readonly Region[];
    comm: CommRegion;
    pages: { readonly address: number; readonly count: number };
    map: CellMemoryMap;
    ports: PortPermissions;
    uarts: CellUarts;
    mmio: MmioDispatch;
    pci: PciView;
    ioapics: readonly IoapicView[];
  }) {
    this.id = parts.id;
    this.config = parts.config;
    this.features = parts.features;
    this.regions = parts.regions;
    this.comm = parts.comm;
    this.pages = parts.pages;
    this.map = parts.map;
    this.ports = parts.ports;
    this.uarts = parts.uarts;
    this.mmio = parts.mmio;
    this.pci = parts.pci;
    this.ioapics = parts.ioapics;
  }

  get name(): string {
    return this.config.name;
  }

  get isRoot(): boolean {
    return this.id === 0;
  }

  /** Refuses every change of the set of cells while it runs. */
  get isLocked(): boolean {
    return this.comm.state === CELL_STATE.runningLocked;
  }

  get stateName(): CellStateName {
    return STATE_NAMES[this.comm.state] ?? "invalid";
  }
}
