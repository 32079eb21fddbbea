/** The talk's example: a real sin() in an inmate, its samples read at root; and without SSE. */
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { demoCell, loadScenario, q35, q35MemoryMap, Session } from "../src/session/index.ts";

/** Where Debian's musl-dev puts it. */
const LIBM = "/usr/lib/x86_64-linux-musl/libc.a";
const PEERS = ["gcc", "ld", "make"];
const missing = PEERS.filter((tool) => spawnSync(tool, ["--version"]).error !== undefined);
if (!existsSync(LIBM)) missing.push("musl-dev");

/** Place of a float among all floats, so that neighbours differ by one. */
function place(value: number): number {
  const bits = new Int32Array(Float32Array.of(value).buffer)[0];
  return bits < 0 ? -(bits & 0x7fff_ffff) : bits;
}

describe.skipIf(missing.length > 0)(`sin() in an inmate (needs ${[...PEERS, "musl-dev"]})`, () => {
  let folder = "";
  let image: Uint8Array;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "gaoler-sine-"));
    copyFileSync(join(import.meta.dirname, "testing/sine.c"), join(folder, "main.c"));
    const rules = join(import.meta.dirname, "lib/inmate.mk");
    writeFileSync(
      join(folder, "Makefile"),
      `NAME := sine\nSSE := code\ninclude ${rules}\n$(OUT)/$(NAME).elf: ${LIBM}\n`,
    );
    const { stderr } = spawnSync("make", ["-s", "-C", folder], { encoding: "utf8" });
    expect(stderr).toBe("");
    image = new Uint8Array(readFileSync(join(folder, "sine.bin")));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** On the version 1 link of revision 8, with a neighbour that prints as long as it runs. */
  async function play(commandLine: string, script: (session: Session) => Promise<void>) {
    const { inmates } = q35MemoryMap(8);
    const neighbour = demoCell("tiny-demo", 8);
    const memoryRegions = neighbour.memoryRegions.map((region) =>
      region.flags.loadable ? { ...region, physStart: BigInt(inmates) } : region,
    );
    const tiny = new Uint8Array(readFileSync(join(import.meta.dirname, "tiny-demo/tiny-demo.bin")));
    const load = (bytes: Uint8Array, words: string) => [
      { image: bytes, address: 0 },
      { commandLine: `con-base=0x3f8 ${words}`, address: 0x1000 },
    ];
    const loaded = await loadScenario(
      {
        system: q35(8),
        cells: [
          { config: { ...neighbour, cpus: [3], memoryRegions }, load: load(tiny, "") },
          { config: demoCell("ivshmem-demo", 8), load: load(image, commandLine) },
        ],
        script,
      },
      () => Promise.reject(new Error("no files")),
    );
    return await new Session(loaded).play();
  }

  it("each sample is the host's sine within 1 ulp", async () => {
    let samples = new Float32Array();
    await play("", async (session) => {
      const link = session.openLink();
      await link.waitForState(1);
      samples = link.section("shared").array(Float32Array, 0, 1000);
    });
    const distances = Array.from(samples, (sample, index) =>
      Math.abs(place(sample) - place(Math.sin((index - 500) * 0.0123))),
    );
    expect(distances).toHaveLength(1000);
    expect(Math.max(...distances)).toBeLessThanOrEqual(1);
    expect(samples[600]).toBeCloseTo(Math.sin(1.23), 6);
  });

  it("without SSE: a triple fault, a report that says why, and a neighbour that runs on", async () => {
    const report = await play("no-sse", async (session) => {
      await session.waitForLine(/Parking|PM Timer/, 2);
      await session.waitForLine(/PM Timer/, 2);
    });
    const [neighbour, sine] = report.cells;
    expect([sine.state, neighbour.state]).toEqual(["failed", "running"]);
    expect(report.console).toMatch(/FATAL: Unhandled VM-Exit, reason 2\n(.*\n){8}Parking CPU 2/);
    expect(sine.cpus[0].failure?.cause).toMatch(
      /^#UD, undefined opcode: an SSE instruction.*CR4\.OSFXSR is 0/,
    );
    expect(neighbour.console.match(/PM Timer/g)?.length).toBeGreaterThanOrEqual(2);
  });
});
