import { describe, expect, test } from "vitest";
import { encodeConfig } from "../config/codec/index.ts";
import type { CellConfig, Revision } from "../config/types.ts";
import { CELL_STATE, REPLY } from "./comm-region.ts";
import { HYPERCALL } from "./hypercalls.ts";
import { MMIO, MSR_OTHER, MSR_X2APIC_ICR, PIO } from "./statistics.ts";
import { demo, enabled, expectOk, type TestMachine } from "./testing/machine.ts";
import type { Instruction } from "./testing/scripted-vcpu.ts";

const EPERM = -1;
const ENOENT = -2;
const E2BIG = -7;
const ENOMEM = -12;
const EBUSY = -16;
const EEXIST = -17;
const EINVAL = -22;
const ENOSYS = -38;

const LONG_MODE_CS = { selector: 8, base: 0n, limit: 0xffffffff, attributes: 0xa09b };

/** A root guest in 64-bit mode on CPU 0. */
function withRoot(revision: Revision = 12): TestMachine {
  const machine = enabled(revision);
  expectOk(
    machine.hypervisor.startRoot(0, ({ registers }) => {
      registers.set("efer", 0x500n);
      registers.setSegment("cs", LONG_MODE_CS);
    }),
  );
  return machine;
}

const vmcall =
  (code: number, argument = 0, argument2 = 0): Instruction =>
  (vcpu) => {
    vcpu.vmcall(code, argument, argument2);
    return undefined;
  };

function call(machine: TestMachine, cpu: number, code: number, a = 0, b = 0): number {
  return machine.execute(cpu, vmcall(code, a, b)).rax;
}

describe("who may call (section 2.1)", () => {
  const judge = (
    revision: Revision,
    selector: number,
    dpl: number,
    efer: bigint,
    flags: bigint,
  ) => {
    const machine = enabled(revision);
    machine.startCell(demo("tiny-demo", revision));
    const { registers } = machine.vcpus[2];
    registers.set("efer", efer);
    registers.set("rflags", flags);
    const attributes = 0x809b | (dpl << 5) | (efer !== 0n ? 0x2000 : 0);
    registers.setSegment("cs", { selector, base: 0n, limit: 0xffff, attributes });
    return call(machine, 2, HYPERCALL.hypervisorGetInfo, 4);
  };
  const VM = 0x20002n;
  test.each([
    ["v0.8: RPL 0", 8, 8, 3, 0x400n, 2n, 2],
    ["v0.8: RPL 3", 8, 0xb, 0, 0x400n, 2n, EPERM],
    ["v0.8: real mode with CS bits", 8, 0xf001, 0, 0n, 2n, EPERM],
    ["v0.8: virtual 8086", 8, 8, 0, 0n, VM, EPERM],
    ["v0.9: DPL 0", 9, 0xb, 0, 0x400n, 2n, 2],
    ["v0.9: DPL 3", 9, 8, 3, 0x400n, 2n, EPERM],
    ["v0.9: virtual 8086", 9, 8, 0, 0n, VM, EPERM],
  ] as const)("%s", (_, revision, selector, dpl, efer, flags, result) => {
    expect(judge(revision, selector, dpl, efer, flags)).toBe(result);
  });
});

describe("arguments", () => {
  test("are 32 bits wide outside 64-bit mode", () => {
    const machine = withRoot();
    machine.vcpus[0].registers.setSegment("cs", { ...LONG_MODE_CS, attributes: 0xc09b });
    expect(call(machine, 0, HYPERCALL.hypervisorGetInfo, 2 ** 32 + 4)).toBe(1);
    machine.vcpus[0].registers.setSegment("cs", LONG_MODE_CS);
    expect(call(machine, 0, HYPERCALL.hypervisorGetInfo, 2 ** 32 + 4)).toBe(EINVAL);
  });
});

test("an unknown code is reported with the address of the instruction", () => {
  const machine = withRoot();
  machine.vcpus[0].registers.set("rip", 0x1000n);
  expect(call(machine, 0, 9)).toBe(ENOSYS);
  expect(machine.newLines()).toEqual(["CPU 0: Unknown hypercall 9, RIP: 0x0000000000001000"]);
  // the code is compared as a whole
  machine.execute(0, (vcpu) => {
    vcpu.registers.set("rax", 0x1_0000_0005n);
    vcpu.exit({ kind: "hypercall", instruction: "vmcall" });
    return undefined;
  });
  expect(machine.vcpus[0].rax).toBe(ENOSYS);
});

test("AMD's instruction does not exist on this CPU", () => {
  const machine = withRoot();
  machine.execute(0, (vcpu) => {
    vcpu.exit({ kind: "hypercall", instruction: "vmmcall" });
    return undefined;
  });
  expect(machine.vcpus[0].verdicts).toEqual(["undefined"]);
});

describe("queries (section 2.5)", () => {
  test("HYPERVISOR_GET_INFO", () => {
    const machine = withRoot();
    const { pool } = machine.hypervisor.core;
    const info = (type: number) => call(machine, 0, HYPERCALL.hypervisorGetInfo, type);
    expect([0, 1, 2, 3, 4, 5].map(info)).toEqual([pool.size, pool.used, 131072, 0, 1, EINVAL]);
  });

  test("CELL_GET_STATE", () => {
    const machine = withRoot();
    const cell = machine.startCell(demo("tiny-demo"));
    const state = (id: number) => call(machine, 0, HYPERCALL.cellGetState, id);
    expect([state(0), state(1), state(2)]).toEqual([0, 0, ENOENT]);
    cell.comm.state = CELL_STATE.commMismatch;
    expect(state(1)).toBe(4);
    cell.comm.state = 5;
    expect(state(1)).toBe(EINVAL);
    expect(call(machine, 2, HYPERCALL.cellGetState, 1)).toBe(EPERM);
  });

  test("CPU_GET_INFO: number, then owner, then type", () => {
    const machine = withRoot();
    machine.startCell(demo("tiny-demo"));
    const info = (by: number, cpu: number, type: number) =>
      call(machine, by, HYPERCALL.cpuGetInfo, cpu, type);
    expect(info(2, 4, 77)).toBe(EINVAL);
    expect(info(2, 3, 77)).toBe(EPERM);
    expect(info(2, 2, 77)).toBe(EINVAL);
    expect(info(2, 2, 0)).toBe(0);
    expect(info(0, 3, 0)).toBe(0);
    machine.cpu(2).failed = true;
    expect(info(0, 2, 0)).toBe(2);
    expect(info(0, 2, 1012)).toBe(EINVAL);
    expect(info(0, 2, 999)).toBe(EINVAL);
  });

  // hypervisor interface, 2.5: positions of four counters in either numbering
  test.each([
    [9, { mmio: 1, pio: 4, msr: 7, count: 11 }],
    [12, { mmio: 1, pio: 4, msr: 10, icr: 11, count: 12 }],
  ] as const)("statistics as revision %i numbers them", (revision, at) => {
    const machine = withRoot(revision);
    const counters = machine.cpu(3).statistics;
    for (let i = 0; i < 3; i++) counters.count(MMIO);
    for (let i = 0; i < 5; i++) counters.count(PIO);
    for (let i = 0; i < 7; i++) counters.count(MSR_OTHER);
    for (let i = 0; i < 11; i++) counters.count(MSR_X2APIC_ICR);
    const read = (n: number) => call(machine, 0, HYPERCALL.cpuGetInfo, 3, 1000 + n);
    expect([read(0), read(at.mmio), read(at.pio)]).toEqual([26, 3, 5]);
    expect(read(at.msr)).toBe("icr" in at ? 7 : 18);
    if ("icr" in at) expect(read(at.icr)).toBe(11);
    expect(read(at.count)).toBe(EINVAL);
    counters.counters[0] = 2 ** 31 + 5;
    expect(read(0)).toBe(5);
  });
});

describe("DEBUG_CONSOLE_PUTC", () => {
  test("prints lines tagged with their cell", () => {
    const bytes: number[] = [];
    const machine = enabled(12, {}, { consoleByte: (byte) => bytes.push(byte) });
    machine.startCell(demo("tiny-demo"));
    bytes.length = 0;
    for (const character of "Hi\n")
      call(machine, 2, HYPERCALL.debugConsolePutc, character.charCodeAt(0) | 0xa00);
    expect(machine.cellLines).toEqual([["tiny-demo", "Hi"]]);
    expect(String.fromCharCode(...bytes)).toBe("Hi\n\r");
  });

  test("needs the cell's flag", () => {
    const machine = withRoot();
    expect(call(machine, 0, HYPERCALL.debugConsolePutc, 65)).toBe(EPERM);
  });
});

describe("managing cells from a root guest", () => {
  const CONFIG = 0x20_0000;

  function put(machine: TestMachine, config: CellConfig, at = CONFIG): void {
    machine.board.memory.bytes(at, 8192).fill(0);
    machine.board.memory.u8.set(encodeConfig(config), at);
  }

  test("create, load, start, destroy", () => {
    const machine = withRoot();
    put(machine, demo("tiny-demo", 12, { id: 1 }));
    expect(call(machine, 0, HYPERCALL.cellCreate, CONFIG)).toBe(0);
    expect(call(machine, 0, HYPERCALL.cellGetState, 1)).toBe(2);
    expect(call(machine, 0, HYPERCALL.cellSetLoadable, 1)).toBe(0);
    expect(machine.hypervisor.core.root.map.find(0x3ee0_0000)).toBeDefined();
    expect(call(machine, 0, HYPERCALL.cellStart, 1)).toBe(0);
    expect(machine.board.scheduler.isOnline(2)).toBe(true);
    expect(call(machine, 0, HYPERCALL.cellDestroy, 1)).toBe(0);
    expect(call(machine, 0, HYPERCALL.hypervisorGetInfo, 4)).toBe(1);
  });

  test("errors of create, in their order", () => {
    const machine = withRoot();
    const create = (change: Partial<CellConfig>, at = CONFIG) => {
      put(machine, demo("tiny-demo", 12, { id: 1, ...change }), at);
      return call(machine, 0, HYPERCALL.cellCreate, at);
    };
    expect(call(machine, 0, HYPERCALL.cellCreate, 0x3a00_0000 - 4)).toBe(EINVAL);
    expect(call(machine, 0, HYPERCALL.cellCreate, 0x9000_0000)).toBe(ENOMEM);
    expect(create({ name: "QEMU-VM" })).toBe(EEXIST);
    expect(create({ id: 0 })).toBe(EEXIST);
    expect(create({ cpus: [0] })).toBe(EBUSY);
    expect(create({ cpus: [9] })).toBe(EBUSY);
    machine.board.memory.view.setUint32(CONFIG + 68, 0xffff, true);
    expect(call(machine, 0, HYPERCALL.cellCreate, CONFIG)).toBe(E2BIG);
    expect(create({})).toBe(0);
    expectOk(machine.hypervisor.cell("tiny-demo")).comm.state = CELL_STATE.runningLocked;
    expect(call(machine, 0, HYPERCALL.cellCreate, 0x9000_0000)).toBe(EPERM);
  });

  test("only root may, and only other cells", () => {
    const machine = withRoot();
    machine.startCell(demo("tiny-demo"));
    for (const code of [
      HYPERCALL.disable,
      HYPERCALL.cellCreate,
      HYPERCALL.cellStart,
      HYPERCALL.cellSetLoadable,
      HYPERCALL.cellDestroy,
    ])
      expect(call(machine, 2, code, 1)).toBe(EPERM);
    for (const code of [HYPERCALL.cellStart, HYPERCALL.cellSetLoadable, HYPERCALL.cellDestroy]) {
      expect(call(machine, 0, code, 0)).toBe(EINVAL);
      expect(call(machine, 0, code, 9)).toBe(ENOENT);
    }
  });

  test("the caller is held while the cell thinks, and gets the answer", () => {
    const machine = withRoot();
    const cell = machine.startCell(demo("apic-demo"));
    const vcpu = machine.execute(0, vmcall(HYPERCALL.cellDestroy, cell.id), (v) => {
      v.registers.set("rbx", v.registers.get("rax"));
      return undefined;
    });
    expect(machine.board.scheduler.isOnline(0)).toBe(false);
    expect(vcpu.program.length).toBe(1);
    machine.board.memory.view.setUint32(cell.comm.page + 16, REPLY.denied, true);
    machine.board.scheduler.run(machine.board.clock.machineTime + 100_000);
    expect(BigInt.asIntN(64, vcpu.registers.get("rbx"))).toBe(BigInt(EPERM));
  });
});

describe("DISABLE from root guests", () => {
  function twoRoots(revision: Revision): TestMachine {
    const machine = enabled(revision);
    for (const index of [0, 1])
      expectOk(
        machine.hypervisor.startRoot(index, ({ registers }) => {
          registers.set("efer", 0x500n);
          registers.setSegment("cs", LONG_MODE_CS);
        }),
      );
    return machine;
  }

  test("from v0.8 on waits for all", () => {
    const machine = twoRoots(12);
    machine.execute(1, vmcall(HYPERCALL.disable));
    expect(machine.board.scheduler.isOnline(1)).toBe(false);
    expect(machine.newLines()).toEqual([]);
    expect(call(machine, 0, HYPERCALL.disable)).toBe(0);
    expect(machine.vcpus[1].rax).toBe(0);
    expect(machine.newLines()).toEqual([
      "Shutting down hypervisor",
      " Releasing CPU 1",
      " Releasing CPU 0",
    ]);
    expect(machine.board.scheduler.isOnline(1)).toBe(true);
    expect(machine.vcpus[1].moderator).toBe(machine.board.bareModerator);
    expect(machine.hypervisor.core.enabled).toBe(false);
  });

  test("a CPU that waits is not let go by another request", () => {
    const machine = twoRoots(12);
    machine.execute(1, vmcall(HYPERCALL.disable));
    expect(call(machine, 0, HYPERCALL.cellStart, 9)).toBe(ENOENT);
    machine.startCell(demo("tiny-demo"));
    machine.now(machine.hypervisor.destroyCell("tiny-demo"));
    expect(machine.board.scheduler.isOnline(1)).toBe(false);
    expect(machine.board.scheduler.isOnline(0)).toBe(true);
    expect(call(machine, 0, HYPERCALL.disable)).toBe(0);
    expect(machine.board.scheduler.isOnline(1)).toBe(true);
  });

  test("in v0.7 lets each go as it comes", () => {
    const machine = twoRoots(4);
    expect(call(machine, 1, HYPERCALL.disable)).toBe(0);
    expect(machine.newLines()).toEqual(["Shutting down hypervisor", " Releasing CPU 1"]);
    expect(machine.vcpus[0].moderator).not.toBe(machine.board.bareModerator);
    expect(call(machine, 0, HYPERCALL.disable)).toBe(0);
    expect(machine.newLines()).toEqual([" Releasing CPU 0"]);
    expect(machine.hypervisor.core.enabled).toBe(false);
  });

  test("is refused once to every CPU while there are cells", () => {
    const machine = twoRoots(12);
    machine.startCell(demo("tiny-demo"));
    expect(call(machine, 0, HYPERCALL.disable)).toBe(EBUSY);
    machine.now(machine.hypervisor.destroyCell("tiny-demo"));
    expect(call(machine, 1, HYPERCALL.disable)).toBe(EBUSY);
    machine.execute(0, vmcall(HYPERCALL.disable));
    expect(call(machine, 1, HYPERCALL.disable)).toBe(0);
  });
});
