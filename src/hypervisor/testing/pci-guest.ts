/** A guest CPU that programs one PCI function, through ports 0xcf8 and 0xcfc and through memory. */
import type { Width } from "../../engine/vcpu.ts";
import * as apic from "../../machine/apic-registers.ts";
import type { TestMachine } from "./machine.ts";
import type { ScriptedVcpu } from "./scripted-vcpu.ts";

export class PciGuest {
  readonly machine: TestMachine;
  readonly cpu: number;
  readonly bdf: number;

  constructor(machine: TestMachine, cpu: number, bdf: number) {
    this.machine = machine;
    this.cpu = cpu;
    this.bdf = bdf;
  }

  /** Executes one instruction. @returns FATAL lines before the register block; empty: it went through */
  execute(instruction: (vcpu: ScriptedVcpu) => void): string[] {
    const { machine, cpu } = this;
    machine.newLines();
    machine.execute(cpu, (vcpu) => {
      instruction(vcpu);
      return undefined;
    });
    const lines = machine.newLines();
    return lines.slice(
      0,
      Math.max(
        0,
        lines.findIndex((line) => line.startsWith("RIP: ")),
      ),
    );
  }

  configRead(register: number, width: 1 | 2 | 4 = 4): number {
    let value = -1;
    this.execute((v) => {
      v.out(0xcf8, (this.bdf << 8) | (register & 0xfc), 4);
      value = v.in(0xcfc + (register & 3), width);
    });
    return value;
  }

  configWrite(register: number, value: number, width: 1 | 2 | 4 = 4): string[] {
    return this.execute((v) => {
      v.out(0xcf8, (this.bdf << 8) | (register & 0xfc), 4);
      v.out(0xcfc + (register & 3), value, width);
    });
  }

  load(address: number, width: Width = 4): number {
    let value = -1;
    this.execute((v) => {
      value = v.load8(address, width).lo;
    });
    return value;
  }

  store(address: number, value: number, width: Width = 4): string[] {
    return this.execute((v) => v.store(address, value, width));
  }

  /** One vector of an MSI-X table to this CPU, unmasked. */
  programVector(entry: number, vector: number, destination = this.cpu): string[] {
    return [
      ...this.store(entry, 0xfee0_0000 | (destination << 12)),
      ...this.store(entry + 4, 0),
      ...this.store(entry + 8, vector),
      ...this.store(entry + 12, 0),
    ];
  }

  /** Switches the CPU's local APIC on. */
  enableApic(): void {
    this.machine.board.localApics[this.cpu].writeRegister(apic.SVR, 0x1ff);
  }

  /** Vectors taken since the last call, each served at once. */
  interrupts(): number[] {
    const { board, vcpus } = this.machine;
    const all: number[] = [];
    for (;;) {
      board.scheduler.run(board.clock.machineTime + 1000);
      const taken = vcpus[this.cpu].interruptsTaken.splice(0);
      if (taken.length === 0) return all;
      for (const _ of taken) board.localApics[this.cpu].writeRegister(apic.EOI, 0);
      all.push(...taken);
    }
  }
}
