import { noConsole } from "../codec/elements.ts";
import type {
  Architecture,
  ArmPlatform,
  Console,
  IommuUnit,
  Revision,
  SystemConfig,
  X86Platform,
} from "../types.ts";
import type { CellOptions } from "./cell.ts";
import { cell } from "./cell.ts";
import { com1, uart8250 } from "./devices.ts";
import { memoryFlags } from "./memory.ts";

/** A machine as a person describes it; what is left out is empty, off or 0. */
export interface SystemOptions {
  /** Default 14, the newest. */
  readonly revision?: Revision;
  readonly hypervisorMemory: { readonly phys: number | bigint; readonly sizeBytes: number };
  /** Default on x86: the UART at COM1. */
  readonly debugConsole?: Console;
  /** The log can be read from the root cell. Default: wherever the revision can (4 on). */
  readonly virtualDebugConsole?: boolean;
  /** Memory-mapped PCI configuration space for buses 0 to `endBus`. */
  readonly pciMmconfig?: { readonly base: number | bigint; readonly endBus: number };
  readonly pciIsVirtual?: boolean;
  readonly pciDomain?: number;
  readonly platform: X86Options | ArmPlatform;
  readonly rootCell: Omit<CellOptions, "revision" | "architecture">;
  /** With an ARM platform: which. Default "arm64". */
  readonly armArchitecture?: Exclude<Architecture, "x86">;
}

export interface X86Options {
  readonly kind: "x86";
  /** I/O port of the ACPI PM timer. */
  readonly pmTimerPort: number;
  readonly interruptRemappingEntries?: number;
  readonly apicMode?: X86Platform["apicMode"];
  /** Frequencies the cells are told; 0 = as measured. Revision 8 on. */
  readonly tscKhz?: number;
  readonly apicKhz?: number;
  readonly iommuUnits?: readonly IommuUnit[];
}

export function system(options: SystemOptions): SystemConfig {
  const { revision = 14, hypervisorMemory, platform } = options;
  const architecture = platform.kind === "x86" ? "x86" : (options.armArchitecture ?? "arm64");
  return {
    kind: "system",
    revision,
    architecture,
    flags: {
      virtualDebugConsole: options.virtualDebugConsole ?? revision >= 4,
      unknownBits: 0,
    },
    hypervisorMemory: {
      physStart: BigInt(hypervisorMemory.phys),
      virtStart: 0n,
      size: BigInt(hypervisorMemory.sizeBytes),
      flags: memoryFlags(),
    },
    debugConsole: options.debugConsole ?? (architecture === "x86" ? uart8250(com1) : noConsole),
    pciMmconfigBase: BigInt(options.pciMmconfig?.base ?? 0),
    pciMmconfigEndBus: options.pciMmconfig?.endBus ?? 0,
    pciIsVirtual: options.pciIsVirtual ?? false,
    pciDomain: options.pciDomain ?? 0,
    platform: platform.kind === "x86" ? x86Platform(platform, revision) : platform,
    rootCell: cell({ ...options.rootCell, revision, architecture }),
  };
}

function x86Platform(options: X86Options, revision: Revision): X86Platform {
  const units = options.iommuUnits ?? [];
  return {
    kind: "x86",
    pmTimerAddress: options.pmTimerPort,
    vtdInterruptLimit: options.interruptRemappingEntries ?? 0,
    apicMode: options.apicMode ?? "auto",
    tscKhz: options.tscKhz ?? 0,
    apicKhz: options.apicKhz ?? 0,
    // up to revision 10 a unit does not say whose it is
    iommuUnits: revision < 12 ? units.map((unit) => ({ ...unit, type: "unspecified" })) : units,
  };
}
