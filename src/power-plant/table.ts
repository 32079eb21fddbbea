/** The same for a file or a pipe: a line of numbers now and then, aligned. */
import { RATED, type Sample } from "./signals.ts";

interface Column {
  readonly head: string;
  readonly unit: string;
  readonly width: number;
  /** undefined: the controller is silent. */
  readonly text: (sample: Sample) => string | undefined;
}

const COLUMNS: readonly Column[] = [
  { head: "time", unit: "s", width: 6, text: ({ timeS }) => timeS.toFixed(2) },
  {
    head: "speed",
    unit: "r/min",
    width: 7,
    text: ({ plant }) => plant && (plant.speed * RATED.speedRpm).toFixed(1),
  },
  {
    head: "freq.",
    unit: "Hz",
    width: 6,
    text: ({ plant }) => plant && (plant.speed * RATED.frequencyHz).toFixed(2),
  },
  {
    head: "valve",
    unit: "%",
    width: 5,
    text: ({ plant }) => plant && (plant.valve * 100).toFixed(1),
  },
  {
    head: "steam",
    unit: "MW",
    width: 6,
    text: ({ plant }) => plant && (plant.mechanical_power * RATED.powerMva).toFixed(1),
  },
  {
    head: "elec.",
    unit: "MW",
    width: 6,
    text: ({ plant }) => plant && (plant.electrical_power * RATED.powerMva).toFixed(1),
  },
  {
    head: "volt.",
    unit: "kV",
    width: 5,
    text: ({ plant }) => plant && (plant.voltage * RATED.voltageKv).toFixed(2),
  },
  {
    head: "field",
    unit: "p.u.",
    width: 5,
    text: ({ generator }) => generator?.field_voltage.toFixed(2),
  },
  {
    head: "phase a",
    unit: "p.u.",
    width: 7,
    text: ({ generator }) => generator?.phase_a.toFixed(3),
  },
  {
    head: "breaker",
    unit: "",
    width: 7,
    text: ({ plant }) => plant && (plant.breaker === 1 ? "closed" : "open"),
  },
];

const row = (text: (column: Column) => string): string =>
  COLUMNS.map((column) => text(column).padStart(column.width))
    .join("  ")
    .trimEnd();

export const TABLE_HEAD: readonly string[] = [row(({ head }) => head), row(({ unit }) => unit)];

export function tableRow(sample: Sample): string {
  return row(({ text }) => text(sample)?.replace(/^-(0(\.0*)?)$/, "$1") ?? "-");
}
