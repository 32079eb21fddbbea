/** A program for several CPUs, on this board and on QEMU's PC: the same log, and the one that the manuals lead to. */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { GuestMemory } from "../engine/guest-memory.ts";
import { EXECUTE, READ } from "../engine/vcpu.ts";
import { WasmEngine } from "../engine/wasm/engine.ts";
import { assemble, hasProgram } from "../engine/x86/testing/firmware.ts";
import { Board } from "./board.ts";

const CPUS = 3;
const RAM_BYTES = 16 << 20;
const ROM_BYTES = 0x10000;
const DEBUG_PORT = 0xe9;
const EXIT_PORT = 0xf4;
const QEMU_MS = 50_000;

const hasNasm = hasProgram("nasm");
const hasQemu = hasNasm && hasProgram("qemu-system-x86_64");

function here(image: Uint8Array, quantum: number): string {
  const memory = new GuestMemory(RAM_BYTES);
  const engine = new WasmEngine(memory);
  const vcpus = Array.from({ length: CPUS }, (_, cpu) =>
    engine.createVcpu(cpu, {
      map: { find: () => undefined },
      moderator: { exit: () => "stop" },
      interrupts: { pending: () => -1, acknowledge: () => -1, taskPriority: 0 },
    }),
  );
  const board = new Board({ memory, vcpus, quantum });
  const low = 0x10_0000 - ROM_BYTES;
  memory.bytes(low, ROM_BYTES).set(image);
  const rom = {
    guest: 2 ** 32 - ROM_BYTES,
    size: ROM_BYTES,
    host: low,
    rights: READ | EXECUTE,
  };
  const { ramMap } = board;
  for (const vcpu of vcpus)
    vcpu.map = { find: (address) => (address >= rom.guest ? rom : ramMap.find(address)) };
  let log = "";
  const nothing = () => 0;
  board.portBus.claim("debug console", DEBUG_PORT, 1, {
    portRead: nothing,
    portWrite: (_port, _width, value) => {
      log += String.fromCharCode(value);
    },
  });
  board.portBus.claim("exit", EXIT_PORT, 1, {
    portRead: nothing,
    portWrite: () => board.scheduler.stop(),
  });
  const outcome = board.scheduler.run(1e9);
  return outcome === "stopped" ? log : `${log}${outcome}`;
}

/** undefined: it has not ended in time, as its three threads spin and the host is busy */
function inQemu(image: Uint8Array): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), "gaoler-smp-"));
  try {
    const bios = join(folder, "image");
    const log = join(folder, "log");
    writeFileSync(bios, image);
    const options =
      `-M pc -accel tcg -cpu max -smp ${CPUS} -m 16 -bios ${bios} -display none -net none ` +
      `-no-reboot -chardev file,id=log,path=${log} -device isa-debugcon,iobase=0xe9,chardev=log ` +
      `-device isa-debug-exit,iobase=0xf4`;
    const { error } = spawnSync("qemu-system-x86_64", options.split(" "), { timeout: QEMU_MS });
    if (error !== undefined) return undefined;
    return readFileSync(log, "latin1");
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Letters of smp.asm and what it counts. */
const EXPECTED: readonly [letter: string, value: number][] = [
  ["o", CPUS - 1], // CPUs that have started
  ["s", 1000], // interrupts to all others
  ["a", 100], // from each of them
  ["a", 100],
  ["n", CPUS - 1], // NMIs
  ["t", 1], // the timer, once
  ["t", 0],
  ["p", 0], // periodic, and stopped
  ["m", 0], // masked: not even requested
  ["m", 0],
  ["q", 0x81], // above the task priority
  ["q", 0x61916251], // 91 within 61, 51 behind it
  ["q", 0x8171], // before them
  ["c", (200 * 201) / 2], // code that changes itself
  ["x", (200 * 201) / 2], // and that of another CPU
  ["i", 0xb084], // interrupt 13: status of the x87 unit, division by zero
  ["f", 0x3000], // cleared
  ["#", 0xb084], // #MF
  ["e", 0],
];
const LOG = EXPECTED.map(([letter, value]) => `${letter}${value.toString(16).padStart(8, "0")}\n`);

describe.skipIf(!hasNasm)("three CPUs (needs nasm)", () => {
  const image = (...defines: string[]) => assemble("../../../machine/testing/smp.asm", ...defines);

  it.each([100, 10_000])("log the same with a quantum of %i ns", (quantum) => {
    expect(here(image("FERR"), quantum)).toBe(LOG.join(""));
  });

  // QEMU's CPUs are threads of the host's, which on a busy one may lose an interrupt to another that waits
  const again = { retry: 2 };
  it.skipIf(!hasQemu)("log what QEMU's log (needs qemu-system-x86_64)", again, ({ skip }) => {
    const log = inQemu(image());
    skip(log === undefined, "QEMU has not ended in time");
    expect(log).toBe(here(image(), 1000));
  });
});

/** Letters of deadline.asm: what the manual leads to; QEMU's TCG has no TSC-deadline timer. */
const DEADLINES = "o0 r0 a1 z0 t1 t2 t2 c0 m0 t2 s0 i0";

it.skipIf(!hasNasm)("TSC deadlines, and NMIs in the shadow of MOV SS and STI (needs nasm)", () => {
  const log = here(assemble("../../../machine/testing/deadline.asm"), 1000);
  const compact = log.split(/\s+/).map((line) => line.replace(/^(.)0*(?=.)/, "$1"));
  expect(compact.join(" ").trim()).toBe(DEADLINES);
});
