/** Registers of an HD Audio controller (High Definition Audio Specification 1.0a, 3.3), as an ICH6 has them. */

import { RegisterBytes } from "../register-bytes.ts";

export const GCAP = 0x00;
export const VMAJ = 0x03;
export const OUTPAY = 0x04;
export const INPAY = 0x06;
export const GCTL = 0x08;
export const GCTL_CRST = 0x01;
export const WAKEEN = 0x0c;
export const STATESTS = 0x0e;
export const INTCTL = 0x20;
export const INTSTS = 0x24;
/** Both in INTCTL (enable) and INTSTS: any interrupt, and the controller's own. */
export const GLOBAL_INTERRUPT = 0x80000000;
export const CONTROLLER_INTERRUPT = 0x40000000;
export const WALCLK = 0x30;

export const CORBLBASE = 0x40;
export const CORBUBASE = 0x44;
export const CORBWP = 0x48;
export const CORBRP = 0x4a;
export const CORBRP_RESET = 0x8000;
export const CORBCTL = 0x4c;
export const CORBCTL_MEMORY_ERROR = 0x01;
export const CORBCTL_RUN = 0x02;
export const CORBSTS = 0x4d;
export const CORBSIZE = 0x4e;

export const RIRBLBASE = 0x50;
export const RIRBUBASE = 0x54;
export const RIRBWP = 0x58;
export const RIRBWP_RESET = 0x8000;
export const RINTCNT = 0x5a;
export const RIRBCTL = 0x5c;
export const RIRBCTL_RUN = 0x02;
export const RIRBSTS = 0x5d;
/** Response interrupt, overrun: enabled in RIRBCTL, shown in RIRBSTS. */
export const RIRB_RESPONSE = 0x01;
export const RIRB_OVERRUN = 0x04;
export const RIRBSIZE = 0x5e;

/** Immediate command: output, input, status. */
export const ICOI = 0x60;
export const ICII = 0x64;
export const ICIS = 0x68;
export const ICIS_BUSY = 0x01;
export const ICIS_VALID = 0x02;

export const DPLBASE = 0x70;
export const DPUBASE = 0x74;
export const DPLBASE_ENABLE = 0x01;

/** Stream descriptors: four input streams, then four output streams. */
export const STREAMS = 8;
export const INPUT_STREAMS = 4;
export const STREAM = 0x80;
export const STREAM_BYTES = 0x20;
export const REGISTER_BYTES = STREAM + STREAMS * STREAM_BYTES;

/** Within a stream descriptor. */
export const CTL = 0x00;
export const CTL_RESET = 0x01;
export const CTL_RUN = 0x02;
/** Interrupt enables; STS has the causes in the same places. */
export const CTL_INTERRUPTS = 0x1c;
export const STS = 0x03;
export const STS_COMPLETE = 0x04;
export const STS_DESCRIPTOR_ERROR = 0x10;
export const STS_FIFO_READY = 0x20;
export const LPIB = 0x04;
export const CBL = 0x08;
export const LVI = 0x0c;
export const FIFOW = 0x0e;
export const FIFOS = 0x10;
export const FMT = 0x12;
export const BDPL = 0x18;
export const BDPU = 0x1c;

/** As after power-on. */
export function hdaRegisters(): RegisterBytes {
  const registers = new RegisterBytes(REGISTER_BYTES);
  // four output streams, four input streams, 64-bit addresses
  registers.define(GCAP, 2, { reset: 0x4401 });
  registers.define(VMAJ, 1, { reset: 1 });
  registers.define(OUTPAY, 2, { reset: 0x003c });
  registers.define(INPAY, 2, { reset: 0x001d });
  registers.define(GCTL, 4, { writable: 0x0103 });
  registers.define(WAKEEN, 2, { writable: 0x7fff });
  registers.define(STATESTS, 2, { clearable: 0x7fff });
  registers.define(INTCTL, 4, { writable: 0xc00000ff });
  registers.define(CORBLBASE, 4, { writable: 0xffffff80 });
  registers.define(CORBUBASE, 4, { writable: 0xffffffff });
  registers.define(CORBWP, 2, { writable: 0xff });
  registers.define(CORBRP, 2, { writable: CORBRP_RESET });
  registers.define(CORBCTL, 1, { writable: 0x03 });
  registers.define(CORBSTS, 1, { clearable: 0x01 });
  // 256 entries, and no other size
  registers.define(CORBSIZE, 1, { reset: 0x42 });
  registers.define(RIRBLBASE, 4, { writable: 0xffffff80 });
  registers.define(RIRBUBASE, 4, { writable: 0xffffffff });
  registers.define(RIRBWP, 2, { writable: RIRBWP_RESET });
  registers.define(RINTCNT, 2, { writable: 0xff });
  registers.define(RIRBCTL, 1, { writable: 0x07 });
  registers.define(RIRBSTS, 1, { clearable: 0x05 });
  registers.define(RIRBSIZE, 1, { reset: 0x42 });
  registers.define(ICOI, 4, { writable: 0xffffffff });
  registers.define(ICIS, 2, { writable: ICIS_BUSY, clearable: ICIS_VALID });
  registers.define(DPLBASE, 4, { writable: 0xffffff81 });
  registers.define(DPUBASE, 4, { writable: 0xffffffff });
  for (let n = 0; n < STREAMS; n++) defineStream(registers, STREAM + n * STREAM_BYTES);
  return registers;
}

function defineStream(registers: RegisterBytes, base: number): void {
  registers.define(base + CTL, 2, { writable: 0x1f });
  registers.define(base + CTL + 2, 1, { reset: 0x04, writable: 0xf3 });
  registers.define(base + STS, 1, { clearable: CTL_INTERRUPTS });
  registers.define(base + CBL, 4, { writable: 0xffffffff });
  registers.define(base + LVI, 2, { writable: 0xff });
  registers.define(base + FIFOW, 2, { reset: 0x04, writable: 0x07 });
  registers.define(base + FIFOS, 2, { reset: 0xc0 });
  registers.define(base + FMT, 2, { writable: 0x7f7f });
  registers.define(base + BDPL, 4, { writable: 0xffffff80 });
  registers.define(base + BDPU, 4, { writable: 0xffffffff });
}
