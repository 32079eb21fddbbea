import { describe, expect, it } from "vitest";
import * as R from "./apic-registers.ts";
import { readApicMsr, writeApicMsr } from "./apic-window.ts";
import { apicSystem, drain, enable } from "./testing/apic-system.ts";

const PERIODIC = 1 << 17;
const TSC_DEADLINE = 2 << 17;
const DIVIDE_BY_1 = 0xb;

function system(frequencies: { busHz?: number; tscHz?: number } = {}) {
  const { clock, apics } = apicSystem([0], frequencies);
  const [apic] = apics;
  enable(apic);
  const fired: number[] = [];
  /** Let time pass, noting when interrupts arrive. */
  const until = (toNs: number) => {
    while (clock.nextDeadline() <= toNs) {
      clock.advance(clock.nextDeadline());
      for (const _ of drain(apic)) fired.push(clock.now);
    }
    clock.advance(toNs);
  };
  return { clock, apic, fired, until };
}

describe("APIC timer (SDM 11.5.4)", () => {
  it("divides by every power of two that the configuration names", () => {
    const codes = [0b0000, 0b0001, 0b0010, 0b0011, 0b1000, 0b1001, 0b1010, 0b1011];
    const divisors = [2, 4, 8, 16, 32, 64, 128, 1];
    codes.forEach((code, n) => {
      const { apic, fired, until } = system();
      apic.writeRegister(R.LVT_TIMER, 0x30);
      apic.writeRegister(R.DIVIDE_CONFIGURATION, code);
      apic.writeRegister(R.INITIAL_COUNT, 100);
      until(100_000);
      expect(fired).toEqual([100 * divisors[n]]);
      expect(apic.readRegister(R.DIVIDE_CONFIGURATION)).toBe(code);
    });
  });

  it("counts down exactly, fires once in one-shot mode, and stops at 0", () => {
    const { apic, fired, until } = system();
    apic.writeRegister(R.DIVIDE_CONFIGURATION, DIVIDE_BY_1);
    apic.writeRegister(R.LVT_TIMER, 0x30);
    until(1000);
    apic.writeRegister(R.INITIAL_COUNT, 500);
    expect(apic.readRegister(R.CURRENT_COUNT)).toBe(500);
    until(1001);
    expect(apic.readRegister(R.CURRENT_COUNT)).toBe(499);
    until(1499);
    expect(apic.readRegister(R.CURRENT_COUNT)).toBe(1);
    until(5000);
    expect(apic.readRegister(R.CURRENT_COUNT)).toBe(0);
    expect(apic.readRegister(R.INITIAL_COUNT)).toBe(500);
    expect(fired).toEqual([1500]);
    apic.writeRegister(R.INITIAL_COUNT, 500);
    until(5100);
    apic.writeRegister(R.INITIAL_COUNT, 0);
    until(9000);
    expect(fired).toEqual([1500]);
  });

  it("comes to an end in the reserved mode, whatever its count and clock", () => {
    const { apic, fired, until } = system({ busHz: 66_000_000 });
    apic.writeRegister(R.DIVIDE_CONFIGURATION, DIVIDE_BY_1);
    apic.writeRegister(R.LVT_TIMER, (3 << 17) | 0x30);
    apic.writeRegister(R.INITIAL_COUNT, 7);
    until(1_000_000);
    expect(fired.length).toBeLessThanOrEqual(1);
  });

  it("reloads in periodic mode, and counts while masked", () => {
    const { apic, fired, until } = system();
    apic.writeRegister(R.DIVIDE_CONFIGURATION, DIVIDE_BY_1);
    apic.writeRegister(R.LVT_TIMER, 0x30 | PERIODIC);
    apic.writeRegister(R.INITIAL_COUNT, 100);
    until(350);
    expect(fired).toEqual([100, 200, 300]);
    expect(apic.readRegister(R.CURRENT_COUNT)).toBe(50);
    apic.writeRegister(R.LVT_TIMER, 0x30 | PERIODIC | R.LVT_MASKED);
    until(1030);
    expect(apic.readRegister(R.CURRENT_COUNT)).toBe(70);
    apic.writeRegister(R.LVT_TIMER, 0x30 | PERIODIC);
    until(1250);
    expect(fired).toEqual([100, 200, 300, 1100, 1200]);
    // to one-shot in mid-period: the count goes on, once
    apic.writeRegister(R.LVT_TIMER, 0x30);
    until(2000);
    expect(fired.slice(5)).toEqual([1300]);
  });

  it("forgets an expiry that passed while masked", () => {
    const { apic, fired, until } = system();
    apic.writeRegister(R.DIVIDE_CONFIGURATION, DIVIDE_BY_1);
    apic.writeRegister(R.LVT_TIMER, 0x30 | R.LVT_MASKED);
    apic.writeRegister(R.INITIAL_COUNT, 100);
    until(200);
    apic.writeRegister(R.LVT_TIMER, 0x30);
    until(1000);
    expect(fired).toEqual([]);
  });

  it("goes on at a new rate from where it is", () => {
    const { apic, fired, until } = system();
    apic.writeRegister(R.DIVIDE_CONFIGURATION, DIVIDE_BY_1);
    apic.writeRegister(R.LVT_TIMER, 0x30);
    apic.writeRegister(R.INITIAL_COUNT, 1000);
    until(400);
    apic.writeRegister(R.DIVIDE_CONFIGURATION, 0);
    until(3000);
    expect(fired).toEqual([400 + 600 * 2]);
  });

  it("scales with its input clock", () => {
    const { apic, fired, until } = system({ busHz: 25_000_000 });
    apic.writeRegister(R.DIVIDE_CONFIGURATION, 3);
    apic.writeRegister(R.LVT_TIMER, 0x30 | PERIODIC);
    apic.writeRegister(R.INITIAL_COUNT, 25_000_000 / 16 / 100);
    until(35_000_000);
    expect(fired).toEqual([10_000_000, 20_000_000, 30_000_000]);
  });

  it("fires when the time-stamp counter reaches the deadline, then reads 0", () => {
    const { apic, fired, until } = system({ tscHz: 2e9 });
    const result = { lo: 0, hi: 0 };
    const deadline = () => {
      readApicMsr(apic, R.IA32_TSC_DEADLINE, result);
      return result.hi * 2 ** 32 + result.lo;
    };
    // in another mode writes are ignored and it reads 0
    writeApicMsr(apic, R.IA32_TSC_DEADLINE, 1000, 0);
    expect(deadline()).toBe(0);
    apic.writeRegister(R.LVT_TIMER, 0x30 | TSC_DEADLINE);
    writeApicMsr(apic, R.IA32_TSC_DEADLINE, 1000, 1);
    expect(deadline()).toBe(2 ** 32 + 1000);
    until(3e9);
    expect(fired).toEqual([2 ** 31 + 500]);
    expect(deadline()).toBe(0);
    // one that lies in the past fires at once; 0 disarms
    writeApicMsr(apic, R.IA32_TSC_DEADLINE, 5, 0);
    until(3e9);
    expect(fired).toEqual([2 ** 31 + 500, 3e9]);
    writeApicMsr(apic, R.IA32_TSC_DEADLINE, 0, 2);
    writeApicMsr(apic, R.IA32_TSC_DEADLINE, 0, 0);
    until(9e9);
    expect(fired).toHaveLength(2);
    // initial count is dead in this mode, and leaving it disarms
    apic.writeRegister(R.INITIAL_COUNT, 100);
    expect(apic.readRegister(R.CURRENT_COUNT)).toBe(0);
    writeApicMsr(apic, R.IA32_TSC_DEADLINE, 0, 8);
    apic.writeRegister(R.LVT_TIMER, 0x30);
    until(40e9);
    expect(fired).toHaveLength(2);
  });

  it("moves a deadline with a time-stamp counter that the guest writes", () => {
    const { apic, fired, until } = system();
    until(10_000);
    apic.writeRegister(R.LVT_TIMER, 0x30 | TSC_DEADLINE);
    apic.timer.writeTsc(0, 0);
    writeApicMsr(apic, R.IA32_TSC_DEADLINE, 500, 0);
    until(11_000);
    expect(fired).toEqual([10_500]);
    writeApicMsr(apic, R.IA32_TSC_DEADLINE, 3000, 0);
    apic.timer.shiftTsc(1000);
    until(20_000);
    expect(fired).toEqual([10_500, 12_000]);
  });
});
