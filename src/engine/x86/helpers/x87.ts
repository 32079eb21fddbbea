import { EXCEPTIONS } from "../../x87/context.ts";
import { CONTROL_WORD, EFLAGS, OPERAND } from "../../x87/layout.ts";
import { isImage } from "../../x87/operand.ts";
import { operandBytes } from "../../x87/row.ts";
import { x87Row } from "../../x87/table.ts";
import { probeGuestBytes, readGuestBytes, writeGuestBytes } from "../access.ts";
import { ARITHMETIC_FLAGS, CR0_MP, CR0_NE, CR0_TS } from "../control-bits.ts";
import type { Core } from "../core.ts";
import { exitObject } from "../exit-objects.ts";
import { IMAGE_FORMATS, STACK_OPERAND } from "../rows/x87.ts";
import { ADDRESS, CR0, GPR, IGNORING_NUMERIC_ERROR, VALUE, X87 } from "../state.ts";
import type { Helpers } from "./helpers.ts";

const numericError = exitObject("numeric-error");

/** If an unmasked exception is pending: #MF, or without CR0.NE what FERR# leads to. */
export function checkPending(core: Core): void {
  if (!core.x87.pendingException()) core.set(IGNORING_NUMERIC_ERROR, 0);
  else if (core.get(CR0) & CR0_NE) core.raise(16);
  else if (core.get(IGNORING_NUMERIC_ERROR) === 0) {
    core.exit(numericError);
    core.raise(16);
  }
}

export const X87_HELPERS: Helpers = {
  x87(core) {
    const word = core.get(VALUE);
    const modrm = word & 0xff;
    const opcode = (word >> 8) & 0xff;
    const form = x87Row(opcode, modrm);
    const format = IMAGE_FORMATS[(word >> 16) & 3];
    if (form === undefined || format === undefined) return core.raise(6);
    const fpu = core.x87;
    const window = core.linearMemory.subarray(
      core.base + X87 + OPERAND,
      core.base + X87 + OPERAND + 160,
    );
    const linear = core.address(ADDRESS);
    const stack = (word & STACK_OPERAND) !== 0;
    const size = form.memory && operandBytes(form.memory, format.endsWith("16") ? 16 : 32);
    // Numbers and control words have been loaded already.
    if (form.memory !== null && form.access === "load" && isImage(form.memory))
      readGuestBytes(core, linear, window, size ?? 0, stack);
    // An unmasked exception leaves memory as it is, but what the access raises comes first.
    else if (form.access === "store" && (core.get(X87 + CONTROL_WORD) & EXCEPTIONS) !== EXCEPTIONS)
      probeGuestBytes(core, linear, size ?? 0, "write", stack);
    if (form.eflags === "reads") core.set(X87 + EFLAGS, core.rflags());
    const bytes = fpu.execute(form, format);
    if (bytes > 0) {
      if (form.memory !== null) writeGuestBytes(core, linear, window, bytes, stack);
      else {
        // FNSTSW AX
        const at = core.base + GPR;
        core.linearMemory.set(window.subarray(0, 2), at);
      }
      fpu.commit();
    }
    if (form.eflags === "writes") {
      // CF, PF and ZF; OF, SF and AF are cleared.
      core.setRflags((core.rflags() & ~ARITHMETIC_FLAGS) | (core.get(X87 + EFLAGS) & 0x45));
    }
    return 0;
  },
  /** What instructions that wait begin with, MMX ones too. */
  x87_check(core) {
    checkPending(core);
    return 0;
  },
  fwait(core) {
    const cr0 = core.get(CR0);
    if (cr0 & CR0_MP && cr0 & CR0_TS) core.raise(7);
    checkPending(core);
    return 0;
  },
};
