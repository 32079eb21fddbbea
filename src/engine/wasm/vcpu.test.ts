import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Bare, bare, enterLongMode, load } from "../testing/run-code.ts";
import type { Stop } from "../vcpu.ts";

const CODE = 0x10_0000;

function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ""), "hex"));
}

function long(code: string, exit?: Parameters<typeof bare>[0]): Bare {
  const machine = bare(exit);
  enterLongMode(machine);
  load(machine, CODE, hex(code));
  machine.vcpu.registers.set("rsp", 0x8_0000n);
  return machine;
}

/** IDT at 0x5000 whose gates of all vectors lead to `handler`. */
function interruptsTo({ memory, vcpu }: Bare, handler: number): void {
  for (let vector = 0; vector < 256; vector++) {
    const at = 0x5000 + 16 * vector;
    memory.view.setUint32(at, (handler & 0xffff) | (8 << 16), true);
    memory.view.setUint32(at + 4, (handler & 0xffff0000) | 0x8e00, true);
    memory.view.setUint32(at + 8, 0, true);
  }
  // code and data segment: descriptors 1 and 2 of a GDT at 0x4000
  memory.view.setUint32(0x4008, 0x0000ffff, true);
  memory.view.setUint32(0x400c, 0x00af9b00, true);
  memory.view.setUint32(0x4010, 0x0000ffff, true);
  memory.view.setUint32(0x4014, 0x00cf9300, true);
  vcpu.registers.setGdtr({ base: 0x4000n, limit: 0x17 });
  vcpu.registers.setIdtr({ base: 0x5000n, limit: 0xfff });
}

function state({ vcpu, memory }: Bare): unknown {
  const { registers } = vcpu;
  const names = ["rax", "rcx", "rdx", "rsp", "rdi", "r8", "r9", "r10", "rip", "rflags"] as const;
  return {
    retired: vcpu.retired,
    stalled: vcpu.stalled,
    registers: names.map((name) => registers.get(name)),
    memory: Buffer.from(memory.bytes(CODE, 0x1000)).toString("hex"),
  };
}

/**
 * start: mov rcx,200; loop of imul, stores beside the code, rol [mem], push, call f (adc r8,[rsp+8];
 * ret), pop, a store into the immediate of a later `mov r9d,0x1234`, dec, jnz; pause; jmp start
 */
const MIXED =
  "b9c8000000488d3d7400000048bb157c4a7fb979379e480fafc34801c8488904cf48c1070750e81e" +
  "0000005aa80475078035010000000341b9341200004d01ca48ffc975d1f390ebb74c13442408c390" +
  "90909090909090909090909090909090909090909090909090909090909090909090909090909090" +
  "90909090909090900100000000000000";

describe("counting", () => {
  // inc eax; inc ecx; jmp to the first: a loop of three
  const LOOP = "ffc0ffc1ebfa";

  it("retires exactly the budget, wherever that falls in a block", () => {
    const machine = long(LOOP);
    for (const budget of [1, 2, 3, 4, 5, 1000, 7]) {
      const before = machine.vcpu.retired;
      expect(machine.vcpu.run(budget)).toEqual({ kind: "budget" });
      expect(machine.vcpu.retired - before).toBe(budget);
    }
    const total = machine.vcpu.retired;
    expect(machine.vcpu.registers.get("rax")).toBe(BigInt(Math.ceil(total / 3)));
    expect(machine.vcpu.registers.get("rcx")).toBe(BigInt(Math.floor((total + 1) / 3)));
  });

  it("is exact inside an exit, which sees the RIP of its instruction", () => {
    const seen: { retired: number; rip: bigint }[] = [];
    const machine: Bare = long("9090e68090e680f4", {
      exit: () => {
        seen.push({ retired: machine.vcpu.retired, rip: machine.vcpu.registers.get("rip") });
        return "done";
      },
    });
    expect(machine.vcpu.run(100)).toEqual({ kind: "halted" });
    expect(seen).toEqual([
      { retired: 2, rip: BigInt(CODE + 2) },
      { retired: 4, rip: BigInt(CODE + 5) },
    ]);
    expect(machine.vcpu.retired).toBe(6);
  });

  it("a stopped instruction has not retired and RIP stays on it", () => {
    const machine = long("9090e680f4", { exit: () => "stop" });
    expect(machine.vcpu.run(100)).toEqual({ kind: "stopped" });
    expect(machine.vcpu.retired).toBe(2);
    expect(machine.vcpu.registers.get("rip")).toBe(BigInt(CODE + 2));
  });

  it("time that an exit takes counts against the budget, not as instructions", () => {
    const machine: Bare = long("e680ebfc", {
      exit: () => {
        machine.vcpu.stall(100);
        return "done";
      },
    });
    machine.vcpu.run(1000);
    expect(machine.vcpu.retired + machine.vcpu.stalled).toBeGreaterThanOrEqual(1000);
    expect(machine.vcpu.retired + machine.vcpu.stalled).toBeLessThan(1101);
    expect(machine.vcpu.stalled).toBe(100 * Math.ceil(machine.vcpu.retired / 2));
  });

  it("yield ends the run behind the instruction", () => {
    const machine: Bare = long("e68090909090f4", {
      exit: () => {
        machine.vcpu.yield();
        return "done";
      },
    });
    expect(machine.vcpu.run(100)).toEqual({ kind: "budget" });
    expect(machine.vcpu.retired).toBe(1);
    expect(machine.vcpu.registers.get("rip")).toBe(BigInt(CODE + 2));
  });

  it.each([0, 1, 2, 3, 4, 5, 6, 11])("shorten(%i) ends it so many instructions later", (budget) => {
    // nop; out; four NOPs; jmp back to the first of these
    let before = -1;
    const machine: Bare = long("90e68090909090ebfa", {
      exit: () => {
        before = machine.vcpu.retired;
        machine.vcpu.shorten(budget);
        machine.vcpu.shorten(500);
        return "done";
      },
    });
    expect(machine.vcpu.run(100)).toEqual({ kind: "budget" });
    expect(before).toBe(1);
    expect(machine.vcpu.retired).toBe(before + Math.max(budget, 1));
    machine.vcpu.run(7);
    expect(machine.vcpu.retired).toBe(before + Math.max(budget, 1) + 7);
  });
});

describe("cutting a run into pieces changes nothing", () => {
  it.each([
    ["calls, stores beside code, code that is changed, PAUSE", mixed],
    ["faults and their handler", faults],
    ["repeated strings", strings],
  ])("%s", (_name, make) => {
    const whole = make();
    whole.vcpu.run(20_000);
    while (whole.vcpu.retired + whole.vcpu.stalled < 20_000) whole.vcpu.run(1);
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 5, maxLength: 40 }),
        (pieces) => {
          const cut = make();
          for (let k = 0; cut.vcpu.retired < whole.vcpu.retired; k++) {
            const left = whole.vcpu.retired - cut.vcpu.retired;
            cut.vcpu.run(Math.min(left, pieces[k % pieces.length] as number));
          }
          expect(state(cut)).toEqual(state(whole));
        },
      ),
      { numRuns: 12 },
    );
  });

  function mixed(): Bare {
    return long(MIXED);
  }
  function faults(): Bare {
    // loop: inc eax; ud2 / handler: add qword [rsp],2; iretq
    const machine = long("ffc00f0bebfa");
    load(machine, CODE + 0x800, hex("4883042402 48cf"));
    interruptsTo(machine, CODE + 0x800);
    machine.vcpu.registers.set("rip", BigInt(CODE));
    return machine;
  }
  function strings(): Bare {
    // loop: mov ecx,3000; lea rdi,[CODE+0x100]; rep stosb; inc eax; jmp loop
    return long("b9b80b0000 48c7c700011000 f3aa ffc0 ebee");
  }
});

describe("changed code", () => {
  it("an instruction that changes the next one changes it at once", () => {
    // mov byte [rip+1],7 writes the immediate of the following mov eax,1
    const machine = long("c6050100000007 b801000000 f4");
    machine.vcpu.run(10);
    expect(machine.vcpu.registers.get("rax")).toBe(7n);
  });

  it("changes made from outside are seen", () => {
    const machine = long("b801000000 ebf9");
    machine.vcpu.run(6);
    machine.memory.u8[CODE + 1] = 9;
    machine.vcpu.memoryChanged(CODE + 1, 1);
    machine.vcpu.run(2);
    expect(machine.vcpu.registers.get("rax")).toBe(9n);
  });

  it("an instruction across a page boundary follows both pages", () => {
    const machine = long("90");
    load(machine, CODE + 0xffe, hex("b801000000 f4"));
    expect(machine.vcpu.run(10)).toEqual({ kind: "halted" });
    expect(machine.vcpu.registers.get("rax")).toBe(1n);
    load(machine, CODE + 0x1000, hex("02"));
    machine.vcpu.registers.set("rip", BigInt(CODE + 0xffe));
    machine.vcpu.halted = false;
    machine.vcpu.run(10);
    expect(machine.vcpu.registers.get("rax")).toBe(0x0201n);
  });
});

describe("interrupts", () => {
  function withInterrupt(code: string): Bare & { raise(): void } {
    const machine = long(code);
    let pending = -1;
    machine.vcpu.interrupts = {
      pending: () => pending,
      acknowledge: () => {
        const vector = pending;
        pending = -1;
        return vector;
      },
      taskPriority: 0,
    };
    load(machine, CODE + 0x800, hex("ffc3 48cf")); // inc ebx; iretq
    interruptsTo(machine, CODE + 0x800);
    machine.vcpu.registers.set("rip", BigInt(CODE));
    return Object.assign(machine, {
      raise: () => {
        pending = 0x40;
      },
    });
  }

  it("wait for the instruction behind STI, however the run is cut", () => {
    for (const first of [1, 2, 3]) {
      const machine = withInterrupt("fb ffc0 ffc1 ebfe"); // sti; inc eax; inc ecx; jmp $
      machine.raise();
      machine.vcpu.run(first);
      machine.vcpu.run(5 - first);
      // sti, inc eax, delivery, inc ebx, iretq
      expect(machine.vcpu.registers.get("rax")).toBe(1n);
      expect(machine.vcpu.registers.get("rbx")).toBe(1n);
      expect(machine.vcpu.registers.get("rcx")).toBe(0n);
    }
  });

  it("wake a halted CPU, which says so", () => {
    const machine = withInterrupt("fb f4 ffc0 f4");
    expect(machine.vcpu.run(100)).toEqual({ kind: "halted" });
    expect(machine.vcpu.halted).toBe(true);
    machine.raise();
    expect(machine.vcpu.run(100)).toEqual({ kind: "halted" });
    expect(machine.vcpu.registers.get("rax")).toBe(1n);
    expect(machine.vcpu.registers.get("rbx")).toBe(1n);
  });

  it("an NMI is taken with interrupts off, and no second before IRET", () => {
    const machine = withInterrupt("fa ffc0 ebfc");
    machine.vcpu.run(3);
    machine.vcpu.nmi();
    machine.vcpu.run(2); // delivery, inc ebx
    machine.vcpu.nmi();
    const stops: Stop[] = [machine.vcpu.run(1)];
    expect(stops).toEqual([{ kind: "budget" }]);
    expect(machine.vcpu.registers.get("rbx")).toBe(1n);
    machine.vcpu.run(2);
    expect(machine.vcpu.registers.get("rbx")).toBe(2n);
  });

  it("never takes more than the budget", () => {
    const machine = withInterrupt("fb90 ebfd");
    machine.vcpu.run(10);
    machine.vcpu.interrupts = { pending: () => 0x40, acknowledge: () => 0x40, taskPriority: 0 };
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), (budget) => {
        const before = machine.vcpu.retired;
        machine.vcpu.run(budget);
        expect(machine.vcpu.retired - before).toBe(budget);
      }),
    );
  });
});

describe("state", () => {
  it("saved and loaded elsewhere goes on the same", () => {
    const one = long(MIXED);
    one.vcpu.run(777);
    const two = bare();
    two.memory.u8.set(one.memory.u8);
    two.vcpu.load(one.vcpu.save());
    one.vcpu.run(1000);
    two.vcpu.run(1000);
    expect(state(two)).toEqual(state(one));
  });
});
