/**
 * x87 instructions through the whole engine: decoder, template, helper, memory operands, faults.
 * What they compute, and when they wait, is held against silicon with all other
 * instructions (testing/); when they are not available, and what they
 * remember of themselves, against Intel's manual (SDM vol. 1, 8.1.8 and 8.1.10; vol. 3, 2.5).
 */
import { afterAll, describe, expect, it } from "vitest";
import { AT, Batch } from "../../testing/case.ts";
import { DATA, MEMORY } from "../../testing/layout.ts";
import { Random } from "../../testing/random.ts";
import { type Bare, bare, enterLongMode, enterRealMode, load } from "../../testing/run-code.ts";
import { Silicon } from "../../testing/silicon.ts";
import { defaultCase } from "../../testing/text.ts";
import { OPERAND } from "../../x87/layout.ts";
import { operandBytes } from "../../x87/row.ts";
import { allCodes, formOf } from "../../x87/testing/codes.ts";
import { X87 } from "../state.ts";

/** Linear and physical addresses. One program of 32 bytes a form. */
const PROGRAMS = 0x1_0000;
const STACK = 0x3_0000;
const IDT = 0x4_0000;
const HANDLERS = 0x4_1000;
const GDT = 0x4_2000;
const PAGE_TABLE = 0x6000;
/** Two pages that follow each other, whose frames do not; nothing behind them. */
const PAGES = 0x20_0000;
const FIRST_FRAME = 0x12_3000;
const SECOND_FRAME = 0x12_1000;

/** 64-bit mode, a handler for every vector, and the two pages. */
function machineWithPages(): Bare {
  const machine = bare();
  enterLongMode(machine);
  const { memory, vcpu } = machine;
  for (let vector = 0; vector < 32; vector++) {
    const handler = HANDLERS + 16 * vector;
    memory.u8.fill(0xf4, handler, handler + 16);
    memory.view.setUint32(IDT + 16 * vector, 0x8_0000 | (handler & 0xffff), true);
    memory.view.setUint32(IDT + 16 * vector + 4, (handler & 0xffff_0000) | 0x8e00, true);
  }
  memory.view.setBigUint64(GDT + 8, 0x00af_9b00_0000_ffffn, true);
  vcpu.registers.setGdtr({ base: BigInt(GDT), limit: 0xff });
  vcpu.registers.setIdtr({ base: BigInt(IDT), limit: 0x1ff });
  memory.view.setUint32(0x3008, PAGE_TABLE | 7, true);
  memory.view.setUint32(PAGE_TABLE, FIRST_FRAME | 7, true);
  memory.view.setUint32(PAGE_TABLE + 8, SECOND_FRAME | 7, true);
  return machine;
}

/** Runs to HLT. Returns the vector raised, or -1. */
function runToHalt({ vcpu }: Bare): number {
  vcpu.halted = false;
  const stop = vcpu.run(100);
  if (stop.kind !== "halted")
    throw new Error(`${stop.kind} at ${vcpu.registers.get("rip").toString(16)}`);
  const rip = Number(vcpu.registers.get("rip"));
  return rip >= HANDLERS && rip < HANDLERS + 512 ? (rip - HANDLERS) >> 4 : -1;
}

const codes = allCodes();
const hex = (bytes: ArrayLike<number>): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");

/** Every form with its operand, if it has one, at [rsp-0x200]: enough room for any image. */
const forms = [
  ...codes.map((code) => {
    const at = code.length - 1;
    const modrm = code[at] as number;
    if (modrm >= 0xc0) return code;
    return [...code.slice(0, at), (modrm & 0x38) | 0x84, 0x24, 0x00, 0xfe, 0xff, 0xff];
  }),
  [0x9b],
];

describe("x87 exceptions", () => {
  const machine = machineWithPages();
  const { vcpu, memory } = machine;
  const { registers, core } = vcpu;
  const window = core.linearMemory.subarray(core.base + X87, core.base + X87 + OPERAND);
  const silicon = Silicon.open();
  afterAll(() => {
    if (silicon instanceof Silicon) silicon.close();
  });

  /** One instruction with the FPU as it stands. Returns the vector raised, or -1. */
  function step(code: readonly number[]): number {
    load(machine, PROGRAMS, [...code, 0xf4]);
    registers.set("rsp", BigInt(STACK));
    return runToHalt(machine);
  }

  /** FNINIT, then control and status word. */
  function pending(controlWord: number, statusWord: number): void {
    registers.fcw = controlWord;
    registers.fsw = statusWord;
    registers.ftw = 0;
  }

  it.skipIf(!(silicon instanceof Silicon))(
    "#MF comes at the next instruction that waits, as on the host CPU",
    () => {
      const records = new Batch(forms.length * 2);
      forms.forEach((code, k) => {
        for (const unmasked of [0, 1]) {
          const record = defaultCase(64, code, 0x2000);
          record.setNumber(AT.general + 32, DATA + MEMORY + 0x300);
          // Zero divide, unmasked or masked.
          record.setX87(unmasked ? 0x37b : 0x37f, unmasked ? 0x8084 : 0x0004, 0xff);
          records.cases[2 * k + unmasked]?.copy(record);
        }
      });
      const answers = (silicon as Silicon).answer(records.cases);
      const wrong: string[] = [];
      let raised = 0;
      forms.forEach((code, k) => {
        for (const unmasked of [0, 1]) {
          pending(unmasked ? 0x37b : 0x37f, unmasked ? 0x8084 : 0x0004);
          const vector = step(code);
          const theirs = (answers[2 * k + unmasked]?.vector ?? 0) | 0;
          if (vector === 16) raised++;
          if (vector !== theirs) wrong.push(`${hex(code)}: ${vector}, silicon ${theirs}`);
        }
      });
      expect(wrong).toEqual([]);
      expect(raised).toBeGreaterThan(200);
      expect(raised).toBeLessThan(forms.length);
    },
  );

  it("#MF leaves RIP at the waiting instruction and everything as it was", () => {
    pending(0x37b, 0x8084);
    const before = window.slice();
    expect(step([0xd9, 0xe8])).toBe(16);
    expect(memory.view.getBigUint64(STACK - 40, true)).toBe(BigInt(PROGRAMS));
    expect(window).toEqual(before);
  });

  it("the instruction that finds the exception is not the one that raises it", () => {
    // fninit; fldcw [rsp-0x200] (zero divide unmasked); fld1; fldz; fdivp: completes; nop; fwait
    registers.set("rsp", BigInt(STACK));
    memory.view.setUint16(STACK - 0x200, 0x37b, true);
    const code = [0xdb, 0xe3, 0xd9, 0xac, 0x24, 0x00, 0xfe, 0xff, 0xff];
    const wait = PROGRAMS + code.length + 7;
    expect(step([...code, 0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xf9, 0x90, 0x9b])).toBe(16);
    expect(memory.view.getBigUint64(STACK - 40, true)).toBe(BigInt(wait));
    expect(registers.fsw & 0x84).toBe(0x84);
  });

  it.each([
    // CR0.TS, EM, MP; x87 instructions; WAIT
    ["TS", 0x8, 7, -1],
    ["TS and MP", 0xa, 7, 7],
    ["EM", 0x4, 7, -1],
    ["EM and MP", 0x6, 7, -1],
    ["MP", 0x2, -1, -1],
  ])("#NM by CR0.%s", (_name, bits, x87, wait) => {
    const cr0 = registers.get("cr0");
    const wrong: string[] = [];
    for (const code of forms) {
      pending(0x37f, 0);
      registers.set("cr0", (cr0 & ~0xen) | BigInt(bits));
      const before = window.slice();
      const vector = step(code);
      registers.set("cr0", cr0);
      const expected = code[0] === 0x9b ? wait : x87;
      if (vector !== expected) wrong.push(`${hex(code)}: ${vector}, not ${expected}`);
      if (vector === 7 && hex(before) !== hex(window)) wrong.push(`${hex(code)}: changed`);
    }
    expect(wrong).toEqual([]);
  });

  it("a fault in the second page changes nothing, in memory or FPU", () => {
    const wrong: string[] = [];
    const random = new Random(99);
    for (const code of codes) {
      const row = formOf(code);
      if (row?.memory == null) continue;
      pending(0x37f, 0);
      registers.ftw = row.access === "load" ? 0xffff : 0;
      for (let k = 0; k < 8; k++) registers.setSt(k, 0x3fff_8000_0000_0000_0000n + BigInt(k));
      registers.ftw = row.access === "load" ? 0xffff : 0;
      const size = operandBytes(row.memory, code[0] === 0x66 ? 16 : 32);
      const at = PAGES + 8192 - 1 - random.below(size - 1);
      registers.set("rsi", BigInt(at));
      memory.u8.fill(0x5a, SECOND_FRAME, SECOND_FRAME + 4096);
      const before = window.slice();
      const vector = step(code);
      const name = `${row.mnemonic} ${hex(code)}`;
      if (vector !== 14) wrong.push(`${name}: vector ${vector}`);
      if (Number(registers.get("cr2")) !== PAGES + 8192) wrong.push(`${name}: CR2`);
      const error = memory.view.getUint32(STACK - 48, true);
      if (error !== (row.access === "store" ? 2 : 0)) wrong.push(`${name}: error code ${error}`);
      if (memory.u8.subarray(SECOND_FRAME, SECOND_FRAME + 4096).some((byte) => byte !== 0x5a))
        wrong.push(`${name}: wrote`);
      if (hex(before) !== hex(window)) wrong.push(`${name}: FPU changed`);
    }
    expect(wrong).toEqual([]);
  });
});

describe("x87 environment", () => {
  /** fld dword [0x30] at CS:0x100 with bases of their own, then fnstenv [0x40]. */
  function environment(enter: (machine: Bare) => void, prefix: readonly number[]): DataView {
    const machine = bare();
    enter(machine);
    const { vcpu, memory } = machine;
    load(machine, 0x1_0100, [
      ...[...[0xd9, 0x06, 0x30, 0x00], ...prefix],
      ...[0xd9, 0x36, 0x40, 0x00, 0xf4],
    ]);
    vcpu.registers.set("rip", 0x100n);
    vcpu.registers.ftw = 0xffff;
    expect(vcpu.run(10).kind).toBe("halted");
    return new DataView(memory.memory.buffer, memory.ramOffset + 0x2_0040, 28);
  }

  function enter16(protection: boolean): (machine: Bare) => void {
    return (machine) => {
      enterRealMode(machine);
      const { registers } = machine.vcpu;
      if (protection) registers.set("cr0", 0x33n);
      const limit = 0xffff;
      const at = (selector: number, base: bigint, attributes: number) => ({
        selector,
        base,
        limit,
        attributes,
      });
      registers.setSegment("cs", at(0x1000, 0x1_0000n, 0x9b));
      registers.setSegment("ds", at(0x2000, 0x2_0000n, 0x93));
    };
  }

  /** D9 06: opcode's low three bits and ModRM. */
  const FLD_M32 = 0x106;

  it("real mode, 16 bits", () => {
    const image = environment(enter16(false), []);
    expect(image.getUint16(6, true)).toBe(0x0100);
    expect(image.getUint16(8, true)).toBe(0x1000 | FLD_M32);
    expect(image.getUint16(10, true)).toBe(0x0030);
    expect(image.getUint16(12, true)).toBe(0x2000);
  });

  it("real mode, 32 bits", () => {
    const image = environment(enter16(false), [0x66]);
    expect(image.getUint16(12, true)).toBe(0x0100);
    expect(image.getUint32(16, true)).toBe(0x1000 | FLD_M32);
    expect(image.getUint16(20, true)).toBe(0x0030);
    expect(image.getUint32(24, true)).toBe(0x2000);
  });

  it("protected mode, 16 bits: offsets in their segments", () => {
    const image = environment(enter16(true), []);
    expect(image.getUint16(6, true)).toBe(0x0100);
    expect(image.getUint16(8, true)).toBe(0x1000);
    expect(image.getUint16(10, true)).toBe(0x0030);
    expect(image.getUint16(12, true)).toBe(0x2000);
  });

  it("protected mode, 32 bits: offsets in their segments", () => {
    const image = environment(enter16(true), [0x66]);
    expect(image.getUint32(12, true)).toBe(0x0100);
    expect(image.getUint16(16, true)).toBe(0x1000);
    expect(image.getUint16(24, true)).toBe(0x2000);
    expect(image.getUint32(20, true)).toBe(0x0030);
  });
});
