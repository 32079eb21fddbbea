/**
 * A mathematical library in an inmate against the same library on the host: every result, bit by bit.
 * LIBM names the static library; by default it is musl's (Debian: musl-dev).
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  cell,
  com1,
  commRegion,
  loadScenario,
  MiB,
  type OwnLink,
  ownLinkEnd,
  q35,
  q35MemoryMap,
  ram,
  Session,
  uart8250,
} from "../../src/session/index.ts";

const FOLDER = join(import.meta.dirname, "libm");
export const LIBM = process.env.LIBM ?? "/usr/lib/x86_64-linux-musl/libc.a";
const TOOLS = ["gcc", "ld", "make"] as const;
/** Bytes of a result in functions.h. */
const RESULT_BYTES = 16;
const CELL = 1;
const { inmates } = q35MemoryMap(14);
const LINK: OwnLink = {
  at: "01:10.0",
  base: inmates + 16 * MiB,
  outputBytes: 2 * MiB,
  peers: 2,
  vectors: 1,
};

/** As functions.c has them. */
const FUNCTIONS = "sin cos tan exp log pow sqrt sinl cosl tanl sqrtl rintl fmodl expl logl atanl";
/** musl has these of F2XM1, FYL2X and FPATAN, whose last bit is left to the processor. */
const TRANSCENDENTAL = /^(expl|logl|atanl)$/;

export interface LibmRow {
  readonly name: string;
  readonly count: number;
  readonly different: number;
  /** Units in the last place. */
  readonly largest: number;
  /** The first result that differs, in words; the inmate's first. */
  readonly first: string | undefined;
  readonly good: boolean;
}

/** What keeps it from being run; empty: nothing. */
export function missingForLibm(): string[] {
  const missing: string[] = TOOLS.filter(
    (tool) => spawnSync(tool, ["--version"]).error !== undefined,
  );
  if (process.arch !== "x64" || process.platform !== "linux") missing.push("Linux on x86-64");
  if (!existsSync(LIBM)) missing.push(LIBM);
  return missing;
}

/**
 * A row for each function.
 * @param count arguments of each, at most 100,000; a tenth where the engine is slow: {@link TRANSCENDENTAL}
 */
export async function* compareLibm(count: number): AsyncGenerator<LibmRow> {
  const folder = mkdtempSync(join(tmpdir(), "gaoler-libm-"));
  try {
    const words = ["--silent", "-C", FOLDER, `OUT=${folder}`, `BUILD=${join(folder, "build")}`];
    const made = spawnSync("make", [...words, `LIBM=${LIBM}`], { encoding: "utf8" });
    if (made.status !== 0) throw new Error(`make ended with ${made.status}\n${made.stderr}`);
    const image = readFileSync(join(folder, "libm.bin"));
    for (const [index, name] of FUNCTIONS.split(" ").entries()) {
      const some = TRANSCENDENTAL.test(name) ? Math.ceil(count / 10) : count;
      const results = await evaluate(image, index, name, some);
      const native = spawnSync(join(folder, "native"), [`${index}`, `${some}`], {
        maxBuffer: LINK.outputBytes,
      });
      if (native.status !== 0)
        throw new Error(`${name}: the host's program ended with ${native.status}`);
      yield row(name, results, native.stdout);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Runs the inmate. */
async function evaluate(
  image: Uint8Array,
  index: number,
  name: string,
  count: number,
): Promise<Uint8Array> {
  const end = ownLinkEnd(LINK, CELL);
  const config = cell({
    name: "libm",
    cpus: [CELL],
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
  const commandLine = `function=${index} count=${count}`;
  let results: Uint8Array | undefined;
  const session = new Session(
    await loadScenario(
      {
        system: q35(14, [LINK]),
        cells: [{ config, load: [{ image }, { commandLine }] }],
        script: async (running) => {
          const section = running.openLink().input(CELL);
          await running.waitForLine(new RegExp(`^did ${name}$`));
          results = section.read(0, count * RESULT_BYTES);
        },
      },
      () => Promise.reject(new Error()),
    ),
  );
  await session.play();
  if (results === undefined) throw new Error(`${name}: the inmate did not end`);
  return results;
}

/** Compares one function's results. */
function row(name: string, ours: Uint8Array, theirs: Uint8Array): LibmRow {
  const a = new DataView(ours.buffer, ours.byteOffset, ours.byteLength);
  const b = new DataView(theirs.buffer, theirs.byteOffset, theirs.byteLength);
  const wide = name.endsWith("l");
  let different = 0;
  let largest = 0;
  let first: string | undefined;
  const count = ours.length / RESULT_BYTES;
  for (let k = 0; k < count; k++) {
    const at = k * RESULT_BYTES;
    if (
      a.getBigUint64(at, true) === b.getBigUint64(at, true) &&
      a.getUint16(at + 8, true) === b.getUint16(at + 8, true)
    )
      continue;
    different++;
    const distance = ordinal(a, at, wide) - ordinal(b, at, wide);
    largest = Math.max(largest, Math.abs(Number(distance)));
    first ??= `result ${k}: ${bits(a, at, wide)}, host ${bits(b, at, wide)}`;
  }
  const good = different === 0 || (TRANSCENDENTAL.test(name) && largest <= 2);
  return { name, count, different, largest, first, good };
}

function bits(view: DataView, at: number, wide: boolean): string {
  const significand = view.getBigUint64(at, true).toString(16).padStart(16, "0");
  return wide ? `${view.getUint16(at + 8, true).toString(16)}:${significand}` : significand;
}

/** Rises by one from each number of one sign to the next. */
function ordinal(view: DataView, at: number, wide: boolean): bigint {
  const low = view.getBigUint64(at, true);
  if (!wide) return low;
  return (BigInt(view.getUint16(at + 8, true)) << 63n) + BigInt.asUintN(63, low);
}
