import { describe, expect, test } from "vitest";
import { q35 } from "../config/boards/q35.ts";
import type { Revision, SystemConfig } from "../config/types.ts";
import * as apic from "../machine/apic-registers.ts";
import { checkRegisterWrite } from "./apic-moderation.ts";
import { demo, enabled, expectOk, type TestMachine } from "./testing/machine.ts";
import { HALT, type ScriptedVcpu } from "./testing/scripted-vcpu.ts";

function xapic(revision: Revision): Partial<SystemConfig> {
  const { platform } = q35(revision);
  if (platform.kind !== "x86") throw new Error("not x86");
  return { platform: { ...platform, apicMode: "xapic" } };
}

/** CPUs 1 and 2 in one cell, 3 in another. */
function smp(revision: Revision = 12, change: Partial<SystemConfig> = {}): TestMachine {
  const machine = enabled(revision, change);
  machine.startCell(demo("smp-demo", revision, { cpus: [1, 2] }));
  machine.startCell(demo("tiny-demo", revision, { cpus: [3] }));
  for (const cpu of [1, 2, 3]) enableApic(machine, cpu);
  machine.newLines();
  return machine;
}

function enableApic(machine: TestMachine, cpu: number): void {
  machine.board.localApics[cpu].writeRegister(apic.SVR, 0x1ff);
}

function run(machine: TestMachine, cpu: number, action: (vcpu: ScriptedVcpu) => void): string[] {
  machine.execute(cpu, (vcpu) => {
    action(vcpu);
    return undefined;
  });
  const lines = machine.newLines();
  const block = lines.findIndex((line) => line.startsWith("RIP: "));
  return block < 0 ? lines : lines.slice(0, block);
}

describe("register rules (7.4)", () => {
  // forbidden bits in x2APIC and in xAPIC operation
  const table: [number, number, number][] = [
    [0x08, 0xffffff00, 0xffffff00],
    [0x0b, 0, 0],
    [0x0f, 0xfffffc00, 0xfffffc00],
    [0x2f, 0xfffef800, 0xfffef800],
    [0x30, 0xfff33000, 0xfff33000],
    [0x31, 0xffffffff, 0x00ffffff],
    [0x32, 0xfff8ff00, 0xfff8ff00],
    [0x33, 0xfffef800, 0xfffef800],
    [0x34, 0xfffef800, 0xfffef800],
    [0x35, 0xfff0f800, 0xfff0f800],
    [0x36, 0xfff0f800, 0xfff0f800],
    [0x37, 0xfffeff00, 0xfffeff00],
    [0x38, 0, 0],
    [0x3e, 0xfffffff4, 0xfffffff4],
    [0x3f, 0xffffff00, 0xffffffff],
    [0x28, 0xffffffff, 0xffffffff],
    [0x03, 0xffffffff, 0xffffffff],
  ];
  test.each(table)("register %i", (register, x2apic, xapicBits) => {
    for (const [operation, forbidden] of [
      ["x2apic", x2apic],
      ["xapic", xapicBits],
    ] as const)
      for (let bit = 0; bit < 32; bit++) {
        const value = 2 ** bit;
        const line = checkRegisterWrite(operation, register, value);
        const refused = line?.startsWith("FATAL: Trying to set reserved APIC bits") ?? false;
        expect(refused, `bit ${bit} in ${operation}`).toBe((forbidden & value) !== 0);
      }
  });

  test("an LVT entry is fixed or NMI unless masked", () => {
    for (let mode = 0; mode < 8; mode++) {
      const line = checkRegisterWrite("xapic", 0x35, mode << 8);
      const expected = `FATAL: Setting invalid LVT delivery mode (reg 35, value 00000${mode}00)`;
      expect(line).toBe(mode === 0 || mode === 4 ? undefined : expected);
      expect(checkRegisterWrite("xapic", 0x35, (mode << 8) | 0x10000)).toBeUndefined();
    }
  });
});

describe("x2APIC operation", () => {
  test("all MSRs but the ICR are direct", () => {
    const machine = smp();
    run(machine, 1, (v) => expect(v.rdmsr(0x802).lo).toBe(1));
    run(machine, 1, (v) => v.wrmsr(0x832, 0x40020));
    expect(machine.board.localApics[1].readRegister(apic.LVT_TIMER)).toBe(0x40020);
    run(machine, 1, (v) => v.wrmsr(0x808, 0x100));
    expect(machine.vcpus[1].verdicts.at(-1)).toBe("fault");
    const cell = expectOk(machine.hypervisor.cell("smp-demo"));
    // the starts of both CPUs
    expect(machine.hypervisor.statistics(cell).vmexits_total).toBe(2);
  });

  test("the xAPIC page is forbidden", () => {
    const machine = smp();
    expect(run(machine, 1, (v) => v.store(0xfee0_0300, 0))).toEqual([
      "FATAL: xAPIC access in x2APIC mode",
      "FATAL: Unhandled APIC access, qualification 1300",
    ]);
  });
});

describe("xAPIC operation", () => {
  test("the page is there, with its rules", () => {
    const machine = smp(12, xapic(12));
    run(machine, 1, (v) => expect(v.load8(0xfee0_0020).lo).toBe(1 << 24));
    run(machine, 1, (v) => v.store(0xfee0_0380, 1000));
    expect(machine.board.localApics[1].readRegister(apic.INITIAL_COUNT)).toBe(1000);
    run(machine, 1, (v) => v.store(0xfee0_00d0, 1 << 25));
    expect(machine.board.localApics[1].readRegister(apic.LDR)).toBe(1 << 25);
    const cell = expectOk(machine.hypervisor.cell("smp-demo"));
    expect(machine.hypervisor.statistics(cell).vmexits_xapic).toBe(3);
  });

  const refused: [string, (v: ScriptedVcpu) => void, string[]][] = [
    ["LDR", (v) => v.store(0xfee0_00d0, 1 << 24), ["FATAL: Unsupported change to LDR: 1000000"]],
    ["DFR", (v) => v.store(0xfee0_00e0, 0xfffffff), ["FATAL: Unsupported change to DFR: fffffff"]],
    ["width", (v) => v.store(0xfee0_0080, 0, 1), ["FATAL: Unsupported APIC access width 1"]],
    ["alignment", (v) => v.store(0xfee0_0084, 0), []],
    [
      "reserved",
      (v) => v.store(0xfee0_0320, 0x100),
      ["FATAL: Trying to set reserved APIC bits (reg 32, value 00000100)"],
    ],
  ];
  test.each(refused)("refused: %s", (_, access, lines) => {
    const machine = smp(12, xapic(12));
    const printed = run(machine, 1, access);
    expect(printed.slice(0, -1)).toEqual(lines);
    expect(printed.at(-1)).toMatch(/^FATAL: Unhandled APIC access, qualification 1[0-9a-f]{3}$/);
    expect(machine.cpu(1).failed).toBe(true);
  });

  test("the id register ignores writes", () => {
    const machine = smp(12, xapic(12));
    expect(run(machine, 1, (v) => v.store(0xfee0_0020, 0x700_0000))).toEqual([]);
  });

  test("x2APIC MSRs are emulated", () => {
    const machine = smp(12, xapic(12));
    run(machine, 1, (v) => expect(v.rdmsr(0x802).lo).toBe(1));
    run(machine, 1, (v) => v.wrmsr(0x832, 0x30));
    run(machine, 1, (v) => expect(v.rdmsr(0x832).lo).toBe(0x30));
    expect(run(machine, 1, (v) => v.wrmsr(0x83f, 0x30))).toEqual([
      "Unhandled x2APIC self IPI write",
    ]);
    run(machine, 1, (v) => v.wrmsr(0x830, 0x4030, 2));
    run(machine, 1, (v) => expect(v.rdmsr(0x830)).toMatchObject({ lo: 0x4030, hi: 2 << 24 }));
    machine.execute(2);
    expect(machine.vcpus[2].interruptsTaken).toEqual([0x30]);
    run(machine, 1, (v) => v.rdmsr(0x80e));
    expect(machine.vcpus[1].verdicts.at(-1)).toBe("fault");
    run(machine, 1, (v) => v.wrmsr(0x802, 0));
    expect(machine.vcpus[1].verdicts.at(-1)).toBe("fault");
  });
});

describe("interprocessor interrupts (7.5)", () => {
  const LOGICAL = 0x800;
  const taken = (machine: TestMachine) => {
    for (const cpu of [1, 2, 3]) machine.execute(cpu, HALT);
    return [1, 2, 3].map((cpu) => machine.vcpus[cpu].interruptsTaken);
  };
  const OUTSIDE = "WARNING: CPU 1 specified IPI destination outside cell boundaries, ICR.hi=";

  const cases: [string, number, number, number[][], string[]][] = [
    ["physical", 0x4030, 2, [[], [0x30], []], []],
    ["physical, outside", 0x4030, 3, [[], [], []], [`${OUTSIDE}3`]],
    ["physical, nobody", 0x4030, 0xffff, [[], [], []], [`${OUTSIDE}ffff`]],
    ["logical cluster", 0x4030 | LOGICAL, 0b1110, [[0x30], [0x30], []], [`${OUTSIDE}e`]],
    ["another cluster", 0x4030 | LOGICAL, 0x10001, [[], [], []], [`${OUTSIDE}10001`]],
    ["self", 0x44030, 0, [[0x30], [], []], []],
    ["all of the cell", 0x84030, 0, [[0x30], [0x30], []], []],
    ["all others of the cell", 0xc4030, 0, [[], [0x30], []], []],
    ["NMI", 0x4400, 2, [[], [], []], ["Ignoring NMI IPI to CPU 2"]],
  ];
  test.each(cases)("%s", (_, lo, hi, interrupts, lines) => {
    const machine = smp();
    expect(run(machine, 1, (v) => v.wrmsr(0x830, lo, hi))).toEqual(lines);
    expect(taken(machine)).toEqual(interrupts);
    expect(machine.cpu(1).failed).toBe(false);
  });

  const fatal: [string, Revision, number, string][] = [
    ["SMI", 12, 0x4200, "FATAL: Unsupported/invalid APIC delivery mode, ICR.lo=4200"],
    ["SMI before v0.12", 10, 0x4200, "FATAL: Unsupported APIC delivery mode, ICR.lo=4200"],
    ["NMI to all", 12, 0x84400, "FATAL: Unsupported/invalid APIC delivery mode, ICR.lo=84400"],
    ["INIT to self", 12, 0x44500, "FATAL: Unsupported/invalid APIC delivery mode, ICR.lo=44500"],
    ["all, before v0.12", 10, 0x84030, "FATAL: Unsupported shorthand, ICR.lo=84030"],
    [
      "reserved bits",
      12,
      0x5030,
      "FATAL: Trying to set reserved APIC bits (reg 30, value 00005030)",
    ],
  ];
  test.each(fatal)("%s is fatal", (_, revision, lo, line) => {
    const machine = smp(revision);
    expect(run(machine, 1, (v) => v.wrmsr(0x830, lo, 2))).toEqual([line]);
    expect(machine.cpu(1).failed).toBe(true);
    expect(machine.cpu(2).failed).toBe(false);
  });

  test("the NMI line before v0.11", () => {
    expect(run(smp(9), 1, (v) => v.wrmsr(0x830, 0x4400, 2))).toEqual(["Ignoring NMI IPI"]);
  });

  test("INIT parks, SIPI starts, a second SIPI is ignored", () => {
    const machine = smp();
    machine.vcpus[2].registers.set("rax", 5n);
    run(machine, 1, (v) => v.wrmsr(0x277, 0));
    run(machine, 2, (v) => v.wrmsr(0x277, 0));
    run(machine, 1, (v) => v.wrmsr(0x830, 0x4500, 2));
    expect(machine.board.scheduler.isOnline(2)).toBe(false);
    run(machine, 1, (v) => v.wrmsr(0x830, 0x8500, 2));
    expect(run(machine, 1, (v) => v.wrmsr(0x830, 0x4612, 2))).toEqual([
      "CPU 2 received SIPI, vector 12",
    ]);
    const { registers } = machine.vcpus[2];
    expect(registers.segment("cs")).toEqual({
      selector: 0x1200,
      base: 0x12000n,
      limit: 0xffff,
      attributes: 0x9b,
    });
    expect([registers.get("rip"), registers.get("rax")]).toEqual([0n, 0n]);
    expect(machine.board.scheduler.isOnline(2)).toBe(true);
    expect(machine.board.localApics[2].readRegister(apic.SVR)).toBe(0xff);
    // only a start of the cell resets the view of memory types
    run(machine, 2, (v) => expect(v.rdmsr(0x277)).toMatchObject({ lo: 0, hi: 0 }));
    expect(run(machine, 1, (v) => v.wrmsr(0x830, 0x4613, 2))).toEqual([]);
  });

  test("a SIPI for a CPU that runs, or that failed, is ignored", () => {
    const machine = smp();
    expect(run(machine, 1, (v) => v.wrmsr(0x830, 0x4612, 2))).toEqual([]);
    run(machine, 2, (v) => v.in(0x3fff));
    run(machine, 1, (v) => v.wrmsr(0x830, 0x4500, 2));
    expect(run(machine, 1, (v) => v.wrmsr(0x830, 0x4612, 2))).toEqual([]);
    expect(machine.cpu(2).failed).toBe(true);
  });

  test("a CPU that sends itself an INIT parks after the instruction", () => {
    const machine = smp();
    run(machine, 1, (v) => v.wrmsr(0x830, 0x4500, 1));
    expect(machine.board.scheduler.isOnline(1)).toBe(false);
    expect(machine.cpu(1)).toMatchObject({ waitsForSipi: true, failed: false });
    run(machine, 2, (v) => v.wrmsr(0x830, 0x4612, 1));
    expect(machine.board.scheduler.isOnline(1)).toBe(true);
  });

  test("a parked root CPU is started by root's INIT and SIPI", () => {
    const machine = enabled(12);
    expectOk(machine.hypervisor.startRoot(0, () => {}));
    run(machine, 0, (v) => v.wrmsr(0x830, 0x4500, 1));
    expect(run(machine, 0, (v) => v.wrmsr(0x830, 0x4699, 1))).toEqual([
      "CPU 1 received SIPI, vector 99",
    ]);
    expect(machine.vcpus[1].registers.segment("cs").base).toBe(0x99000n);
    expect(machine.vcpus[1].map).toBe(machine.hypervisor.core.root.map);
  });
});

describe("IOAPIC (7.8)", () => {
  const INDEX = 0xfec0_0000;
  const DATA = 0xfec0_0010;
  function withPins(revision: Revision = 12): TestMachine {
    const machine = enabled(revision);
    machine.startCell(demo("ioapic-demo", revision));
    enableApic(machine, 2);
    machine.newLines();
    return machine;
  }
  const write = (index: number, value: number) => (v: ScriptedVcpu) => {
    v.store(INDEX, index);
    v.store(DATA, value);
  };
  const read = (machine: TestMachine, index: number): number => {
    let value = -1;
    run(machine, 2, (v) => {
      v.store(INDEX, index);
      value = v.load8(DATA).lo;
    });
    return value;
  };

  test("an owned pin reaches the cell", () => {
    const machine = withPins();
    run(machine, 2, write(0x10 + 19, 2 << 24));
    expect(run(machine, 2, write(0x10 + 18, 0x20))).toEqual([]);
    expect([read(machine, 0x10 + 18), read(machine, 0x10 + 19)]).toEqual([0x20, 2 << 24]);
    machine.board.ioapic.pins[9].set(true);
    machine.execute(2);
    expect(machine.vcpus[2].interruptsTaken).toEqual([0x20]);
  });

  test.each([
    ["a destination outside the cell", 3 << 24, 0x20],
    ["a logical destination outside the cell", 0xc << 24, 0x820],
    ["a delivery mode other than fixed and lowest priority", 2 << 24, 0x420],
  ])("refuses %s once unmasked", (_, hi, lo) => {
    const machine = withPins();
    expect(run(machine, 2, write(0x10 + 19, hi))).toEqual([]);
    expect(run(machine, 2, write(0x10 + 18, lo | 0x10000))).toEqual([]);
    expect(run(machine, 2, write(0x10 + 18, lo))).toEqual([
      "FATAL: Invalid IOAPIC write, reg: 10, index: 22",
    ]);
  });

  // what a data access to an index does, by release
  const accesses: [string, Revision, number, "read" | "write", "fatal" | "ok"][] = [
    ["id", 3, 0, "read", "ok"],
    ["version", 3, 1, "read", "ok"],
    ["low index", 4, 2, "read", "fatal"],
    ["low index", 8, 2, "read", "ok"],
    ["id", 12, 0, "write", "fatal"],
    ["foreign pin", 3, 0x10, "read", "fatal"],
    ["foreign pin", 3, 0x10, "write", "fatal"],
    ["foreign pin", 8, 0x10, "read", "ok"],
    ["foreign pin", 8, 0x10, "write", "ok"],
    ["behind the last pin", 12, 0x40, "read", "fatal"],
    ["behind the last pin", 12, 0x40, "write", "fatal"],
  ];
  test.each(accesses)(
    "%s, revision %i, index %i: %s is %s",
    (_, revision, index, direction, fate) => {
      const machine = withPins(revision);
      const lines = run(machine, 2, (v) => {
        v.store(INDEX, index);
        if (direction === "read") v.load8(DATA);
        else v.store(DATA, 0x10000);
      });
      expect(lines).toEqual(
        fate === "ok"
          ? []
          : [`FATAL: Invalid IOAPIC ${direction}, reg: 10, index: ${index.toString(16)}`],
      );
    },
  );

  test("other offsets", () => {
    expect(run(withPins(), 2, (v) => v.store(0xfec0_0040, 0x20))).toEqual([]);
    expect(run(withPins(), 2, (v) => v.load8(0xfec0_0040))).toEqual([
      "FATAL: Invalid IOAPIC read, reg: 40, index: 0",
    ]);
    expect(run(withPins(), 2, (v) => v.store(0xfec0_0020, 0))).toEqual([
      "FATAL: Invalid IOAPIC write, reg: 20, index: 0",
    ]);
  });

  test("each cell has an index register of its own", () => {
    const machine = withPins();
    expectOk(machine.hypervisor.startRoot(0, () => {}));
    run(machine, 2, (v) => v.store(INDEX, 0x22));
    run(machine, 0, (v) => v.store(INDEX, 1));
    run(machine, 2, (v) => expect(v.load8(INDEX).lo).toBe(0x22));
  });

  test("a start masks the pins from v0.8 on, a destroy gives them back masked", () => {
    for (const revision of [3, 8] as const) {
      const machine = withPins(revision);
      run(machine, 2, write(0x10 + 19, 2 << 24));
      run(machine, 2, write(0x10 + 18, 0x20));
      expectOk(machine.now(machine.hypervisor.startCell("ioapic-demo")));
      expect(read(machine, 0x10 + 18) & 0x10000).toBe(revision === 8 ? 0x10000 : 0);
      expectOk(machine.now(machine.hypervisor.destroyCell("ioapic-demo")));
      const [ioapic] = machine.hypervisor.core.root.ioapics;
      expect(ioapic.owns(9)).toBe(true);
      expect(ioapic.chip.entries[18] & 0x10000).toBe(0x10000);
    }
  });
});
