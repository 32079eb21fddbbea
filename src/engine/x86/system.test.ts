import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { assemble, hasProgram, runHere, runQemu } from "./testing/firmware.ts";

const hasNasm = hasProgram("nasm");
const hasQemu = hasNasm && hasProgram("qemu-system-x86_64");

/**
 * Each program logs exceptions, their error codes and frames, and what system
 * instructions read, at every privilege level. The expected logs follow the
 * Intel SDM, as checked line by line; QEMU does the part that it does exactly.
 */
const PROGRAMS = ["protected-mode", "long-mode", "paging"];

describe.each(PROGRAMS)("%s", (name) => {
  test.skipIf(!hasNasm)("logs what the manual says", () => {
    const expected = readFileSync(join(import.meta.dirname, "testing", `${name}.expected`), "utf8");
    expect(runHere(assemble(`${name}.asm`, "EXACT"))).toBe(expected.trim());
  });

  test.skipIf(!hasQemu)("agrees with QEMU", () => {
    const image = assemble(`${name}.asm`);
    expect(runHere(image)).toBe(runQemu(image));
  });
});
