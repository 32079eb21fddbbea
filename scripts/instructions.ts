/**
 * Writes docs/instructions.md, the list of instruction forms, from the instruction table.
 *
 *     node scripts/instructions.ts            writes it
 *     node scripts/instructions.ts --check    only says whether it is current; exit status 1 if not
 */
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { CONDITION_NAMES, type Row } from "../src/engine/x86/row.ts";
import { TABLE } from "../src/engine/x86/table.ts";
import { x87Row } from "../src/engine/x87/table.ts";

const FILE = resolve(import.meta.dirname, "../docs/instructions.md");

const HEAD = `# Instructions

<!-- Written by scripts/instructions.ts from the instruction table (src/engine/x86/rows/). -->

Every instruction form the engine executes. Whatever is not here raises #UD.

A form is its encoding and its operands in the notation of the Intel manual's opcode
maps (SDM volume 2, appendix A). \`/4\` is the value of ModRM.reg, \`mem\` or \`reg\` what
ModRM must name, \`+r\` a register and \`+cc\` a condition in the opcode's low bits, \`NP\` that
no mandatory prefix may stand before it. \`VEX\` is a VEX prefix: \`L0\` and \`L1\` say what its
L must be, \`LIG\` that it is ignored; otherwise it makes vectors (operand type x, ps, pd) of 128
or 256 bits. \`W0\` and \`W1\` say what its W must be. An operand H is the vector register that
VEX.vvvv names, L one that the upper half of an immediate byte names, vm memory at an address for
each element of an XMM (x) or YMM (y) register. Marks:
**64** valid in 64-bit mode only, **no64** not valid in it, **prot** not valid in real and
virtual-8086 mode, **L** may be locked, **rep** may be repeated, **0** only at privilege
level 0; **v2**, **v3** on CPUs of that level of the x86-64 ABI (what a scenario says by
\`features\`), VEX forms always from v3 on. A name stands for every operand size: CBW is CWDE and
CDQE, too.
`;

/** Sections, by the unit that an instruction needs. */
const SECTIONS: readonly [title: string, unit: Row["options"]["unit"]][] = [
  ["General-purpose and system instructions", undefined],
  ["x87", "x87"],
  ["MMX", "mmx"],
  ["SSE to SSE4.2, AES-NI, PCLMULQDQ, SHA", "sse"],
  ["AVX, AVX2, FMA, F16C", "avx"],
];

const MARKS: readonly [option: keyof Row["options"], mark: string][] = [
  ["only64", "64"],
  ["no64", "no64"],
  ["protectedOnly", "prot"],
  ["lock", "L"],
  ["repeats", "rep"],
  ["cpl0", "0"],
];

const MAPS = ["", "0f ", "0f 38 ", "0f 3a "];

const byte = (value: number): string => value.toString(16).padStart(2, "0");

function isX87({ map, options }: Row): boolean {
  return map === 0 && options.unit === "x87";
}

/** J, SET, CMOV: one line for the sixteen conditions. */
function conditional({ mnemonic, opcode }: Row): string | undefined {
  const stem = /^(J|SET|CMOV)/.exec(mnemonic)?.[1];
  if (stem === undefined || mnemonic !== stem + CONDITION_NAMES[opcode & 15]) return undefined;
  return `${stem}cc`;
}

function encoding(row: Row): string {
  const inOpcode = row.operands.some(({ method }) => method === "Z");
  const opcode = inOpcode
    ? `${byte(row.opcode & 0xf8)}+r`
    : conditional(row) !== undefined
      ? `${byte(row.opcode & 0xf0)}+cc`
      : byte(row.opcode);
  const isStackRegister = isX87(row) && operands(row).includes("(i)");
  return [
    vex(row),
    row.prefix ?? "",
    `${MAPS[row.map & 3]}${opcode}`,
    row.reg >= 0 ? `/${row.reg}` : "",
    isStackRegister ? "reg" : row.rm >= 0 ? `rm=${row.rm}` : row.form === "any" ? "" : row.form,
  ]
    .filter((part) => part !== "")
    .join(" ");
}

function vex({ vex }: Row): string {
  if (vex === undefined) return "";
  const length = vex.length === "any" ? "" : ` ${vex.length}`;
  return `VEX${length}${vex.w === undefined ? "" : ` W${vex.w}`}`;
}

function operands(row: Row): string {
  if (!isX87(row)) return row.operands.map(({ text }) => text).join(",");
  const modrm = row.form === "mem" ? row.reg << 3 : 0xc0 | (row.reg << 3) | row.rm;
  const form = x87Row(row.opcode, modrm);
  return form?.memory ?? form?.operands.replaceAll(" ", "") ?? "";
}

function formText(row: Row): string {
  const marks = MARKS.filter(([option]) => row.options[option]).map(([, mark]) => mark);
  if (row.level > 1 && row.vex === undefined) marks.push(`v${row.level}`);
  const text = [`\`${encoding(row)}\``, operands(row)].filter((part) => part !== "").join(" ");
  return marks.length === 0 ? text : `${text} **${marks.join(" ")}**`;
}

function section(title: string, rows: readonly Row[]): string {
  const forms = new Map<string, Set<string>>();
  for (const row of rows) {
    const name = conditional(row) ?? row.mnemonic;
    const known = forms.get(name) ?? new Set();
    forms.set(name, known.add(formText(row)));
  }
  const lines = [...forms.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, texts]) => `| ${name} | ${[...texts].join("; ")} |`);
  return `\n## ${title}\n\n| | |\n|---|---|\n${lines.join("\n")}\n`;
}

const text =
  HEAD +
  SECTIONS.map(([title, unit]) =>
    section(
      title,
      TABLE.rows.filter((row) => row.options.unit === unit),
    ),
  ).join("");

if (process.argv[2] === "--check") {
  const isCurrent = readFileSync(FILE, "utf8") === text;
  console.log(
    isCurrent
      ? "docs/instructions.md is current"
      : "docs/instructions.md is not what the table says: run node scripts/instructions.ts",
  );
  process.exitCode = isCurrent ? 0 : 1;
} else writeFileSync(FILE, text);
