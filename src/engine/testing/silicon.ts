import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from "node:fs";
import { arch, cpus, platform, tmpdir } from "node:os";
import { join } from "node:path";
import { Batch, type Case, ENDLESS, RECORD_BYTES } from "./case.ts";
import { CODE, CODE_BYTES, DATA, DATA_BYTES, LDT, MEMORY, MEMORY_BYTES } from "./layout.ts";

const SOURCE = join(import.meta.dirname, "silicon.c");
/** What of the engine's instructions not every x86-64 CPU has, as Linux calls it. */
const FEATURES = [
  ...["cx16", "popcnt", "sse4_2", "avx2", "fma", "f16c", "bmi1", "bmi2", "movbe", "abm", "adx"],
  ...["aes", "pclmulqdq", "sha_ni", "rdrand", "rdseed", "clflushopt", "clwb", "rdtscp", "umip"],
  ...["xsaveopt", "fsgsbase"],
];
/** Records that go back and forth together. */
const BATCH = 256;
/** A case that seems to be endless is run again so often. */
const REPEATS = 3;

/** silicon.c as a running program, asked and answering through two FIFOs. */
class Oracle {
  readonly #child: ChildProcess;
  readonly #to: number;
  readonly #from: number;
  readonly #count = new BigUint64Array(1);

  constructor(program: string, directory: string) {
    const [to, from] = [join(directory, "to"), join(directory, "from")];
    rmSync(to, { force: true });
    rmSync(from, { force: true });
    const made = spawnSync("mkfifo", [to, from], { encoding: "utf8" });
    if (made.status !== 0) throw new Error(`mkfifo: ${made.stderr}`);
    // A FIFO opens once the other end is open too; the program's end must not keep ours open.
    this.#to = openSync(to, constants.O_RDWR);
    const questions = openSync(to, constants.O_RDONLY);
    const answers = openSync(from, constants.O_RDWR);
    this.#from = openSync(from, constants.O_RDONLY);
    this.#child = spawn(program, { stdio: [questions, answers, "inherit"] });
    closeSync(questions);
    closeSync(answers);
  }

  /** @returns whether the answers came, in the records' place */
  ask(records: Uint8Array): boolean {
    this.#count[0] = BigInt(records.length / RECORD_BYTES);
    writeSync(this.#to, new Uint8Array(this.#count.buffer));
    for (let done = 0; done < records.length; ) done += writeSync(this.#to, records, done);
    for (let done = 0; done < records.length; ) {
      const count = readSync(this.#from, records, done, records.length - done, null);
      if (count === 0) return false;
      done += count;
    }
    return true;
  }

  close(): void {
    this.#child.kill("SIGKILL");
    closeSync(this.#to);
    closeSync(this.#from);
  }
}

/** The host's own CPU, by way of silicon.c. */
export class Silicon {
  /** As the CPU calls itself. */
  readonly cpu = cpus()[0]?.model ?? "unknown";
  /** What the manuals leave open is compared on AMD's CPUs alone. */
  readonly isAmd = this.cpu.includes("AMD");
  readonly #directory: string;
  readonly #program: string;
  #oracle: Oracle | undefined;

  private constructor(directory: string) {
    this.#directory = directory;
    this.#program = join(directory, "silicon");
  }

  /** What is missing, in words, where there is no x86-64 Linux with a C compiler. */
  static open(): Silicon | { readonly missing: string } {
    if (arch() !== "x64" || platform() !== "linux") return { missing: "an x86-64 host with Linux" };
    if (spawnSync("gcc", ["--version"]).status !== 0) return { missing: "gcc" };
    const flags = /^flags\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "latin1"))?.[1]?.split(" ");
    const lacking = FEATURES.filter((feature) => !flags?.includes(feature));
    if (lacking.length > 0) return { missing: `a CPU with ${lacking.join(", ")}` };
    const silicon = new Silicon(mkdtempSync(join(tmpdir(), "silicon-")));
    silicon.#compile();
    // Asked for nothing it tells whether it can do anything.
    const trial = spawnSync(silicon.#program, { input: new Uint8Array(8) });
    if (trial.status === 0) return silicon;
    silicon.close();
    return { missing: "Linux 5.9 (FSGSBASE) with modify_ldt" };
  }

  #compile(): void {
    const numbers = { CODE, CODE_BYTES, DATA, DATA_BYTES, MEMORY, MEMORY_BYTES };
    const segments = LDT.map(
      ({ base, limit, code, big }, k) =>
        `segment(${k},${base}u,${limit}u,${Number(code)},${Number(big)});`,
    ).join("");
    const gcc = spawnSync(
      "gcc",
      [
        ...["-O2", "-fno-stack-protector", "-mno-red-zone", "-Wl,-z,now", "-Wall"],
        ...["-o", this.#program, SOURCE],
        ...Object.entries({ ...numbers, RECORD_BYTES, BATCH }).map(
          ([name, value]) => `-D${name}=${value}`,
        ),
        `-DLDT_SEGMENTS=${segments}`,
      ],
      { encoding: "utf8" },
    );
    if (gcc.status !== 0) throw new Error(`gcc does not compile ${SOURCE}: ${gcc.stderr}`);
  }

  /**
   * Runs records.
   * @returns them as they stand behind their instructions
   * @throws Error naming the case that ended the program
   */
  run(records: Uint8Array): Uint8Array {
    const answers = Uint8Array.from(records);
    for (let at = 0; at < answers.length; at += BATCH * RECORD_BYTES) {
      const part = answers.subarray(at, at + BATCH * RECORD_BYTES);
      if (!this.#ask(part)) this.#blame(records.subarray(at, at + BATCH * RECORD_BYTES));
    }
    this.#repeatEndless(records, answers);
    return answers;
  }

  /** On a busy host a case may not have come to its end because it was not run for a while. */
  #repeatEndless(records: Uint8Array, answers: Uint8Array<ArrayBuffer>): void {
    new Batch(answers.length / RECORD_BYTES, answers.buffer).cases.forEach((answer, k) => {
      for (let times = 0; times < REPEATS && answer.vector === ENDLESS; times++) {
        const at = k * RECORD_BYTES;
        const record = Uint8Array.from(records.subarray(at, at + RECORD_BYTES));
        if (!this.#ask(record)) this.#blame(record);
        answers.set(record, at);
      }
    });
  }

  /** Copies of cases as they stand behind their instructions. */
  answer(cases: readonly Case[]): readonly Case[] {
    const bytes = new Uint8Array(cases.length * RECORD_BYTES);
    cases.forEach(({ u8 }, k) => {
      bytes.set(u8, k * RECORD_BYTES);
    });
    return new Batch(cases.length, this.run(bytes).buffer as ArrayBuffer).cases;
  }

  #ask(records: Uint8Array): boolean {
    this.#oracle ??= new Oracle(this.#program, this.#directory);
    if (this.#oracle.ask(records)) return true;
    this.#oracle.close();
    this.#oracle = undefined;
    return false;
  }

  #blame(records: Uint8Array): never {
    for (let at = 0; at < records.length; at += RECORD_BYTES) {
      const record = Uint8Array.from(records.subarray(at, at + RECORD_BYTES));
      const code = Buffer.from(record.subarray(0, record[16])).toString("hex");
      if (!this.#ask(record)) throw new Error(`a case of ${code} ended silicon.c`);
    }
    throw new Error("a batch ended silicon.c, but none of its cases alone");
  }

  close(): void {
    this.#oracle?.close();
    rmSync(this.#directory, { recursive: true });
  }
}
