import { expect, test } from "vitest";
import type { Undelivered } from "../engine/vcpu.ts";
import { BareMachine } from "./bare.ts";
import { tripleFaultCause } from "./failure-cause.ts";

const MiB = 1024 ** 2;

/** Runs flat code, entered without an IDT, to its triple fault. */
async function cause(bytes: readonly number[], cr4?: bigint, cr0?: bigint): Promise<string> {
  const bare = new BareMachine(16 * MiB, () => {});
  bare.loadFlat(new Uint8Array(bytes), 64);
  if (cr4 !== undefined) bare.registers.set("cr4", cr4);
  if (cr0 !== undefined) bare.registers.set("cr0", cr0);
  const { onStop } = bare.board;
  let event: Undelivered | undefined;
  bare.board.onStop = (cpu, stop) => {
    if (stop.kind === "triple-fault") event = stop.event;
    return onStop(cpu, stop);
  };
  await bare.run();
  const { memory, vcpus } = bare.board;
  return event === undefined ? "no triple fault" : tripleFaultCause(vcpus[0], memory, event);
}

const PAE = 0x20n;
const OSFXSR = 0x200n;
const PG_PE = 0x8000_0011n;

test.each([
  ["SSE that is not enabled", [0x0f, 0x58, 0xc1], PAE, undefined, /^#UD.*an SSE.*CR4\.OSFXSR is 0/],
  ["SSE without a unit", [0x0f, 0x58, 0xc1], PAE | OSFXSR, PG_PE | 4n, /^#UD.*CR0\.EM is 1/],
  ["SSE after a task switch", [0x0f, 0x58, 0xc1], PAE | OSFXSR, PG_PE | 8n, /^#NM.*CR0\.TS is 1/],
  ["x87 without a unit", [0xd9, 0xe8], PAE, PG_PE | 4n, /^#NM.*an x87 instruction.*CR0\.EM is 1/],
  ["UD2", [0x0f, 0x0b], undefined, undefined, /^#UD, undefined opcode; the IDT.*before vector 6$/],
  // xor ecx, ecx; div ecx
  ["a division", [0x31, 0xc9, 0xf7, 0xf1], undefined, undefined, /^#DE.*; the IDT/],
  // int 0x21
  ["INT n", [0xcd, 0x21], undefined, undefined, /^#GP, .* 0x10a: .*no usable gate for vector 33;/],
  // mov rax, 1 << 40; mov [rax], al
  [
    "a page fault",
    [0x48, 0xb8, 0, 0, 0, 0, 0, 1, 0, 0, 0x88, 0x00],
    undefined,
    undefined,
    /^#PF, page fault, error code 0x2: a write where no page is present;/,
  ],
])("%s", async (_, bytes, cr4, cr0, expected) => {
  expect(await cause(bytes, cr4, cr0)).toMatch(expected);
});
