/** Modes of shared-memory devices that no shipped inmate uses, by the library. */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  cell,
  com1,
  commRegion,
  demoCell,
  KiB,
  loadScenario,
  MiB,
  ownLinkEnd,
  q35,
  q35MemoryMap,
  ram,
  type Scenario,
  Session,
  uart8250,
} from "../src/session/index.ts";

const missing = ["gcc", "ld", "make"].filter(
  (tool) => spawnSync(tool, ["--version"]).error !== undefined,
);

describe.skipIf(missing.length > 0)(
  `ivshmem in C${missing.length > 0 ? `: no ${missing}` : ""}`,
  () => {
    let folder = "";
    let image: Uint8Array;
    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), "gaoler-one-shot-"));
      copyFileSync(join(import.meta.dirname, "testing/one-shot.c"), join(folder, "main.c"));
      const rules = join(import.meta.dirname, "lib/inmate.mk");
      writeFileSync(join(folder, "Makefile"), `NAME := one-shot\ninclude ${rules}\n`);
      const { stderr } = spawnSync("make", ["-s", "-C", folder], { encoding: "utf8" });
      expect(stderr).toBe("");
      image = new Uint8Array(readFileSync(join(folder, "one-shot.bin")));
    });
    afterAll(() => rmSync(folder, { recursive: true }));

    const { inmates } = q35MemoryMap(14);
    /** Version 2 with so many vectors. */
    function own(vectors: number): Pick<Scenario, "system" | "cells"> {
      const at = "01:10.0";
      const sizes = { commonBytes: 4 * KiB, outputBytes: 4 * KiB };
      const link = { at, base: inmates + MiB, ...sizes, peers: 2, vectors };
      const end = ownLinkEnd(link, 1);
      const config = cell({
        name: "one-shot",
        cpus: [1],
        memory: [
          ...end.regions,
          ram({ phys: inmates, virt: 0, sizeBytes: MiB }),
          commRegion({ virt: MiB }),
        ],
        ports: [com1],
        pciDevices: [end.device],
        passiveCommRegion: true,
        console: uart8250(com1),
      });
      return { system: q35(14, [link]), cells: [{ config, load: [{ image }] }] };
    }

    /** Root rings three times, asks how many came, rings twice, asks again. */
    async function counts(scenario: Pick<Scenario, "system" | "cells">): Promise<string> {
      const loaded = await loadScenario(
        {
          ...scenario,
          script: async (session) => {
            const link = session.openLink();
            const next = link.version === 1 ? link.section("shared") : link.section("common");
            await link.waitForState(1);
            for (const rings of [3, 2]) {
              for (let ring = 0; ring < rings; ring++) {
                link.ring(link.vectors > 1 ? 1 : 0);
                await session.runFor(100_000);
              }
              next.setUint32(0, 1);
              await session.waitForLine(/^\d+$/);
              await session.runFor(1_000_000);
            }
          },
        },
        () => Promise.reject(new Error("no files")),
      );
      const report = await new Session(loaded).play();
      return report.cells[0].console;
    }

    it("one-shot mode: one interrupt, until the device is armed again", async () => {
      expect(await counts(own(2))).toBe("version 2, one shot 1, vectors 2, interrupts 1\n1\n2\n");
    });

    it("without MSI-X nothing can be received, as the hypervisor delivers no INTx", async () => {
      expect(await counts(own(0))).toBe("version 2, one shot 1, vectors 0, interrupts 0\n0\n0\n");
    });

    it("version 1 has no such mode: every interrupt comes", async () => {
      const config = demoCell("ivshmem-demo", 8);
      const load = [
        { image, address: 0 },
        { commandLine: "con-base=0x3f8", address: 0x1000 },
      ];
      expect(await counts({ system: q35(8), cells: [{ config, load }] })).toBe(
        "version 1, one shot 0, vectors 1, interrupts 1\n3\n5\n",
      );
    });
  },
);
