import type { Random } from "../../../testing/random.ts";
import { type Bare, bare, enterLongMode, load } from "../../../testing/run-code.ts";
import type { Exit, Vcpu, VcpuState } from "../../../vcpu.ts";
import type { Jit } from "../jit.ts";
import { EventfulDevice } from "./eventful-device.ts";
import { numberBits, numberControl } from "./numbers.ts";
import { X87_IMAGE } from "./program.ts";

const CODE = 0x10_0000;
const DATA = 0x20_0000;
const STACK = 0x30_0000;
const DATA_BYTES = X87_IMAGE + 512;
const GENERAL = "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split(" ");

/** What a program left behind. */
export interface Outcome {
  readonly stop: string;
  readonly retired: number;
  readonly state: string;
  /** What the device saw, and said that was not done. */
  readonly events: readonly string[];
}

/** A machine for programs of {@link program}, which it runs one after the other. */
export class ProgramMachine {
  readonly #machine: Bare;
  readonly #initial: VcpuState;
  readonly #device = new EventfulDevice(CODE);

  constructor(jit: Jit) {
    const exit = (exit: Exit, vcpu: Vcpu) => this.#device.exit(vcpu, exit);
    this.#machine = bare({ jit, exit });
    enterLongMode(this.#machine);
    const { registers } = this.#machine.vcpu;
    registers.set("cr4", 0x4_0620n);
    registers.set("xcr0", 7n);
    this.#initial = this.#machine.vcpu.save();
  }

  /**
   * @param values what the registers begin with: equal for runs that are compared
   * @param pieces instructions of each call of `run`; the whole at once if there is none
   */
  run(code: readonly number[], turns: number, values: Random, pieces?: Random): Outcome {
    const { vcpu, memory } = this.#machine;
    vcpu.load(this.#initial);
    const { registers } = vcpu;
    for (const name of GENERAL) registers.set(name as "rax", values.u64());
    for (let k = 0; k < 16; k++)
      registers.setYmm(k, (values.u64() << 192n) | (values.u64() << 64n) | values.u64());
    memory.u8.fill(0, DATA, DATA + DATA_BYTES);
    return this.#run(code, turns, pieces);
  }

  /** As {@link run}, with numbers in vector registers and memory, and small integers in the others. */
  runNumbers(code: readonly number[], turns: number, values: Random, pieces?: Random): Outcome {
    const { vcpu, memory } = this.#machine;
    vcpu.load(this.#initial);
    const { registers } = vcpu;
    for (const name of GENERAL) registers.set(name as "rax", BigInt(values.below(2000)));
    for (let k = 0; k < 16; k++) {
      let vector = 0n;
      for (let n = 0; n < 4; n++) vector = (vector << 64n) | numberBits(values);
      registers.setYmm(k, vector);
    }
    registers.mxcsr = numberControl(values);
    for (let at = 0; at < DATA_BYTES; at += 8)
      memory.view.setBigUint64(DATA + at, numberBits(values), true);
    return this.#run(code, turns, pieces);
  }

  #run(code: readonly number[], turns: number, pieces: Random | undefined): Outcome {
    const { vcpu, memory } = this.#machine;
    const { registers } = vcpu;
    memory.u8.fill(0, STACK - 4096, STACK);
    memory.u8.fill(0, memory.ramBytes - 4096);
    const { log } = this.#device;
    this.#device.reset();
    registers.set("rbx", BigInt(DATA));
    registers.set("rsp", BigInt(STACK));
    registers.set("r15", BigInt(turns));
    load(this.#machine, CODE, code);
    const before = vcpu.retired;
    let stop = vcpu.run(pieces === undefined ? 1_000_000 : 1 + pieces.below(300));
    // no program is longer
    while (stop.kind !== "halted" && vcpu.retired - before < 1_000_000) {
      if (stop.kind !== "budget" && stop.kind !== "stopped") break;
      if (vcpu.retired > this.#device.latest) log.push(`stopped late: ${vcpu.retired}`);
      this.#device.latest = Number.POSITIVE_INFINITY;
      stop = vcpu.run(pieces === undefined ? 1_000_000 : 1 + pieces.below(300));
    }
    const state = [
      ...GENERAL.map((name) => `${name}=${registers.get(name as "rax").toString(16)}`),
      `rip=${registers.get("rip").toString(16)} rflags=${registers.get("rflags").toString(16)}`,
      `mxcsr=${registers.mxcsr.toString(16)}`,
      ...Array.from({ length: 16 }, (_, k) => `ymm${k}=${registers.ymm(k).toString(16)}`),
      `memory=${Buffer.from(memory.u8.subarray(DATA, DATA + DATA_BYTES)).toString("hex")}`,
    ].join("\n");
    return { stop: stop.kind, retired: vcpu.retired - before, state, events: [...log] };
  }
}
