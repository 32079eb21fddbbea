import { describe, expect, test } from "vitest";
import { memoryFlags } from "../config/builders/memory.ts";
import { REVISIONS } from "../config/releases.ts";
import type { CellConfig, Revision } from "../config/types.ts";
import { CELL_STATE, MESSAGE, REPLY } from "./comm-region.ts";
import { TURN_NANOSECONDS } from "./messages.ts";
import { releaseOf } from "./release.ts";
import { demo, enabled, errnoOf, expectOk, type TestMachine } from "./testing/machine.ts";
import { HALT, TRIPLE_FAULT } from "./testing/scripted-vcpu.ts";

const RAM = 0x3ee0_0000;

function comm(machine: TestMachine, name: string) {
  return expectOk(machine.hypervisor.cell(name)).comm;
}

/** The message word, as the cell reads it. */
function message(machine: TestMachine, name: string): number {
  const { messageToCell } = releaseOf(machine.system.revision).comm;
  return machine.board.memory.view.getUint32(comm(machine, name).page + messageToCell, true);
}

function reply(machine: TestMachine, name: string, value: number): void {
  const { messageToCell, replyFromCell } = releaseOf(machine.system.revision).comm;
  const { view } = machine.board.memory;
  view.setUint32(comm(machine, name).page + messageToCell, 0, true);
  view.setUint32(comm(machine, name).page + replyFromCell, value, true);
}

function run(machine: TestMachine, nanoseconds: number): void {
  machine.board.scheduler.run(machine.board.clock.machineTime + nanoseconds);
}

describe("create", () => {
  test("takes memory, CPUs, ports and pins from root", () => {
    const machine = enabled(12);
    const { root } = machine.hypervisor.core;
    machine.cpu(2).statistics.count(1);
    const cell = expectOk(machine.now(machine.hypervisor.createCell(demo("ioapic-demo"))));
    expect(cell.id).toBe(1);
    expect(cell.stateName).toBe("shut down");
    expect(root.map.lookup(RAM)).toBeUndefined();
    expect(root.map.lookup(RAM - 1)).toBeDefined();
    expect(root.map.lookup(RAM + 0x100000)).toBeDefined();
    expect(cell.map.find(0)).toMatchObject({ host: RAM, size: 0x100000, rights: 7 });
    expect(cell.map.find(0x100000)).toMatchObject({ host: cell.comm.page, size: 4096, rights: 3 });
    expect(cell.map.find(0x101000)).toBeUndefined();
    expect(root.cpus.map(({ index }) => index)).toEqual([0, 1, 3]);
    expect(cell.cpus.map(({ index }) => index)).toEqual([2]);
    expect(machine.hypervisor.statistics(cell).vmexits_total).toBe(0);
    expect(root.ports.permits(0x2f8, 1)).toBe(false);
    expect(cell.ports.permits(0x2f8, 8)).toBe(true);
    expect(root.ioapics[0].owns(9)).toBe(false);
    expect(root.ioapics[0].owns(8)).toBe(true);
    expect(machine.board.scheduler.isOnline(2)).toBe(false);
    const lines = machine.newLines();
    expect(lines.at(-2)).toBe('Created cell "ioapic-demo"');
    expect(lines.at(-1)).toMatch(
      /^Page pool usage after cell creation: mem \d+\/\d+, remap 0\/131072$/,
    );
  });

  test("leaves shared memory with root", () => {
    const machine = enabled(12);
    const cell = expectOk(machine.now(machine.hypervisor.createCell(demo("ivshmem-demo"))));
    expect(machine.hypervisor.core.root.map.find(0x3f0f_1000)).toBeDefined();
    expect(cell.map.find(0x3f0f_1000)).toMatchObject({ host: 0x3f0f_1000, rights: 3 });
    expect(cell.map.find(0x3f0f_0000)).toMatchObject({ rights: 1 });
  });

  const refusals: [string, Revision, Partial<CellConfig>, string][] = [
    ["a revision that is not the system's", 12, { revision: 14 }, "EINVAL"],
    ["the name of root", 12, { name: "QEMU-VM" }, "EEXIST"],
    ["a CPU that is not there", 12, { cpus: [2, 4] }, "EBUSY"],
    ["CPU 0 from v0.11 on", 10, { cpus: [0] }, "EINVAL"],
    ["CPU 0 before", 9, { cpus: [0] }, "success"],
    ["all CPUs: somebody must execute the call", 9, { cpus: [0, 1, 2, 3] }, "EBUSY"],
    ["a huge CPU set", 12, { cpuSetSize: 4097 }, "EINVAL"],
    ["more than sixteen pages", 12, { ports: Array(16400).fill({ base: 0, length: 1 }) }, "E2BIG"],
    [
      "an address that no CPU has",
      12,
      {
        memoryRegions: [
          { physStart: 2n ** 48n, virtStart: 0n, size: 4096n, flags: memoryFlags("read") },
        ],
      },
      "E2BIG",
    ],
    [
      "an irqchip with a pin base",
      12,
      { irqchips: [{ address: 0xfec0_0000n, id: 0, pinBase: 32, pinBitmap: [1, 0, 0, 0] }] },
      "EINVAL",
    ],
    [
      "an irqchip that is not there",
      12,
      { irqchips: [{ address: 0xfec1_0000n, id: 0, pinBase: 0, pinBitmap: [1, 0, 0, 0] }] },
      "EIO",
    ],
  ];
  test.each(refusals)("refuses %s", (_, revision, change, errno) => {
    const machine = enabled(revision);
    const before = machine.hypervisor.core.pool.used;
    const config = demo("tiny-demo", revision, change);
    const result = machine.now(machine.hypervisor.createCell(config));
    expect(errnoOf(result)).toBe(errno);
    if (errno !== "success") {
      expect(machine.hypervisor.core.pool.used).toBe(before);
      expect(machine.hypervisor.core.root.cpus.length).toBe(4);
      expect(machine.hypervisor.core.root.map.find(RAM)).toBeDefined();
    }
  });

  test("refuses a second cell of the name or a CPU that is taken", () => {
    const machine = enabled(12);
    const { hypervisor } = machine;
    expectOk(machine.now(hypervisor.createCell(demo("tiny-demo"))));
    expect(errnoOf(machine.now(hypervisor.createCell(demo("tiny-demo"))))).toBe("EEXIST");
    expect(errnoOf(machine.now(hypervisor.createCell(demo("ioapic-demo"))))).toBe("EBUSY");
  });

  test("the lowest free id is given", () => {
    const machine = enabled(12);
    const { hypervisor } = machine;
    const create = (name: string, cpu: number) =>
      expectOk(machine.now(hypervisor.createCell(demo("tiny-demo", 12, { name, cpus: [cpu] }))));
    expect([create("a", 1).id, create("b", 2).id]).toEqual([1, 2]);
    machine.now(hypervisor.destroyCell("a"));
    expect(create("c", 3).id).toBe(1);
  });

  test("is refused while a cell is running and locked", () => {
    const machine = enabled(12);
    machine.startCell(demo("apic-demo"));
    comm(machine, "apic-demo").state = CELL_STATE.runningLocked;
    expect(errnoOf(machine.now(machine.hypervisor.createCell(demo("tiny-demo"))))).toBe("EPERM");
  });
});

describe("load", () => {
  test("shows the cell's memory to root until the start", () => {
    const machine = enabled(12);
    const { hypervisor, board } = machine;
    const { root } = hypervisor.core;
    const cell = expectOk(machine.now(hypervisor.createCell(demo("tiny-demo"))));
    machine.newLines();
    expectOk(machine.now(hypervisor.setLoadable("tiny-demo")));
    expect(machine.newLines()).toEqual(['Cell "tiny-demo" can be loaded']);
    expect(root.map.find(RAM)).toMatchObject({ rights: 7 });
    expectOk(hypervisor.loadImage("tiny-demo", Uint8Array.of(1, 2, 3), 0xffffd));
    expect([...board.memory.bytes(RAM + 0xffffd, 3)]).toEqual([1, 2, 3]);
    expectOk(machine.now(hypervisor.startCell("tiny-demo")));
    expect(root.map.find(RAM)).toBeUndefined();
    expect(cell.loadable).toBe(false);
    expect(machine.newLines()).toEqual([
      'Started cell "tiny-demo"',
      "CPU 2 received SIPI, vector 100",
    ]);
    expect(cell.stateName).toBe("running");
  });

  test("refuses images that do not fit, and names the region", () => {
    const machine = enabled(12);
    const { hypervisor } = machine;
    expectOk(machine.now(hypervisor.createCell(demo("tiny-demo"))));
    const image = new Uint8Array(16);
    expect(hypervisor.loadImage("tiny-demo", image, 0)).toMatchObject({ ok: false });
    expectOk(machine.now(hypervisor.setLoadable("tiny-demo")));
    const refused = (address: number): string => {
      const result = hypervisor.loadImage("tiny-demo", image, address);
      return result.ok ? "success" : `${result.errno}: ${result.reason}`;
    };
    expect(refused(0)).toBe("success");
    expect(refused(0xffff8)).toMatch(/^EINVAL: .*beyond memory region 0 of cell "tiny-demo"/);
    expect(refused(0x100000)).toMatch(/^EINVAL: .*memory region 1 .* is not loadable/);
    expect(refused(0x200000)).toMatch(/^EINVAL: .*no memory region/);
    expect(errnoOf(hypervisor.loadImage("tiny-demo", new Uint8Array(), 0x200000))).toBe("success");
  });
});

describe("state of a started CPU (sections 6.1, 6.2)", () => {
  const addresses: [Revision, bigint, number, bigint, bigint][] = [
    [3, 0xffff0n, 0xf000, 0xf0000n, 0xfff0n],
    [4, 0xffff0n, 0xf000, 0xf0000n, 0xfff0n],
    [8, 0n, 0, 0n, 0n],
    [12, 0x1234_5678n, 0x4000 & 0xf000, 0x1234_0000n, 0x5678n],
    [14, 0xabcden, 0xa000, 0xa0000n, 0xbcden],
  ];
  test.each(addresses)(
    "revision %i, reset address 0x%s",
    (revision, address, selector, base, ip) => {
      const machine = enabled(revision);
      const { registers } = machine.vcpus[2];
      registers.set("cr2", 0x1234n);
      registers.set("rdx", 7n);
      registers.set("cr4", 0xffn);
      machine.startCell(demo("tiny-demo", revision, { cpuResetAddress: address }));
      expect(registers.segment("cs")).toEqual({ selector, base, limit: 0xffff, attributes: 0x9b });
      expect(registers.get("rip")).toBe(ip);
      expect(registers.get("cr0")).toBe(0x6000_0010n);
      expect(registers.get("cr2")).toBe(0x1234n);
      expect([registers.get("cr4"), registers.get("efer"), registers.get("rdx")]).toEqual([
        0n,
        0n,
        0n,
      ]);
      expect(registers.get("rflags")).toBe(2n);
      expect(registers.get("dr7")).toBe(0x400n);
      expect(registers.segment("tr").attributes).toBe(0x8b);
      expect(registers.segment("ldtr").attributes).toBe(0x82);
      expect(registers.gdtr()).toEqual({ base: 0n, limit: 0xffff });
      expect(machine.board.scheduler.isOnline(2)).toBe(true);
      const lapic = machine.board.localApics[2];
      expect(lapic.readRegister(0x0f)).toBe(0xff);
      expect(lapic.readRegister(0x32)).toBe(0x10000);
    },
  );

  test("the reset selector of address 0x12345678", () => {
    // (A >> 4) & 0xf000
    expect((0x1234_5678 >> 4) & 0xf000).toBe(0x4000);
  });
});

describe("destroy", () => {
  test.each(REVISIONS)("gives everything back, revision %i", (revision) => {
    const machine = enabled(revision);
    const { hypervisor } = machine;
    const { root, pool } = hypervisor.core;
    const mappings = JSON.stringify(
      root.map.mappings.map(({ guest, size, host }) => [guest, size, host]),
    );
    const ports = root.ports.ranges();
    const pins = [...root.ioapics[0].pins];
    const used = pool.used;
    const cell = machine.startCell(demo("ioapic-demo", revision));
    machine.newLines();
    expectOk(machine.now(hypervisor.destroyCell("ioapic-demo")));
    const lines = machine.newLines();
    expect(lines[0]).toBe('Closing cell "ioapic-demo"');
    expect(lines.at(-1)).toMatch(/^Page pool usage after cell destruction: mem /);
    expect(root.cpus.length).toBe(4);
    expect(machine.cpu(2)).toMatchObject({ cell: root, waitsForSipi: true, failed: false });
    expect(root.ports.ranges()).toEqual(ports);
    expect([...root.ioapics[0].pins]).toEqual(pins);
    expect(pool.used).toBe(used);
    // the same pages are mapped, be it in more pieces
    for (const [guest, size] of JSON.parse(mappings))
      for (const at of [guest, guest + size - 1])
        expect(root.map.lookup(at), `0x${at.toString(16)}`).toBeDefined();
    expect(cell.map.mappings).toEqual([]);
    expect(hypervisor.cells.length).toBe(1);
  });

  test("of a cell that owned memory root never had", () => {
    const machine = enabled(12);
    const tiny = demo("tiny-demo");
    const foreign = {
      physStart: 0xfe80_0000n,
      virtStart: 0xfe80_0000n,
      size: 0x1000n,
      flags: memoryFlags("read", "write"),
    };
    machine.startCell({ ...tiny, memoryRegions: [...tiny.memoryRegions, foreign] });
    machine.now(machine.hypervisor.destroyCell("tiny-demo"));
    expect(machine.hypervisor.core.root.map.lookup(0xfe80_0000)).toBeUndefined();
  });

  test("another locked cell forbids it, the locked cell itself may go", () => {
    const machine = enabled(12);
    machine.startCell(demo("tiny-demo"));
    machine.startCell(demo("apic-demo"));
    comm(machine, "apic-demo").state = CELL_STATE.runningLocked;
    expect(errnoOf(machine.now(machine.hypervisor.destroyCell("tiny-demo")))).toBe("EPERM");
    const request = machine.hypervisor.destroyCell("apic-demo");
    reply(machine, "apic-demo", REPLY.approved);
    run(machine, 100_000);
    expect(request.result?.ok).toBe(true);
  });

  test("errors for cells that cannot be managed", () => {
    const machine = enabled(12);
    expect(errnoOf(machine.now(machine.hypervisor.destroyCell("nobody")))).toBe("ENOENT");
    expect(errnoOf(machine.now(machine.hypervisor.startCell(7)))).toBe("ENOENT");
    expect(errnoOf(machine.now(machine.hypervisor.startCell(0)))).toBe("EINVAL");
  });
});

describe("messages (section 4.3)", () => {
  test("an active cell is asked, and denies", () => {
    const machine = enabled(12);
    const cell = machine.startCell(demo("apic-demo"));
    const request = machine.hypervisor.shutdownCell("apic-demo");
    expect(request.result).toBeUndefined();
    expect(message(machine, "apic-demo")).toBe(MESSAGE.shutdownRequest);
    expect(machine.hypervisor.core.root.cpus.every(({ suspended }) => suspended)).toBe(true);
    expect(machine.board.scheduler.isOnline(3)).toBe(true);
    reply(machine, "apic-demo", REPLY.denied);
    run(machine, 100_000);
    expect(request.result && errnoOf(request.result)).toBe("EPERM");
    expect(machine.hypervisor.core.root.cpus.some(({ suspended }) => suspended)).toBe(false);
    expect(cell.stateName).toBe("running");
    expect(machine.board.scheduler.isOnline(3)).toBe(true);
  });

  test.each([
    ["approves", (m: TestMachine) => reply(m, "apic-demo", REPLY.approved)],
    [
      "shuts down without a reply",
      (m: TestMachine) => {
        comm(m, "apic-demo").state = CELL_STATE.shutDown;
      },
    ],
    [
      "fails meanwhile",
      (m: TestMachine) => {
        comm(m, "apic-demo").state = CELL_STATE.failed;
      },
    ],
  ])("a cell that %s is stopped", (_, act) => {
    const machine = enabled(12);
    const cell = machine.startCell(demo("apic-demo"));
    const request = machine.hypervisor.shutdownCell("apic-demo");
    act(machine);
    run(machine, 100_000);
    expect(request.result?.ok).toBe(true);
    expect(cell.stateName).toBe("shut down");
    expect(machine.board.scheduler.isOnline(3)).toBe(false);
  });

  test("a passive cell is not asked", () => {
    const machine = enabled(12);
    machine.startCell(demo("tiny-demo"));
    expectOk(machine.now(machine.hypervisor.shutdownCell("tiny-demo")));
  });

  test("a cell with a comm revision mismatch is waited for", () => {
    const machine = enabled(12);
    machine.startCell(demo("apic-demo"));
    comm(machine, "apic-demo").state = CELL_STATE.commMismatch;
    const request = machine.hypervisor.shutdownCell("apic-demo");
    run(machine, 1_000_000);
    expect(request.result).toBeUndefined();
    request.abandon("the user lost patience");
    expect(request.result).toMatchObject({ ok: false, errno: "ETIMEDOUT" });
    expect(machine.hypervisor.core.root.cpus.some(({ suspended }) => suspended)).toBe(false);
  });

  test.each([8, 12] as const)("msg_reply_timeout ends the wait, revision %i", (revision) => {
    const machine = enabled(revision);
    const polls = 5500n;
    const cell = machine.startCell(demo("apic-demo", revision, { msgReplyTimeout: polls }));
    machine.newLines();
    const request = machine.hypervisor.shutdownCell("apic-demo");
    // the scheduler runs whole quanta of 10 us: the last one in which it must still wait
    run(machine, Number(polls) * TURN_NANOSECONDS - 5000);
    expect(request.result).toBeUndefined();
    run(machine, 10_000);
    expect(request.result?.ok).toBe(true);
    expect(machine.newLines()).toEqual([
      "Timeout expired while waiting for reply from target cell",
      'Cell "apic-demo" can be loaded',
    ]);
    expect(cell.loadable).toBe(true);
  });

  test("a second request is refused while one waits", () => {
    const machine = enabled(12);
    machine.startCell(demo("tiny-demo"));
    machine.startCell(demo("apic-demo"));
    const waiting = machine.hypervisor.shutdownCell("apic-demo");
    expect(errnoOf(machine.now(machine.hypervisor.startCell("tiny-demo")))).toBe("EBUSY");
    reply(machine, "apic-demo", REPLY.approved);
    run(machine, 100_000);
    expect(waiting.result?.ok).toBe(true);
  });

  test("RECONFIG_COMPLETED goes to every running cell; its answer does not matter", () => {
    const machine = enabled(12);
    machine.startCell(demo("apic-demo"));
    const request = machine.hypervisor.createCell(demo("tiny-demo"));
    expect(message(machine, "apic-demo")).toBe(MESSAGE.reconfigCompleted);
    expect(request.result).toBeUndefined();
    reply(machine, "apic-demo", REPLY.unknown);
    run(machine, 100_000);
    expect(request.result?.ok).toBe(true);
    expect(machine.hypervisor.cells.length).toBe(3);
  });

  test("a create that is abandoned while spreading the news has been done", () => {
    const machine = enabled(12);
    machine.startCell(demo("apic-demo"));
    const request = machine.hypervisor.createCell(demo("tiny-demo"));
    expect(machine.hypervisor.settle(request, 1_000_000).ok).toBe(true);
    expect(machine.hypervisor.cells.length).toBe(3);
  });
});

describe("failures stay in their cell", () => {
  test("and show as state only when all CPUs failed", () => {
    const machine = enabled(12);
    const smp = machine.startCell(demo("smp-demo", 12, { cpus: [1, 2] }));
    const tiny = machine.startCell(demo("tiny-demo", 12, { cpus: [3] }));
    machine.execute(1, TRIPLE_FAULT);
    expect(machine.cpu(1).failed).toBe(true);
    expect(smp.stateName).toBe("running");
    expect(machine.board.scheduler.isOnline(2)).toBe(true);
    machine.execute(2, (vcpu) => {
      vcpu.in(0x3fff);
      return undefined;
    });
    expect(smp.stateName).toBe("failed");
    expect(tiny.stateName).toBe("running");
    expect(machine.board.scheduler.isOnline(3)).toBe(true);
    expect(machine.hypervisor.failures.map(({ cpu, cell }) => [cpu, cell])).toEqual([
      [1, "smp-demo"],
      [2, "smp-demo"],
    ]);
    expectOk(machine.now(machine.hypervisor.startCell("smp-demo")));
    expect(smp.stateName).toBe("running");
    expect(machine.cpu(1).failed).toBe(false);
    expect(machine.hypervisor.failureOf(machine.cpu(1))).toBeUndefined();
  });

  test("the registers of a failed CPU stay as they were", () => {
    const machine = enabled(12);
    machine.startCell(demo("tiny-demo"));
    machine.execute(2, (vcpu) => {
      vcpu.registers.set("rax", 0x4711n);
      vcpu.in(0x3fff);
      return undefined;
    });
    run(machine, 1_000_000);
    expect(machine.vcpus[2].registers.get("rax")).toBe(0x4711n);
  });
});

describe("disable", () => {
  test("destroys the cells, then releases every CPU", () => {
    const machine = enabled(12);
    machine.startCell(demo("tiny-demo"));
    machine.newLines();
    expectOk(machine.now(machine.hypervisor.disable()));
    const lines = machine.newLines();
    expect(lines[0]).toBe('Closing cell "tiny-demo"');
    expect(lines.slice(-5)).toEqual([
      "Shutting down hypervisor",
      " Releasing CPU 0",
      " Releasing CPU 1",
      " Releasing CPU 2",
      " Releasing CPU 3",
    ]);
    expect(machine.vcpus[0].moderator).toBe(machine.board.bareModerator);
    expect(errnoOf(machine.now(machine.hypervisor.createCell(demo("tiny-demo"))))).toBe("EINVAL");
  });

  test("stops at a cell that denies", () => {
    const machine = enabled(12);
    machine.startCell(demo("apic-demo"));
    const request = machine.hypervisor.disable();
    reply(machine, "apic-demo", REPLY.denied);
    run(machine, 100_000);
    expect(request.result && errnoOf(request.result)).toBe("EPERM");
    expect(machine.hypervisor.core.enabled).toBe(true);
  });
});

test("loading a loadable cell again parks its CPUs only from v0.9 on", () => {
  for (const revision of [8, 9] as const) {
    const machine = enabled(revision);
    expectOk(machine.now(machine.hypervisor.createCell(demo("tiny-demo", revision))));
    expectOk(machine.now(machine.hypervisor.setLoadable("tiny-demo")));
    expectOk(machine.now(machine.hypervisor.setLoadable("tiny-demo")));
    expect(machine.cpu(2).suspended).toBe(revision === 8);
    expectOk(machine.now(machine.hypervisor.startCell("tiny-demo")));
    expect(machine.board.scheduler.isOnline(2)).toBe(true);
  }
});

test("a cell that halts for ever still shuts down", () => {
  const machine = enabled(12);
  machine.startCell(demo("tiny-demo"));
  machine.execute(2, HALT);
  expectOk(machine.now(machine.hypervisor.shutdownCell("tiny-demo")));
});
