/** Random configurations of every revision and architecture, every field over its whole range. */
import fc from "fast-check";
import { noConsole } from "../codec/elements.ts";
import { fixedResetAddress, REVISIONS } from "../releases.ts";
import type {
  Architecture,
  ArmPlatform,
  CacheRegion,
  CellConfig,
  CellFlags,
  Config,
  Console,
  ConsoleType,
  IommuUnit,
  Irqchip,
  MemoryFlags,
  MemoryRegion,
  PciCapability,
  PciDevice,
  PortRange,
  Revision,
  SystemConfig,
  X86Platform,
} from "../types.ts";

const u8 = fc.integer({ min: 0, max: 0xff });
const u16 = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const u64 = fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn });
const bool = fc.boolean();
const since = (revision: Revision, first: Revision) =>
  revision >= first ? bool : fc.constant(false);

/** Any value in the file that none of `named` uses. */
function unnamed(word: fc.Arbitrary<number>, named: number): fc.Arbitrary<number> {
  return word.map((value) => (value & ~named) >>> 0);
}

function memoryRegion(revision: Revision): fc.Arbitrary<MemoryRegion> {
  const flags: fc.Arbitrary<MemoryFlags> = fc.record({
    read: bool,
    write: bool,
    execute: bool,
    dma: bool,
    io: bool,
    commRegion: bool,
    loadable: bool,
    rootShared: bool,
    noHugepages: since(revision, 12),
    ioUnaligned: bool,
    io8: bool,
    io16: bool,
    io32: bool,
    io64: bool,
    unknownBits: u64.map((word) => word & ~(revision >= 12 ? 0xf_81ffn : 0xf_01ffn)),
  });
  return fc.record({ physStart: u64, virtStart: u64, size: u64, flags });
}

const cacheRegion: fc.Arbitrary<CacheRegion> = fc.record({
  start: u32,
  size: u32,
  type: fc.constantFrom("l3-code" as const, "l3-data" as const, "l3" as const, 0, 200),
  rootShared: bool,
  unknownBits: unnamed(u16, 1),
});

const irqchip: fc.Arbitrary<Irqchip> = fc.record({
  address: u64,
  id: u32,
  pinBase: u32,
  pinBitmap: fc.tuple(u32, u32, u32, u32),
});

/** Up to revision 10: what can be read off a bitmap, ascending and with gaps. */
function ports(revision: Revision): fc.Arbitrary<readonly PortRange[]> {
  if (revision >= 12) return fc.array(fc.record({ base: u16, length: u16 }), { maxLength: 6 });
  const step = fc.record({
    gap: fc.integer({ min: 1, max: 6000 }),
    length: fc.integer({ min: 1, max: 6000 }),
  });
  return fc.array(step, { maxLength: 5 }).map((steps) => {
    let next = 0;
    return steps.map(({ gap, length }) => {
      const base = next + gap - 1 + (next === 0 ? 0 : 1);
      next = base + length;
      return { base, length };
    });
  });
}

function pciDevice(revision: Revision): fc.Arbitrary<PciDevice> {
  const newer = revision >= 12;
  return fc.record({
    type: fc.constantFrom("device" as const, "bridge" as const, "ivshmem" as const, 0, 77),
    iommu: u8,
    domain: u16,
    bdf: u16,
    barMask: fc.tuple(u32, u32, u32, u32, u32, u32),
    capsStart: u16,
    numCaps: u16,
    numMsiVectors: u8,
    msi64bits: bool,
    msiMaskable: since(revision, 10),
    unknownMsiBits: revision >= 10 ? unnamed(u8, 3) : fc.constant(0),
    numMsixVectors: u16,
    msixRegionSize: u16,
    msixAddress: u64,
    shmemRegionsStart: u32,
    shmemDevId: newer ? u8 : fc.constant(0),
    shmemPeers: newer ? u8 : fc.constant(0),
    shmemProtocol: u16,
  });
}

const pciCapability: fc.Arbitrary<PciCapability> = fc.record({
  id: u16,
  start: u16,
  len: u16,
  writable: bool,
  unknownBits: unnamed(u16, 1),
});

function consoleTypes(revision: Revision): readonly ConsoleType[] {
  if (revision === 3) return ["none", "8250", "vga", "8250-arm", "pl011", "xuartps"];
  const first: ConsoleType[] = ["none", revision < 10 ? "vga" : "efifb", "8250", "pl011"];
  if (revision >= 4) first.push("xuartps");
  if (revision >= 8) first.push("mvebu", "hscif");
  if (revision >= 9) first.push("scifa", "imx");
  if (revision >= 14) first.push("imx-lpuart", "scif");
  return first;
}

function console(revision: Revision): fc.Arbitrary<Console> {
  const access = fc.constantFrom("pio" as const, "mmio" as const);
  const unknown =
    revision >= 12
      ? unnamed(u16, 0x3007)
      : revision >= 10
        ? unnamed(u16, 0x1007)
        : unnamed(u32, revision === 3 ? 0x2f : 0xf3f);
  return fc
    .record({
      address: u64,
      size: u32,
      type: fc.constantFrom(...consoleTypes(revision), 15),
      access,
      registerDistance: fc.constantFrom(1 as const, 4 as const),
      framebuffer1080: since(revision, 10),
      invertedGate: since(revision, 10),
      mdrQuirk: since(revision, 12),
      unknownBits: unknown,
      divider: u32,
      gateNr: u32,
      clockReg: u64,
    })
    .map((drawn) =>
      revision === 3 ? { ...drawn, registerDistance: drawn.access === "mmio" ? 4 : 1 } : drawn,
    );
}

function iommuUnit(revision: Revision): fc.Arbitrary<IommuUnit> {
  const none = { amdBdf: 0, amdBaseCap: 0, amdMsiCap: 0, amdFeatures: 0, tlbBase: 0n, tlbSize: 0 };
  // never all zero: such a unit behind the last used one is not listed
  const common = { base: fc.bigInt({ min: 1n, max: 0xffff_ffff_ffff_ffffn }), size: u32 };
  const amdParts = { amdBdf: u16, amdBaseCap: u8, amdMsiCap: u8, amdFeatures: u32 };
  if (revision < 12)
    return fc
      .record({ type: fc.constant("unspecified" as const), ...common, ...amdParts })
      .map((unit) => ({ ...none, ...unit }));
  const types = ["amd", "intel", "smmuv3", ...(revision >= 14 ? ["arm-mmu500"] : []), 99] as (
    | "amd"
    | 99
  )[];
  return fc.oneof(
    fc
      .record({ type: fc.constantFrom(...types), ...common, ...amdParts })
      .map((unit) => ({ ...none, ...unit })),
    fc
      .record({ type: fc.constant("pvu" as const), ...common, tlbBase: u64, tlbSize: u32 })
      .map((unit) => ({ ...none, ...unit })),
  );
}

export function arbitraryCell(
  revision: Revision,
  architecture: Architecture,
  embedded = false,
): fc.Arbitrary<CellConfig> {
  const flags: fc.Arbitrary<CellFlags> = fc.record({
    passiveCommRegion: bool,
    testDevice: since(revision, 9),
    aarch32: since(revision, 14),
    virtualConsolePermitted: bool,
    virtualConsoleActive: since(revision, 10),
    unknownBits: unnamed(u32, revision < 9 ? 3 : revision === 9 ? 7 : 0xc000_0007),
  });
  const bytes = (maxLength: number) => fc.uint8Array({ minLength: 1, maxLength });
  const name = fc
    .array(fc.integer({ min: 1, max: 0xff }), { maxLength: 31 })
    .map((characters) => String.fromCharCode(...characters));
  return fc
    .record({
      name,
      tail: fc.option(bytes(32)),
      id: u32,
      flags,
      cpuSetSize: fc.integer({ min: 0, max: 40 }),
      cpuNumbers: fc.uniqueArray(fc.integer({ min: 0, max: 319 })),
      memoryRegions: fc.array(memoryRegion(revision), { maxLength: 5 }),
      cacheRegions: fc.array(cacheRegion, { maxLength: 2 }),
      irqchips: fc.array(irqchip, { maxLength: 2 }),
      ports: ports(revision),
      pciDevices: fc.array(pciDevice(revision), { maxLength: 3 }),
      pciCapabilities: fc.array(pciCapability, { maxLength: 4 }),
      streamIds: revision < 12 ? fc.constant([]) : fc.array(u32, { maxLength: 4 }),
      vpciIrqBase: u32,
      cpuResetAddress: revision < 8 ? fc.constant(fixedResetAddress(architecture)) : u64,
      msgReplyTimeout: revision < 8 ? fc.constant(0n) : u64,
      console: revision < 10 ? fc.constant(noConsole) : console(revision),
      header: fc.option(fc.uint8Array({ minLength: 8, maxLength: 8 })),
      surplus: fc.option(bytes(20)),
    })
    .map(({ tail, cpuNumbers, header, surplus, ...drawn }): CellConfig => {
      const cpus = cpuNumbers.filter((cpu) => cpu < drawn.cpuSetSize * 8).sort((a, b) => a - b);
      // from the name's NUL on; a name of 31 characters has no NUL of its own
      const nameTail = new Uint8Array(32 - drawn.name.length);
      if (drawn.name.length === 31) nameTail.set(tail?.subarray(0, 1) ?? []);
      else nameTail.set(tail?.subarray(0, nameTail.length - 1) ?? [], 1);
      return {
        kind: "cell",
        revision,
        architecture,
        ...drawn,
        cpus,
        pioBitmapSize: revision < 12 ? 0x2000 : 0,
        ...(nameTail.some((byte) => byte !== 0) && { nameTail }),
        ...(embedded && header?.some((byte) => byte !== 0) && { unused: header }),
        ...(surplus && { surplus }),
      };
    });
}

function platform(
  revision: Revision,
  architecture: Architecture,
): fc.Arbitrary<X86Platform | ArmPlatform> {
  const iommuUnits = fc.array(iommuUnit(revision), { maxLength: 8 });
  if (architecture === "x86")
    return fc.record({
      kind: fc.constant("x86" as const),
      pmTimerAddress: u16,
      vtdInterruptLimit: u32,
      apicMode: fc.constantFrom("auto" as const, "xapic" as const, "x2apic" as const, 3, 255),
      tscKhz: revision < 8 ? fc.constant(0) : u32,
      apicKhz: revision < 8 ? fc.constant(0) : u32,
      iommuUnits,
    });
  return fc.record({
    kind: fc.constant("arm" as const),
    maintenanceIrq: u8,
    gicVersion: revision < 8 ? fc.constant(0) : u8,
    gicdBase: u64,
    giccBase: u64,
    gichBase: u64,
    gicvBase: u64,
    gicrBase: u64,
    iommuUnits: revision < 12 ? fc.constant([]) : iommuUnits,
  });
}

export function arbitrarySystem(
  revision: Revision,
  architecture: Architecture,
): fc.Arbitrary<SystemConfig> {
  return fc.record({
    kind: fc.constant("system" as const),
    revision: fc.constant(revision),
    architecture: fc.constant(architecture),
    flags: fc.record({
      virtualDebugConsole: revision === 3 ? fc.constant(false) : bool,
      unknownBits: revision < 10 ? fc.constant(0) : unnamed(u32, 1),
    }),
    hypervisorMemory: memoryRegion(revision),
    debugConsole: console(revision),
    pciMmconfigBase: u64,
    pciMmconfigEndBus: u8,
    pciIsVirtual: bool,
    pciDomain: revision < 9 ? fc.constant(0) : u16,
    platform: platform(revision, architecture),
    rootCell: arbitraryCell(revision, architecture, true),
  });
}

export const arbitraryConfig: fc.Arbitrary<Config> = fc
  .tuple(
    fc.constantFrom(...REVISIONS),
    fc.constantFrom("x86" as const, "arm" as const, "arm64" as const),
    bool,
  )
  .chain(
    ([revision, architecture, isSystem]): fc.Arbitrary<Config> =>
      isSystem ? arbitrarySystem(revision, architecture) : arbitraryCell(revision, architecture),
  );
