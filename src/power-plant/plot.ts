/** Curves as text: two columns and four rows of Braille dots in each character. */

export type Tone = "cyan" | "green" | "yellow" | "magenta" | "blue" | "red" | "dim";
/** Puts a colour on text, or not. */
export type Paint = (tone: Tone, text: string) => string;

export interface Curve {
  readonly tone: Tone;
  /** Ordinate at an abscissa; undefined: nothing is known there. */
  readonly at: (x: number) => number | undefined;
}

export interface Plot {
  readonly title: string;
  /** Shown at the right of the title. */
  readonly value: string;
  readonly curves: readonly Curve[];
  /** Abscissas at the left and right edge. */
  readonly from: number;
  readonly to: number;
  /** Ordinates at the lower and upper edge; what is outside is drawn at the edge. */
  readonly low: number;
  readonly high: number;
  /** An ordinate as the axis shows it. */
  readonly label: (ordinate: number) => string;
}

const BLANK = 0x2800;
/** Dots of a Braille character, [row][column]. */
const DOTS = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
];
const COLUMNS = 2;
const ROWS = DOTS.length;

/** Characters that the axis' numbers take, its line included. */
const AXIS = 7;

/**
 * A plot with its title, exactly `width` characters wide and `height` lines high.
 * @param width at least 16
 * @param height at least 3
 */
export function plotLines(plot: Plot, width: number, height: number, paint: Paint): string[] {
  const rows = height - 1;
  const area = drawCurves(plot, width - AXIS, rows, paint);
  const { low, high, label } = plot;
  const labels = area.map((_, row) => {
    if (row === 0) return label(high);
    if (row === rows - 1) return label(low);
    return rows >= 5 && rows % 2 === 1 && row === (rows - 1) / 2 ? label((low + high) / 2) : "";
  });
  const axis = labels.map((text) => {
    const shown = text.slice(0, AXIS - 1).padStart(AXIS - 2);
    return paint("dim", `${shown} ${text === "" ? "│" : "┤"}`);
  });
  return [heading(plot, width), ...area.map((line, row) => `${axis[row]}${line}`)];
}

/** Title on the left, value on the right; the title gives way. */
function heading({ title, value }: Plot, width: number): string {
  const room = Math.max(0, width - value.length - 1);
  return `${title.slice(0, room).padEnd(room)} ${value}`.slice(0, width);
}

function drawCurves(
  { curves, from, to, low, high }: Plot,
  width: number,
  height: number,
  paint: Paint,
): string[] {
  const cells = Array.from({ length: height }, () => new Uint8Array(width));
  const tones = Array.from({ length: height }, () => new Array<Tone>(width));
  const dotsDown = height * ROWS;
  const rowOf = (ordinate: number) => {
    const part = (high - ordinate) / (high - low);
    return Math.round(Math.min(1, Math.max(0, part)) * (dotsDown - 1));
  };
  for (const { tone, at } of curves) {
    let before: number | undefined;
    for (let column = 0; column < width * COLUMNS; column++) {
      const ordinate = at(from + ((column + 0.5) / (width * COLUMNS)) * (to - from));
      const row = ordinate === undefined ? undefined : rowOf(ordinate);
      if (row !== undefined) {
        // steep parts stay connected: from halfway to the neighbour
        const first = before === undefined ? row : before + Math.sign(row - before);
        for (let dot = Math.min(first, row); dot <= Math.max(first, row); dot++) {
          const [x, y] = [column >> 1, Math.floor(dot / ROWS)];
          cells[y][x] |= DOTS[dot % ROWS][column % COLUMNS];
          tones[y][x] = tone;
        }
      }
      before = row;
    }
  }
  return cells.map((row, y) => paintRow(row, tones[y], paint));
}

/** Neighbours of one tone are painted together. */
function paintRow(cells: Uint8Array, tones: readonly Tone[], paint: Paint): string {
  let line = "";
  for (let start = 0; start < cells.length; ) {
    let end = start + 1;
    while (end < cells.length && tones[end] === tones[start]) end++;
    const text = String.fromCharCode(
      ...Array.from(cells.subarray(start, end), (dots) => BLANK + dots),
    );
    line += tones[start] === undefined ? text : paint(tones[start], text);
    start = end;
  }
  return line;
}
