import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { Random } from "../testing/random.ts";
import { type Bare, bare, enterLongMode, load } from "../testing/run-code.ts";
import type { Jit } from "./regions/jit.ts";

const SEED = 20_261_123;
const PROGRAMS = 40;
const CASES = 24;
const ROUNDS = 3;
const CODE = 0x10_0000;
const PAGE_TABLE = 0x4000;
/** 4 KiB pages: of the cases, and of the strings, the last ones not there, not writable, and below, not accessed. */
const TABLE = 0x20_0000;
const STRINGS = TABLE + 0x4000;
const PAGES = 48;
const END = TABLE + PAGES * 4096;
const CASE_BYTES = 64;

const OPCODES = [0xa4, 0xaa, 0xa6, 0xae];
const WIDTHS: readonly (readonly number[])[] = [[], [0x66], [], [0x48]];

/** A loop that repeats a string instruction once a case, and keeps what it leaves. */
function program(random: Random, width: number, down: boolean): number[] {
  const opcode = random.pick(OPCODES) + (width === 0 ? 0 : 1);
  const repeat = random.oneIn(3) ? 0xf2 : 0xf3;
  const body = [
    ...[0x48, 0x8b, 0x33], // mov rsi, [rbx]
    ...[0x48, 0x8b, 0x7b, 8], // mov rdi, [rbx+8]
    ...[0x48, 0x8b, 0x4b, 16], // mov rcx, [rbx+16]
    ...[0x48, 0x8b, 0x43, 24], // mov rax, [rbx+24]
    ...(down ? [0xfd] : []), // std
    ...[repeat, ...(WIDTHS[width] as number[]), opcode],
    ...[0x9c, 0x8f, 0x43, 56], // pushfq; pop [rbx+56]
    ...[0xfc, 0x48, 0x89, 0x73, 32], // cld; mov [rbx+32], rsi
    ...[0x48, 0x89, 0x7b, 40], // mov [rbx+40], rdi
    ...[0x48, 0x89, 0x4b, 48], // mov [rbx+48], rcx
    ...[0x48, 0x83, 0xc3, CASE_BYTES], // add rbx, CASE_BYTES
    ...[0x49, 0xff, 0xcf], // dec r15
  ];
  return [...body, 0x75, -(body.length + 2) & 255, 0xf4]; // jnz; hlt
}

const LENGTHS = [8, 16, 20, 64, 130, 300, 2000, 9000, 20_000];

function place(random: Random): number {
  const offset = random.oneIn(3)
    ? 4096 * random.below((END - STRINGS) / 4096) + 4096 - random.below(80)
    : random.below(random.oneIn(4) ? END - STRINGS : 8192);
  return Math.min(STRINGS + offset, END - 64);
}

/** Memory of cases and strings. */
function memory(random: Random, width: number, down: boolean): Uint8Array {
  const bytes = new Uint8Array(PAGES * 4096);
  const period = 1 + random.below(11);
  for (let k = 0; k < bytes.length; k++) bytes[k] = (k % period) % 4;
  for (let k = 0; k < 20; k++) bytes[random.below(bytes.length)] = 99;
  const view = new DataView(bytes.buffer);
  for (let k = 0; k < CASES; k++) {
    const from = place(random);
    // about the source, most of the rest elsewhere
    const to = random.oneIn(3) ? from + random.below(80) - 40 : place(random);
    const count = random.oneIn(12)
      ? 0
      : random.below(random.pick(LENGTHS)) >> random.below(width + 1);
    const at = k * CASE_BYTES;
    view.setBigUint64(at, BigInt(from), true);
    view.setBigUint64(at + 8, BigInt(Math.max(to, STRINGS)), true);
    view.setBigUint64(at + 16, !down && random.oneIn(20) ? 2n ** 64n - 1n : BigInt(count), true);
    view.setBigUint64(at + 24, random.pick([99n, 1n, 0n, 0x0302_0100_0302_0100n]), true);
  }
  return bytes;
}

/** Present, writable, accessed and dirty, but for some of the strings'. */
function mapPages(machine: Bare, random: Random): void {
  const odd = random.oneIn(2) ? [] : [random.below(PAGES - 8) + 8, random.below(PAGES - 8) + 8];
  machine.memory.view.setUint32(0x3008, PAGE_TABLE | 7, true);
  for (let page = 0; page < PAGES; page++) {
    const rights =
      page === PAGES - 1 ? 0 : page === PAGES - 2 ? 0x65 : odd.includes(page) ? 7 : 0x67;
    machine.memory.view.setUint32(PAGE_TABLE + 8 * page, (TABLE + page * 4096) | rights, true);
  }
  machine.vcpu.registers.set("cr3", machine.vcpu.registers.get("cr3"));
}

const NAMES = ["rax", "rcx", "rsi", "rdi", "rbx", "r15", "rip", "rflags", "cr2"] as const;

function machineOf(jit: Jit): Bare {
  const machine = bare({ jit });
  enterLongMode(machine);
  return machine;
}

/** What is there after each piece of the run, a line each. */
function run(machine: Bare, seed: number, isCut: boolean): string {
  const random = new Random(seed);
  const { vcpu } = machine;
  const { registers } = vcpu;
  const width = random.below(4);
  const down = random.oneIn(6);
  load(machine, CODE, program(random, width, down));
  machine.memory.u8.set(memory(random, width, down), TABLE);
  mapPages(machine, random);
  registers.set("rsp", 0x18_0000n);
  registers.set("rflags", 2n);
  registers.set("cr2", 0n);
  const before = vcpu.retired;
  const seen: string[] = [];
  const note = (bytes: Uint8Array): void => {
    seen.push(createHash("sha1").update(bytes).digest("hex"));
  };
  // the same cases over and over, as long as none faults
  for (let round = 0; round < ROUNDS; round++) {
    registers.set("rip", BigInt(CODE));
    registers.set("rbx", BigInt(TABLE));
    registers.set("r15", BigInt(CASES));
    vcpu.halted = false;
    for (let stop = "budget"; stop === "budget"; ) {
      const budget = isCut ? 1 + random.below(round === 0 ? 12 : 400) : 1e6;
      stop = vcpu.run(budget).kind;
      const values = NAMES.map((name) => registers.get(name).toString(16));
      seen.push([stop, vcpu.retired - before, ...values].join(" "));
    }
    note(machine.memory.u8.subarray(TABLE, END));
    note(machine.memory.u8.subarray(PAGE_TABLE, PAGE_TABLE + 8 * PAGES));
  }
  return seen.join("\n");
}

describe("repeated string instructions in compiled code", () => {
  const reference = machineOf("off");
  const compiled = machineOf("always");

  it(`do what tier 0 does, to the instruction, however a run is cut (seed ${SEED})`, () => {
    for (let number = 0; number < PROGRAMS; number++) {
      const seed = SEED + number;
      for (const isCut of [false, true])
        expect(run(compiled, seed, isCut), `program of seed ${seed}`).toBe(
          run(reference, seed, isCut),
        );
    }
  });
});
