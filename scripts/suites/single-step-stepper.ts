/** Puts a machine into the state before a single-step test, runs one instruction, and compares. */
import {
  EXECUTE,
  type Exit,
  type MapRegion,
  READ,
  type Segment,
  type Vcpu,
  type Verdict,
  WRITE,
} from "../../src/engine/vcpu.ts";
import { BareMachine } from "../../src/session/bare.ts";
import { MOO_REGISTERS, type MooRegister, type MooTest } from "./moo.ts";
import { definedFlags, type Opcode, pushedFlags, whyDifferent } from "./single-step-differences.ts";
import { failed, notApplicable, type Outcome, PASSED } from "./suite.ts";

const MiB = 0x100000;
/** CF, PF, AF, ZF, SF, TF, IF, DF, OF: above them the 8086 has ones and the 80286 zeros in real mode. */
const FLAGS = 0x0fd5;
/** General registers by their number in instructions. */
const GENERAL = ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di"] as const;
const SEGMENTS = ["cs", "ss", "ds", "es"] as const;
const HLT = 0xf4;

/** Nothing is connected: reading a port gives ones. */
const UNCONNECTED_PORTS = {
  exit(_vcpu: Vcpu, exit: Exit): Verdict {
    if (exit.kind === "port-read") exit.value = exit.width === 1 ? 0xff : 0xffff;
    return exit.kind.startsWith("port-") ? "done" : "native";
  },
};

export class Stepper {
  readonly #machine = new BareMachine(2 * MiB, () => {});
  readonly #vcpu = this.#machine.board.vcpus[0];
  /** The 8086 has 20 address lines: behind the first MiB comes the first MiB. */
  readonly #wrapped: MapRegion = {
    guest: MiB,
    size: MiB,
    host: 0,
    rights: READ | WRITE | EXECUTE,
  };
  readonly #ram = this.#vcpu.map;
  #cpu = "";

  constructor() {
    this.#start();
  }

  #start(): void {
    this.#machine.loadFlat(Uint8Array.of(HLT), 16);
    this.#vcpu.moderator = UNCONNECTED_PORTS;
  }

  outcome(test: MooTest, opcode: Opcode): Outcome {
    const why = whyDifferent(test, opcode);
    if (why !== undefined) return notApplicable(why);
    this.#become(opcode.cpu);
    this.#enter(test);
    if (this.#machine.step() === "triple-fault") {
      this.#machine.powerCycle();
      this.#start();
      return failed("triple fault");
    }
    const wrong = this.#differences(test, opcode);
    return wrong.length === 0 ? PASSED : failed(wrong.join("; "));
  }

  #become(cpu: string): void {
    if (this.#cpu === cpu) return;
    this.#cpu = cpu;
    this.#vcpu.map =
      cpu === "8086"
        ? { find: (address) => (address < MiB ? this.#ram.find(address) : this.#wrapped) }
        : this.#ram;
  }

  #enter({ before }: MooTest): void {
    const { registers } = this.#vcpu;
    const { memory } = this.#machine.board;
    const value = (name: MooRegister) => before.registers[name] ?? 0;
    this.#vcpu.halted = false;
    GENERAL.forEach((name, number) => {
      registers.setPair(number, value(name), 0);
    });
    for (const name of SEGMENTS) registers.setSegment(name, segment(name, value(name)));
    registers.set("rip", BigInt(value("ip")));
    registers.set("rflags", BigInt((value("flags") & FLAGS) | 2));
    for (const [address, byte] of before.ram) {
      memory.u8[address] = byte;
      this.#vcpu.memoryChanged(address, 1);
    }
  }

  /** What is not as recorded, of what is defined. */
  #differences(test: MooTest, opcode: Opcode): string[] {
    const { before, after } = test;
    const { memory } = this.#machine.board;
    const defined = FLAGS & definedFlags(test, opcode);
    const wrong: string[] = [];
    for (const name of MOO_REGISTERS) {
      const mask = name === "flags" ? defined : 0xffff;
      const expected = after.registers[name] ?? before.registers[name] ?? 0;
      // an 80286 has executed the HLT behind the instruction too
      const halted = name === "ip" && opcode.cpu === "80286" && opcode.name !== "F4" ? 1 : 0;
      const found = this.#register(name);
      if (((found ^ (expected - halted)) & mask) !== 0)
        wrong.push(`${name} ${hex(found & mask)}, recorded ${hex((expected - halted) & mask)}`);
    }
    const flagsAt = pushedFlags(test, opcode);
    for (const [address, expected] of after.ram) {
      const shift = flagsAt.indexOf(address) * 8;
      const mask = shift < 0 ? 0xff : (defined >> shift) & 0xff;
      const found = memory.u8[address];
      if (((found ^ expected) & mask) !== 0)
        wrong.push(`[${hex(address)}] ${hex(found & mask)}, recorded ${hex(expected & mask)}`);
    }
    return wrong;
  }

  #register(name: MooRegister): number {
    const { registers } = this.#vcpu;
    const general = (GENERAL as readonly string[]).indexOf(name);
    if (general >= 0) return registers.low(general) & 0xffff;
    if (name === "ip") return Number(registers.get("rip"));
    if (name === "flags") return Number(registers.get("rflags"));
    return registers.segment(name as (typeof SEGMENTS)[number]).selector;
  }
}

const segment = (name: string, selector: number): Segment => ({
  selector,
  base: BigInt(selector << 4),
  limit: 0xffff,
  attributes: name === "cs" ? 0x9b : 0x93,
});

const hex = (value: number) => `0x${value.toString(16)}`;
