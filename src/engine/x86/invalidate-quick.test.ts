import fc from "fast-check";
import { expect, it } from "vitest";
import { type Bare, bare, enterLongMode, load } from "../testing/run-code.ts";
import { invalidatePage } from "./paging.ts";
import {
  CODE_PAGES,
  CODE_PAGES_BITS,
  JUMP_CACHE,
  LARGE_PAGES,
  LARGE_PAGES_BITS,
  PDE_GENERATION,
  TLB_SETS,
  WINDOWS,
} from "./state.ts";
import { LAST_GENERATION } from "./tlb.ts";

const CODE = 0x10_0000;
/** Not canonical: INVLPG does nothing. */
const NOWHERE = 1n << 60n;

/** Pages that share entries of the TLB, or a larger page, or bits of the sets that are looked at. */
const PAGES = [
  0x20_0000, 0x20_1000, 0x60_0000, 0x4000_0000, 0x7fff_ffff_f000, -0x1000, -0x20_0000, 0,
];
const page = fc.constantFrom(...PAGES);
const set = fc.integer({ min: 0, max: 2 });
const step = fc.oneof(
  fc.record({ kind: fc.constant("data" as const), page, set, code: fc.boolean() }),
  fc.record({ kind: fc.constant("device" as const), page, set, code: fc.boolean() }),
  fc.record({ kind: fc.constant("fetch" as const), page, set }),
  fc.record({
    kind: fc.constant("large" as const),
    page,
    bytes: fc.constantFrom(2 ** 21, 2 ** 30),
  }),
  fc.record({
    kind: fc.constant("window" as const),
    page,
    set,
    window: fc.integer({ min: 0, max: 3 }),
    before: fc.integer({ min: 0, max: 2 }),
    pages: fc.integer({ min: 0, max: 3 }),
  }),
  fc.record({ kind: fc.constant("last generation" as const) }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function apply({ vcpu: { core } }: Bare, one: Step): void {
  switch (one.kind) {
    case "data":
      core.tlb.fill(one.page, one.set, 0x100_0000, true, true, one.code);
      return;
    case "device":
      core.tlb.fillDevice(one.page, one.code, one.set, 0xfee0_0000);
      return;
    case "fetch":
      core.tlb.fillFetch(one.page, one.set, 0x100_0000);
      return;
    case "large":
      core.tlb.noteLargePage(one.page, one.bytes);
      return;
    case "window": {
      const at = WINDOWS + one.set * 128 + one.window * 32;
      core.setAddress(at, one.page - one.before * 4096);
      core.setAddress(at + 8, Math.max(0, one.pages * 4096 - 15));
      core.set(at + 16, 0x100_0000);
      return;
    }
    case "last generation":
      core.set(PDE_GENERATION, LAST_GENERATION);
  }
}

function known({ vcpu: { core } }: Bare): unknown {
  const bytes = (from: number, to: number): string =>
    Buffer.from(core.linearMemory.subarray(core.base + from, core.base + to)).toString("hex");
  return {
    fetches: PAGES.flatMap((at) => [0, 1, 2].map((which) => core.tlb.fetch(at, which))),
    tlb: bytes(TLB_SETS, JUMP_CACHE),
    windows: bytes(WINDOWS, PDE_GENERATION + 32),
    large: bytes(LARGE_PAGES, LARGE_PAGES + 2 ** LARGE_PAGES_BITS / 8),
    code: bytes(CODE_PAGES, CODE_PAGES + 2 ** CODE_PAGES_BITS / 8),
  };
}

it("INVLPG in generated code forgets what it does in TypeScript", () => {
  const machines = [bare(), bare()] as const;
  for (const machine of machines) {
    enterLongMode(machine);
    load(machine, CODE, [0x0f, 0x01, 0x3f]); // invlpg [rdi]
  }
  fc.assert(
    fc.property(fc.array(step, { maxLength: 6 }), page, fc.nat(4095), (steps, at, offset) => {
      for (const [k, machine] of machines.entries()) {
        const { vcpu } = machine;
        vcpu.core.flushTlb();
        // the block at CODE is known afterwards
        vcpu.registers.set("rdi", NOWHERE);
        for (const address of [NOWHERE, k === 0 ? BigInt(at + offset) : NOWHERE]) {
          vcpu.registers.set("rdi", BigInt.asUintN(64, address));
          vcpu.registers.set("rip", BigInt(CODE));
          if (address === NOWHERE) vcpu.core.set(PDE_GENERATION, 1);
          else for (const one of steps) apply(machine, one);
          vcpu.run(1);
        }
        if (k === 0) continue;
        for (const one of steps) apply(machine, one);
        invalidatePage(vcpu.core, at + offset);
      }
      expect(known(machines[0])).toEqual(known(machines[1]));
    }),
    { numRuns: 3000, seed: 3 },
  );
});
