import { operandBytes } from "../../x87/row.ts";
import { x87Row } from "../../x87/table.ts";
import { MODE_PROTECTED } from "../mode.ts";
import { row, type Semantics } from "../row.ts";
import { VALUE } from "../state.ts";

/**
 * x87 instructions: the rows of x87/table.ts as rows of this table. They run
 * in TypeScript (helpers/x87.ts), which finds the row by the opcode in VALUE.
 */

/** Image formats of FSTENV and the like, by the helper's number. */
export const IMAGE_FORMATS = ["protected-32", "protected-16", "real-32", "real-16"] as const;

function execute(opcode: number, modrm: number): Semantics {
  const form = x87Row(opcode, modrm);
  return (i) => {
    const operandSize = i.bits === 16 ? 16 : 32;
    const format = (i.decoded.mode & MODE_PROTECTED ? 0 : 2) + (operandSize === 16 ? 1 : 0);
    if (form?.memory != null) {
      const bytes = operandBytes(form.memory, operandSize);
      i.passAddress(0, bytes, form.access === "store" ? "write" : "read");
      i.storeState(VALUE + 4, "i32", i.segmentPlace(0));
    }
    i.storeState(VALUE, "i32", i.i32((opcode << 8) | modrm | (format << 16)));
    i.helper("x87");
  };
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
