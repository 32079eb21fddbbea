import { describe, expect, test } from "vitest";
import { type Bare, bare, enterLongMode, enterRealMode, load } from "../testing/run-code.ts";
import type { Exit, Verdict } from "../vcpu.ts";

const HLT = 0xf4;
const CODE = 0x1_0000;

/** Real mode, `code` at CODE, a stack, and an IVT whose #GP and #UD handlers are a HLT at 0x500 + vector. */
function machine(code: readonly number[], exit?: (exit: Exit) => Verdict): Bare {
  const machine = bare(exit === undefined ? {} : { exit });
  enterRealMode(machine);
  for (const vector of [6, 13]) {
    machine.memory.view.setUint32(vector * 4, 0x500 + vector, true);
    machine.memory.u8[0x500 + vector] = HLT;
  }
  load(machine, CODE - 0x8000, code);
  machine.vcpu.registers.set("rsp", 0x4000n);
  return machine;
}

const kinds = (machine: Bare) => machine.exits.map(({ kind }) => kind);

describe("ports", () => {
  test("IN fills as much of the register as it reads", () => {
    const code = [0xb8, 0x34, 0x12, 0xe4, 0x60, 0xed, 0x66, 0xed, HLT];
    const { vcpu, exits } = machine(code, (exit) => {
      if (exit.kind === "port-read") exit.value = 0xaabbccdd;
      return "done";
    });
    vcpu.registers.set("rdx", 0xcf8n);
    vcpu.registers.set("rax", 0xffff_ffff_ffff_ffffn);
    vcpu.run(2);
    expect(vcpu.registers.get("rax")).toBe(0xffff_ffff_ffff_12ddn);
    vcpu.run(1);
    expect(vcpu.registers.get("rax")).toBe(0xffff_ffff_ffff_ccddn);
    vcpu.run(1);
    expect(vcpu.registers.get("rax")).toBe(0xaabbccddn);
    expect(exits).toMatchObject([
      { port: 0x60, width: 1, string: false },
      { port: 0xcf8, width: 2, string: false },
      { port: 0xcf8, width: 4, string: false },
    ]);
  });

  test("REP OUTSB hands over byte after byte; REP INSW stores words", () => {
    const code = [0xf3, 0x6e, 0xb9, 0x02, 0x00, 0xf3, 0x6d, HLT];
    let next = 0x1111;
    const { vcpu, memory, exits } = machine(code, (exit) => {
      if (exit.kind === "port-read") exit.value = next++;
      return "done";
    });
    memory.u8.set([1, 2, 3], 0x600);
    vcpu.registers.set("rsi", 0x600n);
    vcpu.registers.set("rdi", 0x700n);
    vcpu.registers.set("rcx", 3n);
    vcpu.registers.set("rdx", 0x3f8n);
    expect(vcpu.run(100).kind).toBe("halted");
    const written = exits.filter((exit) => exit.kind === "port-write").map(({ value }) => value);
    expect(written).toEqual([1, 2, 3]);
    expect([...memory.u16.subarray(0x380, 0x383)]).toEqual([0x1111, 0x1112, 0]);
    expect(vcpu.registers.get("rsi")).toBe(0x603n);
    expect(vcpu.registers.get("rdi")).toBe(0x704n);
    expect(vcpu.registers.get("rcx")).toBe(0n);
  });

  test("a long REP OUTSB is done in steps that the budget sees", () => {
    const { vcpu, exits } = machine([0xf3, 0x6e, HLT], () => "done");
    vcpu.registers.set("rcx", 0x1801n);
    vcpu.run(1);
    expect(exits.length).toBe(4096);
    expect(vcpu.registers.get("rcx")).toBe(0x801n);
    expect(vcpu.registers.get("rip")).toBe(BigInt(CODE - 0x8000));
    vcpu.run(1);
    expect(exits.length).toBe(0x1801);
    expect(vcpu.registers.get("rip")).toBe(BigInt(CODE - 0x8000 + 2));
  });
});

describe("verdicts", () => {
  const rdmsr = [0x0f, 0x32, HLT];

  test("fault is #GP at the instruction, stop leaves RIP on it", () => {
    const faulting = machine(rdmsr, () => "fault");
    // RDMSR takes as long as 100 instructions
    faulting.vcpu.run(110);
    expect(faulting.vcpu.registers.get("rip")).toBe(0x50en);
    expect(faulting.memory.u16[(0x4000 - 6) / 2]).toBe(CODE - 0x8000);
    const stopping = machine(rdmsr, () => "stop");
    expect(stopping.vcpu.run(10).kind).toBe("stopped");
    expect(stopping.vcpu.registers.get("rip")).toBe(BigInt(CODE - 0x8000));
    expect(stopping.vcpu.retired).toBe(0);
  });

  test("done takes the moderator's values, native the engine's", () => {
    const done = machine(rdmsr, (exit) => {
      if (exit.kind === "msr-read") [exit.lo, exit.hi] = [0x1234, 0x5678];
      return "done";
    });
    done.vcpu.run(1);
    expect([done.vcpu.registers.get("rax"), done.vcpu.registers.get("rdx")]).toEqual([
      0x1234n,
      0x5678n,
    ]);
    const native = machine(rdmsr);
    native.vcpu.registers.set("rcx", 0x277n);
    native.vcpu.run(1);
    expect(native.vcpu.registers.get("rdx")).toBe(0x0007_0406n);
    expect(kinds(native)).toEqual(["msr-read"]);
  });

  test("CPUID's answer can be changed", () => {
    const { vcpu } = machine([0x0f, 0xa2, HLT], (exit) => {
      if (exit.kind === "cpuid") exit.ecx = 0x8000_0000;
      return "done";
    });
    vcpu.registers.set("rax", 0n);
    vcpu.run(1);
    expect(vcpu.registers.get("rbx")).toBe(0x756e_6547n);
    expect(vcpu.registers.get("rcx")).toBe(0x8000_0000n);
  });

  test.each([
    ["vmcall", [0x0f, 0x01, 0xc1]],
    ["vmmcall", [0x0f, 0x01, 0xd9]],
  ])("%s: RIP is behind it during the exit and after stop, on it with #UD", (instruction, code) => {
    const at = BigInt(CODE - 0x8000);
    let seen = 0n;
    const stopping = machine([...code, HLT], (exit) => {
      expect(exit).toMatchObject({ kind: "hypercall", instruction });
      seen = stopping.vcpu.registers.get("rip");
      return "stop";
    });
    expect(stopping.vcpu.run(10).kind).toBe("stopped");
    expect(seen).toBe(at + 3n);
    expect(stopping.vcpu.registers.get("rip")).toBe(at + 3n);
    const undefinedHere = machine([...code, HLT], () => "undefined");
    undefinedHere.vcpu.run(10);
    expect(undefinedHere.vcpu.registers.get("rip")).toBe(0x507n);
    expect(undefinedHere.memory.u16[(0x4000 - 6) / 2]).toBe(Number(at));
  });
});

describe("events that cannot be delivered", () => {
  const undefinedInstruction = [0x90, 0x0f, 0x0b];

  test("without a vector table: triple fault, RIP at the instruction", () => {
    const { vcpu } = machine(undefinedInstruction);
    vcpu.registers.setIdtr({ base: 0n, limit: 0 });
    expect(vcpu.run(10).kind).toBe("triple-fault");
    expect(vcpu.registers.get("rip")).toBe(BigInt(CODE - 0x8000 + 1));
  });

  test("the moderator stops the access to the vector table: stopped", () => {
    const { vcpu, exits } = machine(undefinedInstruction, () => "stop");
    vcpu.registers.setIdtr({ base: 0x8000_0000n, limit: 0x3ff });
    expect(vcpu.run(10).kind).toBe("stopped");
    expect(exits).toMatchObject([{ kind: "memory-read", address: 0x8000_0018, width: 2 }]);
    expect(vcpu.registers.get("rip")).toBe(BigInt(CODE - 0x8000 + 1));
  });
});

describe("CPUID", () => {
  /** xor ecx, ecx; CPUID of leaf 1, and EBX of the answer to EDI. */
  const ASK = [0x66, 0x31, 0xc9, 0x66, 0xb8, 1, 0, 0, 0, 0x0f, 0xa2, 0x66, 0x89, 0xdf];
  const asked = (m: Bare) => m.exits.filter(({ kind }) => kind === "cpuid").length;
  const answering = (code: readonly number[], constant: boolean): Bare => {
    let answer = 0;
    return machine(code, (exit) => {
      if (exit.kind !== "cpuid") return "done";
      exit.ebx = ++answer;
      exit.constant = constant;
      return "done";
    });
  };

  test("asks each time", () => {
    const m = answering([...ASK, ...ASK, ...ASK, HLT], false);
    m.vcpu.run(100);
    expect(asked(m)).toBe(3);
    expect(m.vcpu.registers.get("rdi")).toBe(3n);
  });

  test("gives a constant answer again until a register changes that it may depend on", () => {
    const wrmsr = [0x66, 0xb9, 0x02, 0x01, 0, 0xc0, 0x0f, 0x30]; // KERNEL_GS_BASE
    const m = answering([...ASK, ...ASK, ...wrmsr, ...ASK, ...ASK, HLT], true);
    m.vcpu.run(1000);
    expect(asked(m)).toBe(2);
    expect(m.vcpu.registers.get("rdi")).toBe(2n);
    for (const change of [
      () => m.vcpu.registers.set("cr4", 0x4_0000n),
      () => m.vcpu.registers.set("xcr0", 3n),
      () => {
        m.vcpu.features = "x86-64-v1";
      },
      () => m.vcpu.load(m.vcpu.save()),
    ]) {
      const before = asked(m);
      change();
      m.vcpu.registers.set("rip", BigInt(CODE - 0x8000));
      m.vcpu.halted = false;
      m.vcpu.run(8);
      expect(asked(m)).toBe(before + 1);
    }
  });
});

describe("interrupts", () => {
  /** An interrupt of vector 0x20 waits; its handler halts. */
  function interrupted(code: readonly number[]): Bare {
    const m = machine(code);
    m.memory.view.setUint32(0x20 * 4, 0x600, true);
    m.memory.u8[0x600] = HLT;
    let waiting = true;
    m.vcpu.interrupts = {
      taskPriority: 0,
      pending: () => (waiting ? 0x20 : -1),
      acknowledge: () => {
        waiting = false;
        return 0x20;
      },
    };
    return m;
  }
  const returnAddress = (m: Bare) => (m.memory.u16[(0x4000 - 6) / 2] as number) - (CODE - 0x8000);

  test("STI lets one more instruction pass", () => {
    const m = interrupted([0xfb, 0x90, 0x90, HLT]);
    m.vcpu.run(100);
    expect(returnAddress(m)).toBe(2);
  });

  test("STI, CLI lets none in", () => {
    const m = interrupted([0xfb, 0xfa, 0x90, HLT]);
    expect(m.vcpu.run(100).kind).toBe("halted");
    expect(m.vcpu.registers.get("rip")).toBe(BigInt(CODE - 0x8000 + 4));
  });

  test("MOV SS holds interrupts off until SP is loaded", () => {
    const m = interrupted([0xfb, 0x8e, 0xd0, 0xbc, 0x00, 0x40, 0x90, HLT]);
    m.vcpu.run(100);
    expect(returnAddress(m)).toBe(6);
  });

  test("HLT ends with the interrupt, behind itself", () => {
    const m = interrupted([0xfb, HLT, 0x90]);
    m.vcpu.run(100);
    expect(returnAddress(m)).toBe(2);
  });

  test("CR8 is the interrupt controller's task priority", () => {
    const m = bare();
    enterLongMode(m);
    load(m, CODE, [0x44, 0x0f, 0x22, 0xc0, 0x44, 0x0f, 0x20, 0xc3, HLT]);
    m.vcpu.registers.set("rax", 9n);
    m.vcpu.run(2);
    expect(m.vcpu.interrupts.taskPriority).toBe(9);
    expect(m.vcpu.registers.get("rbx")).toBe(9n);
  });
});
