/**
 * Lists of device accesses, run on this board and on QEMU's q35 (by `port-script.asm`): what they
 * read, and which interrupts they cause.
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { GuestMemory } from "../../engine/guest-memory.ts";
import type { Exit } from "../../engine/vcpu.ts";
import { Board } from "../board.ts";
import type { PciDeviceOptions } from "../pci-devices.ts";
import { FakeVcpu } from "./fake-vcpu.ts";

const FINISH = 0;
const OUT = 1;
const IN = 2;
const STORE = 3;
const LOAD = 4;
const WAIT_PORT = 5;
const WINDOW = 6;
const WAIT_MEMORY = 7;
const STORE16 = 8;
const LOAD16 = 9;

export type Step = readonly [operation: number, address: number, value: number];

export const out = (port: number, ...bytes: number[]): Step[] =>
  bytes.map((byte) => [OUT, port, byte]);
export const read = (port: number, mask = 0xff): Step => [IN, port, mask];
export const store = (address: number, value: number): Step => [STORE, address, value];
export const load = (address: number, mask = 0xffffffff): Step => [LOAD, address, mask];
export const store16 = (address: number, value: number): Step => [STORE16, address, value];
export const load16 = (address: number, mask = 0xffff): Step => [LOAD16, address, mask];
/** Until the masked bits of a port have a value. */
export const waitPort = (port: number, mask: number, value: number): Step => [
  WAIT_PORT,
  port,
  (value << 8) | mask,
];
/** Until any of the masked bits is set. */
export const waitMemory = (address: number, mask: number): Step => [WAIT_MEMORY, address, mask];
/** Interrupts are taken here, and here only. */
export const window: Step = [WINDOW, 0, 0];

/** RAM that scripts may use: 64 KiB to 512 KiB are free on a PC. */
const RAM_BYTES = 0x80000;

/** What each step of a script reads, interrupts taken in between, on this board. */
export function onBoard(
  script: readonly Step[],
  devices: readonly PciDeviceOptions[] = [],
): number[] {
  const vcpu = new FakeVcpu(0);
  const memory = new GuestMemory(RAM_BYTES);
  const board = new Board({ memory, vcpus: [vcpu], devices });
  const results: number[] = [];
  const perform = (exit: Exit) => board.bareModerator.exit(vcpu, exit);
  const portRead = (port: number) => {
    const exit: Exit = { kind: "port-read", port, width: 1, string: false, value: 0 };
    perform(exit);
    return exit.value;
  };
  const memoryRead = (address: number, width: 2 | 4 = 4) => {
    if (address < RAM_BYTES) return memory.view.getUint32(address, true);
    const exit: Exit = { kind: "memory-read", address, width, lo: 0, hi: 0 };
    perform(exit);
    return exit.lo;
  };
  const memoryWrite = (address: number, width: 2 | 4, value: number) => {
    if (address < RAM_BYTES) memory.view.setUint32(address, value, true);
    else perform({ kind: "memory-write", address, width, lo: value >>> 0, hi: 0 });
  };
  const pass = (condition: () => boolean) => {
    for (let n = 0; n < 1_000_000; n++) {
      if (condition()) return;
      board.clock.advance(board.clock.now + 100);
    }
    throw new Error("the condition that a script waits for never comes");
  };
  for (const [operation, address, value] of script) {
    board.clock.advance(board.clock.now + 1000);
    if (operation === OUT)
      perform({ kind: "port-write", port: address, width: 1, string: false, value });
    else if (operation === IN) results.push(portRead(address) & value);
    else if (operation === STORE) memoryWrite(address, 4, value);
    else if (operation === STORE16) memoryWrite(address, 2, value);
    else if (operation === LOAD) results.push((memoryRead(address) & value) >>> 0);
    else if (operation === LOAD16) results.push(memoryRead(address, 2) & value);
    else if (operation === WAIT_PORT) pass(() => (portRead(address) & value & 0xff) === value >> 8);
    else if (operation === WAIT_MEMORY) pass(() => (memoryRead(address) & value) !== 0);
    else while (board.localApics[0].pending() >= 0) results.push(board.localApics[0].acknowledge());
  }
  return results;
}

/** Written by the script itself before its first result. */
const MARK = "PORT-SCRIPT:";

/** @param devices more arguments of QEMU's command line */
export function onQemu(script: readonly Step[], devices: readonly string[] = []): number[] {
  const directory = mkdtempSync(join(tmpdir(), "port-script-"));
  try {
    const image = join(directory, "image");
    const output = join(directory, "output");
    const source = new URL("port-script.asm", import.meta.url).pathname;
    const assembled = spawnSync("nasm", ["-f", "bin", "-o", image, source], { encoding: "utf8" });
    expect(assembled.stderr).toBe("");
    const mark = [...MARK].map((letter): Step => [OUT, 0xe9, letter.charCodeAt(0)]);
    const steps = new Int32Array(
      [...mark, ...script, [FINISH, 0, 0]].flat().map((word) => word | 0),
    );
    writeFileSync(image, Buffer.concat([readFileSync(image), Buffer.from(steps.buffer)]));
    // its time counted in instructions, so that a busy host does not let its timers run out
    const time = ["-icount", "shift=0,sleep=off"];
    const machine = ["-M", "q35", "-m", "64", "-display", "none", "-no-reboot", "-monitor", "none"];
    const serial = [
      "-chardev",
      "null,id=n",
      "-serial",
      "chardev:n",
      "-chardev",
      "null,id=m",
      "-serial",
      "chardev:m",
    ];
    const exits = ["-debugcon", `file:${output}`, "-device", "isa-debug-exit,iobase=0xf4,iosize=4"];
    const qemu = spawnSync(
      "qemu-system-x86_64",
      [...time, ...machine, ...serial, ...exits, "-net", "none", ...devices, "-kernel", image],
      { encoding: "utf8", timeout: 60_000 },
    );
    // a wire between two of its NICs alone is what it warns of
    expect(qemu.stderr.replace(/.*warning: hub 0 is not connected to host network\n/, "")).toBe("");
    const bytes = readFileSync(output);
    // the firmware writes there too: ours is what stands behind the mark
    const start = bytes.indexOf(MARK) + MARK.length;
    return Array.from({ length: (bytes.length - start) / 4 }, (_, n) =>
      bytes.readUInt32LE(start + 4 * n),
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
}

export function available(): boolean {
  return (
    spawnSync("qemu-system-x86_64", ["--version"]).status === 0 &&
    spawnSync("nasm", ["--version"]).status === 0
  );
}
