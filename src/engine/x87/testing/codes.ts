import { isImage } from "../operand.ts";
import { x87Row } from "../table.ts";

/** The code of every register form and, at (%rsi), of every memory form and image format. */
export function allCodes(): number[][] {
  const codes: number[][] = [];
  for (let opcode = 0xd8; opcode <= 0xdf; opcode++) {
    const modrms = [0x06, 0x0e, 0x16, 0x1e, 0x26, 0x2e, 0x36, 0x3e];
    for (let modrm = 0xc0; modrm < 0x100; modrm++) modrms.push(modrm);
    for (const modrm of modrms) {
      const row = x87Row(opcode, modrm);
      if (row !== undefined) codes.push([opcode, modrm]);
      if (row?.memory != null && isImage(row.memory)) codes.push([0x66, opcode, modrm]);
    }
  }
  return codes;
}

/** The form of such a code. */
export function formOf(code: readonly number[]): ReturnType<typeof x87Row> {
  const [opcode = 0, modrm = 0] = code[0] === 0x66 ? code.slice(1) : code;
  return x87Row(opcode, modrm);
}
