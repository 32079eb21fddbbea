import type { Value } from "../../micro/micro-op.ts";
import type { Instruction } from "../instruction.ts";
import { row } from "../row.ts";
import { immediate, readXmm, writeXmm } from "../sse/operands.ts";
import { XMM } from "../state.ts";

/** SHA-1 and SHA-256 (FIPS 180-4) as the SHA extensions divide them (Intel SDM vol. 2, SHA1RNDS4 and following). */

/** Part of no level of the ABI; here they come with the third. */
const SHA = { unit: "sse", level: 3 } as const;

type Words = readonly [Value, Value, Value, Value];

/** Elements of a vector, lowest first (i32). */
function words(i: Instruction, vector: Value): Words {
  return [0, 1, 2, 3].map((k) => i.lane("i32x4.extract_lane", k, vector)) as unknown as Words;
}

function vector(i: Instruction, elements: Words): Value {
  return elements
    .slice(1)
    .reduce(
      (sum, element, k) => i.lane("i32x4.replace_lane", k + 1, sum, element),
      i.op("i32x4.splat", elements[0]),
    );
}

const add = (i: Instruction, ...terms: readonly Value[]): Value =>
  terms.reduce((x, y) => i.op("i32.add", x, y));
const xor = (i: Instruction, ...terms: readonly Value[]): Value =>
  terms.reduce((x, y) => i.op("i32.xor", x, y));
const and = (i: Instruction, x: Value, y: Value): Value => i.op("i32.and", x, y);
const rotl = (i: Instruction, x: Value, count: number): Value => i.op("i32.rotl", x, i.i32(count));
const rotr = (i: Instruction, x: Value, count: number): Value => i.op("i32.rotr", x, i.i32(count));

/** y where x is set, else z. */
const choose = (i: Instruction, x: Value, y: Value, z: Value): Value =>
  xor(i, z, and(i, x, xor(i, y, z)));
const majority = (i: Instruction, x: Value, y: Value, z: Value): Value =>
  xor(i, and(i, x, y), and(i, x, z), and(i, y, z));
const parity = (i: Instruction, x: Value, y: Value, z: Value): Value => xor(i, x, y, z);

/** Of each quarter of SHA-1's rounds. */
const ROUNDS = [
  { mix: choose, constant: 0x5a827999 },
  { mix: parity, constant: 0x6ed9eba1 },
  { mix: majority, constant: 0x8f1bbcdc },
  { mix: parity, constant: 0xca62c1d6 },
] as const;

row(
  "NP 0f 3a cc",
  "SHA1RNDS4 Vdq,Wdq,Ib",
  (i) => {
    const [w3, w2, w1, w0] = words(i, readXmm(i, 1));
    const start = words(i, readXmm(i, 0));
    const which = and(i, immediate(i), i.i32(3));
    const result = i.variable(i.v128(0n));
    ROUNDS.forEach(({ mix, constant }, n) => {
      i.if(i.op("i32.eq", which, i.i32(n)), () => {
        let [d, c, b, a] = start as readonly [Value, Value, Value, Value];
        // E is part of the first word already.
        let e: Value | undefined;
        for (const w of [w0, w1, w2, w3]) {
          const sum = add(i, mix(i, b, c, d), rotl(i, a, 5), w, i.i32(constant));
          const next = e === undefined ? sum : add(i, sum, e);
          [a, b, c, d, e] = [next, a, rotl(i, b, 30), c, d];
        }
        i.set(result, vector(i, [d, c, b, a]));
      });
    });
    writeXmm(i, 0, i.get(result));
  },
  SHA,
);

row(
  "NP 0f 38 c8",
  "SHA1NEXTE Vdq,Wdq",
  (i) => {
    const source = readXmm(i, 1);
    const e = rotl(i, i.lane("i32x4.extract_lane", 3, readXmm(i, 0)), 30);
    const sum = add(i, i.lane("i32x4.extract_lane", 3, source), e);
    writeXmm(i, 0, i.lane("i32x4.replace_lane", 3, source, sum));
  },
  SHA,
);

row(
  "NP 0f 38 c9",
  "SHA1MSG1 Vdq,Wdq",
  (i) => {
    const source = readXmm(i, 1);
    const into = readXmm(i, 0);
    // W0 ^ W2, W1 ^ W3, W2 ^ W4, W3 ^ W5; the first stands highest.
    const later = i.shuffle(
      source,
      into,
      [8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23],
    );
    writeXmm(i, 0, i.op("v128.xor", into, later));
  },
  SHA,
);

row(
  "NP 0f 38 ca",
  "SHA1MSG2 Vdq,Wdq",
  (i) => {
    const [w15, w14, w13] = words(i, readXmm(i, 1));
    const [a3, a2, a1, a0] = words(i, readXmm(i, 0));
    const w16 = rotl(i, xor(i, a0, w13), 1);
    const w17 = rotl(i, xor(i, a1, w14), 1);
    const w18 = rotl(i, xor(i, a2, w15), 1);
    const w19 = rotl(i, xor(i, a3, w16), 1);
    writeXmm(i, 0, vector(i, [w19, w18, w17, w16]));
  },
  SHA,
);

row(
  "NP 0f 38 cb",
  "SHA256RNDS2 Vdq,Wdq",
  (i) => {
    const source = words(i, readXmm(i, 1));
    const into = words(i, readXmm(i, 0));
    const [k0, k1] = words(i, i.loadState(XMM, "v128"));
    let [f, e, b, a] = source as readonly [Value, Value, Value, Value];
    let [h, g, d, c] = into as readonly [Value, Value, Value, Value];
    for (const k of [k0, k1]) {
      const sigma1 = xor(i, rotr(i, e, 6), rotr(i, e, 11), rotr(i, e, 25));
      const sigma0 = xor(i, rotr(i, a, 2), rotr(i, a, 13), rotr(i, a, 22));
      const sum = add(i, choose(i, e, f, g), sigma1, k, h);
      const next = add(i, sum, majority(i, a, b, c), sigma0);
      [a, b, c, d, e, f, g, h] = [next, a, b, c, add(i, sum, d), e, f, g];
    }
    writeXmm(i, 0, vector(i, [f, e, b, a]));
  },
  SHA,
);

row(
  "NP 0f 38 cc",
  "SHA256MSG1 Vdq,Wdq",
  (i) => {
    const w4 = i.lane("i32x4.extract_lane", 0, readXmm(i, 1));
    const w = words(i, readXmm(i, 0));
    const sigma = (x: Value): Value =>
      xor(i, rotr(i, x, 7), rotr(i, x, 18), i.op("i32.shr_u", x, i.i32(3)));
    const next = [w[1], w[2], w[3], w4] as const;
    writeXmm(
      i,
      0,
      vector(i, w.map((x, k) => add(i, x, sigma(next[k] as Value))) as unknown as Words),
    );
  },
  SHA,
);

row(
  "NP 0f 38 cd",
  "SHA256MSG2 Vdq,Wdq",
  (i) => {
    const [, , w14, w15] = words(i, readXmm(i, 1));
    const [a0, a1, a2, a3] = words(i, readXmm(i, 0));
    const sigma = (x: Value): Value =>
      xor(i, rotr(i, x, 17), rotr(i, x, 19), i.op("i32.shr_u", x, i.i32(10)));
    const w16 = add(i, a0, sigma(w14));
    const w17 = add(i, a1, sigma(w15));
    const w18 = add(i, a2, sigma(w16));
    const w19 = add(i, a3, sigma(w17));
    writeXmm(i, 0, vector(i, [w16, w17, w18, w19]));
  },
  SHA,
);
