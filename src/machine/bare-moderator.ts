/** Answers every exit as the bare board would: no hypervisor, no limits. */

import type {
  Exit,
  MemoryRead,
  MemoryWrite,
  Moderator,
  PortRead,
  PortWrite,
  Vcpu,
  Verdict,
} from "../engine/vcpu.ts";
import { ApicPage, isApicMsr, readApicMsr, writeApicMsr } from "./apic-window.ts";
import type { Board } from "./board.ts";

const IA32_TSC = 0x10;
const IA32_TSC_ADJUST = 0x3b;
/** Leaf 1, EDX. */
const CPUID_APIC = 1 << 9;
const PAGE = 4096;

type Access = PortRead | PortWrite | MemoryRead | MemoryWrite;

export class BareModerator implements Moderator {
  readonly #board: Board;
  readonly #apicPages: readonly ApicPage[];

  constructor(board: Board) {
    this.#board = board;
    this.#apicPages = board.localApics.map((lapic) => new ApicPage(lapic));
  }

  exit(vcpu: Vcpu, exit: Exit): Verdict {
    let verdict: Verdict = "done";
    // most of all, and short: V8 makes one function of it and what leads here
    switch (exit.kind) {
      case "memory-read":
        this.#read(vcpu.index, exit);
        break;
      case "memory-write":
        this.#write(vcpu.index, exit);
        break;
      case "port-read":
        this.#board.portAccess();
        exit.value = this.#board.portBus.read(exit.port, exit.width);
        break;
      case "port-write":
        this.#board.portAccess();
        this.#board.portBus.write(exit.port, exit.width, exit.value);
        break;
      default:
        verdict = this.#answer(vcpu, exit);
    }
    return this.#board.bareCpus.mustStop(vcpu.index) ? "stop" : verdict;
  }

  #answer(vcpu: Vcpu, exit: Exclude<Exit, Access>): Verdict {
    const { localApics } = this.#board;
    switch (exit.kind) {
      case "memory-fetch":
        // nobody answers: all ones, and ff ff is no instruction
        return "undefined";
      case "msr-read":
        if (!isApicMsr(exit.msr)) return "native";
        return readApicMsr(localApics[vcpu.index], exit.msr, exit) ? "done" : "fault";
      case "msr-write":
        if (isApicMsr(exit.msr))
          return writeApicMsr(localApics[vcpu.index], exit.msr, exit.lo, exit.hi)
            ? "done"
            : "fault";
        if (exit.msr === IA32_TSC) localApics[vcpu.index].timer.writeTsc(exit.lo, exit.hi);
        if (exit.msr === IA32_TSC_ADJUST) this.#adjustTsc(vcpu, exit.lo, exit.hi);
        return "native";
      case "hypercall":
        return "undefined";
      case "cpuid":
        exit.constant = true;
        // a local APIC that is disabled looks absent (SDM vol. 3, 11.4.3)
        if (exit.leaf !== 1 || localApics[vcpu.index].enabled) return "native";
        exit.edx = (exit.edx & ~CPUID_APIC) >>> 0;
        return "done";
      case "numeric-error":
        this.#board.coprocessorError.raise();
        return "wait";
      case "xsetbv":
      case "special-instruction":
        return "native";
    }
  }

  #read(cpu: number, exit: MemoryRead): void {
    const lapic = this.#board.localApics[cpu];
    const offset = exit.address - lapic.pageAddress;
    if (lapic.enabled && !lapic.x2apic && offset >= 0 && offset + exit.width <= PAGE)
      this.#apicPages[cpu].memoryRead(offset, exit.width, exit);
    else this.#board.memoryBus.read(exit.address, exit.width, exit);
  }

  #write(cpu: number, exit: MemoryWrite): void {
    const lapic = this.#board.localApics[cpu];
    const offset = exit.address - lapic.pageAddress;
    if (lapic.enabled && !lapic.x2apic && offset >= 0 && offset + exit.width <= PAGE)
      this.#apicPages[cpu].memoryWrite(offset, exit.width, exit.lo, exit.hi);
    else this.#board.memoryBus.write(exit.address, exit.width, exit.lo, exit.hi);
  }

  /** Writing TSC_ADJUST moves the counter by the difference to its old value. */
  #adjustTsc(vcpu: Vcpu, lo: number, hi: number): void {
    const old = vcpu.registers.msr(IA32_TSC_ADJUST);
    if (old === undefined) return;
    const value = (BigInt(hi) << 32n) | BigInt(lo);
    const ticks = Number(BigInt.asIntN(64, value - old));
    this.#board.localApics[vcpu.index].timer.shiftTsc(ticks);
  }
}
