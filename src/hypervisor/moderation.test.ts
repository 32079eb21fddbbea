import { describe, expect, test } from "vitest";
import { q35 } from "../config/boards/q35.ts";
import { region } from "../config/builders/memory.ts";
import type { CellConfig, MemoryRegion, PciDevice, Revision } from "../config/types.ts";
import type { PciFunction } from "../machine/pci-host.ts";
import { demo, enabled, type TestMachine } from "./testing/machine.ts";
import type { ScriptedVcpu } from "./testing/scripted-vcpu.ts";

/** A started tiny-demo, changed, on CPU 2. */
function tiny(revision: Revision = 12, change: Partial<CellConfig> = {}): TestMachine {
  const machine = enabled(revision);
  machine.startCell(demo("tiny-demo", revision, change));
  machine.newLines();
  return machine;
}

/** Executes one access on CPU 2 and returns the FATAL lines before the register block; empty: it went through. */
function fatal(machine: TestMachine, access: (vcpu: ScriptedVcpu) => void): string[] {
  machine.execute(2, (vcpu) => {
    access(vcpu);
    return undefined;
  });
  const lines = machine.newLines();
  const block = lines.findIndex((line) => line.startsWith("RIP: "));
  expect(machine.cpu(2).failed).toBe(block >= 0);
  return block < 0 ? [] : lines.slice(0, block);
}

/** Statistics of the cell; its start counts as one management exit. */
function exits(machine: TestMachine): Record<string, number> {
  return machine.hypervisor.statistics(machine.hypervisor.cells[1]);
}

describe("ports (7.7)", () => {
  test("permitted ones reach a UART of the cell's own and are no exits", () => {
    const machine = tiny();
    expect(fatal(machine, (v) => v.out(0x2f8, 0x41))).toEqual([]);
    expect(fatal(machine, (v) => expect(v.in(0x2fd)).toBe(0x60))).toEqual([]);
    expect(machine.serial).toEqual([["tiny-demo", 0x2f8, "A"]]);
    expect(exits(machine).vmexits_total).toBe(1);
  });

  const cases: [string, Revision, (v: ScriptedVcpu) => void, string[]][] = [
    ["read", 3, (v) => v.in(0x3fd), ["FATAL: Invalid PIO read, port: 3fd size: 1"]],
    ["write", 12, (v) => v.out(0x3fff, 1, 4), ["FATAL: Invalid PIO write, port: 3fff size: 4"]],
    [
      "wide over the end",
      12,
      (v) => v.in(0x2ff, 2),
      ["FATAL: Invalid PIO read, port: 2ff size: 2"],
    ],
    ["PM timer", 12, (v) => v.in(0x608, 4), []],
    [
      "beside the PM timer",
      12,
      (v) => v.in(0x60c, 4),
      ["FATAL: Invalid PIO read, port: 60c size: 4"],
    ],
    ["port 0x80, v0.8+", 8, (v) => v.out(0x80, 0), []],
    ["port 0x80 wide", 8, (v) => v.out(0x80, 0, 2), ["FATAL: Invalid PIO write, port: 80 size: 2"]],
    ["port 0x80, v0.7", 4, (v) => v.out(0x80, 0), ["FATAL: Invalid PIO write, port: 80 size: 1"]],
    [
      "port 0x80 by OUTS",
      12,
      (v) => v.out(0x80, 0, 1, true),
      ["FATAL: Invalid PIO write, port: 80 size: 1"],
    ],
    ["keyboard controller", 12, (v) => v.in(0x64), ["FATAL: Invalid PIO read, port: 64 size: 1"]],
    [
      "PCI address by OUTS",
      12,
      (v) => v.out(0xcf8, 0, 4, true),
      ["FATAL: Invalid PIO write, port: cf8 size: 4"],
    ],
  ];
  test.each(cases)("%s", (_, revision, access, lines) => {
    expect(fatal(tiny(revision), access)).toEqual(lines);
  });

  const KEYBOARD = { ports: [{ base: 0x60, length: 5 }] };
  const i8042: [string, (v: ScriptedVcpu) => void, boolean][] = [
    ["read of the status", (v) => v.in(0x64), true],
    ["harmless command", (v) => v.out(0x64, 0x20), true],
    ["write of the output port", (v) => v.out(0x64, 0xd1), false],
    ["pulse", (v) => v.out(0x64, 0xfe), false],
    ["wide read", (v) => v.in(0x64, 2), false],
  ];
  test.each(i8042)("a permitted keyboard controller: %s", (_, access, allowed) => {
    expect(fatal(tiny(12, KEYBOARD), access)).toEqual(
      allowed ? [] : ["FATAL: Invalid write to i8042 controller port"],
    );
  });

  test("two cells on the same port do not mix", () => {
    const machine = enabled(12);
    for (const [name, cpu] of [
      ["a", 1],
      ["b", 2],
    ] as const)
      machine.startCell(demo("smp-demo", 12, { name, cpus: [cpu] }));
    for (const [cpu, text] of [
      [1, "x"],
      [2, "y"],
      [1, "z"],
    ] as const)
      machine.execute(cpu, (v) => {
        v.out(0x3f8, text.charCodeAt(0));
        return undefined;
      });
    expect(machine.serial).toEqual([
      ["a", 0x3f8, "x"],
      ["b", 0x3f8, "y"],
      ["a", 0x3f8, "z"],
    ]);
  });
});

describe("memory (7.6)", () => {
  test("nothing there", () => {
    expect(fatal(tiny(), (v) => v.store(0x20_0000, 1, 2))).toEqual([
      "FATAL: Invalid MMIO/RAM write, addr: 0x0000000000200000 size: 2",
    ]);
  });

  test("a right is missing", () => {
    const memoryRegions = [
      ...demo("tiny-demo").memoryRegions,
      region({ phys: 0x3ed0_0000, virt: 0x30_0000, sizeBytes: 0x1000 }, "read"),
    ];
    expect(fatal(tiny(12, { memoryRegions }), (v) => v.store(0x30_0004, 1))).toEqual([
      "FATAL: Invalid MMIO/RAM write, addr: 0x0000000000300004 size: 4",
    ]);
  });

  test("no instruction to fetch", () => {
    const lines = fatal(tiny(), (v) => v.exit({ kind: "memory-fetch", address: 0x20_0000 }));
    expect(lines).toEqual([
      "FATAL: unable to get MMIO instruction",
      "FATAL: Invalid MMIO/RAM read, addr: 0x0000000000200000 size: 0",
    ]);
  });

  test("device memory of the cell reaches the bus at its physical address", () => {
    const machine = enabled(12);
    const seen: number[] = [];
    machine.board.memoryBus.claim("probe", 0xfd00_0000, 0x1000, {
      memoryRead: (offset, _width, result) => {
        result.lo = offset;
      },
      memoryWrite: (offset, width, lo) => seen.push(offset, width, lo),
    });
    const place = { phys: 0xfd00_0000, virt: 0x4000_0000, sizeBytes: 0x1000 };
    const memoryRegions = [...demo("tiny-demo").memoryRegions, region(place, "read", "write")];
    machine.startCell(demo("tiny-demo", 12, { memoryRegions }));
    machine.newLines();
    expect(fatal(machine, (v) => expect(v.load8(0x4000_0ff8).lo).toBe(0xff8))).toEqual([]);
    expect(fatal(machine, (v) => v.store(0x4000_0004, 7, 2))).toEqual([]);
    expect(seen).toEqual([4, 2, 7]);
    expect(exits(machine).vmexits_total).toBe(1);
  });
});

describe("sub-page regions (7.6)", () => {
  const SUB = { phys: 0x3ed0_0010, virt: 0x5000_0010, sizeBytes: 0x20 };
  const machineWith = (sub: MemoryRegion) =>
    tiny(12, { memoryRegions: [...demo("tiny-demo").memoryRegions, sub] });
  const cases: [string, MemoryRegion, (v: ScriptedVcpu) => void, string[]][] = [
    ["permitted", region(SUB, "read", "write", "io32"), (v) => v.store(0x5000_0014, 1), []],
    [
      "no right to write",
      region(SUB, "read", "io32"),
      (v) => v.store(0x5000_0014, 1),
      ["FATAL: Invalid MMIO write, address: 3ed00014, size: 4"],
    ],
    [
      "wrong width",
      region(SUB, "read", "write", "io32"),
      (v) => v.load8(0x5000_0014, 2),
      ["FATAL: Invalid MMIO read, address: 3ed00014, size: 2"],
    ],
    [
      "unaligned",
      region(SUB, "read", "write", "io32"),
      (v) => v.load8(0x5000_0012, 4),
      ["FATAL: Invalid MMIO read, address: 3ed00012, size: 4"],
    ],
    [
      "unaligned, permitted",
      region(SUB, "read", "ioUnaligned", "io32"),
      (v) => v.load8(0x5000_0012, 4),
      [],
    ],
    [
      "over the end",
      region(SUB, "read", "ioUnaligned", "io32"),
      (v) => v.load8(0x5000_002e, 4),
      ["FATAL: Invalid MMIO/RAM read, addr: 0x000000005000002e size: 4"],
    ],
    ["64 bit", region(SUB, "read", "io64"), (v) => v.load8(0x5000_0018, 8), []],
  ];
  test.each(cases)("%s", (_, sub, access, lines) => {
    expect(fatal(machineWith(sub), access)).toEqual(lines);
  });

  test("alignment counts from the region's start", () => {
    const odd = region({ ...SUB, virt: 0x5000_0012, phys: 0x3ed0_0012 }, "read", "io32");
    expect(fatal(machineWith(odd), (v) => v.load8(0x5000_0016, 4))).toEqual([]);
  });

  test("accesses are made at the physical address", () => {
    const machine = machineWith(region(SUB, "read", "write", "io8", "io64"));
    fatal(machine, (v) => v.store(0x5000_0020, 0x5566_7788, 8, 0x1122_3344));
    fatal(machine, (v) => v.store(0x5000_0027, 0xaa, 1));
    expect(machine.board.memory.view.getBigUint64(0x3ed0_0020, true)).toBe(0xaa22_3344_5566_7788n);
    fatal(machine, (v) =>
      expect(v.load8(0x5000_0020, 8)).toMatchObject({ lo: 0x5566_7788, hi: 0xaa22_3344 }),
    );
    expect(exits(machine).vmexits_mmio).toBe(3);
  });
});

describe("test device (7.12)", () => {
  test("its register lies in the communication page", () => {
    const machine = tiny(12);
    const { page } = machine.hypervisor.cells[1].comm;
    fatal(machine, (v) => v.store(0x101ff8, 0x5566_7788, 8, 0x1122_3344));
    expect(machine.board.memory.view.getBigUint64(page + 0xff8, true)).toBe(0x1122_3344_5566_7788n);
    fatal(machine, (v) => expect(v.load8(0x101ffa, 2).lo).toBe(0x5566));
  });

  test("has nothing else", () => {
    expect(fatal(tiny(12), (v) => v.load8(0x101ff0, 8))).toEqual([
      "testdev: invalid read, register ff0, size 8",
    ]);
  });

  test("exists for cells with the flag only", () => {
    const flags = { ...demo("tiny-demo").flags, testDevice: false };
    expect(fatal(tiny(12, { flags }), (v) => v.load8(0x101ff8))[0]).toMatch(
      /^FATAL: Invalid MMIO\/RAM read/,
    );
  });

  test("needs a communication region", () => {
    const machine = enabled(12);
    const memoryRegions = demo("tiny-demo").memoryRegions.slice(0, 1);
    const request = machine.hypervisor.createCell(demo("tiny-demo", 12, { memoryRegions }));
    expect(request.result).toMatchObject({ ok: false, errno: "EINVAL" });
  });
});

describe("MSRs (7.2)", () => {
  const cases: [string, number, number, number, string[]][] = [
    ["APIC base", 0x1b, 0xfee0_0800, 0, ["FATAL: Unhandled MSR write: 1b"]],
    ["first MTRR", 0x200, 0, 0, ["FATAL: Unhandled MSR write: 200"]],
    ["last MTRR", 0x276, 0, 0, ["FATAL: Unhandled MSR write: 276"]],
    ["performance counters", 0x38f, 1, 0, []],
    ["cache classes", 0xc8f, 1, 0, ["FATAL: Unhandled MSR write: c8f"]],
    ["behind them", 0xd90, 1, 0, []],
    ["PAT", 0x277, 0x0706_0504, 0x0100_0706, []],
    ["PAT with type 2", 0x277, 0x0706_0204, 0, ["FATAL: Invalid PAT value: 7060204"]],
    ["PAT with type 8", 0x277, 0, 0x0800_0000, ["FATAL: Invalid PAT value: 800000000000000"]],
  ];
  test.each(cases)("write of %s", (_, msr, lo, hi, lines) => {
    expect(fatal(tiny(), (v) => v.wrmsr(msr, lo, hi))).toEqual(lines);
  });

  test("PAT and MTRR default type are shadows", () => {
    const machine = tiny();
    fatal(machine, (v) =>
      expect(v.rdmsr(0x277)).toMatchObject({ lo: 0x0007_0406, hi: 0x0007_0406 }),
    );
    fatal(machine, (v) => v.wrmsr(0x277, 0x0606_0606));
    fatal(machine, (v) => expect(v.rdmsr(0x277)).toMatchObject({ lo: 0x0606_0606, hi: 0 }));
    let before = 0;
    fatal(machine, (v) => {
      before = v.rdmsr(0x2ff).lo;
    });
    expect(before & 0x800).toBe(0);
    fatal(machine, (v) => v.wrmsr(0x2ff, 0xfff));
    fatal(machine, (v) => expect(v.rdmsr(0x2ff).lo).toBe(before | 0x800));
    expect(exits(machine).vmexits_msr_other).toBe(6);
  });

  test("others reach the CPU", () => {
    const machine = tiny();
    machine.execute(2, (v) => {
      v.rdmsr(0xc000_0080);
      v.wrmsr(0x174, 8);
      return undefined;
    });
    expect(machine.vcpus[2].verdicts).toEqual(["native", "native"]);
    expect(exits(machine).vmexits_total).toBe(1);
  });
});

describe("XSETBV (7.3)", () => {
  test.each([
    [0, 1, 0, true],
    [0, 3, 0, true],
    [0, 7, 0, true],
    [0, 2, 0, false],
    [0, 0x103, 0, false],
    [1, 1, 0, false],
    [0, 1, 1, false],
  ])("xcr%i = %i, high %i", (index, lo, hi, allowed) => {
    const word = (n: number) => n.toString(16).padStart(8, "0");
    expect(fatal(tiny(), (v) => v.exit({ kind: "xsetbv", index, lo, hi }))).toEqual(
      allowed ? [] : [`FATAL: Invalid xsetbv parameters: xcr[${index}] = ${word(lo)}:${word(hi)}`],
    );
  });
});

describe("CPUID (3)", () => {
  const query = (machine: TestMachine, cpu: number, leaf: number, ecx: number) => {
    const exit = {
      kind: "cpuid" as const,
      constant: false,
      leaf,
      subleaf: 0,
      eax: 1,
      ebx: 2,
      ecx,
      edx: 4,
    };
    machine.vcpus[cpu].exit(exit);
    return exit;
  };
  test("signature", () => {
    const { eax, ebx, ecx, edx } = query(tiny(), 2, 0x4000_0000, 0);
    const text = new TextDecoder().decode(new Uint8Array(Uint32Array.of(ebx, ecx, edx).buffer));
    expect([eax, text]).toEqual([0x4000_0001, "Jailhouse\0\0\0"]);
    expect(query(tiny(), 2, 0x4000_0001, 9)).toMatchObject({ eax: 0, ebx: 0, ecx: 0, edx: 0 });
  });

  test.each([
    [3, 0x8000_0020],
    [8, 0x8000_0000],
  ] as const)("features, revision %i", (revision, cellFeatures) => {
    const machine = tiny(revision);
    expect(query(machine, 2, 1, 0x0800_0020).ecx).toBe(cellFeatures);
    machine.vcpus[2].registers.set("cr4", 1n << 18n);
    expect(query(machine, 2, 1, 0).ecx & 0x0800_0000).not.toBe(0);
    expect(query(machine, 0, 1, 0x20).ecx).toBe(0x20);
    expect(query(machine, 2, 0x8000_0001, 0xff).ecx).toBe(revision === 3 ? 0xff : 0xfb);
  });

  test("VMX is there where it is not hidden, as without it there were no hypervisor", () => {
    expect(query(tiny(3), 2, 1, 0).ecx & 0x20).toBe(0x20);
    expect(query(tiny(12), 0, 1, 0).ecx & 0x20).toBe(0x20);
  });
});

describe("instructions that always exit (7.1)", () => {
  test.each([
    ["invd", 13],
    ["task-switch", 9],
    ["getsec", 11],
  ] as const)("%s is a failure", (name, reason) => {
    expect(fatal(tiny(), (v) => v.exit({ kind: "special-instruction", name }))).toEqual([
      `FATAL: Unhandled VM-Exit, reason ${reason}`,
      "qualification 0",
      "vectoring info: 0 interrupt info: 0",
    ]);
  });
  test.each(["wbinvd", "xsaves"] as const)("%s is passed through", (name) => {
    expect(fatal(tiny(), (v) => v.exit({ kind: "special-instruction", name }))).toEqual([]);
  });
});

describe("PCI configuration (ivshmem document, 4)", () => {
  /** Sixteen bytes of registers and more, remembered as bytes. */
  class Memory implements PciFunction {
    readonly view = new DataView(new ArrayBuffer(256));
    readonly writes: [number, number, number][] = [];
    configRead(register: number, width: 1 | 2 | 4): number {
      if (width === 4) return this.view.getUint32(register, true);
      return width === 2 ? this.view.getUint16(register, true) : this.view.getUint8(register);
    }
    configWrite(register: number, width: 1 | 2 | 4, value: number): void {
      this.writes.push([register, width, value]);
    }
  }

  const BDF = 0xd8;
  function withDevice(change: Partial<PciDevice> = {}, hardware = new Memory()) {
    hardware.view.setUint32(0, 0x2668_8086, true);
    hardware.view.setUint32(0x10, 0xfebd_4000, true);
    const config = demo("pci-demo", 12);
    const pciDevices = config.pciDevices.map((device) => ({ ...device, ...change }));
    const machine = enabled(12);
    machine.board.pci.plug(BDF, hardware);
    machine.startCell({ ...config, pciDevices });
    machine.newLines();
    hardware.writes.length = 0;
    const write = (register: number, value: number, width: 1 | 2 | 4) =>
      fatal(machine, (v) => {
        v.out(0xcf8, (BDF << 8) | (register & 0xfc), 4);
        v.out(0xcfc + (register & 3), value, width);
      });
    const read = (register: number, width: 1 | 2 | 4) => {
      let value = -1;
      fatal(machine, (v) => {
        v.out(0xcf8, (BDF << 8) | (register & 0xfc), 4);
        value = v.in(0xcfc + (register & 3), width);
      });
      return value;
    };
    return { machine, hardware, write, read };
  }

  test("the enable bit means nothing, an absent function reads ones and takes no writes", () => {
    const machine = tiny();
    fatal(machine, (v) => v.out(0xcf8, 0x1234_5678, 4));
    fatal(machine, (v) => expect(v.in(0xcf8, 4)).toBe(0x1234_5678));
    fatal(machine, (v) => expect(v.in(0xcfe, 2)).toBe(0xffff));
    expect(fatal(machine, (v) => v.out(0xcfc, 1, 4))).toEqual([
      "FATAL: Invalid PCI config write, port: cfc, size 4, address port: 12345678",
    ]);
  });

  test.each([
    ["address by bytes", (v: ScriptedVcpu) => v.in(0xcf8, 1), "read, port: cf8, size 1"],
    ["data over the end", (v: ScriptedVcpu) => v.in(0xcfe, 4), "read, port: cfe, size 4"],
  ])("%s", (_, access, what) => {
    expect(fatal(tiny(), access)).toEqual([`FATAL: Invalid PCI config ${what}, address port: 0`]);
  });

  test("BARs are shadows: probing sees the mask, the hardware sees nothing", () => {
    const { hardware, read, write } = withDevice({ barMask: [0xffff_c000, 0, 0, 0, 0, 0] });
    expect(read(0, 4)).toBe(0x2668_8086);
    expect(read(0x10, 4)).toBe(0xfebd_4000);
    expect(write(0x10, 0xffff_ffff, 4)).toEqual([]);
    expect(read(0x10, 4)).toBe(0xffff_c000);
    expect(write(0x12, 0x1234, 2)).toEqual([]);
    expect(read(0x10, 4)).toBe(0x1234_c000);
    expect(hardware.writes).toEqual([]);
  });

  // 4.3: what becomes of a write to an endpoint's header and capabilities
  const writes: [string, number, 1 | 2 | 4, "forwarded" | "ignored" | "fatal"][] = [
    ["command", 0x04, 2, "forwarded"],
    ["cache line and latency", 0x0c, 2, "forwarded"],
    ["expansion ROM", 0x30, 4, "ignored"],
    ["interrupt line", 0x3c, 1, "forwarded"],
    ["interrupt line and pin", 0x3c, 2, "fatal"],
    ["vendor", 0x00, 2, "fatal"],
    ["subsystem", 0x2c, 4, "fatal"],
    ["MSI control", 0x62, 2, "forwarded"],
    ["MSI address", 0x64, 4, "ignored"],
    ["behind the capability", 0x6e, 2, "fatal"],
    ["no capability", 0x40, 2, "fatal"],
  ];
  test.each(writes)("%s", (_, register, width, fate) => {
    const { hardware, write } = withDevice();
    const lines = write(register, 0, width);
    expect(lines.length > 0).toBe(fate === "fatal");
    expect(hardware.writes.length).toBe(fate === "forwarded" ? 1 : 0);
  });

  test("an MSI that would leave the cell is refused", () => {
    for (const [destination, mode, allowed] of [
      [2, 0, true],
      [2, 1, true],
      [2, 4, false],
      [3, 0, false],
    ] as const) {
      const { write, read } = withDevice();
      write(0x64, 0xfee0_0000 | (destination << 12), 4);
      expect(read(0x64, 4)).toBe((0xfee0_0000 | (destination << 12)) >>> 0);
      write(0x68, 0, 4);
      write(0x6c, 0x20 | (mode << 8), 2);
      expect(write(0x62, 1, 2).length === 0).toBe(allowed);
    }
  });

  test("a device of the cell is absent for root, and comes back", () => {
    const { machine } = withDevice();
    const { root } = machine.hypervisor.core;
    expect(root.pci.find(BDF)).toBeUndefined();
    machine.now(machine.hypervisor.destroyCell("pci-demo"));
    expect(root.pci.find(BDF)).toBeDefined();
    expect(machine.newLines().slice(1, 5)).toEqual([
      'Removing PCI device 00:1b.0 from cell "pci-demo"',
      "Freeing 1 interrupt(s) for device 00:1b.0 at index 29",
      'Adding PCI device 00:1b.0 to cell "QEMU-VM"',
      "Reserving 1 interrupt(s) for device 00:1b.0 at index 29",
    ]);
  });

  test("the memory-mapped window follows the same rules", () => {
    const { machine, hardware } = withDevice();
    const base = 0xb000_0000 + BDF * 4096;
    fatal(machine, (v) => expect(v.load8(base, 4).lo).toBe(0x2668_8086));
    fatal(machine, (v) => expect(v.load8(0xb000_0000, 2).lo).toBe(0xffff));
    fatal(machine, (v) => v.store(base + 4, 6, 2));
    expect(hardware.writes).toEqual([[4, 2, 6]]);
    expect(fatal(machine, (v) => v.store(base, 6, 2))).toEqual([
      "FATAL: Invalid PCI MMCONFIG write, device 00:1b.0, reg: 0, size: 2",
    ]);
  });

  test("a configured function that is not plugged in reads ones", () => {
    const machine = enabled(12);
    machine.startCell(demo("pci-demo"));
    machine.newLines();
    fatal(machine, (v) => {
      v.out(0xcf8, BDF << 8, 4);
      expect(v.in(0xcfc, 4)).toBe(0xffff_ffff);
    });
  });
});

test("a cell's sub-page region in root's RAM changes nothing for root", () => {
  const sub = region({ phys: 0x3ed0_0010, virt: 0x5000_0010, sizeBytes: 0x20 }, "read", "io32");
  const machine = tiny(12, { memoryRegions: [...demo("tiny-demo").memoryRegions, sub] });
  const { root } = machine.hypervisor.core;
  expect(root.map.find(0x3ed0_0010)).toBeDefined();
  machine.now(machine.hypervisor.destroyCell("tiny-demo"));
  expect(root.map.find(0x3ed0_0010)).toBeDefined();
});

test("root's own sub-page region goes to the cell that lists it, and comes back", () => {
  const sub = region({ phys: 0xfd80_0010, sizeBytes: 0x10 }, "read", "write", "io32");
  const { rootCell } = q35(12);
  const memoryRegions = rootCell.memoryRegions.filter(
    ({ physStart }) => physStart !== 0xfd00_0000n,
  );
  const machine = enabled(12, {
    rootCell: { ...rootCell, memoryRegions: [...memoryRegions, sub] },
  });
  const { mmio } = machine.hypervisor.core.root;
  expect(mmio.find(0xfd80_0010, 4)).toBeDefined();
  machine.startCell(
    demo("tiny-demo", 12, { memoryRegions: [...demo("tiny-demo").memoryRegions, sub] }),
  );
  expect(mmio.find(0xfd80_0010, 4)).toBeUndefined();
  machine.now(machine.hypervisor.destroyCell("tiny-demo"));
  expect(mmio.find(0xfd80_0010, 4)).toBeDefined();
});
