import { encode } from "../../../testing/encoding.ts";
import type { Random } from "../../../testing/random.ts";
import { Decoder } from "../../../x86/decoder.ts";
import { MODE_AVX, MODE_CODE_64, MODE_OSFXSR, MODE_PROTECTED } from "../../../x86/mode.ts";
import { TABLE } from "../../../x86/table.ts";

/** Programs of floating-point arithmetic, and numbers for it. */

const MODE = MODE_CODE_64 | MODE_PROTECTED | MODE_OSFXSR | MODE_AVX;
/** RSP, RBX, which points to numbers, and R15, which keeps count of the turns. */
const KEPT = [4, 3, 15];

const ARITHMETIC =
  /^V?(ADD|SUB|MUL|DIV|SQRT|MIN|MAX|CMP|U?COMI|CVT|ROUND|HADD|HSUB|ADDSUB|F(N?M(ADD|SUB))|RCP|RSQRT)/;
const ARRANGEMENT =
  /^V?(MOV(APS|APD|UPS|UPD|SS|SD|DDUP|HLPS|LHPS|Q|D|SHDUP|SLDUP|HPD|LPD|MSKPD)$|UNPCK|SHUF|(AND|ANDN|OR|XOR)P|BLEND|BROADCAST|INSERTF|EXTRACTF|PERM|PSHUFD|PSLLQ|PADDQ)/;

const rows = (names: RegExp) =>
  TABLE.rows.filter(
    ({ mnemonic, options, operands }) =>
      (options.unit === "sse" || options.unit === "avx") &&
      names.test(mnemonic) &&
      !operands.some(({ method }) => method === "P" || method === "Q" || method === "N"),
  );
const ROWS = [rows(ARITHMETIC), rows(ARITHMETIC), rows(ARRANGEMENT)];

const decoder = new Decoder();

function instruction(random: Random): readonly number[] {
  for (;;) {
    const encoded = encode(random.pick(random.pick(ROWS)), random, 64);
    if (encoded === undefined) continue;
    const { bytes } = encoded;
    const decoded = decoder.decode(Uint8Array.of(...bytes, 0x90, 0x90), MODE);
    if (decoded.row === undefined || decoded.length !== bytes.length) continue;
    const fits = decoded.operands.every(
      (operand) =>
        operand.kind === "immediate" ||
        (operand.kind === "register" &&
          (operand.file === "general" ? !KEPT.includes(operand.index) : operand.index < 8)),
    );
    if (fits) return bytes;
  }
}

/** Numbers from RBX, and back; ModRM's register field is to be filled in, the displacement stands last. */
const MOVES: readonly (readonly number[])[] = [
  [0xf2, 0x0f, 0x10], // movsd xmm, [rbx+d]
  [0xf3, 0x0f, 0x10], // movss xmm, [rbx+d]
  [0x66, 0x0f, 0x10], // movupd xmm, [rbx+d]
  [0xc5, 0xfd, 0x10], // vmovupd ymm, [rbx+d]
  [0xf2, 0x0f, 0x58], // addsd xmm, [rbx+d]
  [0xf2, 0x0f, 0x59], // mulsd xmm, [rbx+d]
  [0xf2, 0x0f, 0x5e], // divsd xmm, [rbx+d]
  [0xf2, 0x0f, 0x11], // movsd [rbx+d], xmm
  [0xf3, 0x0f, 0x11], // movss [rbx+d], xmm
  [0xc5, 0xfd, 0x11], // vmovupd [rbx+d], ymm
];

function some(random: Random): readonly number[] {
  if (!random.oneIn(3)) return instruction(random);
  const move = random.oneIn(4) ? random.pick(MOVES) : random.pick(MOVES.slice(0, 7));
  return [...move, 0x43 | (random.below(8) << 3), random.below(12) * 8];
}

const rel32 = (value: number): number[] => [
  value & 255,
  (value >> 8) & 255,
  (value >> 16) & 255,
  (value >> 24) & 255,
];

/** 64-bit code that ends in HLT: R15 turns of a loop with branches that comparisons of numbers decide. */
export function numberProgram(random: Random): number[] {
  const code: number[] = [];
  for (let k = 2 + random.below(4); k > 0; k--) {
    const body: number[] = [];
    for (let n = 1 + random.below(8); n > 0; n--) body.push(...some(random));
    if (random.oneIn(2)) code.push(0x0f, 0x80 | random.below(16), ...rel32(body.length));
    code.push(...body);
  }
  code.push(0x49, 0xff, 0xcf); // dec r15
  code.push(0x0f, 0x85, ...rel32(-(code.length + 6)));
  code.push(0xf4);
  return code;
}

function encodeNumber(random: Random, exponentBits: bigint, fractionBits: bigint): bigint {
  const bias = (1n << (exponentBits - 1n)) - 1n;
  const sign = BigInt(random.below(2)) << (exponentBits + fractionBits);
  const anything = random.u64() & ((1n << fractionBits) - 1n);
  const fraction = random.oneIn(4) ? anything & ~((1n << (fractionBits - 4n)) - 1n) : anything;
  const near = (reach: bigint): bigint => bias - reach + (random.u64() % (2n * reach));
  switch (random.below(40)) {
    case 0:
      return sign;
    case 1: // a denormal, or a zero
      return sign | fraction;
    case 2: // an infinity or a NaN
      return (
        sign |
        (((2n << (exponentBits - 1n)) - 1n) << fractionBits) |
        (random.oneIn(2) ? 0n : fraction)
      );
    case 3: // any normal number
      return sign | (near(bias - 1n) << fractionBits) | fraction;
    case 4: // near the ends of what compiled code looks for
      return (
        sign |
        ((bias + (random.oneIn(2) ? 1n : -1n) * (bias >> 2n) + BigInt(random.below(5)) - 2n) <<
          fractionBits) |
        fraction
      );
    case 5:
    case 6:
    case 7:
      return sign | (near(bias >> 2n) << fractionBits) | fraction;
    default:
      return sign | (near(6n) << fractionBits) | fraction;
  }
}

/** 64 bits: a double or two singles, mostly of ordinary sizes. */
export function numberBits(random: Random): bigint {
  if (!random.oneIn(3)) return encodeNumber(random, 11n, 52n);
  return (encodeNumber(random, 8n, 23n) << 32n) | encodeNumber(random, 8n, 23n);
}

/** MXCSR: mostly as it is after the first inexact operation. */
export function numberControl(random: Random): number {
  switch (random.below(8)) {
    case 0:
      return 0x1f80;
    case 1:
      return 0x1fa0 | (random.below(64) & 0x3f);
    case 2:
      return 0x1fa0 | random.pick([0x40, 0x8000, 0x8040]);
    case 3: // other roundings
      return 0x1fa0 | (random.below(4) << 13);
    default:
      return 0x1fa0;
  }
}
