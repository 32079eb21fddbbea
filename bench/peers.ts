/** Those who run the same workloads. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { heedBranchHints } from "../src/cli/branch-hints.ts";
import { BareMachine } from "../src/session/bare.ts";
import { type ClockName, clockHere, PROCESSOR } from "./clock.ts";
import { type ProcessMeasurement, runProcess } from "./process.ts";
import { type Measurement, Transcript } from "./transcript.ts";
import { UNHURRIED } from "./unhurried.ts";
import { WasmProgram } from "./wasm-program.ts";
import type { Needs, Workload } from "./workloads.ts";

export type PeerName = "Gaoler" | "QEMU TCG" | "TCG icount" | "native" | "wasm";

export interface Rounds {
  /** Before those that are measured. */
  readonly warm: number;
  readonly rounds: number;
}

export interface Peer {
  readonly name: PeerName;
  readonly offers: readonly Needs[];
  /** Until all that matters is translated or compiled. */
  readonly warmUpMs: number;
  /** @throws Error if the workload does not come to its end */
  run(workload: Workload, rounds: Rounds): Promise<Measurement>;
  /** As users start it, in a process that has done nothing before; not all peers are programs. */
  readonly runProcess?: (workload: Workload, rounds: Rounds) => Promise<ProcessMeasurement>;
}

// as the command line does
heedBranchHints(true);

const RAM_MIB = 128;
const PATIENCE_MS = 60_000;
const QEMU = "qemu-system-x86_64";
const GAOLER = join(import.meta.dirname, "../gaoler");

const words = ({ name }: Workload, { warm, rounds }: Rounds): string[] => [
  name,
  String(warm),
  String(rounds),
];

/** This engine: in this process, or through the command line. */
export function gaoler(guest: string, by: ClockName): Peer {
  const clock = clockHere(by);
  const image = readFileSync(guest);
  // V8 forgets what objects of a kind look like when the last of them is gone, and after some machines
  // takes those of the next for shapeless: then TypeScript is half as fast. So there is always one.
  const machines = new Set([new BareMachine(1 << 20, () => {})]);
  return {
    name: "Gaoler",
    offers: ["c", "x86", "machine"],
    warmUpMs: 500,
    async run(workload, rounds) {
      const machine = new BareMachine(
        RAM_MIB << 20,
        (byte) => transcript.put(byte),
        [],
        workload.cpus,
      );
      const [vcpu] = machine.board.vcpus;
      const transcript = new Transcript(workload.name, () => ({
        milliseconds: clock(),
        work: { instructions: vcpu.retired, processorMilliseconds: PROCESSOR() },
      }));
      machines.add(machine);
      machine.loadMultiboot(image, words(workload, rounds).join(" "));
      const { ended } = await machine.run(
        {},
        AbortSignal.timeout(PATIENCE_MS),
        undefined,
        UNHURRIED,
      );
      machines.delete(machine);
      return transcript.measurement(ended);
    },
    runProcess: (workload, rounds) =>
      runProcess(
        workload.name,
        GAOLER,
        [
          ...["exec", guest, "--memory", `${RAM_MIB}M`, "--cpus", String(workload.cpus)],
          ...["--cmdline", words(workload, rounds).join(" ")],
        ],
        PATIENCE_MS,
        by,
      ),
  };
}

/** undefined: not installed */
export function qemu(
  guest: string,
  name: "QEMU TCG" | "TCG icount",
  by: ClockName,
): Peer | undefined {
  if (spawnSync(QEMU, ["--version"]).error !== undefined) return undefined;
  const machine = ["-accel", "tcg", "-nodefaults", "-no-reboot", "-display", "none"];
  const devices = ["-serial", "stdio", "-device", "isa-debug-exit,iobase=0xf4,iosize=4"];
  const counting = name === "TCG icount" ? ["-icount", "shift=0"] : [];
  const start = (workload: Workload, rounds: Rounds) =>
    runProcess(
      workload.name,
      QEMU,
      [
        ...[...machine, ...devices, ...counting, "-smp", String(workload.cpus)],
        ...["-m", String(RAM_MIB), "-kernel", guest, "-append", words(workload, rounds).join(" ")],
      ],
      PATIENCE_MS,
      by,
    );
  const offers = ["c", "x86", "machine"] as const;
  return { name, offers, warmUpMs: 50, run: start, runProcess: start };
}

/** The workloads compiled for the host. */
export function native(program: string, by: ClockName): Peer {
  const start = (workload: Workload, rounds: Rounds) =>
    runProcess(workload.name, program, words(workload, rounds), PATIENCE_MS, by);
  return { name: "native", offers: ["c", "x86"], warmUpMs: 10, run: start, runProcess: start };
}

/** The workloads compiled to WebAssembly, which this process runs. */
export function wasm(module: string, by: ClockName): Peer {
  const clock = clockHere(by);
  const program = new WasmProgram(readFileSync(module));
  return {
    name: "wasm",
    offers: ["c"],
    warmUpMs: 200,
    run: async ({ name }, { warm, rounds }) => program.run(name, warm, rounds, clock),
  };
}
