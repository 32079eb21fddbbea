import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Bare, bare, enterLongMode, load } from "../testing/run-code.ts";
import type { RegisterName, SegmentName } from "../vcpu.ts";

const CODE = 0x10_0000;
const HANDLER = CODE + 0x100;
const END = CODE + 0x200;
const USER = CODE + 0x300;
const STACK = 0x8_0000;
const GDT = 0x4000;
const IDT = 0x5000;
const TASK = 0x6000;
const CALL = 0x40;
const PAGE_FAULT = 14;
/** No page is there. */
const NOWHERE = 0x7fff_0000_0123n;

/** What leads to a handler: INT, UD2, and a load from where no page is, MOV RAX, [R9]. */
const EVENTS = {
  int: { vector: CALL, code: [0xcd, CALL] },
  undefined: { vector: 6, code: [0x0f, 0x0b] },
  page: { vector: PAGE_FAULT, code: [0x49, 0x8b, 0x01] },
} as const;
type EventName = keyof typeof EVENTS;

/** Descriptors of 64-bit systems, in the order of SYSRET: null, code and data of CPL 0, data and code of CPL 3. */
const SELECTORS = { code: 8, data: 0x10, userData: 0x1b, userCode: 0x23 };
const DESCRIPTORS = [
  0n,
  0x00af_9b00_0000_ffffn,
  0x00cf_9300_0000_ffffn,
  0x00cf_f300_0000_ffffn,
  0x00af_fb00_0000_ffffn,
];

/** One bit of it is changed, mostly in the byte of access rights or in a selector; or none. */
const change = fc.option(
  fc.record({
    what: fc.constantFrom("descriptor", "gate"),
    index: fc.integer({ min: 1, max: 4 }),
    bit: fc.integer({ min: 0, max: 63 }),
  }),
);
const flags = fc.integer({ min: 0, max: 0x3f_ffff }).map((image) => image & 0x27_7ed5);

interface Case {
  change: { what: string; index: number; bit: number } | null;
  flags: number;
  saved: number;
  toUser: boolean;
  misaligned: number;
  data: number;
  /** At CPL 0, and at CPL 3 if it comes there. */
  event: EventName;
  userEvent: EventName;
  /** Entry of the interrupt stack table, or 0. */
  stackTable: number;
  taskLimit: number;
  /** DPL of the gate for INT. */
  callableBy: 0 | 3;
}

const cases: fc.Arbitrary<Case> = fc.record({
  change,
  flags: fc.oneof(fc.constant(0x202), flags),
  saved: fc.oneof(fc.constant(0x202), flags),
  toUser: fc.boolean(),
  misaligned: fc.constantFrom(0, 8, 3),
  data: fc.constantFrom(0, SELECTORS.data, SELECTORS.userData),
  event: fc.constantFrom("int", "int", "undefined", "page"),
  userEvent: fc.constantFrom("int", "undefined", "page"),
  stackTable: fc.constantFrom(0, 0, 0, 1, 7),
  taskLimit: fc.constantFrom(0x67, 0x67, 0x67, 0x2a, 0xa),
  callableBy: fc.constantFrom(0, 3),
});

function flip(value: bigint, { bit }: { bit: number }): bigint {
  return value ^ (1n << BigInt(bit));
}

/**
 * INT or an exception to a handler that returns, then IRET to CPL 3 or within CPL 0, there again, then
 * SYSCALL and SYSRET. Other vectors end at a HLT.
 */
function prepare(machine: Bare, one: Case): void {
  const { memory, vcpu } = machine;
  const { registers } = vcpu;
  enterLongMode(machine);
  const put = (at: number, value: bigint): void => {
    memory.view.setBigUint64(at, BigInt.asUintN(64, value), true);
  };
  DESCRIPTORS.forEach((descriptor, index) => {
    const changed = one.change?.what === "descriptor" && one.change.index === index;
    put(GDT + 8 * index, changed && one.change ? flip(descriptor, one.change) : descriptor);
  });
  for (let vector = 0; vector < 256; vector++) {
    const isHandled = Object.values(EVENTS).some((event) => event.vector === vector);
    const handler = isHandled ? HANDLER : END;
    const gate =
      BigInt(handler & 0xffff) |
      (BigInt(SELECTORS.code) << 16n) |
      (0x8e00n << 32n) |
      (BigInt(vector === CALL ? one.callableBy : 0) << 45n) |
      (BigInt(isHandled ? one.stackTable : 0) << 32n) |
      (BigInt(handler >>> 16) << 48n);
    const changed = one.change?.what === "gate" && isHandled;
    put(IDT + 16 * vector, changed && one.change ? flip(gate, one.change) : gate);
    put(IDT + 16 * vector + 8, 0n);
  }
  for (let slot = 0; slot < 11; slot++) put(TASK + 4 + 8 * slot, BigInt(STACK - 0x4000));
  registers.setGdtr({ base: BigInt(GDT), limit: 8 * DESCRIPTORS.length - 1 });
  registers.setIdtr({ base: BigInt(IDT), limit: 0xfff });
  registers.setSegment("tr", {
    selector: 0x28,
    base: BigInt(TASK),
    limit: one.taskLimit,
    attributes: 0x8b,
  });
  const data = { base: 0n, limit: 0xffff_ffff };
  for (const name of ["ds", "es", "fs", "gs"] as const)
    registers.setSegment(name, {
      ...data,
      selector: one.data,
      attributes: one.data === 0 ? 0x1_0000 : one.data & 3 ? 0xc0f3 : 0xc093,
    });
  registers.setSegment("ss", { ...data, selector: SELECTORS.data, attributes: 0xc093 });
  registers.set("efer", registers.get("efer") | 1n);
  registers.setMsr(0xc000_0081, 0x0010_0008_0000_0000n); // STAR
  registers.setMsr(0xc000_0082, BigInt(END)); // LSTAR
  registers.setMsr(0xc000_0084, 0x4_7700n); // FMASK
  // event; mov rsp, r8; iretq
  load(machine, CODE, [...EVENTS[one.event].code, 0x4c, 0x89, 0xc4, 0x48, 0xcf]);
  // mov r9, r8, and what the event needs to return from
  const isPage = one.event === "page" || one.userEvent === "page";
  load(machine, HANDLER, [0x4d, 0x89, 0xc1, ...(isPage ? [0x58] : []), 0x48, 0xcf]);
  load(machine, END, [0xf4]);
  // inc ebx; mov r9, r10; event; syscall
  load(machine, USER, [0xff, 0xc3, 0x4d, 0x89, 0xd1, ...EVENTS[one.userEvent].code, 0x0f, 0x05]);
  const frame = STACK - 0x2000;
  const [code, stack] = one.toUser
    ? [SELECTORS.userCode, SELECTORS.userData]
    : [SELECTORS.code, SELECTORS.data];
  [USER, code, one.saved, STACK - 0x3000, stack].forEach((value, k) => {
    put(frame + 8 * k, BigInt(value));
  });
  registers.set("r8", BigInt(frame));
  registers.set("r9", NOWHERE);
  registers.set("r10", NOWHERE);
  registers.set("rsp", BigInt(STACK - 0x1000 + one.misaligned));
  registers.set("rflags", BigInt(one.flags | 2));
  registers.set("rip", BigInt(CODE));
}

function outcome({ vcpu, memory }: Bare, stop: string): unknown {
  const names: RegisterName[] = [
    "rip",
    "rsp",
    "rflags",
    "rax",
    "rbx",
    "rcx",
    "r8",
    "r9",
    "r11",
    "cr2",
  ];
  const segments: SegmentName[] = ["cs", "ss", "ds", "es", "fs", "gs"];
  return {
    stop,
    retired: vcpu.retired,
    mode: vcpu.registers.mode,
    privilege: vcpu.registers.privilegeLevel,
    registers: names.map((name) => vcpu.registers.get(name)),
    segments: segments.map((name) => vcpu.registers.segment(name)),
    memory: Buffer.from(memory.bytes(0x4000, 0x1000)).toString("hex"),
    stacks: Buffer.from(memory.bytes(STACK - 0x5000, 0x5000)).toString("hex"),
  };
}

describe("interrupts and their returns in generated code", () => {
  it("do what TypeScript does", () => {
    const quick = bare();
    const slow = bare();
    const initial = quick.vcpu.save();
    const run = (machine: Bare, one: Case, watched: boolean): unknown => {
      machine.vcpu.load(initial);
      prepare(machine, one);
      // a breakpoint on data that nobody touches: each access is looked at, each instruction alone
      if (watched) {
        machine.vcpu.registers.set("dr0", 0x9_0000n);
        machine.vcpu.registers.set("dr7", 0x1_0401n);
        machine.vcpu.core.modeChanged();
      } else machine.vcpu.run(0);
      const stop = machine.vcpu.run(60).kind;
      return outcome(machine, stop);
    };
    fc.assert(
      fc.property(cases, (one) => {
        expect(run(quick, one, false)).toEqual(run(slow, one, true));
      }),
      { numRuns: 2500, seed: 5 },
    );
  });
});

describe("a single step", () => {
  it("ends behind one instruction, whatever that jumps to", () => {
    // call f; inc ebx; jmp back; f: ret. The handler of #DB counts in RBP.
    const machine = bare();
    prepare(machine, {
      change: null,
      flags: 0x102,
      saved: 0x202,
      toUser: false,
      misaligned: 0,
      data: 0,
      event: "int",
      userEvent: "int",
      stackTable: 0,
      taskLimit: 0x67,
      callableBy: 3,
    });
    load(machine, CODE, [0xe8, 4, 0, 0, 0, 0xff, 0xc3, 0xeb, 0xf7, 0xc3]);
    load(machine, END, [0xff, 0xc5, 0x48, 0xcf]); // inc ebp; iretq
    machine.vcpu.registers.set("rbp", 0n);
    machine.vcpu.registers.set("rip", BigInt(CODE));
    machine.vcpu.run(4000);
    const { registers, retired } = machine.vcpu;
    // an instruction, the delivery, INC and IRET
    expect(Number(registers.get("rbp"))).toBe(Math.floor((retired + 1) / 4));
    expect(Number(registers.get("rbx"))).toBeGreaterThanOrEqual(Math.floor(retired / 16));
  });
});
