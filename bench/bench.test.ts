import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { buildGuest, missingTools } from "./build.ts";
import { INTEGER_LOOP, integerLoopResult, runIntegerLoop } from "./integer-loop.ts";
import { buildLinkInmate, LINK_WORKLOADS, missingLinkTools, runLink } from "./links.ts";
import { measure } from "./measure.ts";
import { gaoler, type Peer, qemuTcg } from "./peers.ts";
import { powerPlantLine, runPowerPlant } from "./power-plant.ts";
import { table } from "./report.ts";
import { Transcript } from "./transcript.ts";
import { QUICK, WORKLOADS } from "./workloads.ts";

const missing = missingTools();
/** Two dozen starts of QEMU, on a machine that may be busy. */
const PATIENCE_MS = 240_000;
const ONCE = { turns: 1, milliseconds: 1 };

/** A peer that needs `msPerRound` and answers `checksum`. */
const steady = (name: Peer["name"], msPerRound: number, checksum: string): Peer => ({
  name,
  kinds: ["compute"],
  run: async (_workload, rounds) => ({
    milliseconds: rounds * msPerRound,
    instructionsPerSecond: undefined,
    checksum,
  }),
});

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

const noLinks = missingLinkTools();
describe.skipIf(noLinks.length > 0)(`links (need gcc, ld, make)`, () => {
  it("carry every message, to cells and to root", async () => {
    const folder = mkdtempSync(join(tmpdir(), "gaoler-bench-test-"));
    try {
      const image = buildLinkInmate(folder);
      for (const workload of LINK_WORKLOADS) {
        const { rounds, instructionsToHandler } = await runLink(image, workload, 20);
        expect(rounds).toBe(20);
        if (workload.to === "cell") expect(instructionsToHandler).toBeGreaterThan(0);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("workloads", () => {
  it("of the quick run exist", () => {
    const names = WORKLOADS.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining([...QUICK]));
  });

  it.skipIf(missing.length > 0)(
    "all end, and with the same checksums as on QEMU",
    async () => {
      const folder = mkdtempSync(join(tmpdir(), "gaoler-bench-test-"));
      try {
        const guest = buildGuest(folder);
        const tcg = qemuTcg(guest);
        const ours = gaoler(guest);
        for (const workload of WORKLOADS) {
          const { checksum } = await ours.run(workload, 1);
          expect(checksum, workload.name).toMatch(/^[0-9a-f]{16}$/);
          if (tcg !== undefined)
            expect((await tcg.run(workload, 1)).checksum, workload.name).toBe(checksum);
        }
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
    PATIENCE_MS,
  );
});

describe("measuring", () => {
  const [workload] = WORKLOADS;

  it("gives the time of one round, however many were needed", async () => {
    const peers = [steady("Gaoler", 7, "aa"), steady("native", 0.002, "aa")];
    const { figures, problems } = await measure(workload, peers, { turns: 3, milliseconds: 100 });
    expect(problems).toEqual([]);
    expect(figures.get("Gaoler")?.nanoseconds).toBeCloseTo(7e6);
    expect(figures.get("native")?.nanoseconds).toBeCloseTo(2000);
    expect(figures.get("native")?.rounds).toBe(50_000);
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

describe("a transcript", () => {
  const feed = (transcript: Transcript, text: string): void => {
    for (const byte of new TextEncoder().encode(text)) transcript.put(byte);
  };

  it("times from the begin line to the end line", () => {
    let milliseconds = 0;
    const transcript = new Transcript("fib", () => ({ milliseconds, work: undefined }));
    milliseconds = 10;
    feed(transcript, "hello\nbegin fib\n");
    milliseconds = 25;
    feed(transcript, "end fib 00ff\n");
    milliseconds = 99;
    expect(transcript.measurement("exit")).toMatchObject({ milliseconds: 15, checksum: "00ff" });
  });

  it("says what was printed instead of the end", () => {
    const transcript = new Transcript("fib", () => ({ milliseconds: 0, work: undefined }));
    feed(transcript, "begin fib\nexception 06\nend other 1\n");
    expect(() => transcript.measurement("exit")).toThrow(
      "before its end line: exit, printed: exception 06; end other 1",
    );
  });
});
