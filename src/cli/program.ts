/** The command line: which commands there are and what they take. */
import { readFileSync } from "node:fs";
import { Command, CommanderError, type CommandOptions, Option } from "commander";
import type { ScenarioDevice } from "../session/devices.ts";
import { JITS, type Jit } from "../session/session.ts";
import { type CellArguments, cellOptions } from "./cell-arguments.ts";
import { configShow } from "./config-show.ts";
import { demo } from "./demo.ts";
import { deviceArgument } from "./device-arguments.ts";
import { exec } from "./exec.ts";
import { inmateNew } from "./inmate-new.ts";
import { run } from "./run.ts";
import { isInputError } from "./usage-error.ts";
import { address, assignment, bytesAt, count, duration, pattern, range, size } from "./values.ts";

/** Exit status for bad usage or bad input. */
const BAD_USAGE = 2;

export interface ConfigShowOptions {
  json?: true;
  architecture?: string;
}

export interface RunOptions {
  system?: string;
  cells: CellArguments[];
  device?: readonly ScenarioDevice[];
  for?: number;
  until?: RegExp;
  realtime?: true;
  json?: string;
  jit: Jit | false;
  engine: string;
  record?: string;
  replay?: string;
}

export interface DemoOptions extends RunOptions {
  list?: true;
  csv?: string;
  fault?: string;
}

export interface ExecOptions {
  mode?: string;
  at?: number;
  user?: true;
  set: { name: string; value: bigint }[];
  memory?: number;
  map: { address: number; size: number }[];
  poke: { address: number; bytes: Uint8Array }[];
  peek: { address: number; size: number }[];
  cpus: number;
  module: string[];
  instructions?: number;
  cmdline: string;
  for?: number;
  json?: string;
  jit: Jit;
}

/** Of an option that may be given again and again. */
const collect =
  <T>(parse: (text: string) => T) =>
  (text: string, previous: readonly T[]): T[] => [...previous, parse(text)];

/** Set by the command that ran. */
let status = 0;

function command(parent: Command, usage: string, summary: string, options?: CommandOptions) {
  const sentence = `${summary[0].toUpperCase()}${summary.slice(1)}.`;
  return parent.command(usage, options).summary(summary).description(sentence);
}

const examples = (...lines: string[]) =>
  `\nExamples:\n${lines.map((line) => `  ${line}`).join("\n")}\n`;

function build(): Command {
  const program = new Command("gaoler")
    .description("A partitioning hypervisor that runs Jailhouse's cells and inmates anywhere.")
    .version(version(), "--version", "print the version")
    .helpOption("-h, --help", "print this help")
    .showHelpAfterError("(add --help for what it takes)")
    .exitOverride()
    .configureOutput({
      outputError: (text, write) => write(text.replace(/^error: /, "gaoler: ")),
    })
    .addHelpText(
      "after",
      `${examples(
        "gaoler demo",
        "gaoler run --system qemu.cell --cell apic-demo.cell --load apic-demo.bin --for 2s",
        "gaoler exec boot.bin --mode 16",
        "gaoler config show apic-demo.cell",
      )}\nExit status: 0 ended as asked, 1 a cell failed or the wanted line never came, 2 bad usage or input.`,
    );

  const demoCommand = command(program, "demo", "run a shipped demo")
    .argument("[name]", "which one (without: power-plant)")
    .option("--list", "list the demos")
    .option(
      "--csv <file>",
      "power-plant: write its signals, 1000 rows a second (- for standard output)",
    )
    .option("--fault <name>", "power-plant: build a mistake in: sse, floating point never enabled");
  withRunOptions(demoCommand)
    .addHelpText(
      "after",
      examples(
        "gaoler demo",
        "gaoler demo --list",
        "gaoler demo power-plant --csv signals.csv --json signals.json",
        "gaoler demo power-plant --fault sse",
        "gaoler demo smp-demo --json report.json",
      ),
    )
    .action(async (name: string | undefined, options: DemoOptions) => {
      status = await demo(name, options);
    });

  const runCommand = command(
    program,
    "run",
    "run cells, from a scenario or from configurations and images",
  )
    .argument("[scenario]", "a TypeScript file that exports a scenario")
    .option("--system <file>", "system configuration: the machine and its root cell");
  const cells = cellOptions(runCommand);
  runCommand.option(
    "--device <kind@bb:dd.f>",
    "PCI device of the machine: hda or e1000 (repeatable)",
    deviceArgument,
  );
  withRunOptions(runCommand)
    .option("--record <file>", "write down what the script of the scenario does, and when")
    .option("--replay <file>", "do what was recorded, in place of the script")
    .addHelpText(
      "after",
      `\nOptions --load, --cmdline, --start-after and --features belong to the --cell before them. Images
and command lines without an address go where the revision of the cell's configuration wants them. A
run ends when every cell has ended.
A device stands where the cell that lists it has a region for its registers, or where bar0= says:
hda@00:1b.0[,bar0=ADDRESS] and e1000@00:19.0[,bar0=ADDRESS][,io=PORT][,mac=ADDRESS][,wire=NAME].
Controllers on the same wire (without: "lan") hear each other.
${examples(
  "gaoler run plant.ts",
  "gaoler run plant.ts --record plant.rec && gaoler run plant.ts --replay plant.rec",
  "gaoler run --system qemu.cell --cell apic-demo.cell --load apic-demo.bin --for 2s",
  "gaoler run --system qemu.cell --cell tiny-demo.cell --load tiny-demo.bin --cmdline con-base=0x2f8",
  "gaoler run --system qemu.cell --cell pci-demo.cell --load pci-demo.bin --device hda@00:1b.0",
  'gaoler run --system qemu.cell --cell a.cell --load a.bin@0xf0000 --until "jitter" --json -',
)}`,
    )
    .action(async (scenario: string | undefined, options: RunOptions) => {
      status = await run(scenario, { ...options, cells });
    });

  command(program, "exec", "run code on one bare CPU until HLT and print its registers")
    .argument("<image>", "flat code, or an ELF file with a multiboot header")
    .option("--mode <bits>", "flat code: 16 (real mode), 32 or 64 (default: 64)")
    .option("--at <address>", "flat code: where it is loaded and entered", address)
    .option("--user", "flat code: at privilege level 3, as programs of an operating system")
    .option(
      "--set <register=value>",
      "a register to set before (repeatable)",
      collect(assignment),
      [],
    )
    .option("--poke <address=hex>", "bytes to put into RAM (repeatable)", collect(bytesAt), [])
    .option("--peek <address:size>", "RAM to print afterwards (repeatable)", collect(range), [])
    .option("--memory <size>", "RAM of the machine, from address 0 (kernels: 128M)", size)
    .option(
      "--map <address:size>",
      "flat code: more RAM elsewhere (repeatable)",
      collect(range),
      [],
    )
    .option("--cpus <count>", "multiboot: CPUs of the machine", count, 1)
    .option("--cmdline <text>", "multiboot: command line of the kernel", "")
    .option(
      "--module <file>",
      "multiboot: a file beside the kernel (repeatable)",
      collect((name) => name),
      [],
    )
    .option("--instructions <count>", "end after this many instructions", count)
    .addOption(jitOption())
    .option("--for <time>", "end after this much virtual time", duration)
    .option("--json <file>", "write the registers as JSON (- for standard output)")
    .addHelpText(
      "after",
      `\nFlat code stands at 0x7c00 (16 bits) or 0x100000 (32 and 64 bits) and ends by HLT. It is entered
with a stack, flat segments, x87 and vector instructions enabled, interrupts on, in 64-bit mode every
GiB with RAM mapped to itself. With --user it runs at privilege level 3, where HLT ends it too.
It has RAM at all addresses below 512 GiB but 0xfec00000 to 0xffffffff; or as much as --memory says,
and where --map says. Its tables in 32 and 64-bit mode take the last 28 KiB of --memory, or of the first
128 MiB without it. Behind --memory (at most 0x90000000), 512 MiB of RAM can be in use.
Registers are set in the order given, after the code has been loaded: rax eax ax ah al ... r15 r15d
r15w r15b, rip, rflags, cs ... gs (base = 16 * selector), cs_base ... gs_base, cr0 ... cr4, efer,
xcr0, dr0 ... dr7, xmm0 ... xmm15, ymm0 ... ymm15, mxcsr, st0 ... st7, mm0 ... mm7, fcw, fsw, ftw.
A multiboot kernel has the devices of a PC; COM1 is standard output. It ends by HLT with interrupts
off on every CPU, or by writing V to port 0xf4, with exit status (V << 1) | 1 as QEMU's
isa-debug-exit. Beside that there are QEMU's fw_cfg (RAM, number of CPUs) and pc-testdev.
${examples(
  "gaoler exec boot.bin --mode 16",
  "gaoler exec code.bin --set rdi=0x10 --set xmm0=0x3ff0000000000000 --json -",
  "gaoler exec test.bin --at 0x10000 --user --poke 0xe0000000=0df0adba --peek 0xe0000000:32",
  "gaoler exec step.bin --mode 16 --set cs=0x1000 --set ip=0x20 --poke 0x10020=d1e8 --instructions 1",
  'gaoler exec kernel.elf --memory 256M --cmdline "test=all" --for 10s',
)}`,
    )
    .action(async (image: string, options: ExecOptions) => {
      status = await exec(image, options);
    });

  const config = command(program, "config", "configuration tools");
  command(config, "show", "show a configuration, of a system or a cell, of any revision")
    .argument("<file>", "a binary configuration (.cell)")
    .option("--json", "as JSON")
    .option("--architecture <name>", "x86, arm or arm64, which files below revision 14 do not say")
    .addHelpText(
      "after",
      examples(
        "gaoler config show qemu.cell",
        "gaoler config show a.cell --json",
        "gaoler config show bananapi.cell --architecture arm",
      ),
    )
    .action(async (file: string, options: ConfigShowOptions) => {
      status = await configShow(file, options);
    });

  const inmate = command(program, "inmate", "write an inmate of your own");
  command(inmate, "new", "make a folder with an inmate that builds at once")
    .argument("<name>", "name of the inmate and of the folder")
    .addHelpText("after", examples("gaoler inmate new pump && make -C pump"))
    .action(async (name: string) => {
      status = await inmateNew(name);
    });

  inheritSettings(program);
  return program;
}

function withRunOptions(command: Command): Command {
  return command
    .option("--for <time>", "end after this much virtual time: 500us, 2s, 1min", duration)
    .option("--until <regex>", "end when a console line matches", pattern)
    .option("--realtime", "pace virtual time against the wall clock")
    .option("--json <file>", "write a final report (- for standard output)")
    .option("--engine <name>", "wasm, kvm or auto", "auto")
    .addOption(jitOption())
    .addOption(new Option("--no-jit").hideHelp());
}

const jitOption = () =>
  new Option(
    "--jit <mode>",
    "what is compiled: code that is hot (on), all code, some (random), or none (--no-jit)",
  )
    .choices(JITS)
    .default("on");

/** Commands made by `command()` take over some settings of their parent, not these. */
function inheritSettings(command: Command): void {
  for (const child of command.commands) {
    child.helpOption("-h, --help", "print this help");
    inheritSettings(child);
  }
}

/** From the package's own description: the same place seen from `src/cli` and from `dist/cli`. */
function version(): string {
  const path = new URL("../../package.json", import.meta.url);
  return JSON.parse(readFileSync(path, "utf8")).version;
}

/** @returns the exit status */
export async function main(words: readonly string[]): Promise<number> {
  try {
    const program = build();
    if (words.length === 0) {
      program.outputHelp();
      return BAD_USAGE;
    }
    await program.parseAsync([...words], { from: "user" });
    return status;
  } catch (error) {
    // commander has printed its message, or the help that was asked for
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : BAD_USAGE;
    if (!isInputError(error)) throw error;
    console.error(`gaoler: ${error.message}`);
    return BAD_USAGE;
  }
}
