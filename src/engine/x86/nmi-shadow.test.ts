import { expect, it } from "vitest";
import { type Bare, bare, enterRealMode, load } from "../testing/run-code.ts";

const CODE = 0x1000;
const HANDLER = 0x2000;
const STACK = 0x8000;
/** Beyond RAM. */
const DEVICE = 0x20000;
const NOP = 0x90;

/** Real mode with a handler of NMIs that halts; DS is where the device is. */
function machine(code: readonly number[], onRead?: () => void): Bare {
  const result = bare({
    ramBytes: 0x10000,
    exit: (exit) => {
      if (exit.kind === "memory-read") {
        exit.lo = exit.hi = 0;
        onRead?.();
      }
      return "done";
    },
  });
  enterRealMode(result);
  const { registers } = result.vcpu;
  registers.setSegment("ds", {
    selector: DEVICE >> 4,
    base: BigInt(DEVICE),
    limit: 0xffff,
    attributes: 0x93,
  });
  registers.set("rsp", BigInt(STACK));
  result.memory.view.setUint32(2 * 4, HANDLER, true);
  load(result, HANDLER, [0xf4]);
  load(result, CODE, code);
  return result;
}

/** IP that the handler would return to, as an offset into the code. */
const returnOffset = ({ memory }: Bare) => memory.view.getUint16(STACK - 6, true) - CODE;

// SDM vol. 3, 6.8.3; QEMU's programs have nothing that raises an NMI in the middle of an instruction
it("an NMI that comes during MOV SS waits for the instruction behind it", () => {
  const bench: Bare = machine([0x8e, 0x16, 0, 0, NOP, NOP], () => bench.vcpu.nmi());
  while (bench.vcpu.run(10).kind === "budget");
  expect(returnOffset(bench)).toBe(5);
});

// SDM vol. 2, STI: it may wait, for one instruction and no more
it("an NMI that comes during STI waits for one instruction at most", () => {
  const bench = machine([0xfb, NOP, NOP, NOP]);
  bench.vcpu.run(1);
  bench.vcpu.nmi();
  expect(bench.vcpu.run(10).kind).toBe("halted");
  expect([1, 2]).toContain(returnOffset(bench));
});
