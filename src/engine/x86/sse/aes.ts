/**
 * The rounds of AES (FIPS 197) as AES-NI divides them (Intel SDM vol. 2,
 * AESENC and following). A state is 16 bytes, column by column.
 */

/** x * 2 in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1. */
function double(x: number): number {
  return ((x << 1) ^ (x & 0x80 ? 0x11b : 0)) & 0xff;
}

function multiply(a: number, b: number): number {
  let product = 0;
  for (let factor = a, rest = b; rest !== 0; rest >>= 1, factor = double(factor))
    if (rest & 1) product ^= factor;
  return product;
}

/** Multiplicative inverses, 0 for 0. The powers of 3 are all numbers but 0, and 3^255 is 1. */
const INVERSES = new Uint8Array(256);
const powers: number[] = [1];
for (let k = 1; k < 255; k++) powers.push(multiply(3, powers[k - 1] as number));
for (const [k, power] of powers.entries()) INVERSES[power] = powers[(255 - k) % 255] as number;

/** The substitution and its inverse: the multiplicative inverse, then an affine map. */
const SUBSTITUTE = new Uint8Array(256);
const RESTORE = new Uint8Array(256);
for (let x = 0; x < 256; x++) {
  const inverse = INVERSES[x] as number;
  const repeated = inverse | (inverse << 8);
  let value = 0x63;
  for (const shift of [0, 4, 5, 6, 7]) value ^= (repeated >> shift) & 0xff;
  SUBSTITUTE[x] = value;
  RESTORE[value] = x;
}

const scratch = new Uint8Array(16);

/** SubBytes and ShiftRows, or their inverses. */
function substituteAndShift(state: Uint8Array, box: Uint8Array, columns: 1 | -1): void {
  scratch.set(state);
  for (let k = 0; k < 16; k++) {
    const from = (k + columns * 4 * (k & 3)) & 15;
    state[k] = box[scratch[from] as number] as number;
  }
}

/** Multiply each column by the circulant matrix of `row`. */
function mixColumns(state: Uint8Array, row: readonly number[]): void {
  scratch.set(state);
  for (let k = 0; k < 16; k++) {
    let sum = 0;
    for (let j = 0; j < 4; j++)
      sum ^= multiply(scratch[(k & 12) + j] as number, row[(j - k) & 3] as number);
    state[k] = sum;
  }
}

const MIX = [2, 3, 1, 1];
const UNMIX = [14, 11, 13, 9];

function addKey(state: Uint8Array, key: Uint8Array): void {
  for (let k = 0; k < 16; k++) state[k] = (state[k] as number) ^ (key[k] as number);
}

export function encryptRound(state: Uint8Array, key: Uint8Array, isLast: boolean): void {
  substituteAndShift(state, SUBSTITUTE, 1);
  if (!isLast) mixColumns(state, MIX);
  addKey(state, key);
}

/** A round of the equivalent inverse cipher. */
export function decryptRound(state: Uint8Array, key: Uint8Array, isLast: boolean): void {
  substituteAndShift(state, RESTORE, -1);
  if (!isLast) mixColumns(state, UNMIX);
  addKey(state, key);
}

/** AESIMC: a round key for the equivalent inverse cipher. */
export function unmixColumns(state: Uint8Array): void {
  mixColumns(state, UNMIX);
}

/** AESKEYGENASSIST of `key` in place. */
export function assistKey(key: Uint8Array, roundConstant: number): void {
  scratch.set(key);
  const word = (at: number, rotation: number, constant: number): void => {
    const source = at < 8 ? 4 : 12;
    for (let k = 0; k < 4; k++)
      key[at + k] = SUBSTITUTE[scratch[source + ((k + rotation) & 3)] as number] as number;
    key[at] = (key[at] as number) ^ constant;
  };
  word(0, 0, 0);
  word(4, 1, roundConstant);
  word(8, 0, 0);
  word(12, 1, roundConstant);
}
