import { type Context, IE } from "./context.ts";
import { BIAS, classify, type Float80, QNAN, SIGN } from "./float80.ts";
import { roundMagnitude, setInteger } from "./integral.ts";

/** 10^9: nine decimal digits, 36 bits of packed BCD. */
const BILLION = 1_000_000_000;

/** FBLD: ten bytes of packed BCD, `ex` the uppermost two. Digits above 9 count as what they are. */
export function fromDecimal(out: Float80, lo: number, hi: number, ex: number): void {
  const upper = digits(ex, 2) * 10_000_000 + digits(hi >>> 4, 7);
  const lower = (hi & 0xf) * 100_000_000 + digits(lo, 8);
  // upper * 10^9 + lower in two words, by 16-bit pieces that stay exact as doubles
  const pieceLow = (upper % 0x1_0000) * BILLION + lower;
  const pieceHigh = Math.floor(upper / 0x1_0000) * BILLION + Math.floor(pieceLow / 0x1_0000);
  const low = ((pieceHigh % 0x1_0000) * 0x1_0000 + (pieceLow % 0x1_0000)) | 0;
  setInteger(out, ex & SIGN, Math.floor(pieceHigh / 0x1_0000) | 0, low);
}

/** The value of the low `count` digits of packed BCD. */
function digits(packed: number, count: number): number {
  let value = 0;
  for (let place = count - 1; place >= 0; place--) {
    value = value * 10 + ((packed >>> (4 * place)) & 0xf);
  }
  return value;
}

/**
 * FBSTP: ten bytes of packed BCD in out.lo, out.hi and (16 bits) out.signExponent.
 * Beyond 18 digits: IE and the packed BCD indefinite. `out` must not be `a`.
 */
export function toDecimal(context: Context, out: Float80, a: Float80): void {
  if (classify(a) < QNAN && (a.signExponent & 0x7fff) < BIAS + 60) {
    const before = context.raised;
    roundMagnitude(context, out, a, context.rounding);
    const magnitude = (out.hi >>> 0) * 2 ** 32 + (out.lo >>> 0);
    // the quotient by doubles is off by one at most; its remainder modulo 2^32 shows it
    let upper = Math.floor(magnitude / BILLION);
    let lower = (out.lo - Math.imul(upper, BILLION)) | 0;
    if (lower < 0) {
      upper--;
      lower += BILLION;
    } else if (lower >= BILLION) {
      upper++;
      lower -= BILLION;
    }
    if (upper < BILLION) {
      const low = pack(lower % 100_000_000);
      const ninth = Math.floor(lower / 100_000_000);
      out.lo = low;
      out.hi = ninth | (pack(upper % 10_000_000) << 4);
      out.signExponent = (a.signExponent & SIGN) | pack(Math.floor(upper / 10_000_000));
      return;
    }
    context.raised = before;
  }
  context.raised |= IE;
  out.set(0xffff, 0xc000_0000 | 0, 0);
}

/** Up to eight decimal digits as packed BCD. */
function pack(value: number): number {
  let packed = 0;
  for (let shift = 0; value > 0; shift += 4) {
    packed |= (value % 10) << shift;
    value = Math.floor(value / 10);
  }
  return packed;
}
