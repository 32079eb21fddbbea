import { encode } from "../../../testing/encoding.ts";
import type { Random } from "../../../testing/random.ts";
import { Decoder } from "../../../x86/decoder.ts";
import { MODE_AVX, MODE_CODE_64, MODE_OSFXSR, MODE_PROTECTED } from "../../../x86/mode.ts";
import { TABLE } from "../../../x86/table.ts";
import { dword } from "./dword.ts";
import { tangle } from "./tangle.ts";
import { x87Piece } from "./x87-program.ts";

const MODE = MODE_CODE_64 | MODE_PROTECTED | MODE_OSFXSR | MODE_AVX;
const RSP = 4;
const RBX = 3;
/** Keeps count of the turns. */
const R15 = 15;
/** Distance from RBX of what is kept of the x87 unit at the end. */
export const X87_IMAGE = 256;
const KEPT = [RBX, RSP, R15];

/** Change the stack, divide by what may be zero, or say something else each time. */
const LEFT_OUT =
  /^(PUSH|POP|ENTER|LEAVE|CALL|RET|DIV|IDIV|RDTSC|RDPMC|RDRAND|RDSEED|CPUID|INT|UD|XABORT|SYS|HLT|IN|OUT|MONITOR|MWAIT|XSETBV|XGETBV|RDPID|FXRSTOR|XRSTOR|LDMXCSR|VLDMXCSR|RD.SBASE|WR.SBASE|POPF|STI|CLI)/;
const ROWS = TABLE.rows.filter(
  ({ options, mnemonic, operands }) =>
    !options.cpl0 &&
    !options.ends &&
    !options.repeats &&
    !LEFT_OUT.test(mnemonic) &&
    !operands.some(({ method }) => ["seg", "C", "D", "O", "M", "A"].includes(method)),
);
/** Most programs are made of these. */
const USUAL = ROWS.filter(({ options }) => options.unit === undefined);

const decoder = new Decoder();

/** Bytes of an instruction that works on registers, and leaves alone those that the program needs. */
function onRegisters(random: Random): readonly number[] {
  for (;;) {
    const row = random.pick(random.oneIn(4) ? ROWS : USUAL);
    const encoded = encode(row, random, 64);
    if (encoded === undefined) continue;
    const bytes = encoded.bytes;
    const decoded = decoder.decode(Uint8Array.of(...bytes, 0x90, 0x90), MODE);
    if (decoded.row === undefined || decoded.length !== bytes.length) continue;
    const fits = decoded.operands.every(
      (operand) =>
        operand.kind === "immediate" ||
        (operand.kind === "register" &&
          !(operand.file === "general" && KEPT.includes(operand.index))),
    );
    if (fits && decoded.operands.length > 0) return bytes;
  }
}

/** Memory at RBX, and the stack. The displacement stands last. */
const ON_MEMORY: readonly (readonly number[])[] = [
  [0x48, 0x8b, 0x43], // mov rax, [rbx+d]
  [0x8b, 0x4b], // mov ecx, [rbx+d]
  [0x48, 0x89, 0x53], // mov [rbx+d], rdx
  [0x88, 0x43], // mov [rbx+d], al
  [0x66, 0x89, 0x73], // mov [rbx+d], si
  [0x01, 0x43], // add [rbx+d], eax
  [0x48, 0x19, 0x4b], // sbb [rbx+d], rcx
  [0x48, 0x3b, 0x7b], // cmp rdi, [rbx+d]
  [0x0f, 0xb6, 0x53], // movzx edx, byte [rbx+d]
  [0x48, 0x87, 0x6b], // xchg [rbx+d], rbp
  [0x48, 0x0f, 0xb1, 0x73], // cmpxchg [rbx+d], rsi
  [0x0f, 0x10, 0x53], // movups xmm2, [rbx+d]
  [0x0f, 0x11, 0x5b], // movups [rbx+d], xmm3
  [0xf2, 0x0f, 0x58, 0x4b], // addsd xmm1, [rbx+d]
  [0xdd, 0x43], // fld qword [rbx+d]
  [0xdd, 0x5b], // fstp qword [rbx+d]
];

function onMemory(random: Random): readonly number[] {
  if (random.oneIn(8)) return [0x50, 0x59]; // push rax; pop rcx
  return [...random.pick(ON_MEMORY), random.below(96)];
}

/** They tell how many instructions have passed. CPUID changes RBX: push rbx; cpuid; pop rbx. */
const TIME: readonly (readonly number[])[] = [
  [0x0f, 0x31], // rdtsc
  [0x0f, 0x01, 0xf9], // rdtscp
  [0x53, 0x0f, 0xa2, 0x5b],
];

/** Where there is no memory, in the machine that runs them; and the last page that is. */
const DEVICE = 0x40_0000;
const LAST_PAGE = DEVICE - 4096;
/** Beyond the end of memory, at an absolute address. It stands last. */
const ON_DEVICE: readonly (readonly number[])[] = [
  [0x8b, 0x04, 0x25], // mov eax, [a]
  [0x48, 0x89, 0x14, 0x25], // mov [a], rdx
  [0x89, 0x0c, 0x25], // mov [a], ecx
  [0x88, 0x04, 0x25], // mov [a], al
  [0x0f, 0xb7, 0x34, 0x25], // movzx esi, word [a]
  [0x48, 0x3b, 0x3c, 0x25], // cmp rdi, [a]
  [0x01, 0x0c, 0x25], // add [a], ecx
  [0x48, 0x87, 0x2c, 0x25], // xchg [a], rbp
  [0x48, 0x0f, 0xb1, 0x34, 0x25], // cmpxchg [a], rsi
  [0x0f, 0x10, 0x14, 0x25], // movups xmm2, [a]
  [0x0f, 0x11, 0x1c, 0x25], // movups [a], xmm3
  [0xf2, 0x0f, 0x58, 0x0c, 0x25], // addsd xmm1, [a]
  [0xdd, 0x04, 0x25], // fld qword [a]
  [0xdd, 0x1c, 0x25], // fstp qword [a]
  [0x0f, 0x44, 0x0c, 0x25], // cmovz ecx, [a]
];
const ON_PORTS: readonly (readonly number[])[] = [
  [0xec], // in al, dx
  [0xed], // in eax, dx
  [0xe4, 0x60], // in al, 0x60
  [0xee], // out dx, al
  [0x66, 0xef], // out dx, ax
  [0xe7, 0x70], // out 0x70, eax
];

function onDevice(random: Random): readonly number[] {
  if (random.oneIn(3)) return random.pick(ON_PORTS);
  if (random.oneIn(8)) return [0xff, 0x34, 0x25, ...dword(DEVICE), 0x59]; // push qword [device]; pop rcx
  if (random.oneIn(5)) {
    // memory in one turn and the device in the next: mov edi, r15d; and edi, 1; shl edi, 12; then
    const code = [0x44, 0x89, 0xff, 0x83, 0xe7, 0x01, 0xc1, 0xe7, 0x0c];
    const access = random.oneIn(2) ? [0x48, 0x8b, 0x87] : [0x89, 0x8f]; // mov rax, [rdi+d]; mov [rdi+d], ecx
    return [...code, ...access, ...dword(LAST_PAGE + random.below(64))];
  }
  const offset = random.oneIn(8) ? random.below(24) - 12 : 8 * random.below(32);
  return [...random.pick(ON_DEVICE), ...dword(DEVICE + offset)];
}

function some(random: Random, withDevice = false): readonly number[] {
  if (withDevice && random.oneIn(6)) return onDevice(random);
  if (random.oneIn(24)) return random.pick(TIME);
  return random.oneIn(4) ? onMemory(random) : onRegisters(random);
}

const FNINIT = [0xdb, 0xe3];
/** fxsave [rbx+...]; hlt. */
const EPILOGUE = [0x0f, 0xae, 0x83, ...dword(X87_IMAGE), 0xf4];

const SLOTS = 8;
const SLOT_BYTES = 64;

/** A jump to one of eight pieces of code, by the number of the turn. */
function switchOf(random: Random): number[] {
  const code = [0x48, 0x8d, 0x0d, ...dword(15)]; // lea rcx, [behind the jump]
  code.push(0x44, 0x89, 0xf8, 0x83, 0xe0, SLOTS - 1); // mov eax, r15d; and eax, 7
  code.push(0xc1, 0xe0, Math.log2(SLOT_BYTES), 0x48, 0x01, 0xc1, 0xff, 0xe1); // shl; add rcx, rax; jmp rcx
  code.push(0xcc);
  for (let slot = 0; slot < SLOTS; slot++) {
    const piece: number[] = [];
    for (let k = random.below(4); k >= 0; k--) piece.push(...some(random));
    while (piece.length > SLOT_BYTES - 5) piece.splice(0, piece.length);
    const padding = SLOT_BYTES - 5 - piece.length;
    code.push(...piece, ...new Array<number>(padding).fill(0x90));
    code.push(0xe9, ...dword((SLOTS - 1 - slot) * SLOT_BYTES));
  }
  return code;
}

/**
 * A program of 64-bit code that ends in HLT: R15 turns of a loop with forward branches, an inner
 * loop, switches, and calls of a function. It uses the stack, and 128 bytes at RBX.
 *
 * @param withDevice it accesses ports, and memory that is not there, as well
 */
export function program(random: Random, withDevice = false): number[] {
  const usesX87 = random.oneIn(3);
  const callee: number[] = [];
  for (let k = random.below(5); k >= 0; k--) callee.push(...some(random, withDevice));
  if (usesX87 && random.oneIn(2)) callee.push(...x87Piece(random, () => some(random)));
  // It returns a number in ST(0), as functions of long doubles do.
  const returnsNumber = usesX87 && random.oneIn(2);
  if (returnsNumber) callee.push(0xdd, 0x43, 8 * random.below(8)); // fld qword [rbx+d]
  callee.push(0xc3);
  const code: number[] = [...FNINIT, 0xe9, ...dword(callee.length)]; // jmp over the function
  const functionAt = code.length;
  code.push(...callee);
  const loop = code.length;
  const piece = (): number[] => {
    const bytes: number[] = [];
    for (let k = random.below(6); k >= 0; k--) bytes.push(...some(random, withDevice));
    if (usesX87) bytes.push(...x87Piece(random, () => some(random)));
    return bytes;
  };
  for (let k = 3 + random.below(6); k > 0; k--) {
    const body = piece();
    switch (random.below(6)) {
      case 3:
        code.push(...switchOf(random));
        break;
      case 0: // jcc over it
        code.push(0x0f, 0x80 | random.below(16), ...dword(body.length), ...body);
        break;
      case 1: // an inner loop: push 3; body; dec qword [rsp]; jnz; pop
        code.push(0x6a, 0x03, ...body, 0x48, 0xff, 0x0c, 0x24);
        code.push(0x0f, 0x85, ...dword(-(body.length + 4 + 6)), 0x58);
        break;
      case 2:
        code.push(0xe8, ...dword(functionAt - (code.length + 5)));
        if (returnsNumber) code.push(0xdd, 0x5b, 8 * random.below(8)); // fstp qword [rbx+d]
        code.push(...body);
        break;
      default:
        code.push(...body);
    }
  }
  code.push(0x49, 0xff, 0xcf); // dec r15
  code.push(0x0f, 0x85, ...dword(loop - (code.length + 6)));
  return [...code, ...EPILOGUE];
}

/** A program of functions that are {@link tangle}d: R15 blocks of it. */
export function tangledProgram(random: Random): number[] {
  return [...FNINIT, ...tangle(random, () => some(random)), ...EPILOGUE];
}
