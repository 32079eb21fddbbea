import { expect, test } from "vitest";
import { demo, enabled } from "./testing/machine.ts";
import { TRIPLE_FAULT } from "./testing/scripted-vcpu.ts";

test("a triple fault: reason 2, the register block, the parking line", () => {
  const machine = enabled(12);
  machine.startCell(demo("tiny-demo"));
  machine.newLines();
  const { registers } = machine.vcpus[2];
  const values = {
    rip: 0x1234n,
    rsp: 0xffff_ffff_8000_0000n,
    rflags: 0x10046n,
    rax: 1n,
    rbx: 2n,
    rcx: 3n,
    rdx: 4n,
    rsi: 5n,
    rdi: 6n,
    cr0: 0x8001_0001n,
    cr3: 0x2000n,
    cr4: 0x20n,
    efer: 0x500n,
  };
  for (const [name, value] of Object.entries(values))
    registers.set(name as keyof typeof values, value);
  registers.setSegment("cs", { selector: 0x10, base: 0n, limit: 0xffffffff, attributes: 0xa09b });
  machine.execute(2, TRIPLE_FAULT);
  // hypervisor interface, 9.5, with the values above
  expect(machine.newLines()).toEqual([
    "FATAL: Unhandled VM-Exit, reason 2",
    "qualification 0",
    "vectoring info: 0 interrupt info: 0",
    "RIP: 0x0000000000001234 RSP: 0xffffffff80000000 FLAGS: 10046",
    "RAX: 0x0000000000000001 RBX: 0x0000000000000002 RCX: 0x0000000000000003",
    "RDX: 0x0000000000000004 RSI: 0x0000000000000005 RDI: 0x0000000000000006",
    "CS: 10 BASE: 0x0000000000000000 AR-BYTES: a09b EFER.LMA 1",
    "CR0: 0x0000000080010001 CR3: 0x0000000000002000 CR4: 0x0000000000000020",
    "EFER: 0x0000000000000500",
    'Parking CPU 2 (Cell: "tiny-demo")',
  ]);
  expect(machine.hypervisor.failureOf(machine.cpu(2))?.lines.length).toBe(10);
});
