/**
 * Random bytes as code, in every mode: whatever they do ends in a stop with a reason, within the
 * budget, and touches nothing outside the memory that the map grants.
 */
import { GuestMemory } from "../../src/engine/guest-memory.ts";
import {
  EXECUTE,
  type Exit,
  type MemoryMap,
  READ,
  type Registers,
  type Vcpu,
  type Verdict,
  WRITE,
} from "../../src/engine/vcpu.ts";
import { WasmEngine } from "../../src/engine/wasm/engine.ts";
import { DEFAULT_FLAT_ADDRESS, enterFlatMode, type FlatMode } from "../../src/session/flat.ts";
import { Random } from "./random.ts";
import type { Target } from "./worker.ts";

const MiB = 0x100000;
/** Instructions of one run. */
const BUDGET = 2000;
const CODE_BYTES = 256;

/** Guest-physical 0 to 2 MiB; what stands around it in RAM belongs to nobody. */
const GUEST_BYTES = 2 * MiB;
const GUARD_BYTES = MiB;
const memory = new GuestMemory(GUARD_BYTES + GUEST_BYTES + GUARD_BYTES);
const guards = [
  memory.bytes(0, GUARD_BYTES),
  memory.bytes(GUARD_BYTES + GUEST_BYTES, GUARD_BYTES),
] as const;
for (const guard of guards) guard.fill(0xa5);
const untouched = Uint8Array.from(guards[0]);

const region = { guest: 0, size: GUEST_BYTES, host: GUARD_BYTES, rights: READ | WRITE | EXECUTE };
const map: MemoryMap = { find: (address) => (address < GUEST_BYTES ? region : undefined) };

/** Answers from the random stream of the run: devices may say anything. */
let answers: Random;
const moderator = {
  exit(_vcpu: Vcpu, exit: Exit): Verdict {
    switch (exit.kind) {
      case "port-read":
        exit.value = answers.u32() >>> (32 - 8 * exit.width);
        return "done";
      case "memory-read":
        exit.lo = exit.width >= 4 ? answers.u32() : answers.u32() >>> (32 - 8 * exit.width);
        exit.hi = exit.width === 8 ? answers.u32() : 0;
        return "done";
      case "port-write":
      case "memory-write":
      case "hypercall":
        return "done";
      case "memory-fetch":
        return answers.pick(["stop", "fault", "undefined"]);
      default:
        return "native";
    }
  },
};
const interrupts = {
  taskPriority: 0,
  pending: () => (answers.below(64) === 0 ? 32 : -1),
  acknowledge: () => 32 + answers.below(224),
};

const vcpu = new WasmEngine(memory, "always").createVcpu(0, { map, moderator, interrupts });

/** The same code that `gaoler exec` enters, at the guest's addresses rather than at RAM's. */
const guestMemory = Object.create(memory, {
  view: {
    value: new DataView(memory.memory.buffer, memory.ramOffset + GUARD_BYTES, GUEST_BYTES),
  },
  bytes: { value: (address: number, size: number) => memory.bytes(GUARD_BYTES + address, size) },
}) as GuestMemory;

function randomRegisters(registers: Registers, random: Random): void {
  for (let index = 0; index < 16; index++) {
    // small ones are addresses of the guest's memory
    const small = random.below(2) === 0;
    if (index !== 4)
      registers.setPair(
        index,
        small ? random.below(GUEST_BYTES) : random.u32(),
        small ? 0 : random.u32(),
      );
    registers.setXmm(index, (BigInt(random.u32()) << 96n) | BigInt(random.u32()));
  }
  // a count register: large ones keep REP busy, and the run tells little
  if (random.below(16) !== 0) registers.setPair(1, random.below(256), 0);
}

/** Besides the flat ones: less privilege, virtual-8086, compatibility. */
function varyMode(registers: Registers, mode: FlatMode, random: Random): string {
  const variant = random.below(4);
  if (mode === 32 && variant === 1) {
    registers.set("rflags", 0x20002n | BigInt(random.below(4) << 12));
    for (const name of ["cs", "ss", "ds", "es", "fs", "gs"] as const)
      registers.setSegment(name, { selector: 0, base: 0n, limit: 0xffff, attributes: 0xf3 });
    registers.set("rip", 0x8000n);
    return "virtual-8086";
  }
  if (mode !== 16 && variant === 2) {
    const code = registers.segment("cs");
    registers.setSegment("cs", {
      ...code,
      selector: code.selector | 3,
      attributes: code.attributes | 0x60,
    });
    const data = registers.segment("ss");
    for (const name of ["ss", "ds", "es"] as const)
      registers.setSegment(name, {
        ...data,
        selector: data.selector | 3,
        attributes: data.attributes | 0x60,
      });
    return `${mode} user`;
  }
  if (mode === 64 && variant === 3) {
    const code = registers.segment("cs");
    registers.setSegment("cs", { ...code, attributes: (code.attributes & ~0x2000) | 0x4000 });
    return "compatibility";
  }
  return `${mode}`;
}

export const target: Target = {
  run(seed, number) {
    const random = new Random(seed, number);
    answers = new Random(seed ^ 0x5eed, number);
    const mode = random.pick([16, 32, 64] as const);
    const code = new Uint8Array(CODE_BYTES);
    random.fill(code);
    vcpu.reset();
    const { registers } = vcpu;
    enterFlatMode(registers, guestMemory, mode, DEFAULT_FLAT_ADDRESS[mode], GUEST_BYTES);
    randomRegisters(registers, random);
    const name = varyMode(registers, mode, random);
    const start = Number(registers.segment("cs").base + registers.get("rip"));
    guestMemory.bytes(start, CODE_BYTES).set(code);
    vcpu.mapChanged();
    vcpu.memoryChanged(GUARD_BYTES, GUEST_BYTES);

    const before = vcpu.retired;
    const stop = vcpu.run(BUDGET);
    // an exception costs budget too, though its instruction does not retire
    const retired = vcpu.retired - before;
    if (!(retired >= 0 && retired <= BUDGET))
      throw new Error(`${name}: retired ${retired} of a budget of ${BUDGET}`);
    return stop.kind;
  },

  verify() {
    guards.forEach((guard, index) => {
      if (Buffer.compare(guard, untouched) !== 0)
        throw new Error(`memory ${index === 0 ? "below" : "above"} the guest was written`);
    });
  },
};
