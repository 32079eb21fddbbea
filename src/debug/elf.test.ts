import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { ElfError, isElf, readElf } from "./elf.ts";

const folder = mkdtempSync(join(tmpdir(), "gaoler-elf-"));
afterAll(() => rmSync(folder, { recursive: true }));

const LINKER_SCRIPT = `
ENTRY(start)
PHDRS { text PT_LOAD; data PT_LOAD; }
SECTIONS {
  . = 0xc0100000;
  .text : AT(0x100000) { *(.text) } :text
  . = 0xc0200000;
  .data : AT(0x200000) { *(.data) } :data
  .bss : { *(.bss) } :data
}`;

const PROGRAM = `
.text
nop
.globl start
start: hlt
.data
.ascii "data"
.bss
.skip 4096
`;

/** The same program from the machine's own assembler and linker. */
function build(bits: 32 | 64): Uint8Array | undefined {
  const path = (name: string) => join(folder, `${name}${bits}`);
  writeFileSync(path("a.s"), PROGRAM);
  writeFileSync(path("a.ld"), LINKER_SCRIPT);
  const emulation = bits === 32 ? "elf_i386" : "elf_x86_64";
  const assembled = spawnSync("as", [`--${bits}`, "-o", path("a.o"), path("a.s")]);
  if (assembled.status !== 0) return undefined;
  const linked = spawnSync("ld", [
    "-m",
    emulation,
    "-T",
    path("a.ld"),
    "-o",
    path("a"),
    path("a.o"),
  ]);
  return linked.status === 0 ? new Uint8Array(readFileSync(path("a"))) : undefined;
}

const files = { 32: build(32), 64: build(64) };

describe.each([32, 64] as const)("readElf on what binutils links, %i bit", (bits) => {
  const file = files[bits];
  it.skipIf(file === undefined)("finds segments and entry (binutils)", () => {
    const elf = readElf(file as Uint8Array);
    expect(elf.bits).toBe(bits);
    expect(elf.machine).toBe(bits === 32 ? 3 : 62);
    expect(elf.entry).toBe(0xc0100001n);
    const [text, data] = elf.segments;
    expect(text.virtualAddress).toBe(0xc0100000n);
    expect(text.physicalAddress).toBe(0x100000);
    expect([...text.bytes.subarray(0, 2)]).toEqual([0x90, 0xf4]);
    expect(data.physicalAddress).toBe(0x200000);
    expect(String.fromCharCode(...data.bytes.subarray(0, 4))).toBe("data");
    expect(data.memorySize).toBeGreaterThanOrEqual(4096 + 4);
  });

  it.skipIf(file === undefined)("refuses every truncation or reads the same (binutils)", () => {
    const whole = file as Uint8Array;
    const { entry, segments } = readElf(whole);
    const end = Math.max(...segments.map((s) => s.bytes.byteOffset + s.bytes.length));
    for (let length = 0; length < Math.min(whole.length, end); length++)
      expect(() => readElf(whole.subarray(0, length)), `${length} bytes`).toThrow(ElfError);
    expect(readElf(whole.subarray(0, end)).entry).toBe(entry);
  });
});

describe("readElf on anything", () => {
  it("refuses with ElfError, or describes only bytes of the file", () => {
    const seeds = [files[32], files[64]].filter((file) => file !== undefined);
    // headers by hand, so that the property holds something even without binutils
    const header = new Uint8Array(256);
    header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
    header[16] = 2;
    header[32] = 64;
    header[54] = 56;
    header[56] = 2;
    header[64] = 1;
    header[120] = 1;
    seeds.push(header);
    fc.assert(
      fc.property(
        fc.constantFrom(...seeds),
        fc.array(fc.tuple(fc.nat(255), fc.integer({ min: 0, max: 255 })), { maxLength: 12 }),
        fc.nat(300),
        (seed, edits, cut) => {
          const file = seed.slice(0, seed.length - (cut > 200 ? cut - 200 : 0));
          for (const [offset, value] of edits) if (offset < file.length) file[offset] = value;
          try {
            for (const segment of readElf(file).segments) {
              expect(segment.bytes.length).toBeLessThanOrEqual(file.length);
              expect(segment.memorySize).toBeGreaterThanOrEqual(segment.bytes.length);
              expect(Number.isSafeInteger(segment.physicalAddress)).toBe(true);
            }
          } catch (error) {
            if (!(error instanceof ElfError)) throw error;
            expect(error.message).toMatch(/at offset 0x[0-9a-f]+: /);
          }
        },
      ),
      { numRuns: 3000 },
    );
  });

  it.each([
    ["e_ident", 0, 0],
    ["e_ident[EI_CLASS]", 4, 3],
    ["e_ident[EI_DATA]", 5, 2],
    ["e_type", 16, 1],
    ["e_phentsize", 54, 8],
    ["e_phoff", 33, 0xff],
  ])("names %s", (field, offset, value) => {
    const file = new Uint8Array(256);
    file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
    file[16] = 2;
    file[32] = 64;
    file[54] = 56;
    file[56] = 1;
    expect(isElf(file)).toBe(true);
    expect(readElf(file).segments).toEqual([]);
    file[offset] = value;
    expect(() => readElf(file)).toThrow(expect.objectContaining({ name: "ElfError", field }));
  });
});
