import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encode, FS_GS } from "../testing/encoding.ts";
import { Random } from "../testing/random.ts";
import { disassembleBytes } from "./disassemble.ts";
import { MODE_CODE_32, MODE_CODE_64, MODE_LMA, MODE_PROTECTED } from "./mode.ts";
import type { Row } from "./row.ts";
import { TABLE } from "./table.ts";

const MODES = {
  16: 0,
  32: MODE_PROTECTED | MODE_CODE_32,
  64: MODE_PROTECTED | MODE_LMA | MODE_CODE_64,
};

describe("disassembly", () => {
  it.each([
    [64, "8b 44 8e 08", "mov    eax,DWORD PTR [rsi+rcx*4+0x8]"],
    [64, "64 48 8b 04 25 28 00 00 00", "mov    rax,QWORD PTR fs:0x28"],
    [64, "48 8d 05 10 00 00 00", "lea    rax,[rip+0x10]        # 0x401017"],
    [64, "eb fe", "jmp    0x401000"],
    [64, "f3 48 a5", "rep movs QWORD PTR es:[rdi],QWORD PTR ds:[rsi]"],
    [64, "f0 48 0f c7 0f", "lock cmpxchg16b OWORD PTR [rdi]"],
    [64, "48 98", "cdqe"],
    [64, "d8 c1", "fadd   st,st(1)"],
    [64, "0f c2 c1 02", "cmpleps xmm0,xmm1"],
    [32, "ea 00 80 00 00 08 00", "jmp    0x8:0x8000"],
    [16, "66 60", "pushad"],
    [16, "2e 8b 42 fe", "mov    ax,WORD PTR cs:[bp+si-0x2]"],
    [64, "06", "(bad)"],
  ] as const)("%i-bit code %s is %s", (bits, code, text) => {
    const bytes = Uint8Array.from(code.split(" "), (byte) => Number.parseInt(byte, 16));
    const length = text === "(bad)" ? 1 : bytes.length;
    expect(disassembleBytes(bytes, MODES[bits], 0x401000n)).toMatchObject({ text, length });
  });

  it("says nothing about an instruction that is cut off", () => {
    expect(disassembleBytes(Uint8Array.of(0x48, 0x8b), MODES[64], 0n)).toBeUndefined();
  });
});

const isX87Alias = ({ map, opcode, reg, form }: Row): boolean =>
  map === 0 &&
  form !== "mem" &&
  ["d9 3", "dc 2", "dc 3", "dd 1", "de 2", "df 1", "df 2", "df 3"].includes(
    `${opcode.toString(16)} ${reg}`,
  );

/** Where objdump 2.40 and the processors, whom the table follows, are of different opinions. */
const DIFFERENCES: Record<string, (row: Row, theirs: string, code: readonly number[]) => boolean> =
  {
    "SALC is undocumented": (row, theirs) => row.mnemonic === "SALC" && theirs === "(bad)",
    "undocumented aliases of FSTP, FXCH, FCOM and FCOMP": (row, theirs) =>
      isX87Alias(row) && theirs === "(bad)",
    "fences ignore ModRM.rm": (row, theirs) =>
      /^[LMS]FENCE$/.test(row.mnemonic) && theirs === "(bad)",
    "every form of 0F 0D is the one prefetch there is": (row, theirs) =>
      row.mnemonic === "PREFETCHW" && theirs.startsWith("prefetch"),
    "MPX and CLDEMOTE are NOPs where CPUID does not have them": (row, theirs) =>
      row.mnemonic === "NOP" && /^(bnd|cldemote)/.test(theirs),
    "MOVSXD with a 16-bit destination reads 16 bits (SDM)": (row, theirs) =>
      row.mnemonic === "MOVSXD" && /^movsxd (..|r\d+w),/.test(theirs),
    "far pointers with REX.W have 10 bytes (SDM)": (_row, theirs, code) =>
      theirs.includes("FWORD PTR") && code.some((byte) => (byte & 0xf8) === 0x48),
    "PCLMULQDQ has a name for each of 0, 1, 16, 17 only": (row, theirs) =>
      row.mnemonic === "PCLMULQDQ" && !theirs.startsWith("pclmulqdq"),
    "gathers that name a register twice are invalid": (row, theirs) =>
      row.operands.some(({ method }) => method === "vm") && theirs.includes("/(bad)"),
    "objdump knows code prefetches among the NOPs": (_row, theirs) => theirs.includes("prefetchit"),
    "objdump shows no memory operand of MASKMOV": (row, theirs) =>
      row.mnemonic.includes("MASKMOV") && /^([c-gs]s|es) /.test(theirs),
    "objdump heeds VEX.L of MOVSS and MOVSD, which is ignored": (row, theirs) =>
      /^VMOVS[SD]$/.test(row.mnemonic) && theirs.includes("ymm"),
    "objdump tears prefixes off FWAIT": (row, _theirs, code) =>
      row.mnemonic === "FWAIT" && code.length > 1,
  };

/**
 * Text without alignment and without what objdump says that is not the instruction's: prefixes
 * without effect, remarks, more than 32 bits of an EIP-relative address.
 */
function plain(text: string): string {
  const stripped = text
    .replace(/\b(data16|data32|addr16|addr32|rex(\.[WRXB]+)?) /g, "")
    .replace(/\(\d+ only\)/, "")
    .replace(/\s+/g, " ")
    .trim();
  return stripped.includes("[eip") ? stripped.replace(/# 0xffffffff0*/, "# 0x") : stripped;
}

interface Line {
  readonly text: string;
  readonly length: number;
}

const SLOT = 32;
const haveObjdump = spawnSync("objdump", ["--version"]).status === 0;

describe.skipIf(!haveObjdump)("disassembly against objdump", () => {
  let directory = "";
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "disassembly-"));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  /** objdump's view of instructions that start every {@link SLOT} bytes. */
  function objdump(codes: readonly (readonly number[])[], machine: string): Line[] {
    const image = new Uint8Array(codes.length * SLOT).fill(0x90);
    codes.forEach((code, k) => {
      image.set(code, k * SLOT);
    });
    const file = join(directory, "code");
    writeFileSync(file, image);
    const options = ["-D", "-w", "-b", "binary", "-m", machine, "-M", "intel"];
    const listing = execFileSync("objdump", [...options, "--no-show-raw-insn", file], {
      encoding: "utf8",
      maxBuffer: 2 ** 26,
    });
    const lines: Line[] = [];
    let slot = -1;
    let text = "";
    for (const [, start, instruction] of listing.matchAll(/^\s*([0-9a-f]+):\t(.*)$/gm)) {
      const address = Number.parseInt(start as string, 16);
      if (slot >= 0) lines[slot] = { text, length: address - slot * SLOT };
      slot = address % SLOT === 0 ? address / SLOT : -1;
      text = instruction as string;
    }
    return lines;
  }

  const seed = Number(process.env.SILICON_SEED ?? 1);

  it.each([
    [16, "i8086", 2],
    [32, "i386", 2],
    [64, "i386:x86-64", 4],
  ] as const)("every row in %i-bit code", (bits, machine, rounds) => {
    const random = new Random(seed + bits);
    // 16-bit code must not leave its segment.
    const batch = 0x10000 / SLOT;
    // 16-bit code is real mode's here.
    const rows = TABLE.rows.filter(({ options }) => bits !== 16 || !options.protectedOnly);
    const cases: { row: Row; code: number[] }[] = [];
    for (let round = 0; round < rounds; round++)
      for (const row of rows) {
        const code = encode(row, random, bits, FS_GS)?.bytes;
        if (code !== undefined) cases.push({ row, code });
      }
    const wrong: string[] = [];
    for (let at = 0; at < cases.length; at += batch) {
      const part = cases.slice(at, at + batch);
      const lines = objdump(
        part.map(({ code }) => code),
        machine,
      );
      part.forEach(({ row, code }, k) => {
        const ours = disassembleBytes(Uint8Array.from(code), MODES[bits], BigInt(k * SLOT));
        const line = lines[k] ?? { text: "(image ended)", length: code.length };
        const theirs = plain(line.text);
        if (
          plain(ours?.text ?? "") === theirs &&
          (ours?.length === line.length || k === part.length - 1)
        )
          return;
        if (Object.values(DIFFERENCES).some((differs) => differs(row, theirs, code))) return;
        const hex = code.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
        wrong.push(`${hex}: ${ours?.text}; objdump: ${line.text}`);
      });
    }
    expect(cases.length).toBeGreaterThan(2000);
    expect(wrong).toEqual([]);
  });
});
