import { probeGuestBytes, writeGuest8 } from "../access.ts";
import type { Core } from "../core.ts";
import { mxcsrChanged } from "../sse/mxcsr.ts";
import { STACK_ELEMENTS } from "../sse/operands.ts";
import { compareStrings, elementsOf, implicitLength, type Text } from "../sse/string-compare.ts";
import {
  ADDRESS,
  FLAGS_AUX,
  FLAGS_RESULT,
  GPR,
  SSE_FIRST,
  SSE_INTEGER,
  SSE_RESULT,
  SSE_SECOND,
  XMM,
} from "../state.ts";
import type { Helpers } from "./helpers.ts";

/** LDMXCSR, string comparisons, masked stores and carry-less multiplication. */

function text(core: Core, vector: number, control: number, length: number): Text {
  const elements = elementsOf(core.linearView, core.base + vector, control);
  return {
    elements,
    length: length < 0 ? implicitLength(elements) : Math.min(length, elements.length),
  };
}

/** EAX or EDX (RAX or RDX) as a length: its absolute value, saturated. */
function explicitLength(core: Core, register: number, bits: number): number {
  const value = BigInt.asIntN(bits, core.big(GPR + 8 * register));
  const size = value < 0n ? -value : value;
  return size > 16n ? 16 : Number(size);
}

/** @param bits width of explicit lengths; 0: implicit ones */
function compare(bits: number, wantsMask: boolean): (core: Core) => number {
  return (core) => {
    const control = core.get(SSE_INTEGER);
    const first = text(core, SSE_FIRST, control, bits === 0 ? -1 : explicitLength(core, 0, bits));
    const second = text(core, SSE_SECOND, control, bits === 0 ? -1 : explicitLength(core, 2, bits));
    const { result, count } = compareStrings(first, second, control);
    if (wantsMask) setMask(core, result, count, (control & 0x40) !== 0);
    else {
      const index =
        result === 0
          ? count
          : control & 0x40
            ? 31 - Math.clz32(result)
            : 31 - Math.clz32(result & -result);
      core.setRegister(1, index);
    }
    // CF: anything matched; OF: the first element did; ZF, SF: an operand ends inside.
    const carry = result !== 0 ? 0x8000_0000 : 0;
    const overflow = result & 1;
    core.set(FLAGS_RESULT, second.length < count ? 0 : 0x100);
    core.set(FLAGS_RESULT + 4, 0);
    core.set(
      FLAGS_AUX,
      carry | (((carry >>> 31) ^ overflow) << 30) | 0x100 | (first.length < count ? 1 : 0),
    );
    return 0;
  };
}

function setMask(core: Core, result: number, count: number, expanded: boolean): void {
  core.setBig(XMM, 0n);
  core.setBig(XMM + 8, 0n);
  if (!expanded) {
    core.set(XMM, result);
    return;
  }
  const size = 16 / count;
  for (let k = 0; k < 16; k++)
    if ((result >> Math.floor(k / size)) & 1) core.linearMemory[core.base + XMM + k] = 0xff;
}

/** MASKMOVDQU and MASKMOVQ: all chosen bytes are checked before the first is written. */
function maskedStore(bytes: number): (core: Core) => number {
  return (core) => {
    const address = core.address(ADDRESS);
    const memory = core.linearMemory;
    const isChosen = (k: number): boolean =>
      ((memory[core.base + SSE_SECOND + k] as number) & 0x80) !== 0;
    for (let k = 0; k < bytes; k++) if (isChosen(k)) probeGuestBytes(core, address + k, 1, "write");
    for (let k = 0; k < bytes; k++)
      if (isChosen(k)) writeGuest8(core, address + k, memory[core.base + SSE_FIRST + k] as number);
    return 0;
  };
}

function carrylessMultiply(core: Core): number {
  const control = core.get(SSE_INTEGER);
  const a = core.big(SSE_FIRST + (control & 1 ? 8 : 0));
  let b = core.big(SSE_SECOND + (control & 0x10 ? 8 : 0));
  let product = 0n;
  for (let shift = 0n; b !== 0n; shift++, b >>= 1n) if (b & 1n) product ^= a << shift;
  core.setBig(SSE_RESULT, BigInt.asUintN(64, product));
  core.setBig(SSE_RESULT + 8, product >> 64n);
  return 0;
}

function probeHalves(core: Core, stack: boolean): void {
  for (const half of [0, 16])
    probeGuestBytes(core, core.address(ADDRESS) + half, 16, "write", stack);
}

export const SSE_STRING_HELPERS: Helpers = {
  /** Check that the 32 bytes at ADDRESS may be written; they need the alignment of their halves. */
  probe_vector: (core) => {
    probeHalves(core, false);
    return 0;
  },
  probe_stack_vector: (core) => {
    probeHalves(core, true);
    return 0;
  },
  /** Check that the elements at ADDRESS may be written that the bits 7:0 of SSE_INTEGER choose; bits 15:8 are their size. */
  probe_elements: (core) => {
    const chosen = core.get(SSE_INTEGER);
    const size = (chosen >>> 8) & 0xff;
    const stack = (chosen & STACK_ELEMENTS) !== 0;
    for (let k = 0; k < 8; k++)
      if ((chosen >> k) & 1)
        probeGuestBytes(core, core.address(ADDRESS) + k * size, size, "write", stack);
    return 0;
  },
  mxcsr_changed: (core) => {
    mxcsrChanged(core);
    return 0;
  },
  pcmpestri32: compare(32, false),
  pcmpestri64: compare(64, false),
  pcmpestrm32: compare(32, true),
  pcmpestrm64: compare(64, true),
  pcmpistri: compare(0, false),
  pcmpistrm: compare(0, true),
  maskmovdqu: maskedStore(16),
  maskmovq: maskedStore(8),
  pclmulqdq: carrylessMultiply,
};
