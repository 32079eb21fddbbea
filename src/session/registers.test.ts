import { describe, expect, it } from "vitest";
import { BareMachine } from "./bare.ts";
import { registerTable } from "./register-table.ts";
import { registerReport, setRegister } from "./registers.ts";

const registers = () => new BareMachine(0x100000, () => {}).registers;

describe("setRegister", () => {
  it.each([
    ["rax", 0x1122334455667788n, "rax", "0x1122334455667788"],
    ["eax", 0xaabbccddn, "rax", "0xffffffffaabbccdd"],
    ["ax", 0x1234n, "rax", "0xffffffffffff1234"],
    ["ah", 0x12n, "rax", "0xffffffffffff12ff"],
    ["al", 0x12n, "rax", "0xffffffffffffff12"],
    ["sil", 0x12n, "rsi", "0xffffffffffffff12"],
    ["r9d", 1n, "r9", "0xffffffff00000001"],
    ["r15b", 0n, "r15", "0xffffffffffffff00"],
  ])("%s changes its part alone", (name, value, whole, expected) => {
    const values = registers();
    setRegister(values, whole, 2n ** 64n - 1n);
    setRegister(values, name, value);
    expect(registerReport(values).general[whole]).toBe(expected);
  });

  it("sets SSE and x87 registers", () => {
    const values = registers();
    setRegister(values, "xmm15", (1n << 127n) | 5n);
    setRegister(values, "st3", 0x3fff8000000000000000n);
    setRegister(values, "mxcsr", 0x1fa0n);
    setRegister(values, "fcw", 0x27fn);
    setRegister(values, "ymm3", (7n << 248n) | 9n);
    setRegister(values, "xmm3", 8n);
    const { xmm, ymm, x87, mxcsr } = registerReport(values);
    expect(xmm[15]).toBe("0x80000000000000000000000000000005");
    expect(ymm[3]).toBe(`0x07${"0".repeat(61)}8`);
    expect(x87.st[3]).toBe("0x3fff8000000000000000");
    expect(mxcsr).toBe("0x00001fa0");
    expect(x87.fcw).toBe("0x027f");
  });

  it.each([
    ["eax", 2n ** 32n, /eax: .* 32 bits/],
    ["al", 256n, /al: .* 8 bits/],
    ["xmm0", 2n ** 128n, /128 bits/],
    ["ymm0", 2n ** 256n, /256 bits/],
    ["xmm16", 0n, /there is no register "xmm16"/],
    ["rzx", 0n, /there is no register "rzx"/],
  ])("refuses %s", (name, value, message) => {
    expect(() => setRegister(registers(), name, value)).toThrow(message);
  });
});

describe("registerTable", () => {
  it("names every register and the flags that are set", () => {
    const values = registers();
    values.set("rflags", 0x3247n);
    const text = registerTable(registerReport(values)).join("\n");
    expect(text).toContain("CF PF ZF IF IOPL=3");
    for (const name of ["RAX", "R15", "RIP", "CS", "TR", "GDTR", "CR4", "EFER", "DR7"])
      expect(text).toMatch(new RegExp(`^${name} |  ${name} `, "m"));
    for (const name of ["ST7", "XMM0", "XMM15", "MXCSR", "FTW"]) expect(text).toContain(name);
  });
});
