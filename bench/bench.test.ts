import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { buildGuest, buildNative, buildWasm, missingTools } from "./build.ts";
import { chart } from "./chart.ts";
import { runHypercalls } from "./hypercalls.ts";
import { buildInmate, missingInmateTools } from "./inmates.ts";
import { INTEGER_LOOP, integerLoopResult, runIntegerLoop } from "./integer-loop.ts";
import { LINK_WORKLOADS, runLink } from "./links.ts";
import { measure, type Plan, type Row } from "./measure.ts";
import { BEGIN, END, unexplained, withMeasured } from "./page.ts";
import { gaoler, native, type Peer, type PeerName, qemu, wasm } from "./peers.ts";
import { powerPlantLine, runPowerPlant } from "./power-plant.ts";
import { table } from "./report.ts";
import { floors, means } from "./targets.ts";
import { Transcript } from "./transcript.ts";
import { QUICK, WORKLOADS, type Workload } from "./workloads.ts";

const missing = missingTools();
/** Four dozen starts of QEMU, on a machine that may be busy. */
const PATIENCE_MS = 240_000;
const ONCE: Plan = {
  turns: 1,
  milliseconds: 1,
  warmUpLimitMs: 0,
  processes: { turns: 0, milliseconds: 0 },
};

/** A peer that needs `msPerRound`, ten times that for the first, and answers `checksum`. */
const steady = (name: PeerName, msPerRound: number, checksum: string): Peer => {
  const run: Peer["run"] = async (_workload, { warm, rounds }) => ({
    milliseconds: rounds * msPerRound,
    firstRound: 10 * msPerRound,
    fromTheStart: (10 + warm + rounds) * msPerRound,
    instructionsPerSecond: undefined,
    checksum,
  });
  return {
    name,
    offers: ["c"],
    warmUpMs: 10,
    run,
    runProcess: async (workload, rounds) => {
      const measurement = await run(workload, rounds);
      const wholeMilliseconds = 100 + measurement.fromTheStart;
      return { ...measurement, wholeMilliseconds, peakBytes: 1 << 20 };
    },
  };
};

describe("the integer loop", () => {
  it("returns what its definition says", async () => {
    const { result } = await runIntegerLoop(3000);
    expect(result).toBe(integerLoopResult(3000));
  });

  it.skipIf(missing.length > 0)("is what gcc makes of its source", () => {
    const folder = mkdtempSync(join(tmpdir(), "gaoler-bench-test-"));
    try {
      const guest = readFileSync(buildGuest(folder));
      expect(guest.includes(Buffer.from(INTEGER_LOOP))).toBe(true);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("the power plant", () => {
  it("runs to its end, sampled each millisecond", async () => {
    const figures = await runPowerPlant();
    expect(figures.samples).toBe(22_501);
    expect(figures.virtualSeconds).toBeCloseTo(22.5, 2);
    expect(powerPlantLine(figures)).toMatch(/^power plant, 1 kHz control: \d+\.\d times real time/);
  });
});

const noInmates = missingInmateTools();
describe.skipIf(noInmates.length > 0)("inmates (need gcc, ld, make)", () => {
  const inFolder = async (action: (folder: string) => Promise<void>): Promise<void> => {
    const folder = mkdtempSync(join(tmpdir(), "gaoler-bench-test-"));
    try {
      await action(folder);
    } finally {
      rmSync(folder, { recursive: true });
    }
  };

  it("carry every message, to cells and to root", () =>
    inFolder(async (folder) => {
      const image = buildInmate("link", folder);
      for (const workload of LINK_WORKLOADS) {
        const { rounds, instructionsToHandler } = await runLink(image, workload, 20);
        expect(rounds).toBe(20);
        if (workload.to === "cell") expect(instructionsToHandler).toBeGreaterThan(0);
      }
    }));

  it("get an answer to every hypercall", () =>
    inFolder(async (folder) => {
      expect((await runHypercalls(buildInmate("hypercall", folder), 20)).calls).toBe(20);
    }));
});

describe("workloads", () => {
  it("of the quick run exist", () => {
    const names = WORKLOADS.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining([...QUICK]));
    expect(new Set(names).size).toBe(names.length);
  });

  it.skipIf(missing.length > 0)(
    "all end, and with the same checksums on every peer",
    async () => {
      const folder = mkdtempSync(join(tmpdir(), "gaoler-bench-test-"));
      try {
        const guest = buildGuest(folder);
        const program = buildNative(folder);
        const module = buildWasm(folder);
        const peers = [
          qemu(guest, "QEMU TCG", "wall"),
          program === undefined ? undefined : native(program, "wall"),
          module === undefined ? undefined : wasm(module, "wall"),
        ];
        const ours = gaoler(guest, "wall");
        for (const workload of WORKLOADS) {
          const { checksum } = await ours.run(workload, { warm: 0, rounds: 1 });
          expect(checksum, workload.name).toMatch(/^[0-9a-f]{16}$/);
          // what a workload answers that finds itself wrong
          expect(checksum, workload.name).not.toBe("0000000000000000");
          for (const peer of peers)
            if (peer?.offers.includes(workload.needs))
              expect(
                (await peer.run(workload, { warm: 1, rounds: 1 })).checksum,
                `${workload.name} on ${peer.name}`,
              ).toBe(checksum);
        }
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
    PATIENCE_MS,
  );

  it.skipIf(missing.length > 0)("run in a process of their own", async () => {
    const folder = mkdtempSync(join(tmpdir(), "gaoler-bench-test-"));
    try {
      const ours = gaoler(buildGuest(folder), "wall");
      const rounds = { warm: 0, rounds: 3 };
      const { checksum } = await ours.run(WORKLOADS[0], rounds);
      const whole = await ours.runProcess?.(WORKLOADS[0], rounds);
      expect(whole?.checksum).toBe(checksum);
      expect(whole?.wholeMilliseconds).toBeGreaterThan(whole?.fromTheStart ?? Infinity);
      if (process.platform === "linux") expect(whole?.peakBytes).toBeGreaterThan(1 << 20);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("measuring", () => {
  const [workload] = WORKLOADS;

  it("gives the time of one round, however many were needed", async () => {
    const peers = [steady("Gaoler", 7, "aa"), steady("native", 0.002, "aa")];
    const plan = { ...ONCE, turns: 3, milliseconds: 100 };
    const { figures, problems } = await measure(workload, peers, plan);
    expect(problems).toEqual([]);
    expect(figures.get("Gaoler")?.nanoseconds).toBeCloseTo(7e6);
    expect(figures.get("native")?.nanoseconds).toBeCloseTo(2000);
    expect(figures.get("native")?.rounds).toBe(50_000);
  });

  it("warms up as long as a peer needs, however long a measurement is", async () => {
    const asked: number[] = [];
    const peer = steady("Gaoler", 1, "aa");
    const slow: Peer = {
      ...peer,
      warmUpMs: 300,
      run: (workload, rounds) => {
        asked.push(rounds.warm);
        return peer.run(workload, rounds);
      },
    };
    await measure(workload, [slow], { ...ONCE, milliseconds: 20, warmUpLimitMs: 1000 });
    expect(10 + (asked.at(-1) ?? 0)).toBeGreaterThanOrEqual(300);
    asked.length = 0;
    await measure(workload, [slow], { ...ONCE, milliseconds: 20, warmUpLimitMs: 50 });
    expect(asked.at(-1)).toBeLessThan(100);
  });

  it("gives whole processes the same work, sized by TCG, and tells what warming up cost", async () => {
    const peers = [steady("Gaoler", 2, "aa"), steady("QEMU TCG", 10, "aa")];
    const plan = { ...ONCE, milliseconds: 100, processes: { turns: 2, milliseconds: 1000 } };
    const { processes } = await measure(workload, peers, plan);
    expect(processes.get("QEMU TCG")?.rounds).toBe(100);
    expect(processes.get("Gaoler")?.rounds).toBe(100);
    expect(processes.get("Gaoler")?.milliseconds).toBeCloseTo(100 + 110 * 2);
    expect(processes.get("Gaoler")?.warmUpMilliseconds).toBeCloseTo(9 * 2);
    expect(processes.get("Gaoler")?.peakBytes).toBe(1 << 20);
  });

  it("reports a checksum that differs", async () => {
    const peers = [steady("Gaoler", 50, "aa"), steady("QEMU TCG", 50, "bb")];
    const row = await measure(workload, peers, ONCE);
    expect(row.problems).toEqual([`${workload.name}: QEMU TCG has bb, Gaoler has aa`]);
    expect(table([row]).join("\n")).toContain("PROBLEM");
  });

  it("reports a peer that fails, and goes on with the others", async () => {
    const broken: Peer = {
      ...steady("Gaoler", 50, "aa"),
      run: () => Promise.reject(new Error("before its begin line: triple-fault")),
    };
    const row = await measure(workload, [broken, steady("native", 50, "aa")], ONCE);
    expect(row.problems).toEqual([
      `${workload.name} on Gaoler: before its begin line: triple-fault`,
    ]);
    expect([...row.figures.keys()]).toEqual(["native"]);
  });
});

describe("what is made of it", () => {
  const named = (name: string): Workload => {
    const workload = WORKLOADS.find((each) => each.name === name);
    if (workload === undefined) throw new Error(name);
    return workload;
  };
  const row = async (name: string, times: number): Promise<Row> =>
    measure(
      { ...named(name), needs: "c" },
      [steady("Gaoler", 2, "aa"), steady("QEMU TCG", 2 * times, "aa")],
      ONCE,
    );

  it("are geometric means by group, and floors", async () => {
    const rows = [await row("crc32", 0.5), await row("sort", 8), await row("rep-movsb", 300)];
    expect(means(rows).map(({ what, holds }) => [what, holds])).toEqual([
      ["integer", true],
      ["string instructions", true],
      ["all but string", false],
    ]);
    expect(means(rows)[0].value).toBeCloseTo(2);
    expect(floors(rows).map(({ what, holds }) => [what, holds])).toEqual([
      ["crc32", false],
      ["sort", true],
    ]);
  });

  it("leaves the workload that waits for memory out of its group's mean", async () => {
    const rows = [await row("copy-64", 9), await row("pointer-chase", 1)];
    expect(means(rows)[0].value).toBeCloseTo(9);
    expect(floors(rows).map(({ what, wanted }) => [what, wanted])).toEqual([["pointer-chase", 1]]);
  });

  it("is a chart with a bar for each workload", async () => {
    const rows = [await row("crc32", 0.5), await row("nbody", 12)];
    const svg = chart(rows);
    expect(svg.match(/<rect [^>]*fill="#/g)).toHaveLength(2);
    expect(svg).toContain(">crc32</text>");
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  });

  it("is put into the page, and nothing else of it changes", async () => {
    const page = `# Speed\n\n${BEGIN}\nold\n${END}\n\n### integer: it is so\n`;
    const rows = [await row("crc32", 0.5), await row("sort", 2.1)];
    const measured = {
      by: "wall" as const,
      environment: { processor: "P", cores: 2, memoryMiB: 4096, versions: { Node: "1.2" } },
      rows,
      coldStart: { firstLine: 300, firstLineOfACell: 320, samples: [] },
      more: ["and more"],
    };
    const written = withMeasured(page, measured);
    expect(written).toMatch(/^# Speed\n\n<!-- measured/);
    expect(written).toMatch(/-->\n\n### integer: it is so\n$/);
    expect(written).not.toContain("old");
    expect(written).toContain("| integer, TCG/Gaoler | 1.02 | >= 1.5 | MISSED |");
    expect(withMeasured(written, measured)).toBe(written);
    expect(unexplained(written, measured)).toEqual(["all but string", "crc32"]);
    expect(() => withMeasured("# Speed\n", measured)).toThrow("must have the lines");
  });
});

describe("a transcript", () => {
  const feed = (transcript: Transcript, text: string): void => {
    for (const byte of new TextEncoder().encode(text)) transcript.put(byte);
  };

  it("times from the begin line to the end line", () => {
    let milliseconds = 0;
    const transcript = new Transcript("fib", () => ({ milliseconds, work: undefined }));
    milliseconds = 2;
    feed(transcript, "hello\nstart fib\n");
    milliseconds = 7;
    feed(transcript, "warm fib\n");
    milliseconds = 10;
    feed(transcript, "begin fib\n");
    milliseconds = 25;
    feed(transcript, "end fib 00ff\n");
    milliseconds = 99;
    expect(transcript.measurement("exit")).toMatchObject({
      milliseconds: 15,
      firstRound: 5,
      fromTheStart: 23,
      checksum: "00ff",
    });
  });

  it("says what was printed instead of the end", () => {
    const transcript = new Transcript("fib", () => ({ milliseconds: 0, work: undefined }));
    feed(transcript, "start fib\nwarm fib\nbegin fib\nexception 06\nend other 1\n");
    expect(() => transcript.measurement("exit")).toThrow(
      "before its end line: exit, printed: exception 06; end other 1",
    );
  });
});
