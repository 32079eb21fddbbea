/** `gaoler exec`: code on one bare CPU, and what it left in the registers. */
import { isElf } from "../debug/elf.ts";
import { BareMachine, type BareReport } from "../session/bare.ts";
import type { FlatMode } from "../session/flat.ts";
import { findMultibootHeader } from "../session/multiboot.ts";
import { instructionLine, registerTable } from "../session/register-table.ts";
import { setRegister } from "../session/registers.ts";
import { flatRam, USUAL_RAM_BYTES } from "../session/sparse-ram.ts";
import { readBytes, writeText } from "./files.ts";
import type { ExecOptions } from "./program.ts";
import { grouped } from "./report-text.ts";
import { paintFor } from "./terminal.ts";
import { UsageError } from "./usage-error.ts";

/** @returns the exit status */
export async function exec(file: string, options: ExecOptions): Promise<number> {
  const image = await readBytes(file);
  // the report has standard output to itself
  const output = options.json === "-" ? process.stderr : process.stdout;
  const serial = new SerialOutput(output);
  const kernel = isElf(image) || findMultibootHeader(image) !== undefined;
  const machine = createMachine(options, kernel, (byte) => serial.put(byte));
  if (kernel) {
    const { mode, at, user, map } = options;
    if (mode !== undefined || at !== undefined || user || map.length > 0)
      throw new UsageError(
        `${file} is a kernel image: --mode, --at, --user and --map are for flat code`,
      );
    const modules = options.module.map(async (name) => ({ name, bytes: await readBytes(name) }));
    machine.loadMultiboot(image, options.cmdline, await Promise.all(modules));
  } else if (options.cpus > 1)
    throw new UsageError(`${file} is flat code, which runs on one CPU: --cpus is for kernels`);
  else machine.loadFlat(image, flatMode(options.mode), options.at, options.user ? 3 : 0);
  for (const { address, bytes } of options.poke) machine.write(address, bytes);
  setRegisters(machine, options.set);
  const peek = () =>
    options.peek.map(({ address, size }) => ({
      address: `0x${address.toString(16)}`,
      bytes: Buffer.from(machine.read(address, size)).toString("hex"),
    }));
  peek(); // where there is no RAM is said before the run

  const interrupt = new AbortController();
  process.once("SIGINT", () => interrupt.abort());
  const limits = {
    ...(options.for !== undefined && { ns: options.for }),
    ...(options.instructions !== undefined && { instructions: options.instructions }),
  };
  const report = await machine.run(limits, interrupt.signal, () => serial.flush());
  serial.flush();
  const memory = peek();
  const failed = report.ended === "triple-fault";
  if (!kernel || failed || report.ended === "interrupted")
    output.write(`${[...text(report, paintFor(output)), ...dump(memory)].join("\n")}\n`);
  if (options.json !== undefined)
    await writeText(options.json, `${JSON.stringify({ ...report, memory }, undefined, 2)}\n`);
  if (report.ended === "exit") return report.exitStatus & 0xff;
  return failed ? 1 : 0;
}

/** Bytes as hexadecimal digits. */
interface MemoryReport {
  readonly address: string;
  readonly bytes: string;
}

const dump = (pieces: readonly MemoryReport[]): string[] =>
  pieces.flatMap(({ address, bytes }) => [
    "",
    ...(bytes.match(/.{1,32}/g) ?? []).map((row, index) => {
      const at = (Number(address) + 16 * index).toString(16).padStart(12, "0");
      return `${at}  ${row.match(/../g)?.join(" ")}`;
    }),
  ]);

function createMachine(
  { memory, map, cpus, jit }: ExecOptions,
  kernel: boolean,
  com1: (byte: number) => void,
): BareMachine {
  const size = memory ?? (kernel || map.length > 0 ? USUAL_RAM_BYTES : undefined);
  const { ramBytes, ranges } =
    kernel && size !== undefined ? { ramBytes: size, ranges: [] } : flatRam(size);
  try {
    return new BareMachine(ramBytes, com1, [...ranges, ...map], cpus, jit);
  } catch (error) {
    if (error instanceof RangeError)
      throw new UsageError(`--memory, --map, --cpus: ${error.message}`);
    throw error;
  }
}

function flatMode(text = "64"): FlatMode {
  if (text === "16" || text === "32" || text === "64") return Number(text) as FlatMode;
  throw new UsageError(`--mode ${text}: must be 16, 32 or 64`);
}

function setRegisters(machine: BareMachine, values: ExecOptions["set"]): void {
  for (const { name, value } of values)
    try {
      setRegister(machine.registers, name, value);
    } catch (error) {
      if (error instanceof RangeError) throw new UsageError(`--set ${error.message}`);
      throw error;
    }
}

function text(report: BareReport, paint: ReturnType<typeof paintFor>): string[] {
  const instructions = `${grouped(report.instructions)} instructions`;
  const ending = {
    halt: `HLT after ${instructions}`,
    exit: `ended itself after ${instructions}`,
    reset: `reset by itself after ${instructions}`,
    "power-off": `switched off by itself after ${instructions}`,
    instructions: `the instructions asked for: ${instructions}`,
    time: `the time asked for has passed, ${instructions}`,
    interrupted: `interrupted after ${instructions}`,
    "triple-fault": paint("red", `triple fault after ${instructions}`),
  };
  return [
    ending[report.ended],
    ...registerTable(report.registers),
    ...instructionLine(report.instruction),
  ];
}

/** Bytes of a serial port, handed to the host in pieces rather than one by one. */
class SerialOutput {
  readonly #stream: NodeJS.WriteStream;
  #bytes: number[] = [];

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  put(byte: number): void {
    this.#bytes.push(byte);
    if (byte === 10 || this.#bytes.length === 4096) this.flush();
  }

  flush(): void {
    if (this.#bytes.length === 0) return;
    this.#stream.write(Uint8Array.from(this.#bytes));
    this.#bytes = [];
  }
}
