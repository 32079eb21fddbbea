import type { Exit, Vcpu, Verdict } from "../../../vcpu.ts";

/** Some bits of everything that an exit is about, and of what the moderator can see. */
function describe(vcpu: Vcpu, exit: Exit): string {
  const { registers } = vcpu;
  const general = Array.from({ length: 16 }, (_, k) => `${registers.low(k)}:${registers.high(k)}`);
  return [
    JSON.stringify({ ...exit, value: exit.kind === "port-write" ? exit.value : 0 }),
    `${vcpu.retired} ${vcpu.stalled} ${registers.get("rip")} ${registers.get("rflags")}`,
    `${registers.xmm(2)} ${registers.xmm(3)} ${registers.fsw}`,
    ...general,
  ].join(" ");
}

/** Numbers that depend on a number only. */
function scrambled(number: number): number {
  const x = Math.imul(number ^ (number >>> 15), 0x2c1b3c6d);
  return (Math.imul(x ^ (x >>> 12), 0x297a2d39) ^ (x >>> 15)) >>> 0;
}

/**
 * Answers all accesses to ports and memory, always the same in the same order, and now and then does
 * what a moderator may do inside an exit.
 */
export class EventfulDevice {
  /** What was seen. */
  readonly log: string[] = [];
  /** What `retired` may be when `run` comes back next. */
  latest = Number.POSITIVE_INFINITY;
  #exits = 0;
  readonly #code: number;

  /** @param code where the guest's code is, in host-physical memory */
  constructor(code: number) {
    this.#code = code;
  }

  reset(): void {
    this.log.length = 0;
    this.latest = Number.POSITIVE_INFINITY;
    this.#exits = 0;
  }

  exit(vcpu: Vcpu, exit: Exit): Verdict {
    switch (exit.kind) {
      case "port-read":
      case "port-write":
      case "memory-read":
      case "memory-write":
        break;
      default:
        return "native";
    }
    this.log.push(describe(vcpu, exit));
    const number = scrambled(++this.#exits);
    const verdict = this.#event(vcpu, number);
    if (exit.kind === "port-read") exit.value = number;
    if (exit.kind === "memory-read") {
      exit.lo = exit.width === 8 ? number : number % 2 ** (8 * exit.width);
      exit.hi = exit.width === 8 ? scrambled(number) : 0;
    }
    return verdict;
  }

  #event(vcpu: Vcpu, number: number): Verdict {
    const { registers } = vcpu;
    const amount = (number >>> 8) % 100;
    switch (number % 64) {
      case 0:
        vcpu.yield();
        this.latest = vcpu.retired + 1;
        break;
      case 1:
        vcpu.attend();
        break;
      case 2:
        vcpu.stall(amount);
        break;
      case 3:
        vcpu.shorten(amount);
        this.latest = Math.min(this.latest, vcpu.retired + amount);
        break;
      case 4:
        vcpu.mapChanged();
        break;
      case 5:
        registers.setPair(number & 64 ? 1 : 6, number, amount);
        break;
      case 6:
        registers.set("rflags", BigInt(number & 0x8d5) | 2n);
        break;
      case 7:
        registers.setXmm(number & 64 ? 2 : 3, BigInt(number) << 40n);
        break;
      case 8:
        if (amount < 10) vcpu.memoryChanged(this.#code, 4096);
        break;
      case 9:
        return "stop";
    }
    return "done";
  }
}
