/**
 * Flat-binary suites: assembler sources that end in HLT and list the registers they expect.
 *
 * The folder holds `*.asm` files, at any depth, in NASM's syntax; folders called `Includes` are
 * searched for what they include. What each expects is described in flat-conditions.ts.
 *
 * 64-bit code is position-independent, 32-bit code is at 0x10000; both are put there. There is
 * scratch RAM of ten pages at 0xe0000000 and of a page on either side of 0xe8000000, and for 32-bit
 * code a page at 0xc0000000 for a stack. Registers are zero, x87 as after FNINIT.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { BareMachine } from "../../src/session/bare.ts";
import { registerReport } from "../../src/session/registers.ts";
import type { RamRange } from "../../src/session/sparse-ram.ts";
import { differences, readConditions } from "./flat-conditions.ts";
import { whyInapplicable } from "./flat-inapplicable.ts";
import {
  type CaseResult,
  failed,
  notApplicable,
  type Outcome,
  PASSED,
  type Suite,
} from "./suite.ts";

const CODE = 0x10000;
const PAGE = 0x1000;
const RAM_BYTES = 4 << 20;
const SCRATCH: readonly RamRange[] = [
  { address: 0xe000_0000, size: 10 * PAGE },
  { address: 0xe800_0000 - PAGE, size: 2 * PAGE },
  { address: 0xc000_0000, size: PAGE },
];
/** A case that has not ended by then fails. */
const MOST_INSTRUCTIONS = 200_000_000;

export const FLAT_SUITE: Suite = {
  name: "flat",
  variable: "GAOLER_FLAT_SUITE",
  folder: "a folder of *.asm files that list expected registers",
  needs: "nasm",
  run,
};

async function* run(folder: string, only: RegExp): AsyncGenerator<CaseResult> {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).sort();
  const includes = files.filter((file) => basename(file) === "Includes");
  const temporary = mkdtempSync(join(tmpdir(), "gaoler-flat-"));
  const machines = new Machines();
  try {
    const assembler = new Assembler(
      temporary,
      includes.map((file) => join(folder, file)),
    );
    for (const file of files) {
      const group = dirname(file) === "." ? basename(folder) : dirname(file);
      const name = basename(file, ".asm");
      if (!file.endsWith(".asm") || !only.test(`${group}/${name}`)) continue;
      yield { group, name, outcome: await outcomeOf(join(folder, file), assembler, machines) };
    }
  } finally {
    rmSync(temporary, { recursive: true });
  }
}

async function outcomeOf(path: string, assembler: Assembler, machines: Machines): Promise<Outcome> {
  const source = readFileSync(path, "utf8");
  const conditions = readConditions(source);
  if (conditions === undefined) return notApplicable("says nothing about what it expects");
  const why = whyInapplicable(path, conditions);
  if (why !== undefined) return notApplicable(why);
  const code = assembler.assemble(path, conditions.bits);
  if (typeof code === "string") return notApplicable(`NASM refuses it: ${code}`);
  const machine = machines.with(conditions.ram);
  machine.loadFlat(code, conditions.bits, CODE, 3);
  machine.registers.set("rsp", 0n);
  for (const { address, bytes } of conditions.memory) machine.write(address, bytes);
  try {
    const { ended, instruction } = await machine.run({ instructions: MOST_INSTRUCTIONS });
    const at = instruction === undefined ? "" : ` at ${instruction.text} (${instruction.bytes})`;
    if (ended !== "halt") return failed(`ended by ${ended}${at}`);
  } catch (error) {
    return failed(String(error));
  }
  const wrong = differences(conditions, registerReport(machine.registers));
  return wrong.length === 0 ? PASSED : failed(wrong.join("; "));
}

/** One machine for all cases with the same RAM: a new one takes much longer than a power cycle. */
class Machines {
  readonly #machines = new Map<string, BareMachine>();

  with(ranges: readonly RamRange[]): BareMachine {
    const key = JSON.stringify(ranges);
    const known = this.#machines.get(key);
    if (known !== undefined) {
      known.powerCycle();
      return known;
    }
    const low = ranges.filter(({ address }) => address < RAM_BYTES);
    const rest = [...SCRATCH, ...ranges].filter((range) => !low.includes(range));
    const machine = new BareMachine(RAM_BYTES, () => {}, rest);
    this.#machines.set(key, machine);
    return machine;
  }
}

class Assembler {
  readonly #output: string;
  readonly #before: Readonly<Record<32 | 64, string>>;
  readonly #includes: readonly string[];

  constructor(temporary: string, includes: readonly string[]) {
    this.#output = join(temporary, "case.bin");
    this.#before = { 32: join(temporary, "32.asm"), 64: join(temporary, "64.asm") };
    this.#includes = includes.flatMap((folder) => ["-i", `${folder}/`]);
    writeFileSync(this.#before[32], `BITS 32\nORG ${CODE}\n`);
    writeFileSync(this.#before[64], "BITS 64\n");
  }

  /** The binary, or NASM's complaint. */
  assemble(path: string, bits: 32 | 64): Uint8Array | string {
    const options = ["-f", "bin", "-w-all", "-p", this.#before[bits], ...this.#includes];
    const { status, stderr } = spawnSync("nasm", [...options, "-o", this.#output, path], {
      encoding: "utf8",
    });
    if (status !== 0) return stderr.split("\n")[0].replace(/^.*error: /, "");
    return readFileSync(this.#output);
  }
}
