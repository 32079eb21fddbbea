import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Paint, type Plot, plotLines } from "./plot.ts";

const plain: Paint = (_tone, text) => text;
const ramp: Plot = {
  title: "Ramp",
  value: "10 kV",
  curves: [{ tone: "green", at: (x) => x }],
  from: 0,
  to: 10,
  low: 0,
  high: 10,
  label: (value) => value.toFixed(0),
};

/** Rows (from the top, four to a line) that are set in each dot column. */
function dots(lines: readonly string[]): number[][] {
  const bits = [
    [0, 1, 2, 6],
    [3, 4, 5, 7],
  ];
  const area = lines.slice(1).map((line) => line.slice(7));
  return Array.from({ length: area[0].length * 2 }, (_, column) =>
    area.flatMap((line, y) => {
      const code = line.charCodeAt(column >> 1) - 0x2800;
      return bits[column % 2].flatMap((bit, row) => ((code >> bit) & 1 ? [4 * y + row] : []));
    }),
  );
}

describe("plot", () => {
  it("has its title, value and axis, and rises from the lower left to the upper right", () => {
    const lines = plotLines(ramp, 27, 6, plain);
    expect(lines[0]).toBe("Ramp                  10 kV");
    expect(lines[1]).toMatch(/^ {3}10 ┤/);
    expect(lines[3]).toMatch(/^ {4}5 ┤/);
    expect(lines[5]).toMatch(/^ {4}0 ┤/);
    const heights = dots(lines).map((rows) => Math.min(...rows));
    expect(heights[0]).toBe(19);
    expect(heights.at(-1)).toBe(0);
    for (const [index, height] of heights.entries())
      expect(height).toBeLessThanOrEqual(heights[index - 1] ?? 19);
  });

  it("keeps a steep curve connected", () => {
    const step: Plot = { ...ramp, curves: [{ tone: "red", at: (x) => (x < 5 ? 0 : 10) }] };
    const columns = dots(plotLines(step, 27, 6, plain));
    const rows = columns[columns.length / 2];
    expect(rows).toEqual(Array.from({ length: 19 }, (_, row) => row));
  });

  it("leaves out what is not known, and draws what is outside at the edge", () => {
    const odd: Plot = {
      ...ramp,
      curves: [{ tone: "red", at: (x) => (x < 5 ? undefined : 99) }],
    };
    const columns = dots(plotLines(odd, 27, 6, plain));
    expect(columns.slice(0, 20)).toEqual(Array.from({ length: 20 }, () => []));
    expect(columns.slice(20)).toEqual(Array.from({ length: 20 }, () => [0]));
  });

  it("has exactly the size that is asked for, whatever is drawn", () => {
    const value = fc.option(fc.double({ noNaN: true }), { nil: undefined });
    fc.assert(
      fc.property(
        fc.integer({ min: 16, max: 120 }),
        fc.integer({ min: 3, max: 30 }),
        fc.array(value, { minLength: 1, maxLength: 40 }),
        (width, height, values) => {
          const at = (x: number) => values[Math.floor((x / 10) * values.length)];
          const lines = plotLines(
            { ...ramp, curves: [{ tone: "blue", at }] },
            width,
            height,
            plain,
          );
          expect(lines.map((line) => line.length)).toEqual(new Array(height).fill(width));
        },
      ),
    );
  });

  it("paints each curve in its tone", () => {
    const tones = new Set<string>();
    plotLines(ramp, 27, 6, (tone, text) => {
      tones.add(tone);
      return text;
    });
    expect([...tones].sort()).toEqual(["dim", "green"]);
  });
});
