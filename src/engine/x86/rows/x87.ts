import type { Value } from "../../micro/micro-op.ts";
import {
  DATA_POINTER,
  DATA_SELECTOR,
  INSTRUCTION_POINTER,
  INSTRUCTION_SELECTOR,
  LAST_OPCODE,
  OPERAND,
} from "../../x87/layout.ts";
import { isImage } from "../../x87/operand.ts";
import { operandBytes, type X87Row } from "../../x87/row.ts";
import { x87Row } from "../../x87/table.ts";
import type { Instruction } from "../instruction.ts";
import { MODE_PROTECTED } from "../mode.ts";
import { row, type Semantics } from "../row.ts";
import {
  ADDRESS,
  CS,
  DS,
  RIP,
  SEGMENT_BASE,
  SEGMENT_SELECTOR,
  segmentField,
  VALUE,
  X87,
} from "../state.ts";
import { type Loaded, loadWords, quickly } from "./x87-quick.ts";

/**
 * x87 instructions: the rows of x87/table.ts as rows of this table. The common cases of most are
 * done by functions of micro-operations (x87/quick/), everything else in TypeScript (helpers/x87.ts),
 * which finds the row by the opcode in VALUE.
 */

/** Image formats of FSTENV and the like, by the helper's number. */
export const IMAGE_FORMATS = ["protected-32", "protected-16", "real-32", "real-16"] as const;

/** Or-ed with the helper's word: a non-canonical address raises #SS rather than #GP. */
export const STACK_OPERAND = 0x10_0000;

function execute(opcode: number, modrm: number): Semantics {
  const form = x87Row(opcode, modrm);
  if (form === undefined) throw new Error(`no x87 form ${opcode.toString(16)} ${modrm}`);
  return (i) => {
    const operandSize = i.bits === 16 ? 16 : 32;
    const format = (i.decoded.mode & MODE_PROTECTED ? 0 : 2) + (operandSize === 16 ? 1 : 0);
    if (form.waits) i.waitForX87();
    let address: Value | undefined;
    let loaded: Loaded | undefined;
    if (form.memory !== null) {
      const bytes = operandBytes(form.memory, operandSize);
      address = i.linear(0, bytes, form.access === "store" ? "write" : "read");
      if (form.access === "load" && !isImage(form.memory))
        loaded = loadWords(i, form.memory, address);
    }
    const exactly = (): void => {
      if (address !== undefined) i.storeState(ADDRESS, "i64", address);
      if (loaded !== undefined) {
        i.storeState(X87 + OPERAND, "i64", loaded.low);
        if (loaded.high !== undefined) i.storeState(X87 + OPERAND + 8, "i32", loaded.high);
      }
      const stack = i.usesStack(0) ? STACK_OPERAND : 0;
      i.storeState(VALUE, "i32", i.i32((opcode << 8) | modrm | (format << 16) | stack));
      i.helper("x87");
    };
    quickly(i, form, address, loaded, exactly);
    if (form.recordsPointers) recordPointers(i, form, opcode, modrm, address);
  };
}

/** What a non-control instruction leaves of itself for FSTENV (Intel SDM vol. 1, 8.1.8 and 8.1.9). */
function recordPointers(
  i: Instruction,
  form: X87Row,
  opcode: number,
  modrm: number,
  address: Value | undefined,
): void {
  const code = i.i32((opcode & 7) << 8);
  const second = form.memory === null ? i.i32(modrm) : i.modrm();
  const offset = i.extend(i.op("i32.and", i.word(1, "i32"), i.i32(0xffff)));
  i.storeState(X87 + INSTRUCTION_POINTER, "i64", i.add(i.loadState(RIP, "i64"), offset));
  const selector = i.loadState(segmentField(CS, SEGMENT_SELECTOR), "i32");
  i.storeState(X87 + INSTRUCTION_SELECTOR, "i32", selector);
  i.storeState(X87 + LAST_OPCODE, "i32", i.op("i32.or", code, second));
  if (form.memory === null || address === undefined) return;
  const place = i.segmentField(0, SEGMENT_SELECTOR);
  i.storeState(
    X87 + DATA_SELECTOR,
    "i32",
    i.loadState(place ?? segmentField(DS, SEGMENT_SELECTOR), "i32"),
  );
  const base = i.segmentField(0, SEGMENT_BASE);
  const distance = base === undefined ? address : i.sub(address, i.loadState(base, "i64"));
  i.storeState(X87 + DATA_POINTER, "i64", i.codeBits === 64 ? distance : i.truncate(distance, 32));
}

for (let opcode = 0xd8; opcode <= 0xdf; opcode++) {
  const hex = opcode.toString(16);
  for (let reg = 0; reg < 8; reg++) {
    const memory = x87Row(opcode, reg << 3);
    if (memory !== undefined)
      row(`${hex} /${reg} mem`, `${memory.mnemonic.toUpperCase()} M`, execute(opcode, reg << 3), {
        unit: "x87",
      });
    for (let rm = 0; rm < 8; rm++) {
      const modrm = 0xc0 | (reg << 3) | rm;
      const register = x87Row(opcode, modrm);
      if (register !== undefined)
        row(`${hex} /${reg} rm=${rm}`, register.mnemonic.toUpperCase(), execute(opcode, modrm), {
          unit: "x87",
        });
    }
  }
}

row("9b", "FWAIT", (i) => i.helper("fwait"));
