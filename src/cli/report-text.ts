/** The end of a run, for a reader on a terminal. */
import { instructionLine, registerTable } from "../session/register-table.ts";
import type { SessionReport } from "../session/report.ts";
import type { Paint } from "./terminal.ts";

const ENDINGS: Readonly<Record<SessionReport["ended"], string>> = {
  time: "the time asked for has passed",
  line: "the wanted line came",
  cells: "every cell has ended",
  script: "the scenario is over",
  power: "a guest had the machine reset or switched off",
  interrupted: "interrupted",
};

const seconds = (ns: number) => `${(ns / 1e9).toFixed(ns < 1e9 ? 6 : 3)} s`;

/** 1,234,567. Not by toLocaleString, which loads the tables of all languages first. */
export const grouped = (value: number) => String(value).replace(/\B(?=(\d{3})+$)/g, ",");

/** One line for the run and one for each cell; for a failed CPU its registers. */
export function reportLines(report: SessionReport, paint: Paint): string[] {
  const { ended, virtualNs, instructions } = report;
  const lines = [
    `${ENDINGS[ended]} after ${seconds(virtualNs)} of virtual time, ` +
      `${grouped(instructions)} instructions`,
  ];
  for (const { name, state, cpus } of report.cells) {
    const words = cpus.map((cpu) => `CPU ${cpu.index} ${cpu.state}`).join(", ");
    const line = `${name}: ${state}${words && `; ${words}`}`;
    lines.push(cpus.some((cpu) => cpu.state === "failed") ? paint("red", line) : line);
  }
  for (const { name, cpus } of report.cells)
    for (const { index, failure } of cpus) {
      if (failure === undefined) continue;
      lines.push("", paint("red", `CPU ${index} of "${name}" broke a rule and was parked:`));
      lines.push(...failure.report.map((line) => `  ${line}`));
      lines.push("", ...registerTable(failure.registers).map((line) => `  ${line}`));
      lines.push(...instructionLine(failure.instruction).map((line) => `  ${line}`));
      if (failure.cause !== undefined) lines.push(paint("red", `  why ${failure.cause}`));
    }
  return lines;
}
