/** VMCALL from a cell. QEMU's TCG has no counterpart: the instruction is undefined there. */
import {
  cell,
  com1,
  commRegion,
  loadScenario,
  MiB,
  q35,
  q35MemoryMap,
  ram,
  type Scenario,
  Session,
  uart8250,
} from "../src/session/index.ts";
import { PROCESSOR } from "./clock.ts";

/** Its name for `--only`. */
export const HYPERCALL = "hypercall";
const CALLS = 200_000;
const CPU = 1;
const { inmates } = q35MemoryMap(14);

export interface HypercallFigures {
  readonly calls: number;
  /** Of one call, in processor time. */
  readonly nanoseconds: number;
}

/** @throws Error if a call was not answered as it should */
export async function runHypercalls(image: Uint8Array, calls = CALLS): Promise<HypercallFigures> {
  const config = cell({
    name: "caller",
    cpus: [CPU],
    memory: [ram({ phys: inmates, virt: 0, sizeBytes: MiB }), commRegion({ virt: MiB })],
    ports: [com1],
    passiveCommRegion: true,
    console: uart8250(com1),
  });
  const scenario: Scenario = {
    system: q35(14),
    cells: [{ config, load: [{ image }, { commandLine: `calls=${calls} cpu=${CPU}` }] }],
    until: /^end /,
  };
  const session = new Session(await loadScenario(scenario, () => Promise.reject(new Error())));
  let begin = 0;
  let end = 0;
  let errors = "no answer";
  session.on((event) => {
    if (event.kind !== "line") return;
    if (event.text === "begin") begin = PROCESSOR();
    if (!event.text.startsWith("end ")) return;
    end = PROCESSOR();
    errors = event.text.slice("end ".length);
  });
  const { ended } = await session.play();
  if (ended !== "line" || errors !== "0")
    throw new Error(`hypercalls: the run ended by "${ended}", errors: ${errors}`);
  return { calls, nanoseconds: ((end - begin) / calls) * 1e6 };
}

/** A line for people. */
export const hypercallLine = ({ nanoseconds }: HypercallFigures): string =>
  `hypercall of a cell (VMCALL): ${Math.round(nanoseconds)} ns; QEMU TCG has none`;
