/** The adapters read what they say they read, and a wrong result is seen. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FLAT_SUITE } from "./flat.ts";
import { readConditions } from "./flat-conditions.ts";
import { readMoo } from "./moo.ts";
import { SINGLE_STEP_SUITE } from "./single-step.ts";
import type { Suite } from "./suite.ts";
import { Tally } from "./tally.ts";

const nasm = spawnSync("nasm", ["--version"]).error === undefined;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gaoler-suite-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

async function outcomes(suite: Suite): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for await (const { group, name, outcome } of suite.run(folder, /./))
    found[`${group}/${name}`] =
      outcome.kind === "passed" ? "passed" : `${outcome.kind}: ${outcome.reason}`;
  return found;
}

const source = (conditions: object, code: string) =>
  `%ifdef CONFIG\n${JSON.stringify(conditions)}\n%endif\n${code}\nhlt\n`;

describe("conditions of flat code", () => {
  it("are read in any case, numbers in any notation", () => {
    const conditions = readConditions(
      source(
        {
          regdata: { RAX: "0x1_0", XMM1: ["1", "0x2"] },
          MemoryRegions: { "0x100000000": "4096" },
          MEMORYDATA: { "0x100000000": "0x0102 03" },
          Mode: "32BIT",
          HostFeatures: ["AVX"],
        },
        "",
      ),
    );
    expect(conditions).toEqual({
      bits: 32,
      features: ["AVX"],
      ram: [{ address: 2 ** 32, size: 4096 }],
      memory: [{ address: 2 ** 32, bytes: Uint8Array.of(2, 1, 3) }],
      registers: new Map([
        ["rax", [16n]],
        ["xmm1", [1n, 2n]],
      ]),
    });
    expect(readConditions("mov eax, 1")).toBeUndefined();
  });
});

describe.skipIf(!nasm)("flat code", () => {
  it("passes and fails by its registers", async () => {
    mkdirSync(join(folder, "Includes"));
    writeFileSync(join(folder, "Includes", "one.mac"), "%define ONE 1\n");
    const cases: Record<string, string> = {
      integer: source({ RegData: { RAX: "1" } }, '%include "one.mac"\nmov eax, ONE'),
      wrong: source({ RegData: { RAX: "2" } }, "mov eax, 1"),
      x87: source({ RegData: { MM7: ["0x8000000000000000", "0x3fff"] } }, "fld1"),
      scratch: source({ RegData: { RBX: "7" } }, "mov eax, 0xe0000000\npush 7\npop rbx").replace(
        "push",
        "lea rsp, [rax + 8]\npush",
      ),
      bits32: source({ RegData: { RAX: "0x10000" }, Mode: "32BIT" }, "start: mov eax, start"),
      memory: source(
        { RegData: { RAX: "0x30201" }, MemoryData: { "0xe0000000": "01 02 03" } },
        "mov eax, 0xe0000000\nmov eax, [rax]",
      ),
      foreign: source({ HostFeatures: ["3DNOW"] }, ""),
      fault: source({}, "ud2"),
      unreadable: source({}, "no such instruction"),
    };
    mkdirSync(join(folder, "group"));
    for (const [name, text] of Object.entries(cases))
      writeFileSync(join(folder, "group", `${name}.asm`), text);
    expect(await outcomes(FLAT_SUITE)).toEqual({
      "group/integer": "passed",
      "group/wrong": "failed: rax 0000000000000001, expected 0000000000000002",
      "group/x87": "passed",
      "group/scratch": "passed",
      "group/bits32": "passed",
      "group/memory": "passed",
      "group/foreign": expect.stringMatching(/^not-applicable: 3DNow!/),
      "group/fault": "failed: ended by triple-fault at ud2 (0f 0b)",
      "group/unreadable": expect.stringMatching(/^not-applicable: NASM refuses it/),
    });
  });
});

const word = (value: number) => [value & 0xff, (value >> 8) & 0xff];
const long = (value: number) => [...word(value), ...word(value >>> 16)];
const chunk = (name: string, ...bytes: number[]) => [
  ...Buffer.from(name.padEnd(4)),
  ...long(bytes.length),
  ...bytes,
];
const text = (value: string) => [...long(value.length), ...Buffer.from(value)];

/** Registers as [number, value], RAM as [address, byte]. */
function state(name: string, registers: number[][], ram: number[][]): number[] {
  const mask = registers.reduce((bits, [bit]) => bits | (1 << bit), 0);
  return chunk(
    name,
    ...chunk("REGS", ...word(mask), ...registers.flatMap(([, value]) => word(value))),
    ...chunk("RAM ", ...long(ram.length), ...ram.flatMap(([at, byte]) => [...long(at), byte])),
  );
}

/** ADD CL,AH at 1000:0020 with so many in CX afterwards, as an 80286 records it. */
function addTest(result: number): Uint8Array {
  const before = [
    ...[0, 1, 2, 3].map((bit) => [bit, [0x1200, 0, 0xff34, 0][bit]]),
    ...[4, 5, 6, 7].map((bit) => [bit, 0x1000]),
    ...[8, 9, 10, 11].map((bit) => [bit, 0x100]),
    ...[
      [12, 0x20],
      [13, 2],
    ],
  ];
  const code = [0x00, 0xe1, 0xf4];
  const ram = code.map((byte, index) => [0x10020 + index, byte]);
  const after = [
    [2, result],
    [12, 0x23],
  ];
  return Uint8Array.from([
    ...chunk("MOO ", 1, 0, 0, 0, ...long(1), ...Buffer.from("286 ")),
    ...chunk(
      "TEST",
      ...long(7),
      ...chunk("NAME", ...text("add cl,ah")),
      ...chunk("BYTS", ...long(3), ...code),
      ...state("INIT", before, ram),
      ...state("FINA", after, []),
      ...chunk("CYCL", 1, 2, 3),
      ...chunk("HASH", ...Array.from({ length: 20 }, () => 0xab)),
    ),
  ]);
}

describe("single steps", () => {
  it("are read from MOO files", () => {
    const [test, ...more] = readMoo(addTest(0xff46));
    expect(more).toEqual([]);
    expect(test).toMatchObject({
      index: 7,
      name: "add cl,ah",
      bytes: Uint8Array.of(0x00, 0xe1, 0xf4),
      after: { registers: { cx: 0xff46, ip: 0x23 } },
      hash: "ab".repeat(20),
    });
    expect(test.before.registers).toMatchObject({ ax: 0x1200, cs: 0x1000, flags: 2 });
    expect([...test.before.ram]).toHaveLength(3);
    expect(() => [...readMoo(Uint8Array.of(1, 2, 3, 4))]).toThrow(/no MOO file/);
    expect(() => [...readMoo(addTest(0).subarray(0, -3))]).toThrow(/reaches beyond/);
  });

  it("pass and fail by their registers", async () => {
    writeFileSync(
      join(folder, "metadata.json"),
      JSON.stringify({ cpu: "286", opcodes: { "00": { status: "normal" } } }),
    );
    writeFileSync(join(folder, "00.MOO.gz"), gzipSync(addTest(0xff46)));
    writeFileSync(join(folder, "00.moo"), addTest(0xff47));
    const tally = new Tally();
    for await (const result of SINGLE_STEP_SUITE.run(folder, /./)) tally.add(result);
    const lines = tally.text("single-step", false);
    expect(lines[1]).toMatch(/^80286 0x +1 +1 +0 +50.000 %$/);
    expect(lines).toContain("failed 80286 0x/00 0 add cl,ah: cx 0xff46, recorded 0xff47");
  });
});
