import type { Random } from "../../../testing/random.ts";

/** Memory forms by opcode and the reg field of ModRM, with RBX as base. */
type MemoryForm = readonly [opcode: number, reg: number];

const PUSH_MEMORY: readonly MemoryForm[] = [
  [0xd9, 0], // fld m32
  [0xdd, 0], // fld m64
  [0xdd, 0],
  [0xdb, 5], // fld m80
  [0xdf, 0], // fild m16
  [0xdb, 0], // fild m32
  [0xdf, 5], // fild m64
];
const PUSH: readonly (readonly number[])[] = [
  [0xd9, 0xe8], // fld1
  [0xd9, 0xee], // fldz
  [0xd9, 0xeb], // fldpi
];
const POP_MEMORY: readonly MemoryForm[] = [
  [0xd9, 3], // fstp m32
  [0xdd, 3], // fstp m64
  [0xdd, 3],
  [0xdb, 7], // fstp m80
  [0xdf, 3], // fistp m16
  [0xdb, 3], // fistp m32
  [0xdf, 7], // fistp m64
  [0xdd, 1], // fisttp m64
  [0xd8, 3], // fcomp m32
];
const KEEP_MEMORY: readonly MemoryForm[] = [
  [0xd9, 2], // fst m32
  [0xdd, 2], // fst m64
  [0xdb, 2], // fist m32
  [0xd8, 2], // fcom m32
  [0xdd, 7], // fnstsw m16
  [0xd9, 7], // fnstcw m16
];
/** Opcodes of the eight arithmetic operations with memory. */
const ARITHMETIC_MEMORY = [0xd8, 0xdc, 0xdc, 0xda, 0xde];
const KEEP: readonly (readonly number[])[] = [
  [0xd9, 0xe0], // fchs
  [0xd9, 0xe1], // fabs
  [0xd9, 0xfa], // fsqrt
  [0xd9, 0xfc], // frndint
  [0xd9, 0xe4], // ftst
  [0xdf, 0xe0], // fnstsw ax
  [0xdb, 0xe2], // fnclex
  [0xd9, 0xd0], // fnop
  [0x9b], // fwait
  [0x0f, 0xae, 0x83, 0x00, 0x01, 0x00, 0x00], // fxsave [rbx+256]
];
/** With ST(i) as the low three bits; the stack keeps its depth. */
const WITH_REGISTER: readonly MemoryForm[] = [
  ...[0, 1, 2, 4, 5, 6, 7].map((reg) => [0xd8, reg] as const),
  ...[0, 1, 4, 5, 6, 7].map((reg) => [0xdc, reg] as const),
  [0xd9, 1], // fxch
  [0xd9, 1],
  [0xdd, 2], // fst
  [0xdb, 5], // fucomi
  [0xdb, 6], // fcomi
  [0xda, 0], // fcmovb
  [0xdb, 1], // fcmovne
];
const POP_REGISTER: readonly MemoryForm[] = [
  ...[0, 1, 4, 5, 6, 7].map((reg) => [0xde, reg] as const),
  [0xdd, 3], // fstp
  [0xdf, 6], // fcomip
];
const CONTROL_WORDS = [0x37f, 0x37f, 0xf7f, 0x27f, 0x77f, 0x35f];

/** x87 instructions that leave the stack as deep as it was: mostly, they find room and numbers. */
export function x87Piece(random: Random, other: () => readonly number[]): number[] {
  const bytes: number[] = [];
  let depth = 0;
  const onMemory = ([opcode, reg]: MemoryForm): void => {
    // aligned, mostly, so that what was stored is loaded
    bytes.push(opcode, 0x43 | (reg << 3), random.oneIn(4) ? random.below(96) : 8 * random.below(8));
  };
  const onRegister = ([opcode, reg]: MemoryForm): void => {
    const index = random.oneIn(32) ? random.below(8) : random.below(depth);
    bytes.push(opcode, 0xc0 | (reg << 3) | index);
  };
  const push = (): void => {
    depth++;
    if (depth > 1 && random.oneIn(3)) bytes.push(0xd9, 0xc0 | random.below(depth - 1));
    else if (random.oneIn(3)) bytes.push(...random.pick(PUSH));
    else onMemory(random.pick(PUSH_MEMORY));
  };
  for (let k = random.below(16); k >= 0; k--) {
    const choice = random.below(16);
    if (random.oneIn(8)) bytes.push(...other());
    else if (depth === 0 || (choice < 4 && depth < 7)) push();
    else if (choice < 6)
      onMemory([random.pick(ARITHMETIC_MEMORY), random.pick([0, 1, 4, 5, 6, 7])]);
    else if (choice < 9) onRegister(random.pick(WITH_REGISTER));
    else if (choice < 10) bytes.push(...random.pick(KEEP));
    else if (choice < 11) onMemory(random.pick(KEEP_MEMORY));
    else if (choice < 12 && random.oneIn(4)) {
      const word = random.pick(CONTROL_WORDS);
      bytes.push(0x66, 0xc7, 0x43, 0x70, word & 255, word >> 8); // mov word [rbx+112], word
      bytes.push(0xd9, 0x6b, 0x70); // fldcw [rbx+112]
    } else if (choice < 14 && depth > 1) {
      onRegister(random.pick(POP_REGISTER));
      depth--;
    } else {
      onMemory(random.pick(POP_MEMORY));
      depth--;
    }
  }
  for (; depth > 0; depth--)
    if (random.oneIn(3)) bytes.push(0xdd, 0xd8);
    else onMemory(random.pick(POP_MEMORY));
  return bytes;
}
