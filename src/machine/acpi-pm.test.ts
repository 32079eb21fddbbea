import { describe, expect, it } from "vitest";
import { AcpiPm } from "./acpi-pm.ts";
import { Clock } from "./clock.ts";

function system() {
  const clock = new Clock();
  const sleeps: number[] = [];
  let sci = false;
  const acpi = new AcpiPm(
    clock,
    0x600,
    {
      set(level) {
        sci = level;
      },
    },
    (type) => sleeps.push(type),
  );
  return { clock, acpi, sleeps, sci: () => sci };
}

describe("ACPI PM block (ACPI 6.5, 4.8.3)", () => {
  it("counts 24 bits at 3.579545 MHz, at any width", () => {
    const { clock, acpi } = system();
    clock.advance(1e9);
    expect(acpi.portRead(0x608, 4)).toBe(3_579_545);
    expect(acpi.portRead(0x608, 2)).toBe(3_579_545 & 0xffff);
    expect(acpi.portRead(0x60a, 1)).toBe(3_579_545 >> 16);
    clock.advance(5e9);
    expect(acpi.portRead(0x608, 4)).toBe((5 * 3_579_545) % 2 ** 24);
    acpi.portWrite(0x608, 4, 0);
    expect(acpi.portRead(0x608, 4)).toBe((5 * 3_579_545) % 2 ** 24);
  });

  it("shows every CPU its own time, and one change of bit 23 only once", () => {
    const { clock, acpi } = system();
    clock.source = { time: () => 3e9 };
    expect(acpi.portRead(0x608, 4)).toBe(3 * 3_579_545);
    acpi.portWrite(0x600, 2, 1);
    clock.source = { time: () => 2e9 };
    expect(acpi.portRead(0x608, 4)).toBe(2 * 3_579_545);
    expect(acpi.portRead(0x600, 2)).toBe(0);
  });

  it("interrupts whenever bit 23 changes, until the status is cleared by writing 1", () => {
    const { clock, acpi, sci } = system();
    const half = (2 ** 23 * 1e9) / 3_579_545;
    acpi.portWrite(0x602, 2, 1);
    clock.advance(half - 1000);
    expect(sci()).toBe(false);
    clock.advance(half + 1);
    expect(sci()).toBe(true);
    expect(acpi.portRead(0x600, 2)).toBe(1);
    expect(acpi.portRead(0x608, 4)).toBe(2 ** 23);
    acpi.portWrite(0x600, 2, 0);
    expect(sci()).toBe(true);
    acpi.portWrite(0x600, 2, 1);
    expect(sci()).toBe(false);
    clock.advance(2 * half + 1);
    expect(sci()).toBe(true);
    acpi.portWrite(0x602, 2, 0);
    expect(sci()).toBe(false);
    // without the enable the status still follows, but nothing wakes anybody
    acpi.portWrite(0x600, 2, 1);
    expect(clock.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
    clock.advance(3.5 * half);
    expect(acpi.portRead(0x600, 4)).toBe(0x0000_0001);
  });

  it("is always in ACPI mode, tells of sleep and of the power button", () => {
    const { acpi, sleeps, sci } = system();
    expect(acpi.portRead(0x604, 2)).toBe(1);
    acpi.portWrite(0x604, 2, 0x3400);
    expect(sleeps).toEqual([5]);
    expect(acpi.portRead(0x604, 2)).toBe(0x1401);
    acpi.portWrite(0x602, 2, 0x100);
    acpi.pressPowerButton();
    expect(sci()).toBe(true);
    acpi.portWrite(0x601, 1, 1);
    expect(sci()).toBe(false);
  });
});
