/**
 * The kept images on an independent machine: QEMU's q35 with software emulation, a communication
 * region made here, and a firmware that only jumps to address 0. QEMU 7 emulates no x2APIC in
 * software, so what needs interrupts is left to the tests of the whole system.
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const PEERS = ["gcc", "objcopy", "qemu-system-x86_64"];
const missing = PEERS.filter((tool) => spawnSync(tool, ["--version"]).error !== undefined);

const COMMAND_LINE_ADDRESS = 0x1000;
const COMM_REGION_ADDRESS = 0x10_0000;
const PM_TIMER_PORT = 0x608;
/** With -icount QEMU's TSC counts its virtual nanoseconds. */
const TSC_KHZ = 1_000_000;

/** Layout 2, with COM1 as console (hypervisor interface, communication region). */
function commRegion(abiRevision: number): Uint8Array {
  const page = new Uint8Array(0x1000);
  const fields = new DataView(page.buffer);
  page.set(new TextEncoder().encode("JHCOMM"));
  fields.setUint16(6, abiRevision, true);
  fields.setBigUint64(24, 0x3f8n, true);
  fields.setUint16(36, 2, true); // 8250
  fields.setUint16(64, PM_TIMER_PORT, true);
  fields.setUint16(66, 1, true); // CPUs
  fields.setUint32(68, TSC_KHZ, true);
  fields.setUint32(72, TSC_KHZ, true);
  return page;
}

describe.skipIf(missing.length > 0)(`images on QEMU (needs ${PEERS.join(", ")})`, () => {
  let folder = "";

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "gaoler-inmates-qemu-"));
    const object = join(folder, "rom.o");
    const source = join(import.meta.dirname, "testing/reset-rom.S");
    expect(spawnSync("gcc", ["-m32", "-c", source, "-o", object]).status).toBe(0);
    const rom = join(folder, "rom.bin");
    const section = ["-O", "binary", "-j", ".text"];
    expect(spawnSync("objcopy", [...section, object, rom]).status).toBe(0);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** Runs until the console's text matches, the machine resets or time is up. */
  async function run(
    name: string,
    until: RegExp,
    { commandLine = "", abiRevision = 2, seconds = 30 } = {},
  ): Promise<{ lines: string[]; reset: boolean }> {
    // QEMU refuses files that overlap, so the command line goes into a copy of the image
    const image = readFileSync(join(import.meta.dirname, name, `${name}.bin`));
    image.write(commandLine, COMMAND_LINE_ADDRESS, "latin1");
    writeFileSync(join(folder, "image"), image);
    writeFileSync(join(folder, "comm"), commRegion(abiRevision));
    const load = (file: string, address: number) => [
      "-device",
      `loader,file=${join(folder, file)},addr=${address},force-raw=on`,
    ];
    const qemu = spawn("qemu-system-x86_64", [
      ...["-machine", "q35", "-m", "64", "-cpu", "qemu64", "-accel", "tcg"],
      ...["-icount", "shift=5,sleep=off", "-bios", join(folder, "rom.bin")],
      ...["-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio"],
      ...load("image", 0),
      ...load("comm", COMM_REGION_ADDRESS),
    ]);
    const patience = setTimeout(() => qemu.kill(), seconds * 1000);
    return await new Promise((resolve, reject) => {
      let text = "";
      qemu.stdout.setEncoding("latin1").on("data", (chunk: string) => {
        text += chunk;
        if (until.test(text)) qemu.kill();
      });
      qemu.on("error", reject).on("close", () => {
        clearTimeout(patience);
        resolve({ lines: text.split("\r\n"), reset: !qemu.killed });
      });
    });
  }

  it("tiny-demo prints the PM timer once a second", async () => {
    const { lines } = await run("tiny-demo", /(PM Timer.*\r\n){3}/);
    const [hello, ...times] = lines;
    expect(hello).toBe("Hello from this tiny cell!");
    const seconds = times.slice(0, 3).map((line) => {
      expect(line).toMatch(/^PM Timer: [ \d]{11}$/);
      return Number(line.slice("PM Timer:".length)) / 1e9;
    });
    for (const [index, second] of seconds.entries()) expect(second).toBeCloseTo(index + 1, 1);
  });

  it("tiny-demo runs with the communication regions of v0.10 and v0.12 but with no later one", async () => {
    const hello = /tiny cell!\r\n/;
    const known = await run("tiny-demo", hello, { abiRevision: 1 });
    expect(known.lines).toContain("Hello from this tiny cell!");
    const unknown = await run("tiny-demo", hello, { abiRevision: 3, seconds: 1 });
    expect(unknown).toEqual({ lines: [""], reset: false });
  });

  it("32-bit-demo never enters long mode", async () => {
    const { lines } = await run("32-bit-demo", /\n/);
    expect(lines[0]).toBe("This runs in 32-bit mode (EFER: 0)");
  });

  it("fault-demo ends in a triple fault at its first sample", async () => {
    const { lines, reset } = await run("fault-demo", /sin/);
    expect(lines).toEqual(["Generator set points, one turn in 16 samples of 1/1000:", ""]);
    expect(reset).toBe(true);
  });

  it("fault-demo computes a sine once SSE is enabled", async () => {
    const { lines } = await run("fault-demo", /sin 15.*\r\n/, { commandLine: "enable-sse" });
    for (let sample = 0; sample < 16; sample++) {
      const value = Math.trunc(Number((1000 * Math.sin((2 * Math.PI * sample) / 16)).toFixed(3)));
      expect(Number(lines[sample + 1].split("=")[1])).toBe(value === 0 ? 0 : value);
    }
  });

  it("library-test: text, command line, time, exceptions", async () => {
    const commandLine = "text=longer negative=-12 hex=0x1234AbCdEf bad=1x flag off=false on=1";
    const { lines } = await run("library-test", /interrupts are disabled.*\r\n/, { commandLine });
    expect(lines.filter((line) => line.startsWith("FAILED"))).toEqual([]);
    expect(lines.filter((line) => line.startsWith("ok"))).toHaveLength(36);
  });
});
