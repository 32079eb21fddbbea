import type { Row } from "../x86/row.ts";
import { type Choose, immediateBytes, pick } from "./encode.ts";

/**
 * A random encoding of a table row in any code size, with every way to address memory: for
 * decoding and disassembly, as it cannot be executed safely. Zero displacements and SIB bytes
 * that say nothing are left out.
 *
 * @returns undefined if the row has none in this code size
 */
export function encodeAny(row: Row, choose: Choose, code: 16 | 32 | 64): number[] | undefined {
  const { options, operands } = row;
  if (code === 64 ? options.no64 : options.only64) return undefined;
  if (code === 16 && (options.protectedOnly || row.map >= 4)) return undefined;
  const bytes: number[] = [];
  const sizes = operands.map(({ size }) => size);
  const sized = sizes.some((size) => size === "v" || size === "z" || size === "p");
  // Instructions without operands may still have a size.
  const sizePrefix =
    row.map < 4 &&
    row.prefix === undefined &&
    (sized || (operands.length === 0 && row.map === 0)) &&
    !(code === 64 && options.force64) &&
    choose(3) === 0;
  const wide =
    code === 64 &&
    !sizePrefix &&
    !(options.default64 || options.force64) &&
    (sized || operands.length === 0 || sizes.includes("y")) &&
    choose(2) === 0;
  const memory =
    row.form === "mem" || (row.form === "any" && row.rm < 0 && row.hasModrm && choose(2) === 0);
  const addressPrefix =
    (memory || operands.some(({ method }) => "XYOJ".includes(method))) && choose(4) === 0;
  const address = addressPrefix ? (code === 32 ? 16 : 32) : code;
  const bits =
    wide || (code === 64 && (options.force64 || (options.default64 && !sizePrefix)))
      ? 64
      : (code === 16) !== sizePrefix
        ? 16
        : 32;

  let rex = wide ? 8 : 0;
  const register = (bit: number): number => {
    if (code === 64 && choose(2) === 0) rex |= bit;
    return choose(8);
  };
  const extended = (method: string): boolean => operands.some((o) => o.method === method);
  let reg = row.reg;
  if (reg < 0 && row.hasModrm)
    reg = extended("seg")
      ? choose(6)
      : extended("C")
        ? pick(choose, [0, 2, 3, 4])
        : extended("D")
          ? choose(8)
          : register(extended("P") ? 0 : 4);
  // ModRM, SIB and displacement.
  const modrm: number[] = [];
  if (row.hasModrm && !memory)
    modrm.push(
      0xc0 | (reg << 3) | (row.rm >= 0 ? row.rm : register(extended("Q") || extended("N") ? 0 : 1)),
    );
  else if (row.hasModrm) {
    const rm = register(1);
    const mod = choose(3);
    modrm.push((mod << 6) | (reg << 3) | rm);
    let displacement = mod === 0 ? 0 : mod === 1 ? 1 : address === 16 ? 2 : 4;
    if (address === 16) {
      if (mod === 0 && rm === 6) displacement = 2;
    } else if (rm === 4) {
      const index = pick(choose, [0, 1, 2, 3, 5, 6, 7]);
      register(2);
      const base = choose(8);
      modrm.push((choose(4) << 6) | (index << 3) | base);
      if (base === 5 && mod === 0) displacement = 4;
    } else if (rm === 5 && mod === 0) displacement = 4;
    for (let k = 1; k <= displacement; k++) modrm.push(k === 1 ? 1 + choose(255) : choose(256));
  }
  const opcode = row.opcode;
  if (extended("Z") && code === 64 && choose(2) === 0) rex |= 1;

  const segment =
    memory || operands.some(({ method }) => method === "O" || method === "X") ? choose(5) : 5;
  if (segment < 2) bytes.push([0x64, 0x65][segment] as number);
  if (addressPrefix) bytes.push(0x67);
  if (options.lock && memory && "EM".includes(operands[0]?.method ?? "") && choose(2) === 0)
    if (!["CMP", "BT"].includes(row.mnemonic)) bytes.push(0xf0);
  if (options.repeats && choose(2) === 0) {
    const compares = row.mnemonic === "CMPS" || row.mnemonic === "SCAS";
    bytes.push(compares && choose(2) === 0 ? 0xf2 : 0xf3);
  }
  if (sizePrefix) bytes.push(0x66);
  if (row.map >= 4) {
    const pp = { NP: 0, "66": 1, F3: 2, F2: 3 }[row.prefix ?? "NP"];
    const vvvv = operands.some(({ method }) => method === "B") ? choose(code === 64 ? 16 : 8) : 0;
    bytes.push(0xc4, ((~rex & 7) << 5) | (row.map - 4));
    bytes.push(((rex & 8) << 4) | ((~vvvv & 15) << 3) | pp);
  } else {
    if (row.prefix !== undefined && row.prefix !== "NP")
      bytes.push(Number.parseInt(row.prefix, 16));
    // For byte registers a REX without bits tells SPL from AH.
    if (rex !== 0 || (code === 64 && sizes.includes(1) && row.hasModrm && choose(2) === 0))
      bytes.push(0x40 | rex);
    if (row.map >= 1) bytes.push(0x0f);
    if (row.map >= 2) bytes.push(row.map === 2 ? 0x38 : 0x3a);
  }
  bytes.push(opcode, ...modrm);
  for (const spec of operands) {
    let count = 0;
    if ("ISJ".includes(spec.method)) count = immediateBytes(spec, bits);
    else if (spec.method === "A") count = 2 + bits / 8;
    else if (spec.method === "O") count = address / 8;
    for (; count > 0; count--)
      bytes.push(choose(4) === 0 ? pick(choose, [0, 1, 0x7f, 0x80, 0xff]) : choose(256));
  }
  return bytes;
}
