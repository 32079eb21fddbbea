/**
 * Two cells exchange packets over a virtual wire, each through an 82540EM of its own:
 *
 *     ./gaoler run examples/ethernet/scenario.ts
 *
 * The controllers stand where the cells that list them have regions for their registers. Controllers
 * with the same `wire` hear each other.
 */
import { defineScenario, q35 } from "gaoler";
import answering, { pinging } from "./cell.ts";

const image = "ethernet.bin";

export default defineScenario({
  system: q35(),
  devices: [
    { kind: "e1000", bdf: "00:19.0" },
    { kind: "e1000", bdf: "00:1a.0" },
  ],
  cells: [
    { config: answering, load: [{ image }] },
    // questions that nobody hears yet would be lost
    { config: pinging, load: [{ image }, { commandLine: "ping" }], startAfterNs: 10_000_000 },
  ],
});
