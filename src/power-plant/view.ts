/** The control room's screen: signals in, lines of text out. */
import { END_S, type Phase } from "./phases.ts";
import { type Paint, type Plot, plotLines } from "./plot.ts";
import { type GeneratorSignals, RATED, type Sample } from "./signals.ts";

/** What is known at one moment. */
export interface Screen {
  /** In order of time, a millisecond apart, from the start on. */
  readonly samples: readonly Sample[];
  readonly phase: Phase | undefined;
  /** What the cells printed, oldest first. */
  readonly console: readonly ConsoleLine[];
  /** Names of cells that broke a rule. */
  readonly failed: readonly string[];
}

export interface ConsoleLine {
  /** undefined: the hypervisor's own, or a request. */
  readonly cell: string | undefined;
  readonly text: string;
}

/** Milliseconds of the phases' voltages that are shown: three periods. */
const WAVES_MS = 50;
const SAMPLES_PER_S = 1000;

/** Above this the plot of the frequency shows it, per unit. */
const NETWORK_SPEED = 0.96;

/** Below this nothing can be shown side by side. */
const TWO_COLUMNS = 72;
const GAP = "  ";

/**
 * Exactly `height` lines, none wider than `width`.
 * @param width at least 24
 * @param height at least 8
 */
export function screenLines(screen: Screen, width: number, height: number, paint: Paint): string[] {
  const columns = width >= TWO_COLUMNS ? 2 : 1;
  // consoles get a quarter, the rest is shared by as many rows of plots as there is room for
  const consoleRows = Math.max(2, Math.floor(height / 4));
  const room = height - 2 - 1 - consoleRows;
  const plots = plotsOf(screen);
  const wanted = Math.ceil(plots.length / columns);
  const plotRows = Math.max(1, Math.min(wanted, Math.floor(room / 4)));
  const plotHeight = Math.max(3, Math.floor(room / plotRows));
  const plotWidth = columns === 2 ? Math.floor((width - GAP.length) / 2) : width;

  const lines = [...statusLines(screen, width, paint)];
  for (let row = 0; row < plotRows; row++) {
    const side = plots.slice(row * columns, (row + 1) * columns);
    const drawn = side.map((plot) => plotLines(plot, plotWidth, plotHeight, paint));
    for (let line = 0; line < plotHeight; line++)
      lines.push(drawn.map((each) => each[line]).join(GAP));
  }
  lines.push(paint("dim", "─".repeat(width)));
  const left = Math.max(0, height - lines.length);
  const tail = left === 0 ? [] : screen.console.slice(-left);
  lines.push(...tail.map((line) => consoleLine(line, width, paint)));
  while (lines.length < height) lines.push("");
  return lines.slice(0, height);
}

/** A cell's line, cut to the width. */
function consoleLine({ cell, text }: ConsoleLine, width: number, paint: Paint): string {
  const prefix = cell === undefined ? "" : `[${cell}] `;
  // what moves the cursor would tear the picture
  const printable = text.replace(/\p{Cc}/gu, "\ufffd");
  const shown = printable.slice(0, Math.max(0, width - prefix.length));
  return cell === undefined ? paint("dim", shown) : `${paint("cyan", prefix)}${shown}`;
}

function statusLines({ samples, phase, failed }: Screen, width: number, paint: Paint): string[] {
  const { timeS = 0, plant, turbine, generator } = samples.at(-1) ?? {};
  const time = `${timeS.toFixed(2).padStart(6)} s`;
  const title = `Power plant ${time}  ${phase?.name ?? ""}`.slice(0, width);
  const breaker = plant?.breaker === 1;
  const words: [string, Parameters<Paint>[0]][] = [
    [`breaker ${breaker ? "CLOSED" : "open"}`, breaker ? "green" : "dim"],
    [generator?.in_step === 1 && !breaker ? "in step" : "", "green"],
    [turbine?.tripped === 1 ? "TRIPPED" : "", "red"],
    ...failed.map((name): [string, "red"] => [`${name} FAILED`, "red"]),
  ];
  let used = 0;
  const status: string[] = [];
  for (const [text, tone] of words) {
    if (text === "" || used + text.length > width) continue;
    status.push(paint(tone, text));
    used += text.length + 3;
  }
  return [title, status.join("   ")];
}

function plotsOf({ samples }: Screen): Plot[] {
  const now = samples.at(-1);
  const to = Math.max(END_S, now?.timeS ?? 0);
  const from = to - END_S;
  const history = { from, to };
  const at = (timeS: number): Sample | undefined => {
    const index = Math.round(timeS * SAMPLES_PER_S);
    return index < 0 ? undefined : samples[index];
  };
  const signal = (read: (sample: Sample) => number | undefined) => (timeS: number) => {
    const sample = at(timeS);
    return sample === undefined ? undefined : read(sample);
  };
  const whole = (value: number) => value.toFixed(0);
  const { plant } = now ?? {};
  const megawatts = (power = 0) => `${(power * RATED.powerMva).toFixed(0)} MW`;
  return [
    {
      title: "Speed",
      value: `${((plant?.speed ?? 0) * RATED.speedRpm).toFixed(0)} r/min`,
      curves: [{ tone: "green", at: signal(({ plant }) => plant && plant.speed * RATED.speedRpm) }],
      ...history,
      low: 0,
      high: 4000,
      label: whole,
    },
    {
      title: "Power: steam, electrical",
      value: `${megawatts(plant?.mechanical_power)}, ${megawatts(plant?.electrical_power)}`,
      curves: [
        {
          tone: "yellow",
          at: signal(({ plant }) => plant && plant.mechanical_power * RATED.powerMva),
        },
        {
          tone: "cyan",
          at: signal(({ plant }) => plant && plant.electrical_power * RATED.powerMva),
        },
      ],
      ...history,
      low: 0,
      high: 500,
      label: whole,
    },
    {
      title: "Valve",
      value: `${((plant?.valve ?? 0) * 100).toFixed(0)} %`,
      curves: [{ tone: "magenta", at: signal(({ plant }) => plant && plant.valve * 100) }],
      ...history,
      low: 0,
      high: 100,
      label: whole,
    },
    waves(samples),
    {
      title: "Frequency",
      value: `${((plant?.speed ?? 0) * RATED.frequencyHz).toFixed(2)} Hz`,
      curves: [
        {
          tone: "green",
          // far below rated speed it is no frequency of a network
          at: signal(({ plant }) =>
            plant && plant.speed > NETWORK_SPEED ? plant.speed * RATED.frequencyHz : undefined,
          ),
        },
      ],
      ...history,
      low: 58,
      high: 62,
      label: (value) => value.toFixed(0),
    },
    {
      title: "Voltage",
      value: `${((plant?.voltage ?? 0) * RATED.voltageKv).toFixed(2)} kV`,
      curves: [
        { tone: "blue", at: signal(({ plant }) => plant && plant.voltage * RATED.voltageKv) },
      ],
      ...history,
      low: 0,
      high: 30,
      label: whole,
    },
  ];
}

/** Amplitude of a phase against ground at rated voltage, kV. */
const PHASE_KV = (RATED.voltageKv * Math.SQRT2) / Math.sqrt(3);

/** The last periods of the three phases, between samples as straight lines. */
function waves(samples: readonly Sample[]): Plot {
  const last = samples.length - 1;
  const phase = (name: keyof GeneratorSignals) => (ms: number) => {
    const place = last - WAVES_MS + ms;
    const index = Math.floor(place);
    const [a, b] = [samples[index]?.generator?.[name], samples[index + 1]?.generator?.[name]];
    if (a === undefined || b === undefined) return undefined;
    return (a + (b - a) * (place - index)) * PHASE_KV;
  };
  const now = samples.at(-1)?.generator;
  return {
    title: `Phases, last ${WAVES_MS} ms`,
    value: now === undefined ? "no signal" : `${(now.phase_a * PHASE_KV).toFixed(1)} kV`,
    curves: [
      { tone: "red", at: phase("phase_a") },
      { tone: "yellow", at: phase("phase_b") },
      { tone: "blue", at: phase("phase_c") },
    ],
    from: 0,
    to: WAVES_MS - 1,
    low: -25,
    high: 25,
    label: (value) => value.toFixed(0),
  };
}
