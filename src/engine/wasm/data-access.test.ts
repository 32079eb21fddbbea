import { describe, expect, it } from "vitest";
import { bare, enterLongMode, load } from "../testing/run-code.ts";

const CODE = 0x10_0000;
const RAM = 0x20_0000;
const DEVICE = 0x40_0000;
const TURNS = 300;

describe.each(["off", "always"] as const)("accesses by generated code (--jit %s)", (jit) => {
  it("take the last page of all for what it is, RAM or not", () => {
    for (const target of [RAM, DEVICE]) {
      const machine = bare({ jit });
      enterLongMode(machine);
      const { view } = machine.memory;
      // the last 2 MiB of all linear addresses
      view.setUint32(0x1000 + 511 * 8, 0x5007, true);
      view.setUint32(0x5000 + 511 * 8, 0x6007, true);
      view.setUint32(0x6000 + 511 * 8, target | 0x87, true);
      const last = target + 2 ** 21 - 8;
      if (target === RAM) view.setBigUint64(last, 41n, true);
      // mov ecx, TURNS; loop: mov rax, [-8]; inc rax; mov [-8], rax; dec ecx; jnz loop; hlt
      load(machine, CODE, [
        ...[0xb9, TURNS & 255, TURNS >> 8, 0, 0],
        ...[0x48, 0x8b, 0x04, 0x25, 0xf8, 0xff, 0xff, 0xff],
        ...[0x48, 0xff, 0xc0],
        ...[0x48, 0x89, 0x04, 0x25, 0xf8, 0xff, 0xff, 0xff],
        ...[0xff, 0xc9, 0x75, 0xe9, 0xf4],
      ]);
      expect(machine.vcpu.run(100_000).kind).toBe("halted");
      if (target === RAM) {
        expect(machine.exits).toEqual([]);
        expect(view.getBigUint64(last, true)).toBe(BigInt(41 + TURNS));
        continue;
      }
      expect(machine.exits.length).toBe(2 * TURNS);
      for (const [k, exit] of machine.exits.entries())
        expect(exit).toMatchObject({
          kind: k % 2 === 0 ? "memory-read" : "memory-write",
          address: last,
          width: 8,
          lo: k % 2,
          hi: 0,
        });
    }
  });
});
