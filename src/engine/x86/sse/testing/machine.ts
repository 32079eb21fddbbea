import { expect } from "vitest";
import {
  type Bare,
  bare,
  enterLongMode,
  enterProtectedMode,
  load,
} from "../../../testing/run-code.ts";

/** A machine on which single instructions are tried, and which exception they raise is seen. */

export const CODE = 0x10000;
/** Of an IDT with a gate to some NOPs for every vector. */
const IDT = 0x30000;
const HANDLERS = 0x31000;
const GDT = 0x38000;

/** In long (or protected) mode, with a handler of NOPs for each exception. */
export function machineIn(mode: 32 | 64): Bare {
  const machine = bare();
  const { memory, vcpu } = machine;
  if (mode === 64) enterLongMode(machine);
  else enterProtectedMode(machine);
  for (let vector = 0; vector < 32; vector++) {
    const handler = HANDLERS + 16 * vector;
    memory.u8.fill(0x90, handler, handler + 16);
    const gate = IDT + (mode === 64 ? 16 : 8) * vector;
    memory.view.setUint32(gate, 0x8_0000 | (handler & 0xffff), true);
    memory.view.setUint32(gate + 4, (handler & 0xffff_0000) | 0x8e00, true);
  }
  memory.view.setUint32(GDT + 8, 0x0000_ffff, true);
  memory.view.setUint32(GDT + 12, mode === 64 ? 0x00af_9b00 : 0x00cf_9b00, true);
  vcpu.registers.setGdtr({ base: BigInt(GDT), limit: 0xff });
  vcpu.registers.setIdtr({ base: BigInt(IDT), limit: 0x1ff });
  vcpu.registers.set("rsp", 0x28000n);
  return machine;
}

/** Execute one instruction; the vector it raises, or -1. */
export function step(machine: Bare, code: readonly number[]): number {
  load(machine, CODE, [...code, 0x90, 0x90]);
  machine.vcpu.run(1);
  const rip = Number(machine.vcpu.registers.get("rip"));
  if (rip === CODE + code.length) return -1;
  expect(rip).toBeGreaterThanOrEqual(HANDLERS);
  return (rip - HANDLERS) >> 4;
}
