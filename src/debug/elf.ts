/**
 * Reads ELF executables, 32 and 64 bit, little endian (System V ABI, chapters 4 and 5). Every
 * offset and count in a file is a claim: it is checked before it is used, and a wrong one is
 * refused by name.
 */

/** A malformed file: which field, where it stands, and what rule it broke. */
export class ElfError extends Error {
  override readonly name = "ElfError";
  /** As named in the ELF specification, for example `e_phoff`. */
  readonly field: string;
  /** Of the field, in bytes from the start of the file. */
  readonly offset: number;

  constructor(field: string, offset: number, rule: string) {
    super(`${field} at offset 0x${offset.toString(16)}: ${rule}`);
    this.field = field;
    this.offset = offset;
  }
}

/** One PT_LOAD entry. Addresses and sizes in bytes; a kernel's virtual ones use all 64 bits. */
export interface ElfSegment {
  readonly virtualAddress: bigint;
  readonly physicalAddress: number;
  /** What the file holds; the rest up to `memorySize` is zero. */
  readonly bytes: Uint8Array;
  readonly memorySize: number;
}

export interface Elf {
  readonly bits: 32 | 64;
  /** e_machine: 3 = i386, 62 = x86-64. */
  readonly machine: number;
  /** Virtual address of the first instruction. */
  readonly entry: bigint;
  /** In file order; segments of size 0 left out. */
  readonly segments: readonly ElfSegment[];
}

export const EM_386 = 3;
export const EM_X86_64 = 62;

const ELFCLASS32 = 1;
const ELFCLASS64 = 2;
const ELFDATA2LSB = 1;
const ET_EXEC = 2;
const ET_DYN = 3;
const PT_LOAD = 1;

/** Where a field stands and how wide it is, for both classes. */
interface Layout {
  readonly headerSize: number;
  readonly entry: number;
  readonly programHeaderOffset: number;
  readonly programHeaderSize: number;
  readonly programHeaderCount: number;
  readonly minimumProgramHeader: number;
  readonly segment: {
    readonly offset: number;
    readonly virtualAddress: number;
    readonly physicalAddress: number;
    readonly fileSize: number;
    readonly memorySize: number;
  };
}

const ELF32: Layout = {
  headerSize: 52,
  entry: 24,
  programHeaderOffset: 28,
  programHeaderSize: 42,
  programHeaderCount: 44,
  minimumProgramHeader: 32,
  segment: { offset: 4, virtualAddress: 8, physicalAddress: 12, fileSize: 16, memorySize: 20 },
};

const ELF64: Layout = {
  headerSize: 64,
  entry: 24,
  programHeaderOffset: 32,
  programHeaderSize: 54,
  programHeaderCount: 56,
  minimumProgramHeader: 56,
  segment: { offset: 8, virtualAddress: 16, physicalAddress: 24, fileSize: 32, memorySize: 40 },
};

/** True if the file claims to be ELF; only {@link readElf} tells whether it is right. */
export function isElf(file: Uint8Array): boolean {
  return file[0] === 0x7f && file[1] === 0x45 && file[2] === 0x4c && file[3] === 0x46;
}

/** @throws ElfError if the file is not a well-formed little-endian executable */
export function readElf(file: Uint8Array): Elf {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (!isElf(file)) throw new ElfError("e_ident", 0, "must begin with 7f 45 4c 46");
  const claimedClass = file[4];
  if (claimedClass !== ELFCLASS32 && claimedClass !== ELFCLASS64)
    throw new ElfError("e_ident[EI_CLASS]", 4, `is ${claimedClass}, must be 1 or 2`);
  const bits = claimedClass === ELFCLASS64 ? 64 : 32;
  const layout = bits === 64 ? ELF64 : ELF32;
  if (file.length < layout.headerSize)
    throw new ElfError(
      "e_ident",
      0,
      `the file has ${file.length} bytes, an ELF${bits} header takes ${layout.headerSize}`,
    );
  if (file[5] !== ELFDATA2LSB)
    throw new ElfError("e_ident[EI_DATA]", 5, `is ${file[5]}, must be 1 (little endian)`);
  const type = view.getUint16(16, true);
  if (type !== ET_EXEC && type !== ET_DYN)
    throw new ElfError("e_type", 16, `is ${type}, must be 2 (executable) or 3 (shared)`);

  const virtualAddress = (offset: number): bigint =>
    bits === 32 ? BigInt(view.getUint32(offset, true)) : view.getBigUint64(offset, true);
  /** A physical address, offset or size. */
  const word = (field: string, offset: number): number => {
    const value = virtualAddress(offset);
    if (value >= 1n << 52n)
      throw new ElfError(field, offset, `is 0x${value.toString(16)}, beyond any guest address`);
    return Number(value);
  };

  const tableOffset = word("e_phoff", layout.programHeaderOffset);
  const entrySize = view.getUint16(layout.programHeaderSize, true);
  const count = view.getUint16(layout.programHeaderCount, true);
  if (count > 0 && entrySize < layout.minimumProgramHeader)
    throw new ElfError(
      "e_phentsize",
      layout.programHeaderSize,
      `is ${entrySize}, an ELF${bits} program header takes ${layout.minimumProgramHeader}`,
    );
  if (tableOffset + count * entrySize > file.length)
    throw new ElfError(
      "e_phoff",
      layout.programHeaderOffset,
      `${count} program headers at 0x${tableOffset.toString(16)} end behind the file`,
    );

  const segments: ElfSegment[] = [];
  for (let index = 0; index < count; index++) {
    const header = tableOffset + index * entrySize;
    if (view.getUint32(header, true) !== PT_LOAD) continue;
    const at = layout.segment;
    const field = (name: string) => `p_${name} of program header ${index}`;
    const offset = word(field("offset"), header + at.offset);
    const fileSize = word(field("filesz"), header + at.fileSize);
    const memorySize = word(field("memsz"), header + at.memorySize);
    if (memorySize < fileSize)
      throw new ElfError(field("memsz"), header + at.memorySize, "is smaller than p_filesz");
    if (offset + fileSize > file.length)
      throw new ElfError(
        field("filesz"),
        header + at.fileSize,
        `0x${fileSize.toString(16)} bytes at 0x${offset.toString(16)} end behind the file`,
      );
    if (memorySize === 0) continue;
    segments.push({
      virtualAddress: virtualAddress(header + at.virtualAddress),
      physicalAddress: word(field("paddr"), header + at.physicalAddress),
      bytes: file.subarray(offset, offset + fileSize),
      memorySize,
    });
  }
  return {
    bits,
    machine: view.getUint16(18, true),
    entry: virtualAddress(layout.entry),
    segments,
  };
}
