/** Exceptions and condition codes at their places in the status word (Intel SDM vol. 1, 8.1.3). */
export const IE = 0x0001;
export const DE = 0x0002;
export const ZE = 0x0004;
export const OE = 0x0008;
export const UE = 0x0010;
export const PE = 0x0020;
/** Stack fault: with it, C1 tells overflow (1) from underflow (0). */
export const SF = 0x0040;
/** Exception summary: an unmasked exception is pending. */
export const ES = 0x0080;
export const C0 = 0x0100;
/** With PE: the significand was rounded up. */
export const C1 = 0x0200;
export const C2 = 0x0400;
export const C3 = 0x4000;
/** Busy: a copy of ES. */
export const B = 0x8000;
/** IE..PE: the exceptions that the control word's low six bits mask. */
export const EXCEPTIONS = 0x003f;
/** Exceptions known before anything is computed: unmasked, they leave the destination alone. */
export const PRE_COMPUTATION = IE | DE | ZE;

/** Precision control, control word bits 9:8. The reserved value 1 works as {@link PRECISION_64}. */
export const PRECISION_24 = 0;
export const PRECISION_53 = 2;
export const PRECISION_64 = 3;

/** Rounding control, control word bits 11:10. */
export const NEAREST = 0;
export const DOWN = 1;
export const UP = 2;
export const ZERO = 3;

/** What arithmetic sees of the FPU: the control word it obeys, the status bits it raises. */
export class Context {
  /** The control word. */
  control = 0x037f;
  /** IE..PE, SF, C0..C3 raised since the caller cleared it. */
  raised = 0;

  get precision(): number {
    return (this.control >> 8) & 3;
  }

  get rounding(): number {
    return (this.control >> 10) & 3;
  }

  /** Whether an exception raised so far forbids to write any result. */
  get stopped(): boolean {
    return (this.raised & ~this.control & PRE_COMPUTATION) !== 0;
  }
}
