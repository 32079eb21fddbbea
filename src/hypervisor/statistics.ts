/** Exit counters of one CPU, as CPU_GET_INFO and `jailhouse cell stats` report them. */
import type { StatisticsNumbering } from "./release.ts";

/** Index into {@link Statistics.counters}. */
export const TOTAL = 0;
export const MMIO = 1;
/** The hypervisor interrupted the CPU itself: suspend, park, INIT, SIPI. */
export const MANAGEMENT = 2;
export const HYPERCALL = 3;
export const PIO = 4;
export const XAPIC = 5;
export const CR = 6;
export const CPUID = 7;
export const XSETBV = 8;
export const EXCEPTION = 9;
export const MSR_OTHER = 10;
export const MSR_X2APIC_ICR = 11;

const COUNTERS = 12;

/**
 * Names in the order of the hypervisor's numbering, as sysfs shows them. Up to
 * v0.10 both kinds of MSR exit were one counter.
 */
const ORDER: Readonly<Record<StatisticsNumbering, readonly (readonly [string, ...number[]])[]>> = {
  "v0.6": [
    ["vmexits_total", TOTAL],
    ["vmexits_mmio", MMIO],
    ["vmexits_management", MANAGEMENT],
    ["vmexits_hypercall", HYPERCALL],
    ["vmexits_pio", PIO],
    ["vmexits_xapic", XAPIC],
    ["vmexits_cr", CR],
    ["vmexits_msr", MSR_OTHER, MSR_X2APIC_ICR],
    ["vmexits_cpuid", CPUID],
    ["vmexits_xsetbv", XSETBV],
    ["vmexits_exception", EXCEPTION],
  ],
  "v0.11": [
    ["vmexits_total", TOTAL],
    ["vmexits_mmio", MMIO],
    ["vmexits_management", MANAGEMENT],
    ["vmexits_hypercall", HYPERCALL],
    ["vmexits_pio", PIO],
    ["vmexits_xapic", XAPIC],
    ["vmexits_cr", CR],
    ["vmexits_cpuid", CPUID],
    ["vmexits_xsetbv", XSETBV],
    ["vmexits_exception", EXCEPTION],
    ["vmexits_msr_other", MSR_OTHER],
    ["vmexits_msr_x2apic_icr", MSR_X2APIC_ICR],
  ],
};

export class Statistics {
  readonly counters = new Float64Array(COUNTERS);

  /** One exit for this reason. */
  count(reason: number): void {
    this.counters[TOTAL]++;
    this.counters[reason]++;
  }

  /** At a change of the CPU's owner. */
  clear(): void {
    this.counters.fill(0);
  }

  /** Counter `number` in the given numbering; undefined: there is none. */
  numbered(numbering: StatisticsNumbering, number: number): number | undefined {
    const entry = ORDER[numbering][number];
    return entry === undefined ? undefined : this.#sum(entry);
  }

  /** Every counter by its sysfs name. */
  named(numbering: StatisticsNumbering): Record<string, number> {
    return Object.fromEntries(ORDER[numbering].map((entry) => [entry[0], this.#sum(entry)]));
  }

  #sum([, ...indices]: readonly [string, ...number[]]): number {
    return indices.reduce((sum, index) => sum + this.counters[index], 0);
  }
}

/** Sum over several CPUs, by name. */
export function sumStatistics(
  numbering: StatisticsNumbering,
  all: Iterable<Statistics>,
): Record<string, number> {
  const sum = new Statistics();
  for (const one of all)
    for (let index = 0; index < COUNTERS; index++) sum.counters[index] += one.counters[index];
  return sum.named(numbering);
}
