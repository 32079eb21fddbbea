import { describe, expect, it } from "vitest";
import { demoCell, encodeConfig, q35 } from "../config/index.ts";
import type { GuestMemory } from "../engine/guest-memory.ts";
import { type Instruction, ScriptedVcpu } from "../hypervisor/testing/scripted-vcpu.ts";
import { loadScenario, type Scenario } from "./scenario.ts";
import { type Engine, Session, type SessionEvent } from "./session.ts";

const COM1 = 0x3f8;
const nothing: Instruction = () => undefined;
const endless: Instruction = (vcpu) => {
  vcpu.program.push(endless);
  return undefined;
};

const print = (text: string): Instruction[] =>
  [...text].map((character) => (vcpu) => {
    vcpu.out(COM1, character.charCodeAt(0));
    return undefined;
  });

/** Vcpus whose "code" is given by CPU number. */
function scripted(programs: Record<number, Instruction[]>) {
  return (_memory: GuestMemory): Engine => ({
    createVcpu(index) {
      const vcpu = new ScriptedVcpu(index);
      vcpu.program = programs[index] ?? [];
      return vcpu;
    },
  });
}

const TINY: Scenario = {
  system: q35(),
  cells: [{ config: demoCell("tiny-demo"), load: [{ image: new Uint8Array([0xf4]) }] }],
};

const noFiles = () => Promise.reject(new Error("no files here"));

async function play(scenario: Scenario, programs: Record<number, Instruction[]>) {
  const loaded = await loadScenario(scenario, noFiles);
  const session = new Session(loaded, { engine: scripted(programs) });
  const events: SessionEvent[] = [];
  session.on((event) => events.push(event));
  const report = await session.play();
  return { session, report, events };
}

describe("a session", () => {
  it("starts cells one after the other, with time between if asked", async () => {
    const [tiny] = TINY.cells;
    const later = { config: demoCell("apic-demo"), load: tiny.load, startAfterNs: 5_000_000 };
    const { events } = await play(
      { ...TINY, cells: [tiny, later] },
      { 2: print("first\n"), 3: print("second\n") },
    );
    const times = events.flatMap((event) =>
      event.kind === "line" && event.cell !== undefined ? [[event.text, event.atNs >= 5e6]] : [],
    );
    expect(times).toEqual([
      ["first", false],
      ["second", true],
    ]);
  });

  it("gives CPUs the features of their cell while they are its", async () => {
    const [tiny] = TINY.cells;
    const { session } = await play(
      { ...TINY, cells: [{ ...tiny, features: "x86-64-v2" }] },
      { 2: print("first\n") },
    );
    const features = () => session.hypervisor.cpus.map(({ vcpu }) => vcpu.features.slice(-1));
    expect(features().join("")).toBe("3323");
    await session.destroyCell("tiny-demo");
    expect(features().join("")).toBe("3333");
  });

  it("refuses features that it does not know", async () => {
    const cells = [{ ...TINY.cells[0], features: "x86-64-v4" as "x86-64-v3" }];
    await expect(loadScenario({ ...TINY, cells }, noFiles)).rejects.toThrow(
      /cells\[0\]\.features is "x86-64-v4": must be one of/,
    );
  });

  it("creates, loads and starts cells, and ends when all have ended", async () => {
    const { report, events } = await play(TINY, { 2: print("Hello\r\nworld") });
    expect(report.ended).toBe("cells");
    expect(report.cells).toMatchObject([
      { id: 1, name: "tiny-demo", state: "running", console: "Hello\nworld\n" },
    ]);
    expect(report.cells[0].cpus).toEqual([{ index: 2, state: "halted", instructions: 13 }]);
    expect(report.instructions).toBe(13);
    expect(report.console).toMatch(
      /Initializing Jailhouse.*Created cell "tiny-demo".*"tiny-demo" can be loaded.*Started cell/s,
    );
    expect(events.flatMap((event) => (event.kind === "request" ? [event.text] : []))).toEqual([
      "cell create tiny-demo",
      "cell load tiny-demo image",
      "cell start tiny-demo",
    ]);
  });

  it("stops at the very instruction that completes the wanted line", async () => {
    const lines = "one\ntwo\nthree\n";
    const { report } = await play({ ...TINY, until: /two/ }, { 2: print(lines) });
    expect(report.ended).toBe("line");
    expect(report.instructions).toBe("one\ntwo\n".length);
    expect(report.cells[0].console).toBe("one\ntwo\n");
  });

  it("stops after the time asked for", async () => {
    const { report } = await play({ ...TINY, forNs: 3_500_000 }, { 2: [endless] });
    expect(report.ended).toBe("time");
    expect(report.virtualNs).toBe(3_500_000);
    expect(report.instructions).toBe(3_500_000);
  });

  it("reports a broken rule with the registers at that moment, and the others go on", async () => {
    const scenario: Scenario = {
      system: q35(),
      cells: [...TINY.cells, { config: demoCell("apic-demo"), load: [] }],
    };
    const fault: Instruction = (vcpu) => {
      vcpu.registers.set("rbx", 0x1234n);
      vcpu.in(0x3e8);
      return undefined;
    };
    const { report } = await play(scenario, { 2: [nothing, fault, nothing], 3: print("fine\n") });
    const [tiny, apic] = report.cells;
    expect(tiny.state).toBe("failed");
    expect(tiny.cpus[0]).toMatchObject({
      state: "failed",
      instructions: 1,
      failure: {
        report: expect.arrayContaining([
          "FATAL: Invalid PIO read, port: 3e8 size: 1",
          'Parking CPU 2 (Cell: "tiny-demo")',
        ]),
        registers: { general: { rbx: "0x0000000000001234" } },
      },
    });
    expect(tiny.statistics).toMatchObject({ vmexits_pio: 1 });
    expect(apic).toMatchObject({ state: "running", console: "fine\n" });
  });

  it("follows a script, and hands it a cell's refusal", async () => {
    let asked: unknown;
    const { report, events } = await play(
      {
        ...TINY,
        script: async (session) => {
          await session.waitForLine(/ready/);
          asked = await session.startCell("nobody");
          await session.destroyCell("tiny-demo");
          await session.runFor(2_000_000);
        },
      },
      { 2: print("ready\n") },
    );
    expect(asked).toMatchObject({ ok: false, errno: "ENOENT" });
    expect(events).toContainEqual(expect.objectContaining({ kind: "refused" }));
    expect(report).toMatchObject({ ended: "script", cells: [] });
  });

  it("knows the lines that a script waited for in vain", async () => {
    const { session, report } = await play(
      { ...TINY, script: (session) => session.waitForLine(/never/) },
      {},
    );
    expect(report.ended).toBe("cells");
    expect(session.unmatched).toEqual([/never/]);
  });

  it("puts a command line into the place that the image has for it, whichever comes first", async () => {
    const image = new Uint8Array(0x2000);
    const commandLine = { commandLine: "con-base=0x2f8" };
    for (const load of [
      [{ image }, commandLine],
      [commandLine, { image }],
    ]) {
      const { cells } = await loadScenario(
        { ...TINY, cells: [{ ...TINY.cells[0], load }] },
        noFiles,
      );
      expect(cells[0].images.map(({ name, address }) => [name, address])).toEqual([
        ["image", 0],
        ["command line", 0x1000],
      ]);
    }
  });

  it("gives up a request that nobody can answer any more", async () => {
    let answer: unknown;
    await play(
      {
        system: q35(),
        // takes part in the shutdown protocol, but has halted for good
        cells: [{ config: demoCell("apic-demo"), load: [] }],
        script: async (session) => {
          answer = await session.shutdownCell("apic-demo");
        },
      },
      {},
    );
    expect(answer).toMatchObject({ ok: false, errno: "ETIMEDOUT" });
  });

  it.each<[string, Partial<Scenario>, RegExp]>([
    [
      "an image too large for its region",
      { cells: [{ ...TINY.cells[0], load: [{ image: new Uint8Array(0x100001) }] }] },
      /image: image of 1048577 bytes at 0x0: reaches beyond memory region 0 of cell "tiny-demo"/,
    ],
    [
      "an image where nothing is loadable",
      { cells: [{ ...TINY.cells[0], load: [{ commandLine: "x", address: 0x100000 }] }] },
      /command line: image of 2 bytes at 0x100000: memory region 1 .* is not loadable/,
    ],
    [
      "a cell of another release",
      { cells: [{ config: demoCell("tiny-demo", 10), load: [] }] },
      /cell "tiny-demo" has revision 10, the system 14/,
    ],
    [
      "two cells with one CPU",
      { cells: [TINY.cells[0], { config: { ...demoCell("tiny-demo"), name: "b" }, load: [] }] },
      /CPU 2 of cell "b" does not belong to the root cell \(EBUSY\)/,
    ],
    [
      "a command line that no image has room for",
      { cells: [{ ...TINY.cells[0], load: [{ commandLine: "x".repeat(256) }] }] },
      /command line of cell "tiny-demo": 257 bytes with the NUL .* room for 256/,
    ],
    [
      "a system of another architecture",
      { system: { ...q35(), architecture: "arm64" } },
      /system "QEMU-VM" is one of arm64: this machine is x86/,
    ],
    [
      "an instruction that takes no time",
      { nanosecondsPerInstruction: 0 },
      /nanosecondsPerInstruction is 0: must be positive/,
    ],
    [
      "a cell that is only a name",
      { cells: ["tiny-demo"] } as unknown as Scenario,
      /cells\[0\]: has no "config"/,
    ],
    [
      "a load that is no list",
      { cells: [{ ...TINY.cells[0], load: "a.bin" }] } as unknown as Scenario,
      /cells\[0\]\.load: must be a list/,
    ],
    [
      "a cell in place of a system",
      { system: encodeConfig(demoCell("tiny-demo")) },
      /describes the cell "tiny-demo"; a system is wanted/,
    ],
  ])("refuses %s", async (_what, change, message) => {
    await expect(play({ ...TINY, ...change }, {})).rejects.toThrow(message);
  });
});
