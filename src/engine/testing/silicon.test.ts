import { afterAll, describe, expect, it } from "vitest";
import { TABLE } from "../x86/table.ts";
import { x87Row } from "../x87/table.ts";
import { Batch, type Case } from "./case.ts";
import { differences } from "./compare.ts";
import { EngineCpu } from "./engine-cpu.ts";
import { Generator, type Shape } from "./generate.ts";
import { whyNotRun } from "./not-run.ts";
import { Random } from "./random.ts";
import { Silicon } from "./silicon.ts";
import { defaultCase, formatCase } from "./text.ts";

/** Encodings of each row, and sets of values for each; `npm run fuzz:cpu` runs as many as one likes. */
const ENCODINGS = 2;
const VALUES = 8;
const SEED = 20_240_607;

const silicon = Silicon.open();
const missing = silicon instanceof Silicon ? undefined : silicon.missing;

describe.skipIf(missing !== undefined)(
  `the instruction table against the host CPU${missing === undefined ? "" : ` (needs ${missing})`}`,
  () => {
    const host = silicon as Silicon;
    afterAll(() => host.close());
    const cpu = new EngineCpu();

    it("agrees on every row that runs in user mode", () => {
      const generator = new Generator(new Random(SEED));
      const rows = TABLE.rows.filter((row) => whyNotRun(row) === undefined);
      const shapes: Shape[] = [];
      for (const row of rows)
        for (let tries = 0, found = 0; tries < 40 && found < ENCODINGS; tries++) {
          const shape = generator.shape(row);
          if (shape === undefined) continue;
          found++;
          shapes.push(shape);
        }
      const before = new Batch(shapes.length * VALUES);
      before.cases.forEach((record, k) => {
        generator.fill(shapes[Math.floor(k / VALUES)] as Shape, record);
      });
      const engine = new Batch(before.cases.length, before.bytes.slice().buffer);
      const answers = host.answer(before.cases);
      const wrong = before.cases.flatMap((start, k) => {
        const { row, decoded } = shapes[Math.floor(k / VALUES)] as Shape;
        const [ours, theirs] = [engine.cases[k] as Case, answers[k] as Case];
        cpu.run(ours);
        const found = differences(start, ours, theirs, decoded);
        const texts = found.map(({ text }) => text).join("; ");
        return found.length > 0 ? [`${row.mnemonic} ${formatCase(start)}: ${texts}`] : [];
      });
      expect(shapes.length).toBeGreaterThan(rows.length);
      expect(wrong.slice(0, 5), `${wrong.length} of ${before.cases.length} differ`).toEqual([]);
    });

    it("has #UD where silicon has it among the x87's opcodes", () => {
      const cases: Case[] = [];
      for (let opcode = 0xd8; opcode <= 0xdf; opcode++)
        for (let modrm = 0; modrm < 0x100; modrm += modrm < 0xc0 ? 8 : 1)
          if (x87Row(opcode, modrm) === undefined)
            cases.push(
              defaultCase(64, [opcode, modrm < 0xc0 ? (modrm & 0x38) | 6 : modrm], 0x2000),
            );
      const answers = host.answer(cases);
      const wrong = cases.flatMap((record, k) => {
        const text = formatCase(record);
        cpu.run(record);
        return record.vector === 6 && answers[k]?.vector === 6 ? [] : [text];
      });
      expect(cases.length).toBeGreaterThan(30);
      expect(wrong).toEqual([]);
    });
  },
);
