/** One CPU of the machine as the hypervisor sees it: its owner, what it is doing, its statistics. */
import type { Vcpu } from "../engine/vcpu.ts";
import type { Cell } from "./cell.ts";
import { Statistics } from "./statistics.ts";

/** PAT after a cell start (hypervisor interface, 6.1). */
export const PAT_RESET = 0x0007_0406_0007_0406n;

export class Cpu {
  readonly vcpu: Vcpu;
  readonly statistics = new Statistics();
  /** Owner. */
  cell: Cell;
  /** Held inside the hypervisor, to go on where it was. */
  suspended = false;
  /** Parked: runs nothing until a SIPI or a start of the cell. */
  waitsForSipi = true;
  /** It sent itself an INIT and parks as soon as it has left its instruction. */
  initPending = false;
  /** Its guest broke the rules; parked until the cell is started, loaded or destroyed. */
  failed = false;
  /** What the guest believes PAT (MSR 0x277) and the MTRR default type (MSR 0x2ff) to be. */
  patLo = 0;
  patHi = 0;
  mtrrDefaultLo = 0;
  mtrrDefaultHi = 0;

  constructor(vcpu: Vcpu, cell: Cell) {
    this.vcpu = vcpu;
    this.cell = cell;
  }

  /** Logical CPU number. */
  get index(): number {
    return this.vcpu.index;
  }

  /** Leaves the result of a hypercall, negative for an error, in RAX. */
  returnFromCall(result: number): void {
    this.vcpu.registers.setPair(0, result >>> 0, result < 0 ? 0xffff_ffff : 0);
  }

  setPat(value: bigint): void {
    this.patLo = Number(value & 0xffff_ffffn);
    this.patHi = Number(value >> 32n);
  }
}
