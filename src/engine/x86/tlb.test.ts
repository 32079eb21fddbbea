import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Bare, bare, enterLongMode, load } from "../testing/run-code.ts";
import { EXECUTE, type MemoryMap, READ, WRITE } from "../vcpu.ts";
import { TLB_ENTRIES, VCPU_BYTES } from "./state.ts";
import { Tlb } from "./tlb.ts";

const CODE = 0x10_0000;
const PAGE_TABLE = 0x6000;
/** The only page in {@link PAGE_TABLE}: 2 MiB. */
const WINDOW = 0x20_0000;
const FIRST = 0x10_1000;
const SECOND = 0x10_2000;
const HLT = 0xf4;

/** 64-bit mode with a page of 4 KiB at WINDOW, which shows FIRST; RDI points there, RSI to its entry. */
function windowed(code: readonly number[], options: Parameters<typeof bare>[0] = {}): Bare {
  const machine = bare(options);
  enterLongMode(machine);
  const { memory, vcpu } = machine;
  memory.view.setUint32(0x3008, PAGE_TABLE | 7, true);
  memory.view.setUint32(PAGE_TABLE, FIRST | 7, true);
  load(machine, CODE, [...code, HLT]);
  vcpu.registers.set("rsp", 0x8_0000n);
  vcpu.registers.set("rdi", BigInt(WINDOW));
  vcpu.registers.set("rsi", BigInt(PAGE_TABLE));
  vcpu.registers.set("r8", BigInt(SECOND | 7));
  return machine;
}

const MOV_ENTRY = [0x4c, 0x89, 0x06]; // mov [rsi], r8
const INVLPG = [0x0f, 0x01, 0x3f]; // invlpg [rdi]
const RELOAD = [0x0f, 0x20, 0xd9, 0x0f, 0x22, 0xd9]; // mov rcx, cr3; mov cr3, rcx

describe.each([
  ["INVLPG", INVLPG],
  ["a load of CR3", RELOAD],
])("behind %s", (_name, invalidation) => {
  it("code is that of the new page", () => {
    const call = [0xff, 0xd7]; // call rdi
    const code = [...call, 0x89, 0xc3, ...MOV_ENTRY, ...invalidation, ...call];
    const machine = windowed(code);
    // mov eax, n; ret
    machine.memory.u8.set([0xb8, 1, 0, 0, 0, 0xc3], FIRST);
    machine.memory.u8.set([0xb8, 2, 0, 0, 0, 0xc3], SECOND);
    expect(machine.vcpu.run(100).kind).toBe("halted");
    const { registers } = machine.vcpu;
    expect([registers.get("rbx"), registers.get("rax")]).toEqual([1n, 2n]);
  });

  it("an instruction's second page is the new one", () => {
    const machine = windowed([0xff, 0xd3, 0x89, 0xc2, ...MOV_ENTRY, ...invalidation, 0xff, 0xd3]);
    const { memory, vcpu } = machine;
    // call rbx: mov eax, imm32 begins two bytes before the window's page, and ret stands in it
    vcpu.registers.set("rbx", BigInt(WINDOW - 2));
    memory.u8.set([0xb8, 1], WINDOW - 2);
    memory.u8.set([0, 0, 0x10, 0xc3], FIRST);
    memory.u8.set([0, 0, 0x20, 0xc3], SECOND);
    expect(vcpu.run(100).kind).toBe("halted");
    expect([vcpu.registers.get("rdx"), vcpu.registers.get("rax")]).toEqual([
      0x1000_0001n,
      0x2000_0001n,
    ]);
  });

  it("data is that of the new page, for reads and writes", () => {
    const read = [0x8b, 0x07]; // mov eax, [rdi]
    const write = [0x89, 0x57, 0x04]; // mov [rdi+4], edx
    const code = [...read, ...write, 0x89, 0xc3, ...MOV_ENTRY, ...invalidation, ...read, ...write];
    const { vcpu, memory } = windowed(code);
    memory.view.setUint32(FIRST, 11, true);
    memory.view.setUint32(SECOND, 22, true);
    vcpu.registers.set("rdx", 33n);
    expect(vcpu.run(100).kind).toBe("halted");
    expect([vcpu.registers.get("rbx"), vcpu.registers.get("rax")]).toEqual([11n, 22n]);
    expect([FIRST, SECOND].map((page) => memory.view.getUint32(page + 4, true))).toEqual([33, 33]);
  });

  it("a page that was the moderator's is RAM", () => {
    const read = [0x8b, 0x07];
    const { vcpu, memory, exits } = windowed(
      [...read, ...read, 0x89, 0xc3, ...MOV_ENTRY, ...invalidation, ...read],
      {
        exit: (exit) => {
          if (exit.kind === "memory-read") exit.lo = 77;
          return "done";
        },
      },
    );
    memory.view.setUint32(PAGE_TABLE, 0x3fee_0000 | 7, true);
    memory.view.setUint32(SECOND, 22, true);
    expect(vcpu.run(100).kind).toBe("halted");
    expect(exits).toMatchObject([{ address: 0x3fee_0000 }, { address: 0x3fee_0000 }]);
    expect([vcpu.registers.get("rbx"), vcpu.registers.get("rax")]).toEqual([77n, 22n]);
  });
});

it("a page may be read at once and written by the moderator", () => {
  // mov eax, [rdi]; mov [rdi], ecx; mov edx, [rdi]
  const { vcpu, memory, exits } = windowed([0x8b, 0x07, 0x89, 0x0f, 0x8b, 0x17, 0x89, 0x0f]);
  const pages = (rights: (page: number) => number): MemoryMap => ({
    find: (at) => {
      const page = at - (at % 4096);
      return { guest: page, size: 4096, host: page, rights: rights(page) };
    },
  });
  vcpu.map = pages((page) => (page === FIRST ? READ : READ | WRITE | EXECUTE));
  memory.view.setUint32(FIRST, 5, true);
  vcpu.registers.set("rcx", 9n);
  expect(vcpu.run(100).kind).toBe("halted");
  expect([vcpu.registers.get("rax"), vcpu.registers.get("rdx")]).toEqual([5n, 5n]);
  expect(exits).toMatchObject(
    [1, 2].map(() => ({ kind: "memory-write", address: FIRST, width: 4, lo: 9 })),
  );
  vcpu.map = pages(() => READ | WRITE | EXECUTE);
  vcpu.registers.set("rip", BigInt(CODE));
  vcpu.halted = false;
  expect(vcpu.run(100).kind).toBe("halted");
  expect(exits.length).toBe(2);
  expect(memory.view.getUint32(FIRST, true)).toBe(9);
});

describe("the table", () => {
  /** Pages that share entries, in both halves of the address space. */
  const page = fc
    .tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 700 }), fc.boolean())
    .map(([way, entry, upper]) => (way * TLB_ENTRIES + entry) * 4096 - (upper ? 2 ** 47 : 0));
  const host = fc.integer({ min: 0, max: 0xf_ffff }).map((number) => number * 4096);
  const action = fc.oneof(
    { weight: 60, arbitrary: fc.record({ kind: fc.constant("fill" as const), page, host }) },
    { weight: 10, arbitrary: fc.record({ kind: fc.constant("fetch" as const), page, host }) },
    { weight: 10, arbitrary: fc.record({ kind: fc.constant("device" as const), page, host }) },
    { weight: 10, arbitrary: fc.record({ kind: fc.constant("forget" as const), page, host }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("flush" as const), page, host }) },
  );

  it("knows nothing of the last page of all before it is told", () => {
    const buffer = new ArrayBuffer(VCPU_BYTES);
    const tlb = new Tlb(new Int32Array(buffer), new Uint32Array(buffer));
    tlb.flush();
    for (const linear of [-4096, -128, -1])
      for (const writes of [false, true]) {
        expect(tlb.device(linear, writes, 0)).toBe(-1);
        expect(writes ? tlb.write(linear, 0) : tlb.read(linear, 0)).toBe(-1);
      }
  });

  it("knows what it was told last, and nothing that it was told to forget", () => {
    fc.assert(
      fc.property(
        fc.array(action, { maxLength: 1500, size: "max" }),
        fc.integer({ min: 0, max: 2 }),
        (actions, set) => {
          const words = new Int32Array(VCPU_BYTES / 4);
          const tlb = new Tlb(words, new Uint32Array(words.buffer));
          tlb.flush();
          const told = { fill: new Map(), fetch: new Map(), device: new Map() };
          for (const { kind, page, host } of actions) {
            if (kind === "flush") {
              tlb.flush();
              for (const map of Object.values(told)) map.clear();
            } else if (kind === "forget") {
              const mayBeCode = tlb.forgetPage(page);
              if (told.fetch.has(page)) expect(mayBeCode).toBe(true);
              for (const map of Object.values(told)) map.delete(page);
            } else {
              if (kind === "fill") tlb.fill(page, set, host, true, true, false);
              else if (kind === "fetch") tlb.fillFetch(page, set, host);
              else tlb.fillDevice(page, false, set, host);
              told[kind].set(page, host);
            }
            const known = [
              [tlb.read(page + 5, set), told.fill],
              [tlb.write(page + 5, set), told.fill],
              [tlb.fetch(page + 5, set), told.fetch],
              [tlb.device(page + 5, false, set), told.device],
            ] as const;
            for (const [found, map] of known) if (found >= 0) expect(found).toBe(map.get(page) + 5);
            if (kind === "fill") expect(known[0][0]).toBe(host + 5);
            expect(tlb.device(page, true, set)).toBe(-1);
            expect(tlb.read(page, (set + 1) % 3)).toBe(-1);
          }
        },
      ),
      { numRuns: 30 },
    );
  });
});
