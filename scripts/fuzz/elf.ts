/** Damaged ELF and multiboot files: refused by name, or described within their bounds. */
import { ElfError, readElf } from "../../src/debug/elf.ts";
import { MultibootError, readMultiboot } from "../../src/session/multiboot.ts";
import { Random } from "./random.ts";
import type { Target } from "./worker.ts";

/** A small kernel: ELF header, two program headers, multiboot header, some text. */
function kernel(bits: 32 | 64): Uint8Array {
  const file = new Uint8Array(512);
  const view = new DataView(file.buffer);
  const wide = bits === 64;
  file.set([0x7f, 0x45, 0x4c, 0x46, wide ? 2 : 1, 1, 1]);
  const word = (offset: number, value: number) =>
    wide ? view.setBigUint64(offset, BigInt(value), true) : view.setUint32(offset, value, true);
  view.setUint16(16, 2, true);
  view.setUint16(18, wide ? 62 : 3, true);
  word(24, 0x100010);
  word(wide ? 32 : 28, wide ? 64 : 52);
  view.setUint16(wide ? 54 : 42, wide ? 56 : 32, true);
  view.setUint16(wide ? 56 : 44, 2, true);
  for (let index = 0; index < 2; index++) {
    const header = (wide ? 64 : 52) + index * (wide ? 56 : 32);
    view.setUint32(header, 1, true);
    const [offset, virtual, physical, fileSize, memorySize] = wide
      ? [8, 16, 24, 32, 40]
      : [4, 8, 12, 16, 20];
    word(header + offset, 256);
    word(header + virtual, 0x100000 * (index + 1));
    word(header + physical, 0x100000 * (index + 1));
    word(header + fileSize, 128);
    word(header + memorySize, 4096);
  }
  const magic = 0x1badb002;
  view.setUint32(256, magic, true);
  view.setUint32(256 + 8, -magic >>> 0, true);
  return file;
}

const SEEDS = [kernel(32), kernel(64)];

export const target: Target = {
  run(seed, number) {
    const random = new Random(seed, number);
    const file = random.pick(SEEDS).slice(0, random.below(8) === 0 ? random.below(512) : 512);
    const edits = random.below(16);
    for (let edit = 0; edit < edits; edit++)
      file[random.below(random.below(4) === 0 ? file.length : 300)] = random.u32();
    try {
      readElf(file);
      const { pieces } = readMultiboot(file);
      for (const { bytes, size, address } of pieces)
        if (
          bytes.length > file.length ||
          size < bytes.length ||
          !Number.isSafeInteger(address + size)
        )
          throw new Error(`a piece of ${size} bytes at ${address} from a file of ${file.length}`);
      return "read";
    } catch (error) {
      if (error instanceof ElfError) return "refused as ELF";
      if (error instanceof MultibootError) return "refused as a kernel";
      throw error;
    }
  },
};
