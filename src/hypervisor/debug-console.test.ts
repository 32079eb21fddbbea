import { describe, expect, test } from "vitest";
import { GuestMemory } from "../engine/guest-memory.ts";
import { DebugConsole } from "./debug-console.ts";

const PAGE = 0x2000;

function setUp() {
  const memory = new GuestMemory(0x10000);
  const lines: [string | null, string][] = [];
  let uart = "";
  const console = new DebugConsole(
    {
      line: (cell, text) => lines.push([cell, text]),
      uart: (byte) => {
        uart += String.fromCharCode(byte);
      },
    },
    memory,
    PAGE,
  );
  return { memory, lines, console, uart: () => uart };
}

describe("DebugConsole", () => {
  test("the UART gets LF CR, the page the raw text", () => {
    const { console, uart, memory, lines } = setUp();
    console.print("Hello");
    expect(uart()).toBe("Hello\n\r");
    expect(lines).toEqual([[null, "Hello"]]);
    expect(memory.view.getUint32(PAGE, true)).toBe(0);
    expect(memory.view.getUint32(PAGE + 4, true)).toBe(6);
    expect(new TextDecoder().decode(memory.bytes(PAGE + 8, 6))).toBe("Hello\n");
  });

  test("lines of different sources do not mix", () => {
    const { console, lines } = setUp();
    console.put("a", 0x41);
    console.put("b", 0x42);
    console.print("between");
    console.put("a", 10);
    console.put("b", 13);
    console.put("b", 10);
    expect(lines).toEqual([
      [null, "between"],
      ["a", "A"],
      ["b", "B"],
    ]);
  });

  test("a reader that is too slow learns what it missed", () => {
    const { console } = setUp();
    for (let i = 0; i < 500; i++) console.print(String(i).padStart(9, "0"));
    const all = console.readPage(0);
    expect(all?.tail).toBe(5000);
    expect(all?.missed).toBe(5000 - 2048);
    expect(all?.text.endsWith("000000499\n")).toBe(true);
    expect(console.readPage(4990)?.text).toBe("000000499\n");
    expect(console.readPage(5000)).toEqual({ text: "", tail: 5000, missed: 0 });
  });

  test("without a page there is nothing to read", () => {
    const memory = new GuestMemory(0x10000);
    const console = new DebugConsole({ line() {} }, memory, undefined);
    console.print("x");
    expect(console.readPage(0)).toBeUndefined();
  });
});
