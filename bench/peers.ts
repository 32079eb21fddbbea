/** Those who run the same workloads. */
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { BareMachine } from "../src/session/bare.ts";
import { type Measurement, processorMilliseconds, Transcript } from "./transcript.ts";
import { UNHURRIED } from "./unhurried.ts";
import type { Workload } from "./workloads.ts";

export interface Peer {
  readonly name: "Gaoler" | "QEMU TCG" | "native";
  readonly kinds: readonly Workload["kind"][];
  /** @throws Error if the workload does not come to its end */
  run(workload: Workload, rounds: number): Promise<Measurement>;
}

const RAM_MIB = 128;
const PATIENCE_MS = 60_000;
const QEMU = "qemu-system-x86_64";

/** This engine, in this process. */
export function gaoler(guest: string): Peer {
  const image = readFileSync(guest);
  return {
    name: "Gaoler",
    kinds: ["compute", "system"],
    async run(workload, rounds) {
      const machine = new BareMachine(RAM_MIB << 20, (byte) => transcript.put(byte));
      const [vcpu] = machine.board.vcpus;
      const transcript = new Transcript(workload.name, () => ({
        milliseconds: performance.now(),
        work: { instructions: vcpu.retired, processorMilliseconds: processorMilliseconds() },
      }));
      machine.loadMultiboot(image, `${workload.name} ${rounds}`);
      const { ended } = await machine.run(
        {},
        AbortSignal.timeout(PATIENCE_MS),
        undefined,
        UNHURRIED,
      );
      return transcript.measurement(ended);
    },
  };
}

/** undefined: not installed */
export function qemuTcg(guest: string): Peer | undefined {
  if (spawnSync(QEMU, ["--version"]).error !== undefined) return undefined;
  const machine = ["-accel", "tcg", "-nodefaults", "-no-reboot", "-display", "none"];
  const devices = ["-serial", "stdio", "-device", "isa-debug-exit,iobase=0xf4,iosize=4"];
  return {
    name: "QEMU TCG",
    kinds: ["compute", "system"],
    run: (workload, rounds) =>
      runProgram(workload, QEMU, [
        ...machine,
        ...devices,
        ...["-m", String(RAM_MIB), "-kernel", guest, "-append", `${workload.name} ${rounds}`],
      ]),
  };
}

/** The workloads compiled for the host. */
export const native = (program: string): Peer => ({
  name: "native",
  kinds: ["compute"],
  run: (workload, rounds) => runProgram(workload, program, [workload.name, String(rounds)]),
});

function runProgram(workload: Workload, command: string, args: string[]): Promise<Measurement> {
  const transcript = new Transcript(workload.name, () => ({
    milliseconds: performance.now(),
    work: undefined,
  }));
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ["ignore", "pipe", "inherit"],
      timeout: PATIENCE_MS,
    });
    child.stdout.on("data", (bytes: Uint8Array) => {
      for (const byte of bytes) transcript.put(byte);
    });
    child.on("error", reject);
    child.on("close", (status, signal) => {
      try {
        resolve(transcript.measurement(`ended with ${signal ?? `status ${status}`}`));
      } catch (error) {
        reject(error);
      }
    });
  });
}
