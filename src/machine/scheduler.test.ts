import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Clock } from "./clock.ts";
import { Scheduler, type SchedulerOptions } from "./scheduler.ts";
import { type Effect, FakeInterrupts, FakeVcpu, HLT } from "./testing/fake-vcpu.ts";

function machine(steps: ((vcpu: FakeVcpu) => Effect)[], options: SchedulerOptions = {}) {
  const clock = new Clock();
  const stops: string[] = [];
  const vcpus = steps.map((step, index) => new FakeVcpu(index, step));
  const controllers = vcpus.map((vcpu) => {
    const controller = new FakeInterrupts();
    vcpu.interrupts = controller;
    return controller;
  });
  const scheduler = new Scheduler(
    clock,
    vcpus,
    (index, stop) => {
      stops.push(`${index} ${stop.kind}`);
      return false;
    },
    options,
  );
  const interrupt = (index: number, vector: number) => {
    controllers[index].vectors.push(vector);
    scheduler.wake(index);
  };
  return { clock, vcpus, scheduler, stops, interrupt };
}

const busy = (): Effect => undefined;
const halt = (): Effect => HLT;

describe("Scheduler", () => {
  it("counts one nanosecond an instruction, or as many as told", () => {
    const one = machine([busy]);
    expect(one.scheduler.run(50_000)).toBe("deadline");
    expect(one.vcpus[0].retired).toBe(50_000);
    expect(one.vcpus[0].time()).toBe(50_000);
    const slow = machine([busy], { nanosecondsPerInstruction: 4 });
    slow.scheduler.run(50_000);
    expect(slow.vcpus[0].retired).toBe(12_500);
    expect(slow.clock.now).toBe(50_000);
  });

  it("wakes a vCPU whose time ends behind its HLT, for an interrupt that arrived before", () => {
    for (let end = 1; end < 8; end++) {
      const m = machine([
        (vcpu) => {
          if (vcpu.retired === 2) m.interrupt(0, 0x30);
          if (vcpu.retired !== 4) return undefined;
          // sti; hlt
          m.vcpus[0].interruptsEnabled = true;
          return HLT;
        },
      ]);
      m.vcpus[0].interruptsEnabled = false;
      m.clock.timer(() => {}).arm(end);
      m.scheduler.run(10_000);
      expect(m.vcpus[0].taken, `time ends after ${end}`).toEqual([{ vector: 0x30, at: 5 }]);
    }
  });

  it("stops a vCPU at exactly the instruction where the timer it armed is due", () => {
    const m = machine([
      (vcpu) => {
        if (vcpu.retired === 1000) timer.arm(vcpu.time() + 77);
        return undefined;
      },
    ]);
    let firedAfter = 0;
    const timer = m.clock.timer(() => {
      firedAfter = m.vcpus[0].retired;
    });
    m.scheduler.run(100_000);
    expect(firedAfter).toBe(1077);
  });

  it("delivers an interrupt sent to itself before the next instruction", () => {
    const m = machine([
      (vcpu) => {
        if (vcpu.retired === 41) m.interrupt(0, 32);
        return undefined;
      },
    ]);
    m.scheduler.run(10_000);
    expect(m.vcpus[0].taken).toEqual([{ vector: 32, at: 42 }]);
  });

  it("wakes a halted vCPU at the moment the interrupt was sent, whoever has the lower index", () => {
    for (const [sender, sleeper] of [
      [0, 1],
      [1, 0],
    ]) {
      const m = machine([busy, busy]);
      m.vcpus[sender].step = (vcpu) => {
        if (vcpu.retired === 25_000) m.interrupt(sleeper, 99);
        return undefined;
      };
      m.vcpus[sleeper].step = (vcpu) => (vcpu.retired === 0 ? HLT : undefined);
      m.scheduler.run(1_000_000);
      expect(m.vcpus[sleeper].taken).toEqual([{ vector: 99, at: 25_000 }]);
      expect(m.vcpus[sleeper].retired).toBe(1_000_000 - 25_000 + 1);
    }
  });

  it("keeps vCPUs that run side by side within a quantum of each other", () => {
    let widest = 0;
    const watch = () => {
      widest = Math.max(widest, Math.abs(m.vcpus[0].time() - m.vcpus[1].time()));
      return undefined;
    };
    const m = machine([watch, watch], { quantum: 500 });
    m.scheduler.run(20_000);
    expect(widest).toBeLessThanOrEqual(500);
    expect(m.vcpus.map((vcpu) => vcpu.retired)).toEqual([20_000, 20_000]);
  });

  it("skips idle time to the next deadline, and reports a machine that waits for nothing", () => {
    const m = machine([(vcpu) => (vcpu.retired < 10 ? undefined : HLT), halt]);
    m.clock.timer(() => m.interrupt(0, 48)).arm(3_000_000_000);
    expect(m.scheduler.run(10_000_000_000)).toBe("idle");
    expect(m.vcpus[0].taken).toEqual([{ vector: 48, at: 3_000_000_000 }]);
    expect(m.clock.now).toBe(3_000_000_001);
    m.scheduler.skipTo(4_000_000_000);
    expect(m.clock.now).toBe(4_000_000_000);
  });

  it("leaves a vCPU asleep that halted with interrupts disabled", () => {
    const m = machine([halt]);
    m.vcpus[0].interruptsEnabled = false;
    m.clock.timer(() => m.interrupt(0, 48)).arm(100);
    expect(m.scheduler.run(1e9)).toBe("idle");
    expect(m.vcpus[0].retired).toBe(1);
  });

  it("lets an access take time without retiring, past a deadline if need be", () => {
    const m = machine([
      (vcpu) => {
        if (vcpu.retired === 100) m.scheduler.stall(1000);
        return undefined;
      },
    ]);
    const fired: number[] = [];
    m.clock.timer(() => fired.push(m.vcpus[0].retired)).arm(500);
    m.scheduler.run(10_000);
    expect(fired).toEqual([101]);
    expect(m.vcpus[0].retired).toBe(9000);
  });

  it("does not run a vCPU that is offline, and starts one from the moment it came online", () => {
    const m = machine([
      (vcpu) => {
        if (vcpu.retired === 700) m.scheduler.setOnline(1, true);
        if (vcpu.retired === 900) m.scheduler.setOnline(0, false);
        return undefined;
      },
      busy,
    ]);
    m.scheduler.setOnline(1, false);
    m.scheduler.run(10_000);
    expect(m.vcpus[0].retired).toBe(901);
    expect(m.vcpus[1].retired).toBe(9300);
    expect(m.vcpus[1].time()).toBe(10_000);
  });

  it("hands over stopped and triple-fault, and takes the vCPU offline unless told to go on", () => {
    const m = machine([
      (vcpu) => (vcpu.retired === 5 ? { kind: "triple-fault" } : undefined),
      (vcpu) => (vcpu.retired === 6 ? { kind: "stopped" } : undefined),
    ]);
    expect(m.scheduler.run(1e6)).toBe("idle");
    expect(m.stops.sort()).toEqual(["0 triple-fault", "1 stopped"]);
    expect(m.scheduler.isOnline(0)).toBe(false);
  });

  it("lets time pass for a vCPU that triple-faults for ever", () => {
    const clock = new Clock();
    let faults = 0;
    const vcpu = new FakeVcpu(0, () => ({ kind: "triple-fault" }));
    const scheduler = new Scheduler(clock, [vcpu], () => {
      faults++;
      return true;
    });
    expect(scheduler.run(10_000)).toBe("deadline");
    expect(faults).toBe(10_000);
  });

  it("gives the same run however it is cut by run and stop", () => {
    const trace = (cuts: number[], stopEvery: number, stepsOf?: number): string => {
      const log: string[] = [];
      let random = 12345;
      const next = (bound: number) => {
        random = (Math.imul(random, 1103515245) + 12345) >>> 0;
        return (random >>> 8) % bound;
      };
      let steps = 0;
      const step = (vcpu: FakeVcpu): Effect => {
        if (stopEvery > 0 && ++steps % stopEvery === 0) m.scheduler.stop();
        const dice = next(400);
        log.push(`${vcpu.index}@${vcpu.time()}`);
        if (dice === 0) return HLT;
        if (dice === 1) m.interrupt(next(3), vcpu.index);
        if (dice === 2) timers[next(2)].arm(vcpu.time() + next(5000));
        if (dice === 3 && vcpu.index > 0) m.scheduler.setOnline(vcpu.index, false);
        if (dice === 5) m.scheduler.stall(next(1500));
        if (dice === 4) m.scheduler.setOnline(next(3), true);
        return undefined;
      };
      const m = machine([step, step, step], { quantum: 1000 });
      const timers = [0, 1].map((n) =>
        m.clock.timer(() => {
          log.push(`timer ${n} at ${m.clock.now}`);
          m.interrupt(n, 200 + n);
          timers[n].arm(m.clock.now + 3000);
        }),
      );
      timers[0].arm(1500);
      const step0 = () => {
        if (stepsOf !== undefined) m.scheduler.stopAt(stepsOf, m.vcpus[stepsOf].retired + 3);
      };
      step0();
      for (const until of [...cuts, 40_000]) while (m.scheduler.run(until) === "stopped") step0();
      return log.join("\n");
    };
    const whole = trace([], 0);
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 40_000 }), { maxLength: 5 }),
        fc.integer({ min: 0, max: 3000 }),
        fc.option(fc.nat(2), { nil: undefined }),
        (cuts, stopEvery, stepsOf) => {
          expect(
            trace(
              cuts.sort((a, b) => a - b),
              stopEvery,
              stepsOf,
            ) === whole,
          ).toBe(true);
        },
      ),
      { numRuns: 30 },
    );
  });

  it("goes on identically after save and load, even in the middle of a round", () => {
    const log: string[] = [];
    const step = (vcpu: FakeVcpu): Effect => {
      log.push(`${vcpu.index}@${vcpu.time()}`);
      if (vcpu.index === 1 && vcpu.retired === 1234 && log.length < 9000) m.scheduler.stop();
      return vcpu.index === 0 && vcpu.retired === 3000 ? HLT : undefined;
    };
    const m = machine([step, step]);
    expect(m.scheduler.run(20_000)).toBe("stopped");
    const saved = m.scheduler.save();
    const cpus = m.vcpus.map((vcpu) => vcpu.save());
    const cut = log.length;
    log.length = 9000;
    m.scheduler.run(20_000);
    const first = log.splice(9000).join();
    m.scheduler.load(saved);
    m.vcpus.forEach((vcpu, n) => {
      vcpu.load(cpus[n]);
    });
    expect(cut).toBeGreaterThan(1000);
    expect(m.scheduler.save()).toEqual(saved);
    m.scheduler.run(20_000);
    expect(log.splice(9000).join()).toBe(first);
  });

  it("stops at an exact instruction of a vCPU without disturbing the run", () => {
    const whole = machine([busy, busy]);
    whole.scheduler.run(50_000);
    const m = machine([busy, busy]);
    m.scheduler.stopAt(1, 12_345);
    expect(m.scheduler.run(50_000)).toBe("stopped");
    expect(m.vcpus[1].retired).toBe(12_345);
    expect(m.vcpus[0].retired).toBe(20_000);
    m.scheduler.stopAt(1, 12_346);
    expect(m.scheduler.run(50_000)).toBe("stopped");
    expect(m.vcpus[1].retired).toBe(12_346);
    expect(() => m.scheduler.stopAt(1, 12_346)).toThrow(/has retired 12346 instructions already/);
    expect(m.scheduler.run(50_000)).toBe("deadline");
    expect(m.scheduler.save()).toEqual(whole.scheduler.save());
  });

  it("refuses impossible options", () => {
    expect(() => machine([busy], { nanosecondsPerInstruction: 0 })).toThrow(/must be positive/);
    expect(() => machine([busy], { quantum: 0.5 })).toThrow(/at least one instruction/);
  });
});
