/** A {@link RegisterReport} as aligned text. */
import type { InspectedInstruction } from "../engine/x86/inspect.ts";
import type { RegisterReport } from "./registers.ts";

const digits = (value: string) => value.slice(2);

function columns(cells: readonly string[], count: number): string[] {
  const width = Math.max(...cells.map((cell) => cell.length));
  const lines: string[] = [];
  for (let start = 0; start < cells.length; start += count)
    lines.push(
      cells
        .slice(start, start + count)
        .map((cell) => cell.padEnd(width))
        .join("  ")
        .trimEnd(),
    );
  return lines;
}

const named = (values: Readonly<Record<string, string>>) =>
  Object.entries(values).map(([name, value]) => `${name.toUpperCase().padEnd(4)} ${digits(value)}`);

/** One line: the instruction and its bytes. */
export function instructionLine(instruction: InspectedInstruction | undefined): string[] {
  return instruction === undefined ? [] : [`at  ${instruction.text}  (${instruction.bytes})`];
}

export function registerTable(report: RegisterReport): string[] {
  const { general, flags, segments, control, x87 } = report;
  return [
    `${report.mode} mode, privilege level ${report.privilegeLevel}`,
    ...columns(named(general), 4),
    `RFLAGS ${digits(flags.value)}  ${flags.set.join(" ") || "-"}`,
    "",
    "      selector base             limit    attributes",
    ...Object.entries(segments).map(
      ([name, segment]) =>
        `${name.toUpperCase().padEnd(5)} ${digits(segment.selector)}     ${digits(segment.base)} ` +
        `${digits(segment.limit)} ${digits(segment.attributes)}`,
    ),
    `GDTR           ${digits(report.gdtr.base)} ${digits(report.gdtr.limit)}`,
    `IDTR           ${digits(report.idtr.base)} ${digits(report.idtr.limit)}`,
    "",
    ...Object.entries(control).map(([name, { value, set }]) =>
      `${name.toUpperCase().padEnd(4)} ${digits(value)}  ${set.join(" ")}`.trimEnd(),
    ),
    ...columns(named(report.debug), 4),
    "",
    ...columns(
      x87.st.map((value, index) => `ST${index}  ${digits(value)}`),
      4,
    ),
    `FCW ${digits(x87.fcw)}  FSW ${digits(x87.fsw)}  FTW ${digits(x87.ftw)}  MXCSR ${digits(report.mxcsr)}`,
    ...columns(
      report.mm.map((value, index) => `MM${index}  ${digits(value)}`),
      4,
    ),
    ...vectors(report),
  ];
}

/** YMM registers, if there is more in any of them than XMM shows. */
function vectors({ xmm, ymm }: RegisterReport): string[] {
  const numbered = (name: string, values: readonly string[]) =>
    values.map((value, index) => `${name}${String(index).padEnd(2)} ${digits(value)}`);
  const isWide = ymm.some((value) => /[^0]/.test(digits(value).slice(0, 32)));
  return isWide ? numbered("YMM", ymm) : columns(numbered("XMM", xmm), 2);
}
