/** The table against GNU's disassembler: every form named as binutils names it, no other form. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { X87Row } from "./row.ts";
import { x87Row } from "./table.ts";

const missing = spawnSync("objdump", ["--version"]).status !== 0;

/** Undocumented doubles and 8087 leftovers that objdump shows under other names, or not at all. */
const OTHERWISE: Record<string, string> = {
  fneni: "fneni(8087 only)",
  fndisi: "fndisi(8087 only)",
  fnsetpm: "fnsetpm(287 only)",
};

/** Intel syntax as objdump prints it, without its column of blanks. */
function text(row: X87Row): string {
  const i = `st(${row.index})`;
  switch (row.operands) {
    case "memory":
      return row.mnemonic;
    case "":
      return OTHERWISE[row.mnemonic] ?? row.mnemonic;
    case "ax":
      return `${row.mnemonic} ax`;
    case "st(i)":
      return `${row.mnemonic} ${i}`;
    case "st, st(i)":
      return `${row.mnemonic} st,${i}`;
    case "st(i), st":
      return `${row.mnemonic} ${i},st`;
  }
}

/** Encodings that processors execute and objdump calls bad. */
function undocumented(opcode: number, modrm: number): boolean {
  const at = `${opcode.toString(16)} ${(modrm & 0xf8).toString(16)}`;
  return ["d9 d8", "dc d0", "dc d8", "dd c8", "de d0", "df c8", "df d0", "df d8"].includes(at);
}

describe.skipIf(missing)("x87 table (needs objdump)", () => {
  const forms: [number, number][] = [];
  for (let opcode = 0xd8; opcode <= 0xdf; opcode++) {
    for (let reg = 0; reg < 8; reg++) forms.push([opcode, reg << 3]);
    for (let modrm = 0xc0; modrm < 0x100; modrm++) forms.push([opcode, modrm]);
  }

  const directory = mkdtempSync(join(tmpdir(), "x87-table-"));
  const file = join(directory, "forms.bin");
  // six NOPs behind each form bring the disassembler back into step
  writeFileSync(
    file,
    Uint8Array.from(forms.flatMap((form) => [...form, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90])),
  );
  const dump = spawnSync(
    "objdump",
    ["-D", "-b", "binary", "-m", "i386:x86-64", "-M", "intel", "--no-show-raw-insn", file],
    { encoding: "utf8" },
  );
  rmSync(directory, { recursive: true });
  const disassembled = new Map<number, string>();
  for (const line of dump.stdout.split("\n")) {
    const match = /^\s*([0-9a-f]+):\s+(.*?)\s*$/.exec(line);
    if (match) disassembled.set(Number.parseInt(match[1], 16), match[2].replace(/\s+/g, " "));
  }

  it("names every form as objdump does", () => {
    const wrong: string[] = [];
    for (const [i, [opcode, modrm]] of forms.entries()) {
      const row = x87Row(opcode, modrm);
      const theirs = disassembled.get(8 * i) ?? "";
      const name = `${opcode.toString(16)} ${modrm.toString(16)}`;
      if (undocumented(opcode, modrm)) {
        if (row === undefined) wrong.push(`${name}: no row`);
      } else if (row === undefined) {
        // FRSTPM of the 80287 is undefined since the 80387
        if (!theirs.includes("(bad)") && !theirs.startsWith("frstpm"))
          wrong.push(`${name}: no row, objdump has ${theirs}`);
      } else if (
        row.memory !== null ? theirs.split(" ")[0] !== row.mnemonic : theirs !== text(row)
      ) {
        wrong.push(`${name}: ${text(row)}, objdump has ${theirs}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it("takes memory operands of objdump's sizes", () => {
    const sizes: Record<string, string> = {
      m16int: "WORD PTR",
      m32int: "DWORD PTR",
      m64int: "QWORD PTR",
      m32fp: "DWORD PTR",
      m64fp: "QWORD PTR",
      m80fp: "TBYTE PTR",
      m80bcd: "TBYTE PTR",
      m2byte: "WORD PTR",
    };
    for (const [i, [opcode, modrm]] of forms.entries()) {
      const kind = x87Row(opcode, modrm)?.memory;
      if (kind === undefined || kind === null || !(kind in sizes)) continue;
      expect(disassembled.get(8 * i), `${opcode.toString(16)} ${modrm.toString(16)}`).toContain(
        ` ${sizes[kind]}`,
      );
    }
  });
});
