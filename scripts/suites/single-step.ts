/**
 * Single-step suites: random instructions in real mode with the registers and bytes of memory before
 * and after, recorded from an 8086 or an 80286.
 *
 * The folder holds MOO files (`OPCODE.MOO.gz` or `OPCODE.MOO`, at any depth; format in moo.ts) and,
 * in the folder of each, a `metadata.json`: `cpu`, and by opcode, for groups by ModRM.reg below it,
 * `status` and `flags-mask` (flags that are defined afterwards).
 *
 * What counts is what the manual of an x86-64 CPU documents: single-step-differences.ts has all that
 * such a CPU is documented to do otherwise than these two.
 */
import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { readMoo } from "./moo.ts";
import type { Opcode } from "./single-step-differences.ts";
import { Stepper } from "./single-step-stepper.ts";
import type { CaseResult, Suite } from "./suite.ts";

export const SINGLE_STEP_SUITE: Suite = {
  name: "single-step",
  variable: "GAOLER_SINGLE_STEP",
  folder: "a folder of *.MOO.gz files, 8086 or 80286 in real mode",
  run,
};

async function* run(folder: string, only: RegExp): AsyncGenerator<CaseResult> {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => /\.moo(\.gz)?$/i.test(file))
    .sort();
  const stepper = new Stepper();
  for (const file of files) {
    const path = join(folder, file);
    const opcode = basename(file).replace(/\.moo(\.gz)?$/i, "");
    const { cpu, of } = metadata(join(dirname(path), "metadata.json"));
    const group = `${cpu} ${opcode}`;
    if (!only.test(group)) continue;
    const packed = readFileSync(path);
    let number = 0;
    for (const test of readMoo(file.toLowerCase().endsWith(".gz") ? gunzipSync(packed) : packed))
      yield {
        group: `${cpu} ${opcode[0]}x`,
        name: `${opcode} ${number++} ${test.name}`,
        outcome: stepper.outcome(test, { cpu, ...of(opcode) }),
      };
  }
}

type Described = { status?: string; "flags-mask"?: number };

function metadata(path: string): { cpu: string; of: (opcode: string) => Omit<Opcode, "cpu"> } {
  const { cpu, opcodes } = JSON.parse(readFileSync(path, "utf8")) as {
    cpu: string;
    opcodes: Record<string, Described & { reg?: Record<string, Described> }>;
  };
  return {
    cpu: cpu === "286" ? "80286" : cpu,
    of(name) {
      const [code, reg] = name.split(".");
      const all = opcodes[code];
      const one = (reg === undefined ? undefined : all?.reg?.[reg]) ?? all;
      return { name, status: one?.status ?? "normal", flags: one?.["flags-mask"] ?? 0xffff };
    },
  };
}
