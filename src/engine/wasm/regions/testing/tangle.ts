import type { Random } from "../../../testing/random.ts";
import { dword } from "./dword.ts";

const BLOCK_BYTES = 128;
const BLOCKS = 6;
const FUNCTIONS = 4;
const FUNCTION_BYTES = BLOCKS * BLOCK_BYTES;

/**
 * Functions whose blocks jump wherever they like, within the function and to the beginnings of
 * others, and that call one another, themselves too, and return to wherever they were called: loops with
 * several entries, and recursion. Each block takes one from R15; when nothing is left it goes on behind all of them.
 *
 * @param some an instruction that changes neither RBX nor RSP nor R15
 */
export function tangle(random: Random, some: () => readonly number[]): number[] {
  const code: number[] = [];
  const end = FUNCTIONS * FUNCTION_BYTES;
  const near = (target: number): number[] => dword(target - (code.length + 4));
  const blockOf = (function_: number): number =>
    function_ * FUNCTION_BYTES + random.below(BLOCKS) * BLOCK_BYTES;
  const anyFunction = (): number => random.below(FUNCTIONS) * FUNCTION_BYTES;
  const append = (...bytes: number[]): void => {
    code.push(...bytes);
  };
  /** RCX points to one of two functions. */
  const choose = (): void => {
    append(0x48, 0x8d, 0x0d, ...dword(anyFunction() - (code.length + 7))); // lea rcx, [one]
    append(0x48, 0x8d, 0x15, ...dword(anyFunction() - (code.length + 7))); // lea rdx, [another]
    append(0x41, 0xf6, 0xc7, 1 << random.below(4)); // test r15b, a bit
    append(0x48, 0x0f, 0x45, 0xca); // cmovnz rcx, rdx
  };
  for (let function_ = 0; function_ < FUNCTIONS; function_++)
    for (let block = 0; block < BLOCKS; block++) {
      const isLast = block === BLOCKS - 1;
      append(0x49, 0xff, 0xcf); // dec r15
      append(0x0f, 0x84);
      append(...near(end));
      for (let k = random.below(4); k > 0; k--) append(...some());
      switch (random.below(isLast ? 3 : 8)) {
        case 0: // the first function was called by nobody
          append(...(function_ === 0 ? [0x90] : [0xc3]));
          break;
        case 1:
          append(0xe9);
          append(...near(function_ > 0 && random.oneIn(6) ? anyFunction() : blockOf(function_)));
          break;
        case 2:
          append(0xe8);
          append(...near(anyFunction()));
          break;
        case 3:
          choose();
          append(0xff, 0xd1); // call rcx
          break;
        default:
          append(0x0f, 0x80 | random.below(16));
          append(...near(blockOf(function_)));
      }
      // behind its last block a function goes on in one of its own
      const target = isLast ? blockOf(function_) : (code.length + BLOCK_BYTES - 1) & -BLOCK_BYTES;
      append(0xe9);
      append(...near(target));
      while (code.length % BLOCK_BYTES !== 0) append(0xcc);
    }
  return code;
}
