/**
 * Answers records as the host CPU does, on the engine: a guest program loads a record's registers,
 * executes its instruction, and stores them again, for all records of one instruction in a row.
 */

import { XCR0 } from "../../x86/state.ts";
import { AT, type Case, NO_EXCEPTION, RECORD_BYTES } from "../case.ts";
import { type Bare, bare, enterLongMode, load } from "../run-code.ts";
import { start } from "./cases.ts";

const PROGRAM = 0x1_0000;
const GDT = 0x1_1000;
const IDT = 0x1_2000;
/** One a vector. */
const HANDLER_BYTES = 32;
const HANDLERS = 0x1_3000;
const STACK = 0x2_0000;
const RECORDS = 0x10_0000;
/** They fit into 7 MiB. */
const BATCH = 3072;
/** Of a record: a remainder goes on for a thousand rounds. */
const MOST_INSTRUCTIONS = 5000;

/** A displacement of 32 bits. */
const far = (offset: number): number[] => [offset & 0xff, (offset >> 8) & 0xff, 0, 0];

const BEFORE = [
  ...[0x0f, 0xae, 0x8b, ...far(AT.image)], // again: fxrstor [rbx+image]
  ...[0xff, 0xb3, ...far(AT.rflags), 0x9d], // push qword [rbx+rflags]; popf
  ...[0x48, 0x8b, 0x83, ...far(AT.general)], // mov rax,[rbx+general]
  ...[0x48, 0x8d, 0xb3, ...far(AT.memory)], // lea rsi,[rbx+memory]
];
const AFTER = [
  ...[0x9c, 0x8f, 0x83, ...far(AT.rflags)], // finish: pushf; pop qword [rbx+rflags]
  ...[0x48, 0x89, 0x83, ...far(AT.general)], // mov [rbx+general],rax
  ...[0x0f, 0xae, 0x83, ...far(AT.image)], // fxsave [rbx+image]
  ...[0x48, 0x81, 0xc3, ...far(RECORD_BYTES)], // add rbx,RECORD_BYTES
  ...[0xff, 0xca], // dec edx
];

export class EngineRecords {
  readonly #machine: Bare = bare({ ramBytes: 8 * 1024 * 1024 });

  constructor() {
    const machine = this.#machine;
    enterLongMode(machine);
    const { memory, vcpu } = machine;
    // OSXSAVE, OSXMMEXCPT, OSFXSR, PAE; x87, XMM and YMM state
    vcpu.registers.set("cr4", 0x4_0620n);
    vcpu.core.setBig(XCR0, 7n);
    vcpu.core.modeChanged();
    memory.view.setBigUint64(GDT + 8, 0x00af_9b00_0000_ffffn, true);
    for (let vector = 0; vector < 32; vector++) {
      const handler = HANDLERS + HANDLER_BYTES * vector;
      memory.view.setUint32(IDT + 16 * vector, 0x8_0000 | (handler & 0xffff), true);
      memory.view.setUint32(IDT + 16 * vector + 4, (handler & 0xffff_0000) | 0x8e00, true);
    }
    vcpu.registers.setGdtr({ base: BigInt(GDT), limit: 0xff });
    vcpu.registers.setIdtr({ base: BigInt(IDT), limit: 0x1ff });
  }

  /** All of one instruction; each becomes its answer. */
  run(code: readonly number[], records: readonly Case[]): void {
    this.#program(code);
    const { memory, vcpu } = this.#machine;
    for (let first = 0; first < records.length; first += BATCH) {
      const batch = records.slice(first, first + BATCH);
      batch.forEach((record, k) => {
        record.vector = NO_EXCEPTION;
        memory.u8.set(record.u8, RECORDS + k * RECORD_BYTES);
      });
      const { registers } = vcpu;
      registers.set("rbx", BigInt(RECORDS));
      registers.set("rdx", BigInt(batch.length));
      registers.set("rsp", BigInt(STACK));
      registers.set("rip", BigInt(PROGRAM));
      vcpu.halted = false;
      const stop = vcpu.run(batch.length * MOST_INSTRUCTIONS);
      if (stop.kind !== "halted" || Number(registers.get("rdx")) !== 0)
        throw new Error(`${stop.kind} at 0x${registers.get("rip").toString(16)}`);
      batch.forEach((record, k) => {
        const at = RECORDS + k * RECORD_BYTES;
        record.u8.set(memory.u8.subarray(at, at + RECORD_BYTES));
      });
    }
  }

  /** Whether the engine has the instruction. */
  knows(code: readonly number[]): boolean {
    const record = start(code);
    this.run(code, [record]);
    return record.vector !== 6;
  }

  #program(code: readonly number[]): void {
    const finish = PROGRAM + BEFORE.length + code.length;
    const end = finish + AFTER.length + 2;
    const back = [0x75, (PROGRAM - end) & 0xff, 0xf4]; // jnz again; hlt
    if (end - PROGRAM > 127) throw new RangeError(`an instruction of ${code.length} bytes`);
    const machine = this.#machine;
    for (let vector = 0; vector < 32; vector++) {
      const handler = HANDLERS + HANDLER_BYTES * vector;
      const distance = finish - (handler + 17);
      load(machine, handler, [
        ...[0xc7, 0x43, AT.vector, vector, 0, 0, 0], // mov dword [rbx+vector],vector
        ...[0xbc, 0, 0, STACK >> 16, 0], // mov esp,STACK
        ...[0xe9, distance & 0xff, (distance >> 8) & 0xff, 0xff, 0xff], // jmp finish
      ]);
    }
    load(machine, PROGRAM, [...BEFORE, ...code, ...AFTER, ...back]);
  }
}
