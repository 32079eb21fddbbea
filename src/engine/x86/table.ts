import { type Row, takeRows } from "./row.ts";
import "./rows/arithmetic.ts";
import "./rows/shift.ts";
import "./rows/bits.ts";
import "./rows/bmi.ts";
import "./rows/data.ts";
import "./rows/stack.ts";
import "./rows/control.ts";
import "./rows/string.ts";
import "./rows/decimal.ts";
import "./rows/segment.ts";
import "./rows/far.ts";
import "./rows/interrupt.ts";
import "./rows/system-call.ts";
import "./rows/system.ts";
import "./rows/io.ts";
import "./rows/extended-state.ts";
import "./rows/mmx.ts";
import "./rows/sse-move.ts";
import "./rows/sse-arithmetic.ts";
import "./rows/sse-compare.ts";
import "./rows/sse3.ts";
import "./rows/sse-convert.ts";
import "./rows/sse-convert-general.ts";
import "./rows/sse-convert-mmx.ts";
import "./rows/sse-round.ts";
import "./rows/sse-integer.ts";
import "./rows/sse-shift.ts";
import "./rows/sse-shuffle.ts";
import "./rows/ssse3.ts";
import "./rows/sse4.ts";
import "./rows/aes.ts";
import "./rows/sse-approximate.ts";
import "./rows/avx-permute.ts";
import "./rows/avx-shift.ts";
import "./rows/avx-masked.ts";
import "./rows/avx-gather.ts";
import "./rows/fma.ts";
import "./rows/f16c.ts";
import "./rows/sha.ts";
import "./rows/random.ts";
import "./rows/x87.ts";

/** See {@link Row.map}. */
const MAPS = 8;

/** The instruction table: every row, and the rows of each opcode in order of declaration. */
class Table {
  readonly rows: readonly Row[];
  /** By map and opcode. */
  private readonly byOpcode = new Array<Row[] | undefined>(MAPS * 256).fill(undefined);

  constructor(rows: readonly Row[]) {
    this.rows = rows;
    for (const row of rows) {
      const key = row.map * 256 + row.opcode;
      const list = this.byOpcode[key];
      if (list === undefined) this.byOpcode[key] = [row];
      else list.push(row);
    }
    // Forms with a mandatory prefix stand before those without.
    for (const list of this.byOpcode)
      list?.sort((a, b) => Number(a.prefix === undefined) - Number(b.prefix === undefined));
  }

  /** Rows that share an opcode; undefined if there is none. */
  candidates(map: number, opcode: number): readonly Row[] | undefined {
    return this.byOpcode[map * 256 + opcode];
  }
}

export const TABLE = new Table(takeRows());
