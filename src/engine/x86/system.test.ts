import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { assemble, hasProgram, outcomeHere, outcomeInQemu, runHere } from "./testing/firmware.ts";

const hasNasm = hasProgram("nasm");
const hasQemu = hasNasm && hasProgram("qemu-system-x86_64");

/**
 * Each program logs exceptions, their error codes and frames, and what system
 * instructions read, at every privilege level. The expected logs follow the
 * Intel SDM, as checked line by line; QEMU does the part that it does exactly.
 */
const PROGRAMS = [
  "protected-mode",
  "long-mode",
  "paging",
  "paging-long",
  "translations",
  "double-faults",
];

describe.each(PROGRAMS)("%s", (name) => {
  test.skipIf(!hasNasm)("logs what the manual says", () => {
    const expected = readFileSync(join(import.meta.dirname, "testing", `${name}.expected`), "utf8");
    expect(runHere(assemble(`${name}.asm`, "EXACT"))).toBe(expected.trim());
  });

  test.skipIf(!hasQemu)("agrees with QEMU", () => {
    const image = assemble(`${name}.asm`);
    expect({ log: runHere(image), end: "stopped" }).toEqual(outcomeInQemu(image));
  });
});

/** Double faults that cannot be delivered, as numbered in double-faults.asm, and what each began with. */
const SHUTDOWNS = [
  [1, "#NP in #NP in #GP", { vector: 13, errorCode: 8 }],
  [2, "#PF in #PF in #PF", { vector: 14, errorCode: 0 }],
  [3, "#SS in #GP in #DE", { vector: 0, errorCode: -1 }],
  [4, "#UD beyond an empty table", { vector: 6, errorCode: -1 }],
  [5, "INT n beyond an empty table: its own #GP", { vector: 13, errorCode: 0x40 * 8 + 2 }],
  [6, "a stack without memory", { vector: 14, errorCode: 2 }],
  [7, "a table without memory", { vector: 12, errorCode: 0x40 }],
] as const;

describe.each(SHUTDOWNS)("shutdown %i: %s", (number, _name, event) => {
  const image = () => assemble("double-faults.asm", `SHUTDOWN=${number}`);

  test.skipIf(!hasNasm)("is a triple fault that names the first exception", () => {
    const end = { kind: "triple-fault", event: { ...event, isException: true } };
    expect(outcomeHere(image())).toEqual({ log: "!", end });
  });

  test.skipIf(!hasQemu)("resets QEMU", () => {
    expect(outcomeInQemu(image())).toEqual({ log: "!", end: "triple-fault" });
  });
});
