/** What is measured: names as in guest/workloads/compute.c and guest/system.c. */

/** Operations in one round of a system workload. */
export const OPERATIONS = 1000;

export interface Workload {
  readonly name: string;
  /** `compute`: times are of a round, and a native program can do it too. `system`: of one operation. */
  readonly kind: "compute" | "system";
}

const compute = [
  "integer-loop",
  "crc32",
  "sieve",
  "matrix",
  "sha256",
  "records",
  "bytecode",
  "fib",
  "indirect-calls",
  "copy-64",
  "rep-movsb",
  "rep-movsb-56",
  "rep-stosq",
  "repne-scasb",
  "repe-cmpsb",
  "pointer-chase",
  "tlb-miss",
  "nbody",
  "sine",
  "x87-nbody",
  "x87-sine",
];

const system = [
  "syscall",
  "int-iret",
  "self-ipi",
  "cr3-reload",
  "invlpg",
  "port-write",
  "lapic-read",
  "cpuid",
  "rdtsc",
  "self-modify",
];

export const WORKLOADS: readonly Workload[] = [
  ...compute.map((name) => ({ name, kind: "compute" }) as const),
  ...system.map((name) => ({ name, kind: "system" }) as const),
];

/** Enough to see that every part of the engine and the bench itself works. */
export const QUICK: readonly string[] = [
  "integer-loop",
  "sha256",
  "bytecode",
  "indirect-calls",
  "rep-movsb",
  "tlb-miss",
  "nbody",
  "syscall",
  "lapic-read",
  "self-modify",
];
