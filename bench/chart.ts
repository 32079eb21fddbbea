/** The bar chart of docs/performance.md: speed relative to QEMU's TCG, a bar a workload, as SVG. */
import type { Row } from "./measure.ts";
import { number } from "./numbers.ts";
import { means, ratio, speed, TARGETS, type Target } from "./targets.ts";

const WIDTH = 860;
const LEFT = 150;
const RIGHT = 60;
const TOP = 64;
const BOTTOM = 34;
const BAR = 13;
const PITCH = 18;
const HEADING = 30;

/** Of the bars, light and dark theme alike: by group, in the order of the targets. */
const COLOURS = [
  "#3b7dd8",
  "#1f9e89",
  "#c2571a",
  "#b8860b",
  "#7a5cc9",
  "#b5407f",
  "#6b8e23",
  "#64748b",
];

const STYLE = `
  text { font: 12px system-ui, sans-serif; fill: #1f2328 }
  text { paint-order: stroke; stroke: #ffffff; stroke-width: 4px; stroke-linejoin: round }
  .page { fill: #ffffff }
  .title { font-size: 15px; font-weight: 600 }
  .group { font-weight: 600 }
  .note { fill: #59636e }
  .grid { stroke: #d1d9e0 }
  .one { stroke: #1f2328; stroke-width: 1.5 }
  .target { stroke: #cf222e; stroke-width: 1.5; stroke-dasharray: 5 3 }
  .wasm { fill: #ffffff; stroke: #1f2328; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; stroke: #0d1117 }
    .page { fill: #0d1117 }
    .note { fill: #9198a1 }
    .grid { stroke: #30363d }
    .one { stroke: #e6edf3 }
    .target { stroke: #ff7b72 }
    .wasm { fill: #0d1117; stroke: #e6edf3 }
  }`;

/** @param rows those without a speed are left out */
export function chart(rows: readonly Row[]): string {
  const groups = TARGETS.map((target, index) => ({
    target,
    colour: COLOURS[index % COLOURS.length],
    bars: rows.filter((row) => row.workload.group === target.group && speed(row) !== undefined),
  })).filter(({ bars }) => bars.length > 0);
  const scale = new LogScale(
    groups.flatMap(({ target, bars }) => [target.mean, ...bars.map((row) => speed(row) ?? 1)]),
  );
  const body: string[] = [];
  let y = TOP;
  for (const { target, colour, bars } of groups) {
    const { drawn, height } = group(target, colour, bars, rows, scale, y);
    body.push(...drawn);
    y += height;
  }
  const axis = scale.ticks().flatMap((tick) => {
    const x = round(scale.x(tick));
    return [
      `<line class="${tick === 1 ? "one" : "grid"}" x1="${x}" x2="${x}" y1="${TOP}" y2="${y}"/>`,
      text(x, y + 16, `${tick}`, "middle", "note"),
    ];
  });
  const height = y + BOTTOM;
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="Speed of Gaoler relative to QEMU TCG, by workload">`,
    `<style>${STYLE}\n</style>`,
    `<rect class="page" width="${WIDTH}" height="${height}"/>`,
    text(12, 24, "Speed of Gaoler, QEMU TCG = 1 (logarithmic, longer is faster)", "start", "title"),
    ...legend(rows),
    ...axis,
    ...body,
    "</svg>",
  ].join("\n")}\n`;
}

function group(
  { group: name, title, mean }: Target,
  colour: string,
  bars: readonly Row[],
  rows: readonly Row[],
  scale: LogScale,
  top: number,
): { drawn: string[]; height: number } {
  const reached = means(rows).find(({ what }) => what === title);
  const first = top + HEADING;
  const end = first + bars.length * PITCH;
  const target = round(scale.x(mean));
  const summary = reached === undefined ? "" : `: geometric mean ${number(reached.value)}`;
  return {
    drawn: [
      `<g id="${name}">`,
      text(12, top + 20, `${title}${summary}, target ${mean}`, "start", "group"),
      ...bars.flatMap((row, index) => bar(row, colour, scale, first + index * PITCH)),
      `<line class="target" x1="${target}" x2="${target}" y1="${first - 4}" y2="${end}"/>`,
      ...bars.flatMap((row, index) => labels(row, scale, first + index * PITCH)),
      "</g>",
    ],
    height: HEADING + bars.length * PITCH,
  };
}

function bar(row: Row, colour: string, scale: LogScale, y: number): string[] {
  const [from, to] = [scale.x(1), scale.x(speed(row) ?? 1)].sort((a, b) => a - b);
  const wasm = ratio(row, "QEMU TCG", "wasm");
  return [
    `<rect x="${round(from)}" y="${y}" width="${round(Math.max(1, to - from))}" height="${BAR}" rx="2" fill="${colour}"/>`,
    ...(wasm === undefined
      ? []
      : [`<circle class="wasm" cx="${round(scale.x(wasm))}" cy="${y + BAR / 2}" r="3"/>`]),
  ];
}

/** Above everything else: the name, and the number where the bar ends. */
function labels(row: Row, scale: LogScale, y: number): string[] {
  const value = speed(row) ?? 1;
  const wasm = ratio(row, "QEMU TCG", "wasm");
  const end = Math.max(scale.x(1), scale.x(value));
  const clear = wasm === undefined ? end : nearby(end, scale.x(wasm));
  return [
    text(LEFT - 8, y + BAR - 3, row.workload.name, "end"),
    text(clear + 6, y + BAR - 3, number(value)),
  ];
}

/** Keeps a label clear of a mark just behind the bar. */
const nearby = (end: number, mark: number): number =>
  mark > end - 4 && mark < end + 40 ? mark + 3 : end;

function legend(rows: readonly Row[]): string[] {
  const y = 46;
  const wasm = rows.some(({ figures }) => figures.has("wasm"));
  return [
    `<line class="target" x1="14" x2="34" y1="${y - 4}" y2="${y - 4}"/>`,
    text(40, y, "target of the group's geometric mean", "start", "note"),
    ...(wasm
      ? [
          `<circle class="wasm" cx="284" cy="${y - 4}" r="3"/>`,
          text(293, y, "the same C as plain WebAssembly, without a guest", "start", "note"),
        ]
      : []),
  ];
}

function text(
  x: number,
  y: number,
  words: string,
  anchor: "start" | "middle" | "end" = "start",
  style?: string,
): string {
  const classes = style === undefined ? "" : ` class="${style}"`;
  return `<text${classes} x="${round(x)}" y="${round(y)}" text-anchor="${anchor}">${words}</text>`;
}

const round = (value: number): number => Math.round(value * 10) / 10;

/** From below the smallest value to above the largest; 1 is always in it. */
class LogScale {
  readonly #low: number;
  readonly #high: number;

  constructor(values: readonly number[]) {
    this.#low = Math.log(Math.min(1, ...values) / 1.25);
    this.#high = Math.log(Math.max(2, ...values) * 1.25);
  }

  x(value: number): number {
    const part = (Math.log(value) - this.#low) / (this.#high - this.#low);
    return LEFT + Math.min(1, Math.max(0, part)) * (WIDTH - LEFT - RIGHT);
  }

  ticks(): number[] {
    const all = [-3, -2, -1, 0, 1, 2, 3, 4].flatMap((power) =>
      [1, 2, 5].map((digit) => Number((digit * 10 ** power).toPrecision(1))),
    );
    return all.filter((tick) => Math.log(tick) > this.#low && Math.log(tick) < this.#high);
  }
}
