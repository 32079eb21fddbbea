/** What is measured: names as in guest/workloads/compute.c and guest/system/system.c. */

/** Operations in one round of most system workloads. */
export const OPERATIONS = 1000;

/** What kind of work it is: targets are given by group. */
export type Group =
  | "integer"
  | "control"
  | "double"
  | "simd"
  | "memory"
  | "string"
  | "x87"
  | "system";

/** `c`: nothing but a C compiler. `x86`: instructions that only x86-64 has. `machine`: all of a PC. */
export type Needs = "c" | "x86" | "machine";

export interface Workload {
  readonly name: string;
  readonly group: Group;
  readonly needs: Needs;
  /** In one round: times are of one of them. */
  readonly operations: number;
  readonly cpus: number;
  /** Guest RAM that it touches for certain. */
  readonly touchedMiB: number;
}

const ARENA_MIB = 64;

function compute(
  group: Group,
  needs: Needs,
  names: string,
  touched: Readonly<Record<string, number>> = {},
): Workload[] {
  const common = { group, needs, operations: 1, cpus: 1 };
  return names.split(" ").map((name) => ({ ...common, name, touchedMiB: touched[name] ?? 0 }));
}

const system = (name: string, more: Partial<Workload> = {}): Workload => ({
  name,
  group: "system",
  needs: "machine",
  operations: OPERATIONS,
  cpus: 1,
  touchedMiB: 0,
  ...more,
});

/** Changes page tables of the whole arena. */
const paged: Partial<Workload> = { touchedMiB: ARENA_MIB };

export const WORKLOADS: readonly Workload[] = [
  ...compute("integer", "c", "integer-loop crc32 sha256 matrix sort"),
  ...compute("control", "c", "records bytecode switch fib indirect-calls text"),
  ...compute("double", "c", "nbody linpack fft sine functions"),
  ...compute("simd", "c", "filter mandelbrot transform"),
  ...compute("memory", "c", "copy-64 sieve random tlb-miss pointer-chase", {
    random: 16,
    "tlb-miss": ARENA_MIB,
    "pointer-chase": ARENA_MIB,
  }),
  system("page-tables", { ...paged, group: "memory" }),
  ...compute("string", "x86", "rep-movsb rep-movsb-56 rep-stosq repne-scasb repe-cmpsb"),
  ...compute("x87", "x86", "x87-nbody x87-sine"),
  system("syscall"),
  system("int-iret"),
  system("page-fault", paged),
  system("self-ipi"),
  // one piece of computing; how often it is interrupted is the peer's affair
  system("timer-10khz", { operations: 1 }),
  system("timer-one-shot"),
  system("ipi-round-trip", { cpus: 2 }),
  system("cr3-reload", paged),
  system("invlpg", paged),
  system("port-write"),
  system("lapic-read"),
  system("ioapic-read"),
  system("cpuid"),
  system("rdtsc"),
  system("self-modify"),
];

/** Enough to see that every part of the engine and the bench itself works. */
export const QUICK: readonly string[] = [
  "integer-loop",
  "sha256",
  "bytecode",
  "indirect-calls",
  "nbody",
  "mandelbrot",
  "tlb-miss",
  "rep-movsb",
  "x87-sine",
  "syscall",
  "lapic-read",
  "self-modify",
];
