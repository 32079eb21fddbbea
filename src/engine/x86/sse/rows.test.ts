import { afterAll, describe, expect, it } from "vitest";
import { encodeRow } from "../../testing/encode.ts";
import { type Bare, bare, enterLongMode, load } from "../../testing/run-code.ts";
import { CONTROL_WORD, REGISTERS, STATUS_WORD, TAGS } from "../../x87/layout.ts";
import { CR4_OSXSAVE } from "../control-bits.ts";
import type { Row } from "../row.ts";
import { MXCSR, X87, XCR0, XMM, YMM_UPPER } from "../state.ts";
import { TABLE } from "../table.ts";
import { DOUBLE, SINGLE } from "./format.ts";
import { setMxcsr } from "./mxcsr.ts";
import { awkward, Random } from "./testing/operands.ts";
import { HOST_FLAGS, openSilicon, type SiliconRecord, siliconRecords } from "./testing/silicon.ts";

const silicon = openSilicon();
afterAll(() => silicon?.close());

/** How often each row is tried; more by hand. */
const ROUNDS = Number(process.env.SILICON_ROUNDS ?? 60);
const ONLY = new RegExp(process.env.SILICON_ONLY ?? "");

const CODE = 0x10000;
const MEMORY = 0x20000;
const GENERAL = [
  "rax",
  "rcx",
  "rdx",
  "rbx",
  "rsp",
  "rbp",
  "rsi",
  "rdi",
  "r8",
  "r9",
  "r10",
  "r11",
  "r12",
  "r13",
  "r14",
  "r15",
] as const;
const ARITHMETIC_FLAGS = 0x8d5;
/** Approximations that processors make each in their own way. */
const APPROXIMATE = /^V?(RCP|RSQRT)/;
/** AMD's processors do not want their memory operands aligned; Intel's manual does (SDM vol. 2, table 2-21). */
const UNALIGNED_ON_AMD = /^SHA/;
/** AMD's processors have a bit of MXCSR that Intel's manual reserves: 17, MM. */
const MISALIGNED_MASK = 2;
/** IDT with a gate to some NOPs for every vector, to see which exception was raised. */
const IDT = 0x30000;
const HANDLERS = 0x31000;

const haveAvx = ["avx2", "fma", "f16c"].every((flag) => HOST_FLAGS.has(flag));

const rows = TABLE.rows.filter(
  (row) =>
    (row.options.unit === "sse" ||
      row.options.unit === "mmx" ||
      (row.options.unit === "avx" && haveAvx) ||
      row.mnemonic === "MOVNTI") &&
    !APPROXIMATE.test(row.mnemonic) &&
    !/^(FX|XS|XR)/.test(row.mnemonic) &&
    ONLY.test(row.mnemonic),
);

function describeRow(row: Row): string {
  const prefix = row.prefix === undefined ? "" : `${row.prefix} `;
  const extension = row.reg >= 0 ? ` /${row.reg}` : "";
  return `${row.mnemonic} ${row.operands.map(({ text }) => text).join(",")} (${prefix}map ${row.map} ${row.opcode.toString(16)}${extension})`;
}

function fill(random: Random, bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const kind = random.below(5);
  if (kind === 0 || kind === 1) {
    const f = kind === 0 ? SINGLE : DOUBLE;
    let last: bigint | undefined;
    for (let k = 0; k < bytes.length; k += f.bits / 8) {
      last = awkward(random, f, last);
      if (f === SINGLE) view.setUint32(k, Number(last), true);
      else view.setBigUint64(k, last, true);
    }
  } else if (kind === 2)
    for (let k = 0; k < bytes.length; k++)
      bytes[k] = random.pick([0, 1, 0x7f, 0x80, 0xff, random.below(256)]);
  else if (kind === 3) {
    // Ordinary numbers, so that the quick paths are taken.
    if (random.below(2) === 0)
      for (let k = 0; k < bytes.length; k += 8) view.setFloat64(k, ordinary(random), true);
    else for (let k = 0; k < bytes.length; k += 4) view.setFloat32(k, ordinary(random), true);
  } else for (let k = 0; k < bytes.length; k++) bytes[k] = random.below(256);
}

function ordinary(random: Random): number {
  return random.pick([
    0,
    1,
    -1,
    0.5,
    3,
    1e9,
    random.below(100),
    random.u32() / 1000,
    -random.u32() / 3,
    (random.u32() - 2 ** 31) * 2 ** (random.below(60) - 40),
  ]);
}

function randomRecord(random: Random, record: SiliconRecord, code: readonly number[]): void {
  record.code = code;
  const masks = random.below(6) === 0 ? random.below(64) << 7 : 0x1f80;
  const sticky = random.below(2) === 0 ? 0x20 : random.below(3) === 0 ? random.below(64) : 0;
  const mode =
    random.below(2) === 0
      ? 0
      : (random.below(4) << 13) |
        (random.below(3) === 0 ? 0x40 : 0) |
        (random.below(3) === 0 ? 0x8000 : 0);
  record.mxcsr = masks | (sticky & (masks >> 7)) | mode;
  record.flags = 2 | (random.u32() & ARITHMETIC_FLAGS);
  const top = random.below(8);
  // A pending x87 exception comes before any MMX instruction.
  if (random.below(16) === 0) record.setX87(0x37e, (top << 11) | 0x8081, random.below(256));
  else record.setX87(0x37f, top << 11, random.below(256));
  for (let k = 0; k < 16; k++)
    if (k !== 4)
      record.setGeneral(
        k,
        random.below(2) === 0 ? random.u64() : BigInt.asUintN(64, BigInt(random.below(40) - 20)),
      );
  record.setGeneral(4, BigInt(MEMORY + 4096));
  record.setGeneral(6, BigInt(MEMORY));
  record.setGeneral(7, BigInt(MEMORY));
  for (let k = 0; k < 16; k++) {
    fill(random, record.xmm(k));
    if (haveAvx) fill(random, record.upper(k));
  }
  for (let k = 0; k < 8; k++) {
    fill(random, record.st(k).subarray(0, 8));
    record.st(k).fill(0x11, 8, 10);
  }
  for (let at = 0; at < 128; at += 32) fill(random, record.memory.subarray(at, at + 32));
}

function prepareMachine(): Bare {
  const machine = bare();
  enterLongMode(machine);
  const { memory, vcpu } = machine;
  vcpu.core.set(XCR0, 7);
  vcpu.registers.set("cr4", vcpu.registers.get("cr4") | BigInt(CR4_OSXSAVE));
  for (let vector = 0; vector < 32; vector++) {
    const handler = HANDLERS + 16 * vector;
    memory.u8.fill(0x90, handler, handler + 16);
    memory.view.setUint32(IDT + 16 * vector, 0x8_0000 | (handler & 0xffff), true);
    memory.view.setUint32(IDT + 16 * vector + 4, (handler & 0xffff_0000) | 0x8e00, true);
  }
  // A GDT for the gates' selector.
  memory.view.setUint32(0x38008, 0x0000_ffff, true);
  memory.view.setUint32(0x3800c, 0x00af_9b00, true);
  vcpu.registers.setGdtr({ base: 0x38000n, limit: 0xff });
  vcpu.registers.setIdtr({ base: BigInt(IDT), limit: 0x1ff });
  return machine;
}

const machine = silicon === undefined ? undefined : prepareMachine();

/** Run one record; the result replaces it. Returns the vector raised, or -1. */
function execute({ vcpu, memory }: Bare, record: SiliconRecord): number {
  const { registers, core } = vcpu;
  const state = core.linearMemory.subarray(core.base, core.base + 2048);
  for (let k = 0; k < 16; k++) {
    registers.set(GENERAL[k] as (typeof GENERAL)[number], record.general(k));
    state.set(record.xmm(k), XMM + 16 * k);
    state.set(record.upper(k), XMM + YMM_UPPER + 16 * k);
  }
  // FXSAVE stores by stack position, the state by physical register.
  const top = (record.statusWord >> 11) & 7;
  for (let k = 0; k < 8; k++) state.set(record.st(k), X87 + REGISTERS + 16 * ((top + k) & 7));
  core.set(X87 + STATUS_WORD, record.statusWord);
  core.set(X87 + TAGS, record.tags);
  core.set(X87 + CONTROL_WORD, record.controlWord);
  setMxcsr(core, record.mxcsr);
  core.setRflags(record.flags);
  memory.u8.set(record.memory, MEMORY);
  const code = [...record.code, 0x90, 0x90];
  if (code.some((byte, k) => memory.u8[CODE + k] !== byte))
    load({ vcpu, memory } as Bare, CODE, code);
  registers.set("rip", BigInt(CODE));
  const stop = vcpu.run(1);
  const rip = Number(registers.get("rip"));
  const vector = rip >= HANDLERS && rip < HANDLERS + 512 ? (rip - HANDLERS) >> 4 : -1;
  if (vector < 0 && rip !== CODE + record.code.length)
    throw new Error(`${stop.kind} at ${rip.toString(16)}`);
  for (let k = 0; k < 16; k++) {
    record.setGeneral(k, registers.get(GENERAL[k] as (typeof GENERAL)[number]));
    record.xmm(k).set(state.subarray(XMM + 16 * k, XMM + 16 * k + 16));
    record.upper(k).set(state.subarray(XMM + YMM_UPPER + 16 * k).subarray(0, 16));
  }
  const topAfter = (core.get(X87 + STATUS_WORD) >> 11) & 7;
  for (let k = 0; k < 8; k++)
    record
      .st(k)
      .set(state.subarray(X87 + 16 * ((topAfter + k) & 7), X87 + 16 * ((topAfter + k) & 7) + 10));
  record.setX87(core.get(X87 + CONTROL_WORD), core.get(X87 + STATUS_WORD), core.get(X87 + TAGS));
  record.mxcsr = core.get(MXCSR);
  record.flags = core.rflags();
  record.memory.set(memory.u8.subarray(MEMORY, MEMORY + 128));
  return vector;
}

const hex = (bytes: Uint8Array): string =>
  [...bytes]
    .map((byte) => byte.toString(16).padStart(2, "0"))
    .reverse()
    .join("");

/** What differs between the engine's and the silicon's results. */
function differences(ours: SiliconRecord, vector: number, theirs: SiliconRecord): string[] {
  const found: string[] = [];
  const check = (name: string, a: string | number | bigint, b: string | number | bigint): void => {
    if (a !== b)
      found.push(
        `${name} ${typeof a === "string" ? a : a.toString(16)}, silicon ${typeof b === "string" ? b : b.toString(16)}`,
      );
  };
  check("vector", vector, theirs.trap);
  check("mxcsr", ours.mxcsr, theirs.mxcsr);
  if (vector >= 0 || theirs.trap >= 0) return found;
  for (let k = 0; k < 16; k++) {
    if (k !== 4 && k !== 6 && k !== 7)
      check(GENERAL[k] as string, ours.general(k), theirs.general(k));
    check(`xmm${k}`, hex(ours.xmm(k)), hex(theirs.xmm(k)));
    check(`upper ymm${k}`, hex(ours.upper(k)), hex(theirs.upper(k)));
  }
  for (let k = 0; k < 8; k++)
    check(`st${k}`, hex(ours.st(k).subarray(0, 10)), hex(theirs.st(k).subarray(0, 10)));
  check("status", ours.statusWord, theirs.statusWord);
  check("tags", ours.tags, theirs.tags);
  check("flags", ours.flags & ARITHMETIC_FLAGS, theirs.flags & ARITHMETIC_FLAGS);
  check("memory", hex(ours.memory), hex(theirs.memory));
  return found;
}

/** Factors and addends, in registers and memory by chance, whose exact sums cancel, tie or lose little. */
function fusedOperands(random: Random, record: SiliconRecord, f: typeof SINGLE): void {
  const fraction = f.fraction;
  const number = (exponent: number): number => {
    const bits = random.pick([
      0,
      1,
      2,
      2 ** fraction - 1,
      2 ** (fraction - 1),
      2 ** (fraction >> 1),
    ]);
    const fine =
      random.below(2) === 0 ? bits : Math.floor((random.u32() / 2 ** 32) * 2 ** fraction);
    return random.pick([1, -1]) * (1 + fine / 2 ** fraction) * 2 ** exponent;
  };
  const range = random.pick([3, 10, f.maximum >> 1]);
  const exponent = (): number => random.below(2 * range) - range;
  const elements = Array.from({ length: 256 / f.bits }, () => {
    const [a, b] = [number(exponent()), number(exponent())];
    const product = Math.log2(Math.abs(a * b));
    const far = number(Math.floor(product) + random.below(4 * fraction) - 2 * fraction);
    return [a, b, random.below(3) === 0 ? -a * b : far] as const;
  });
  const put = (bytes: Uint8Array, first: number): void => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const role = random.below(3);
    for (let k = 0; k < (bytes.length * 8) / f.bits; k++) {
      const value = elements[(first + k) % elements.length]?.[role] as number;
      if (f === SINGLE) view.setFloat32(4 * k, value, true);
      else view.setFloat64(8 * k, value, true);
    }
  };
  for (let k = 0; k < 16; k++) {
    const whole = new Uint8Array(32);
    put(whole, 0);
    record.xmm(k).set(whole.subarray(0, 16));
    record.upper(k).set(whole.subarray(16));
  }
  put(record.memory.subarray(0, 32), 0);
}

/** Fill the index register of a gather so that its addresses are inside the memory. */
function nearIndices(random: Random, record: SiliconRecord, row: Row): void {
  const [, second = 0, , , , sib = 0] = record.code;
  const index = ((sib >> 3) & 7) | (second & 0x40 ? 0 : 8);
  const size = row.operands[1]?.text.startsWith("vm32") ? 4 : 8;
  for (const lane of [record.xmm(index), record.upper(index)]) {
    lane.fill(0);
    for (let at = 0; at < 16; at += size) lane[at] = random.below(8);
  }
}

/** Tries of one row: the records and the row's generator are the same in every run. */
function prepare(row: Row): SiliconRecord[] {
  const random = new Random(row.id + 1);
  const choose = (below: number): number => random.below(below);
  const limits = { registers: [0, 1, 2, 3, 8, 9, 10, 15], pointers: [6] };
  const records = siliconRecords(ROUNDS);
  let code: number[] = [];
  records.forEach((record, k) => {
    // New code is dear, new data cheap. Memory at odd places is for a few.
    if (k % 4 === 0)
      code = encodeRow(row, choose, {
        ...limits,
        displacement: random.below(4) === 0 && !UNALIGNED_ON_AMD.test(row.mnemonic) ? 47 : 0,
      }) as number[];
    randomRecord(random, record, code);
    if (row.mnemonic.endsWith("LDMXCSR")) {
      const at = (record.code.at(-1) as number) + 2;
      record.memory[at] = (record.memory[at] as number) & ~MISALIGNED_MASK;
    }
    if (/^VFN?M.*(132|213|231)/.test(row.mnemonic) && k % 2 === 0)
      fusedOperands(random, record, row.vex?.w === 1 ? DOUBLE : SINGLE);
    if (row.operands.some(({ method }) => method === "vm")) nearIndices(random, record, row);
  });
  return records;
}

describe.skipIf(silicon === undefined)("rows against the host CPU", () => {
  const prepared = rows.map(prepare);
  const answers = silicon?.run(prepared.flat()) ?? [];
  for (const [n, row] of rows.entries())
    it(describeRow(row), () => {
      const failures: string[] = [];
      (prepared[n] as SiliconRecord[]).forEach((record, k) => {
        const operands = `${hex(record.xmm(0))} ${hex(record.xmm(1))} mxcsr ${record.mxcsr.toString(16)}`;
        const code = [...record.code].map((byte) => byte.toString(16)).join(" ");
        const vector = execute(machine as Bare, record);
        const found = differences(record, vector, answers[n * ROUNDS + k] as SiliconRecord);
        if (found.length > 0) failures.push(`${operands} code ${code}: ${found.join("; ")}`);
      });
      expect(failures.slice(0, 4), `${failures.length} of ${ROUNDS} differ`).toEqual([]);
      // The generator must not have made something else of it.
      const own = answers.slice(n * ROUNDS, (n + 1) * ROUNDS);
      expect(own.some(({ trap }) => trap === -1)).toBe(true);
    });
});
