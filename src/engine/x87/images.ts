import { Float80 } from "./float80.ts";
import {
  DATA_POINTER,
  DATA_SELECTOR,
  INSTRUCTION_POINTER,
  INSTRUCTION_SELECTOR,
  LAST_OPCODE,
  OPERAND,
} from "./layout.ts";
import type { X87State } from "./state.ts";

/**
 * The four shapes of FSTENV and FSAVE images (Intel SDM vol. 1, figures 8-9 to 8-12):
 * by operand size, and for real-address and virtual-8086 mode with linear addresses.
 */
export type ImageFormat = "protected-32" | "protected-16" | "real-32" | "real-16";

const FOP = LAST_OPCODE >> 2;
const FIP = INSTRUCTION_POINTER >> 2;
const FCS = INSTRUCTION_SELECTOR >> 2;
const FDP = DATA_POINTER >> 2;
const FDS = DATA_SELECTOR >> 2;
const AT = OPERAND >> 2;
/** 16-bit words of the window. */
const AT_16 = OPERAND >> 1;
/** The reserved half of a 32-bit image's 16-bit fields. */
const RESERVED_ONES = 0xffff << 16;

const x = new Float80();

export function environmentBytes(format: ImageFormat): 14 | 28 {
  return format === "protected-32" || format === "real-32" ? 28 : 14;
}

export function stateBytes(format: ImageFormat): 94 | 108 {
  return environmentBytes(format) === 14 ? 94 : 108;
}

/** FSTENV: the environment into the operand scratch. */
export function storeEnvironment(state: X87State, format: ImageFormat): void {
  const { words, halves: half } = state;
  const linearIp = (words[FCS] << 4) + words[FIP];
  const linearDp = (words[FDS] << 4) + words[FDP];
  if (environmentBytes(format) === 28) {
    words[AT] = RESERVED_ONES | state.control;
    words[AT + 1] = RESERVED_ONES | state.status;
    words[AT + 2] = RESERVED_ONES | state.tagWord;
    if (format === "protected-32") {
      words[AT + 3] = words[FIP];
      words[AT + 4] = words[FCS] | (words[FOP] << 16);
      words[AT + 5] = words[FDP];
      words[AT + 6] = RESERVED_ONES | words[FDS];
    } else {
      words[AT + 3] = RESERVED_ONES | (linearIp & 0xffff);
      words[AT + 4] = ((linearIp >>> 16) << 12) | words[FOP];
      words[AT + 5] = RESERVED_ONES | (linearDp & 0xffff);
      words[AT + 6] = (linearDp >>> 16) << 12;
    }
    return;
  }
  half[AT_16] = state.control;
  half[AT_16 + 1] = state.status;
  half[AT_16 + 2] = state.tagWord;
  if (format === "protected-16") {
    half[AT_16 + 3] = words[FIP];
    half[AT_16 + 4] = words[FCS];
    half[AT_16 + 5] = words[FDP];
    half[AT_16 + 6] = words[FDS];
  } else {
    half[AT_16 + 3] = linearIp;
    half[AT_16 + 4] = ((linearIp >>> 4) & 0xf000) | words[FOP];
    half[AT_16 + 5] = linearDp;
    half[AT_16 + 6] = (linearDp >>> 4) & 0xf000;
  }
}

/** FLDENV: the environment from the operand scratch. */
export function loadEnvironment(state: X87State, format: ImageFormat): void {
  const { words, halves: half } = state;
  const wide = environmentBytes(format) === 28;
  const stride = wide ? 2 : 1;
  words[FIP + 1] = 0;
  words[FDP + 1] = 0;
  if (format === "protected-32") {
    words[FIP] = words[AT + 3];
    words[FCS] = words[AT + 4] & 0xffff;
    words[FOP] = (words[AT + 4] >>> 16) & 0x7ff;
    words[FDP] = words[AT + 5];
    words[FDS] = words[AT + 6] & 0xffff;
  } else if (format === "protected-16") {
    // this image has no opcode
    words[FOP] = 0;
    words[FIP] = half[AT_16 + 3];
    words[FCS] = half[AT_16 + 4];
    words[FDP] = half[AT_16 + 5];
    words[FDS] = half[AT_16 + 6];
  } else {
    const upperIp = wide ? words[AT + 4] : half[AT_16 + 4];
    const upperDp = wide ? words[AT + 6] : half[AT_16 + 6];
    words[FOP] = upperIp & 0x7ff;
    words[FIP] = half[AT_16 + 3 * stride] | (((upperIp >>> 12) & 0xffff) << 16);
    words[FCS] = 0;
    words[FDP] = half[AT_16 + 5 * stride] | (((upperDp >>> 12) & 0xffff) << 16);
    words[FDS] = 0;
  }
  state.tagWord = half[AT_16 + 2 * stride];
  state.setWords(half[AT_16], half[AT_16 + stride]);
}

/** FSAVE: environment and ST(0)..ST(7). */
export function storeState(state: X87State, format: ImageFormat): void {
  storeEnvironment(state, format);
  const { halves: half } = state;
  let at = AT_16 + environmentBytes(format) / 2;
  for (let i = 0; i < 8; i++, at += 5) {
    state.read(i, x);
    storeNumber(half, at);
  }
}

/** FRSTOR. */
export function loadState(state: X87State, format: ImageFormat): void {
  loadEnvironment(state, format);
  const { tags } = state;
  const { halves: half } = state;
  let at = AT_16 + environmentBytes(format) / 2;
  for (let i = 0; i < 8; i++, at += 5) {
    loadNumber(half, at);
    state.write(i, x);
  }
  state.tags = tags;
}

/**
 * The x87 part of FXSAVE (Intel SDM vol. 1, table 10-2): the first 160 bytes, with
 * bytes 24..31 (MXCSR and its mask) left as they stand.
 * @param wide REX.W: 64-bit pointers instead of selectors
 */
export function storeExtended(state: X87State, wide: boolean): void {
  const { words, halves: half } = state;
  half[AT_16] = state.control;
  half[AT_16 + 1] = state.status;
  half[AT_16 + 2] = state.tags;
  half[AT_16 + 3] = words[FOP];
  words[AT + 2] = words[FIP];
  words[AT + 3] = wide ? words[FIP + 1] : words[FCS];
  words[AT + 4] = words[FDP];
  words[AT + 5] = wide ? words[FDP + 1] : words[FDS];
  for (let i = 0; i < 8; i++) {
    const at = AT_16 + 16 + 8 * i;
    state.read(i, x);
    storeNumber(half, at);
    half[at + 5] = half[at + 6] = half[at + 7] = 0;
  }
}

/** The x87 part of FXRSTOR. */
export function loadExtended(state: X87State, wide: boolean): void {
  const { words, halves: half } = state;
  state.setWords(half[AT_16], half[AT_16 + 1]);
  words[FOP] = half[AT_16 + 3] & 0x7ff;
  words[FIP] = words[AT + 2];
  words[FIP + 1] = wide ? words[AT + 3] : 0;
  words[FCS] = wide ? 0 : words[AT + 3] & 0xffff;
  words[FDP] = words[AT + 4];
  words[FDP + 1] = wide ? words[AT + 5] : 0;
  words[FDS] = wide ? 0 : words[AT + 5] & 0xffff;
  for (let i = 0; i < 8; i++) {
    loadNumber(half, AT_16 + 16 + 8 * i);
    state.write(i, x);
  }
  state.tags = half[AT_16 + 2];
}

function storeNumber(half: Uint16Array, at: number): void {
  half[at] = x.lo;
  half[at + 1] = x.lo >>> 16;
  half[at + 2] = x.hi;
  half[at + 3] = x.hi >>> 16;
  half[at + 4] = x.signExponent;
}

function loadNumber(half: Uint16Array, at: number): void {
  x.set(half[at + 4], half[at + 2] | (half[at + 3] << 16), half[at] | (half[at + 1] << 16));
}
