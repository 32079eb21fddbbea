/**
 * Doorbells and messages through shared memory: between two cells, and between a cell and a program
 * at root. Rates are of the processor time of this process, as what else runs on the host matters less.
 */
import {
  anyBytes,
  ChannelReceiver,
  cell,
  com1,
  com2,
  commRegion,
  KiB,
  loadScenario,
  MiB,
  type OwnLink,
  ownLinkEnd,
  q35,
  q35MemoryMap,
  ram,
  type Scenario,
  Session,
  uart8250,
} from "../src/session/index.ts";
import { PROCESSOR } from "./clock.ts";

const { inmates } = q35MemoryMap(14);
const CALLER = 1;
const CALLED = 2;
const ROOT = 0;
/** Of the benchmark's own fields in front of the channels. */
const FIELDS_BYTES = 64;
const READY = 1;
/** Interrupt 0 is the news of a state. */
const DOORBELL = 1;

const LINK: OwnLink = {
  at: "01:10.0",
  base: inmates + 16 * MiB,
  outputBytes: 2 * MiB,
  peers: 3,
  vectors: 2,
};

export interface LinkWorkload {
  readonly name: string;
  /** Who is rung, or gets the messages. */
  readonly to: "cell" | "root";
  /** Of a message; 0: doorbells alone. */
  readonly bytes: number;
  /** Messages before the doorbell. */
  readonly batch: number;
}

const messages = (to: "cell" | "root"): LinkWorkload[] =>
  [64, KiB, 64 * KiB].flatMap((bytes) => [
    { name: `message-${bytes}-${to}`, to, bytes, batch: 16 },
    { name: `message-${bytes}-${to}-single`, to, bytes, batch: 1 },
  ]);

export const LINK_WORKLOADS: readonly LinkWorkload[] = [
  { name: "doorbell-cell", to: "cell", bytes: 0, batch: 0 },
  { name: "doorbell-root", to: "root", bytes: 0, batch: 0 },
  ...messages("cell"),
  ...messages("root"),
];

export interface LinkFigures {
  readonly name: string;
  readonly rounds: number;
  /** For a call and its answer. */
  readonly roundNs: number;
  readonly doorbellsPerSecond: number;
  readonly messagesPerSecond: number;
  readonly bytesPerSecond: number;
  /** Virtual time, which is instructions, from the store to the doorbell to the handler; to root: none. */
  readonly instructionsToHandler: number | undefined;
}

/** Enough to see that all of it works. */
export const QUICK_LINKS: readonly string[] = [
  "doorbell-cell",
  "message-1024-cell",
  "message-1024-root",
];

/** Rounds before those that are measured, for each of them: what has to be compiled first is not measured. */
const WARM = 0.4;

/** As many as take about a second. */
const roundsOf = ({ bytes }: LinkWorkload): number =>
  bytes === 0 ? 100_000 : bytes > 1024 ? 500 : 30_000;

/** @throws Error if a message was lost or damaged */
export async function runLink(
  image: Uint8Array,
  workload: LinkWorkload,
  rounds = roundsOf(workload),
): Promise<LinkFigures> {
  const { name, to, bytes, batch } = workload;
  const scenario: Scenario = {
    system: q35(14, [LINK]),
    cells: [
      ...(to === "cell"
        ? [benchCell(CALLED, image, `peer=${CALLER} ${arguments_(workload)}`)]
        : []),
      benchCell(
        CALLER,
        image,
        `rounds=${rounds} warm=${Math.ceil(rounds * WARM)} peer=${to === "cell" ? CALLED : ROOT} ${arguments_(workload)}`,
      ),
    ],
    until: /^end /,
    ...(to === "root" ? { script: (session) => answer(session, workload) } : {}),
  };
  const session = new Session(await loadScenario(scenario, () => Promise.reject(new Error())));
  let begin = 0;
  let end = 0;
  let numbers: number[] = [];
  session.on((event) => {
    if (event.kind !== "line") return;
    if (event.text === "begin") begin = PROCESSOR();
    if (!event.text.startsWith("end ")) return;
    end = PROCESSOR();
    numbers = event.text.split(" ").slice(1).map(Number);
  });
  const { ended } = await session.play();
  if (ended !== "line") throw new Error(`${name}: the run ended by "${ended}"`);
  const [, answerNs, errors] = numbers;
  if (errors !== 0) throw new Error(`${name}: ${errors} messages were lost or damaged`);
  const perSecond = (count: number) => (count / (end - begin)) * 1000;
  return {
    name,
    rounds,
    roundNs: ((end - begin) / rounds) * 1e6,
    doorbellsPerSecond: perSecond(2 * rounds),
    messagesPerSecond: perSecond(batch * rounds),
    bytesPerSecond: perSecond(batch * rounds * bytes),
    instructionsToHandler: to === "cell" ? answerNs / rounds : undefined,
  };
}

const arguments_ = ({ bytes, batch }: LinkWorkload): string =>
  `batch=${batch} size=${Math.max(bytes, 8)}`;

function benchCell(id: number, image: Uint8Array, commandLine: string): Scenario["cells"][number] {
  const end = ownLinkEnd(LINK, id);
  const port = id === CALLER ? com1 : com2;
  const config = cell({
    name: id === CALLER ? "caller" : "called",
    cpus: [id],
    memory: [
      ...end.regions,
      ram({ phys: inmates + id * MiB, virt: 0, sizeBytes: MiB }),
      commRegion({ virt: MiB }),
    ],
    ports: [port],
    pciDevices: [end.device],
    passiveCommRegion: true,
    console: uart8250(port),
  });
  return { config, load: [{ image }, { commandLine }] };
}

/** What the called cell does, at root. */
async function answer(session: Session, { bytes, batch }: LinkWorkload): Promise<void> {
  const link = session.openLink();
  const input = link.input(CALLER);
  const channels = input.part("channels", FIELDS_BYTES, input.size - FIELDS_BYTES);
  const receiver = new ChannelReceiver(channels, "m", anyBytes(bytes));
  let errors = 0;
  let expected = 0;
  await link.waitForState(READY, CALLER);
  link.state = READY;
  for await (const _ of link.interrupts(DOORBELL)) {
    if (batch > 0)
      for (const received of receiver.drain()) {
        const right =
          received.kind === "message" &&
          received.lost === 0 &&
          received.message[0] === expected &&
          received.message[bytes - 1] === expected;
        if (!right) link.output.setBigUint64(16, BigInt(++errors));
        expected = (expected + 1) & 0xff;
      }
    link.ring(DOORBELL, CALLER);
  }
}

/** Lines for people. */
export function linkTable(figures: readonly LinkFigures[]): string[] {
  const rate = (value: number, unit: string) =>
    value === 0 ? "-" : `${value >= 100 ? Math.round(value) : value.toPrecision(3)} ${unit}`;
  const rows = figures.map((each) => [
    each.name,
    rate(each.roundNs / 1000, "us"),
    rate(each.doorbellsPerSecond / 1000, "k/s"),
    rate(each.messagesPerSecond / 1000, "k/s"),
    rate(each.bytesPerSecond / 1e6, "MB/s"),
    each.instructionsToHandler === undefined ? "-" : each.instructionsToHandler.toFixed(0),
  ]);
  const all = [
    ["links", "round trip", "doorbells", "messages", "payload", "instr. to handler"],
    ...rows,
  ];
  const widths = all[0].map((_, column) => Math.max(...all.map((row) => row[column].length)));
  return all.map((row) =>
    row
      .map((text, column) =>
        column === 0 ? text.padEnd(widths[column]) : text.padStart(widths[column]),
      )
      .join("  "),
  );
}
