/** The generator's image with a real libm linked into it, in place of the plant's own sine. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { powerPlant } from "../../src/power-plant/scenario.ts";
import type { Sample } from "../../src/power-plant/signals.ts";
import { loadScenario } from "../../src/session/scenario.ts";
import { Session } from "../../src/session/session.ts";

/** Where Debian's musl-dev puts it. */
const LIBM = "/usr/lib/x86_64-linux-musl/libc.a";
const PEERS = ["gcc", "ld", "make", "nm"];
const missing = PEERS.filter((tool) => spawnSync(tool, ["--version"]).error !== undefined);
if (!existsSync(LIBM)) missing.push("musl-dev");

async function play(generatorImage: string): Promise<Sample[]> {
  const samples: Sample[] = [];
  const scenario = powerPlant(
    (name) =>
      name === "generator" ? generatorImage : join(import.meta.dirname, name, `${name}.bin`),
    { phase: () => {}, sample: (sample) => samples.push(sample) },
  );
  const session = new Session(await loadScenario(scenario, async (file) => readFileSync(file)));
  await session.play();
  return samples;
}

describe.skipIf(missing.length > 0)(
  `generator with LIBM (needs ${[...PEERS, "musl-dev"].join(", ")})`,
  () => {
    let folder = "";
    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), "gaoler-libm-"));
      const words = ["--silent", "-C", join(import.meta.dirname, "generator")];
      const places = [`OUT=${folder}`, `BUILD=${join(folder, "build")}`, `LIBM=${LIBM}`];
      const { status, stderr } = spawnSync("make", [...words, ...places], { encoding: "utf8" });
      expect(stderr).toBe("");
      expect(status).toBe(0);
    });
    afterAll(() => rmSync(folder, { recursive: true }));

    it("has the library's sin() in it", () => {
      const { stdout } = spawnSync("nm", [join(folder, "generator.elf")], { encoding: "utf8" });
      expect(stdout).toMatch(/ T sin$/m);
      expect(stdout).toMatch(/ T __sin$/m);
    });

    it("each sample is the host's sine of the rotor's angle, and that of the image without it", async () => {
      const [own, library] = [
        await play(join(import.meta.dirname, "generator/generator.bin")),
        await play(join(folder, "generator.bin")),
      ];
      expect(library).toHaveLength(own.length);
      let compared = 0;
      for (const [index, { plant, generator }] of library.entries()) {
        // unloaded, the voltage lies along one axis: a sine of the rotor's angle, a cycle ago
        const before = library[index - 1]?.plant;
        if (
          !plant ||
          !generator ||
          !before ||
          plant.breaker === 1 ||
          before.breaker === 1 ||
          plant.voltage < 0.5
        )
          continue;
        const sine = before.voltage_q * Math.sin(before.rotor_angle_rad);
        const now = plant.voltage_q * Math.sin(plant.rotor_angle_rad);
        const error = Math.min(
          Math.abs(generator.phase_a - sine),
          Math.abs(generator.phase_a - now),
        );
        expect(error).toBeLessThan(2.3e-16);
        expect(Math.abs(generator.phase_a - (own[index].generator?.phase_a ?? 0))).toBeLessThan(
          1e-6,
        );
        compared++;
      }
      expect(compared).toBeGreaterThan(3000);
    });
  },
);
