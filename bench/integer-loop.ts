/**
 * guest/workloads/integer-loop.S as bytes, so that the engine's headline figure needs no compiler.
 * A test compares them with what gcc makes of it.
 */
import { BareMachine } from "../src/session/bare.ts";
import { PROCESSOR } from "./clock.ts";
import { instructionsPerSecond } from "./transcript.ts";
import { UNHURRIED } from "./unhurried.ts";

/** integer_loop up to its RET; the number of turns is in RDI, the result in RAX. */
// biome-ignore format: one instruction a line
export const INTEGER_LOOP: readonly number[] = [
  0x48, 0xb8, 0x15, 0x7c, 0x4a, 0x7f, 0xb9, 0x79, 0x37, 0x9e, // movabs $0x9e3779b97f4a7c15, %rax
  0x31, 0xd2, // xor %edx, %edx
  0x48, 0x89, 0xc1, // turn: mov %rax, %rcx
  0x48, 0xc1, 0xe9, 0x07, // shr $7, %rcx
  0x48, 0x31, 0xc8, // xor %rcx, %rax
  0x48, 0x8d, 0x44, 0x80, 0x03, // lea 3(%rax,%rax,4), %rax
  0x48, 0xc1, 0xc0, 0x0d, // rol $13, %rax
  0x48, 0x01, 0xc2, // add %rax, %rdx
  0x48, 0x29, 0xca, // sub %rcx, %rdx
  0x48, 0x31, 0xfa, // xor %rdi, %rdx
  0x48, 0xff, 0xcf, // dec %rdi
  0x75, 0xdf, // jnz turn
  0x48, 0x89, 0xd0, // mov %rdx, %rax
];

const HLT = 0xf4;
const SEED = 0x9e3779b97f4a7c15n;
const u64 = (value: bigint) => BigInt.asUintN(64, value);

/** What the loop returns. */
export function integerLoopResult(turns: number): bigint {
  let a = SEED;
  let d = 0n;
  for (let left = BigInt(turns); left > 0n; left--) {
    const c = a >> 7n;
    a = u64((a ^ c) * 5n + 3n);
    a = u64(a << 13n) | (a >> 51n);
    d = u64(d + a - c) ^ left;
  }
  return d;
}

export interface IntegerLoopRun {
  readonly result: bigint;
  readonly instructionsPerSecond: number;
}

/** @param turns of ten instructions each */
export async function runIntegerLoop(turns: number): Promise<IntegerLoopRun> {
  const machine = new BareMachine(1 << 21, () => {});
  machine.loadFlat(Uint8Array.of(...INTEGER_LOOP, HLT), 64);
  machine.registers.set("rdi", BigInt(turns));
  const before = PROCESSOR();
  const { instructions } = await machine.run(undefined, undefined, undefined, UNHURRIED);
  const rate = instructionsPerSecond(
    { instructions: 0, processorMilliseconds: before },
    { instructions, processorMilliseconds: PROCESSOR() },
  );
  return { result: machine.registers.get("rax"), instructionsPerSecond: rate };
}
