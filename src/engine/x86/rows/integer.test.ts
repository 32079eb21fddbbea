import { afterAll, describe, expect, it } from "vitest";
import { encodeRow, seeded } from "../../testing/encode.ts";
import { bare, enterLongMode, load } from "../../testing/run-code.ts";
import { openSilicon, siliconRecords } from "../sse/testing/silicon.ts";
import { TABLE } from "../table.ts";

/** Flags that the manual leaves undefined, by mnemonic (SDM vol. 2); AF 0x10, OF 0x800, ... */
const UNDEFINED: Record<string, number> = {
  AND: 0x10,
  OR: 0x10,
  XOR: 0x10,
  TEST: 0x10,
  MUL: 0xd4,
  IMUL: 0xd4,
  DIV: 0x8d5,
  IDIV: 0x8d5,
  SHL: 0x810,
  SHR: 0x810,
  SAR: 0x10,
  SHLD: 0x811,
  SHRD: 0x811,
  ROL: 0x800,
  ROR: 0x800,
  RCL: 0x800,
  RCR: 0x800,
  BT: 0x894,
  BTS: 0x894,
  BTR: 0x894,
  BTC: 0x894,
  ANDN: 0x14,
  BLSR: 0x14,
  BLSMSK: 0x14,
  BLSI: 0x14,
  BEXTR: 0x94,
  BZHI: 0x14,
  BSF: 0x895,
  BSR: 0x895,
  TZCNT: 0x894,
  LZCNT: 0x894,
};
const ARITHMETIC = 0x8d5;
const EDGES = [
  0n,
  1n,
  0x7fn,
  0x80n,
  0xffn,
  0x7fffn,
  0x8000n,
  0xffffn,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  0x7fff_ffff_ffff_ffffn,
  0x8000_0000_0000_0000n,
  0xffff_ffff_ffff_ffffn,
];
/** All but RSP, RSI and RDI. */
const REGISTERS = [0, 1, 2, 3, 5, 8, 9, 10, 11, 12, 13, 14, 15];
const POINTER = 0x20_0000;
const CASES = Number(process.env.SILICON_CASES ?? 20_000);

/** Whether an encoding with a two-byte opcode (0f xx) has a memory operand. */
function isMemoryForm(code: readonly number[]): boolean {
  return ((code[code.indexOf(0x0f) + 2] as number) & 0xc0) !== 0xc0;
}

const silicon = openSilicon();

describe.skipIf(silicon === undefined)("integer instructions against the host CPU", () => {
  afterAll(() => silicon?.close());

  const rows = TABLE.rows.filter(
    ({ options, operands, mnemonic }) =>
      !options.ends &&
      !options.cpl0 &&
      !options.unit &&
      !options.repeats &&
      !options.only64 &&
      operands.every(({ method }) => "EGBZISMfixedone".includes(method)) &&
      !/^(PUSH|POP|LEAVE|ENTER|MONITOR|XLAT|V|INVLPG|CLFLUSH|CLWB|UD|LEA|S.DT|L.DT|SLDT|STR|SMSW|LMSW|LAR|LSL|VERR|VERW|L[A-Z]S|CLI|STI|CLAC|STAC|IN|OUT|RD|WR|MOVS?_?SEG|NOP|PREFETCH|XSAVE|XRSTOR|XGETBV|XSETBV)/.test(
        mnemonic,
      ),
  );

  it("agrees on random encodings of every form", () => {
    const choose = seeded(Number(process.env.SILICON_SEED ?? 1));
    const bytes = (n: number): bigint => {
      let value = 0n;
      for (let k = 0; k < n; k++) value = (value << 8n) | BigInt(choose(256));
      return value;
    };
    const records = siliconRecords(CASES);
    const chosen: string[] = [];
    for (const record of records) {
      for (;;) {
        const row = rows[choose(rows.length)];
        if (row === undefined) throw new Error("no rows");
        const code = encodeRow(row, choose, {
          registers: REGISTERS,
          pointers: [6, 7],
          displacement: 32,
        });
        // A bit string in memory may be addressed far away by its register.
        if (
          code === undefined ||
          (row.mnemonic.startsWith("BT") &&
            row.operands[1]?.method === "G" &&
            row.operands[0]?.method === "E" &&
            isMemoryForm(code))
        )
          continue;
        record.code = code;
        chosen.push(row.mnemonic);
        break;
      }
      for (let r = 0; r < 16; r++)
        record.setGeneral(
          r,
          choose(3) === 0
            ? (EDGES[choose(EDGES.length)] as bigint)
            : choose(3) === 0
              ? bytes(1)
              : bytes(8),
        );
      record.flags = (choose(0x1000) & ARITHMETIC) | 0x202;
      for (let k = 0; k < 64; k++)
        record.memory[k] = choose(4) === 0 ? (choose(2) ? 0xff : 0) : choose(256);
    }
    const truths = silicon?.run(records) ?? [];
    const machine = bare();
    enterLongMode(machine);
    const { core } = machine.vcpu;
    const problems: string[] = [];
    records.forEach((record, k) => {
      const truth = truths[k] as (typeof truths)[number];
      const mnemonic = chosen[k] as string;
      load(machine, 0x10_0000 + (k % 4096) * 16, record.code);
      for (let r = 0; r < 16; r++) core.setBig(8 * r, record.general(r));
      for (const r of [6, 7]) core.setBig(8 * r, BigInt(POINTER));
      core.setRflags(record.flags);
      machine.memory.u8.set(record.memory, POINTER);
      const before = machine.vcpu.registers.get("rip");
      machine.vcpu.registers.setIdtr({ base: 0n, limit: 0 });
      const stop = machine.vcpu.run(1);
      const trap = stop.kind === "triple-fault" ? core.get(196) : -1;
      const differences: string[] = [];
      if (trap >= 0 || truth.trap >= 0) {
        if (trap >= 0 !== truth.trap >= 0) differences.push(`trap ${trap}, silicon ${truth.trap}`);
      } else {
        for (let r = 0; r < 16; r++)
          if (r !== 4 && r !== 6 && r !== 7 && core.big(8 * r) !== truth.general(r))
            differences.push(
              `r${r} ${core.big(8 * r).toString(16)}, silicon ${truth.general(r).toString(16)}`,
            );
        const mask = ARITHMETIC & ~(UNDEFINED[mnemonic] ?? 0);
        if ((core.rflags() & mask) !== (truth.flags & mask))
          differences.push(
            `flags ${(core.rflags() & mask).toString(16)}, silicon ${(truth.flags & mask).toString(16)}`,
          );
        if (Buffer.compare(machine.memory.bytes(POINTER, truth.memory.length), truth.memory) !== 0)
          differences.push("memory");
        if (machine.vcpu.registers.get("rip") - before !== BigInt(record.code.length))
          differences.push("length");
      }
      if (differences.length > 0) {
        const inputs = REGISTERS.map((r) => record.general(r).toString(16)).join(" ");
        problems.push(
          `${mnemonic} ${Buffer.from(record.code).toString("hex")} flags ${record.flags.toString(16)} [${inputs}]: ${differences.join("; ")}`,
        );
      }
    });
    expect(problems.slice(0, 20)).toEqual([]);
  });
});
