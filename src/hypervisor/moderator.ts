/** Every exit of every vCPU comes here and goes to the file that knows its rules. */
import type {
  Exit,
  MemoryFetch,
  MemoryRead,
  MemoryWrite,
  Moderator,
  SpecialInstruction,
  Vcpu,
  Verdict,
} from "../engine/vcpu.ts";
import { READ, WRITE } from "../engine/vcpu.ts";
import { APIC_PAGE } from "../machine/apic-registers.ts";
import { ApicPage } from "./apic-moderation.ts";
import type { Core } from "./core.ts";
import type { Cpu } from "./cpu.ts";
import { moderateCpuid } from "./cpuid.ts";
import { fail, failUnhandled } from "./failure.ts";
import { hypercall } from "./hypercalls.ts";
import { PAGE_SIZE } from "./memory-map.ts";
import { invalidAccess, type Violation } from "./mmio-dispatch.ts";
import { moderateMsrRead, moderateMsrWrite } from "./msr-moderation.ts";
import { moderatePort } from "./port-moderation.ts";
import { CPUID, HYPERCALL, MMIO, XAPIC, XSETBV } from "./statistics.ts";
import { moderateXsetbv, supportedXcr0 } from "./xsetbv.ts";

export class CellModerator implements Moderator {
  readonly #core: Core;
  readonly #apicPage: ApicPage;

  constructor(core: Core) {
    this.#core = core;
    this.#apicPage = new ApicPage(core);
  }

  exit(vcpu: Vcpu, exit: Exit): Verdict {
    const core = this.#core;
    const cpu = core.cpus[vcpu.index];
    switch (exit.kind) {
      case "port-read":
      case "port-write":
        core.board.portAccess();
        return this.#verdict(cpu, moderatePort(cpu, exit, core.board.portBus, core.release));
      case "memory-read":
        return this.#verdict(cpu, this.#memoryRead(cpu, exit));
      case "memory-write":
        return this.#verdict(cpu, this.#memoryWrite(cpu, exit));
      case "memory-fetch":
        return this.#verdict(cpu, this.#memoryFetch(cpu, exit));
      case "msr-read":
        return moderateMsrRead(core, cpu, exit);
      case "msr-write": {
        const verdict = moderateMsrWrite(core, cpu, exit);
        if (typeof verdict === "object") return this.#verdict(cpu, verdict.violation);
        return verdict === "done" ? this.#verdict(cpu, undefined) : verdict;
      }
      case "cpuid":
        cpu.statistics.count(CPUID);
        moderateCpuid(exit, vcpu, core.release, cpu.cell.isRoot);
        return "done";
      case "hypercall":
        // the machine is an Intel one: AMD's instruction does not exist
        if (exit.instruction === "vmmcall") return "undefined";
        cpu.statistics.count(HYPERCALL);
        hypercall(core, cpu);
        return "done";
      case "xsetbv": {
        cpu.statistics.count(XSETBV);
        const violation = moderateXsetbv(exit, supportedXcr0(vcpu.features));
        return violation === undefined ? "native" : this.#verdict(cpu, violation);
      }
      case "special-instruction":
        return this.#special(cpu, exit);
      case "numeric-error":
        // CR0.NE is fixed to 1 in VMX operation (SDM vol. 3, 24.8)
        return "native";
    }
  }

  #verdict(cpu: Cpu, violation: Violation | undefined): Verdict {
    if (violation !== undefined) {
      fail(this.#core, cpu, violation);
      return "stop";
    }
    return cpu.initPending ? "stop" : "done";
  }

  #memoryRead(cpu: Cpu, exit: MemoryRead): Violation | undefined {
    const { address, width } = exit;
    const { cell } = cpu;
    if (isApicPage(address)) {
      cpu.statistics.count(XAPIC);
      return this.#apicPage.read(cpu, address - APIC_PAGE, width, exit);
    }
    const found = cell.mmio.find(address, width);
    if (found !== undefined) {
      cpu.statistics.count(MMIO);
      return found.handler.read(cpu, address - found.start, width, exit);
    }
    const mapping = cell.map.lookup(address);
    if (mapping?.backing === "device" && (mapping.rights & READ) !== 0) {
      const physical = mapping.host + address - mapping.guest;
      this.#core.board.memoryBus.read(physical, width, exit);
      return undefined;
    }
    cpu.statistics.count(MMIO);
    return invalidAccess("read", address, width);
  }

  #memoryWrite(cpu: Cpu, exit: MemoryWrite): Violation | undefined {
    const { address, width } = exit;
    const { cell } = cpu;
    if (isApicPage(address)) {
      cpu.statistics.count(XAPIC);
      return this.#apicPage.write(cpu, address - APIC_PAGE, width, exit.lo);
    }
    const found = cell.mmio.find(address, width);
    if (found !== undefined) {
      cpu.statistics.count(MMIO);
      return found.handler.write(cpu, address - found.start, width, exit.lo, exit.hi);
    }
    const mapping = cell.map.lookup(address);
    if (mapping?.backing === "device" && (mapping.rights & WRITE) !== 0) {
      const physical = mapping.host + address - mapping.guest;
      this.#core.board.memoryBus.write(physical, width, exit.lo, exit.hi);
      return undefined;
    }
    cpu.statistics.count(MMIO);
    return invalidAccess("write", address, width);
  }

  /** The original decodes the instruction at fault, and cannot fetch this one either. */
  #memoryFetch(cpu: Cpu, { address }: MemoryFetch): Violation {
    cpu.statistics.count(MMIO);
    return `FATAL: unable to get MMIO instruction\n${invalidAccess("read", address, 0)}`;
  }

  #special(cpu: Cpu, { name }: SpecialInstruction): Verdict {
    switch (name) {
      case "wbinvd":
      case "xsaves":
        return "native";
      default:
        // VMXON stands for its whole family: it is the one that comes first
        failUnhandled(this.#core, cpu, name === "vmx" ? "vmxon" : name);
        return "stop";
    }
  }
}

function isApicPage(address: number): boolean {
  return address >= APIC_PAGE && address < APIC_PAGE + PAGE_SIZE;
}
