/**
 * Loads and enters a kernel as the Multiboot Specification, version 0.6.96, says (sections 3.1 to
 * 3.3): ELF of either class, or any image with the address fields of its header.
 */
import { type Elf, EM_386, EM_X86_64, isElf, readElf } from "../debug/elf.ts";
import type { GuestMemory } from "../engine/guest-memory.ts";
import type { Registers } from "../engine/vcpu.ts";
import { loadFlatSegments } from "./flat.ts";

/** A file that cannot be started this way: what about it, and the rule. */
export class MultibootError extends Error {
  override readonly name = "MultibootError";
}

const HEADER_MAGIC = 0x1badb002;
const LOADER_MAGIC = 0x2badb002n;
/** The header lies wholly within this many bytes of the file. */
const HEADER_SEARCH_BYTES = 8192;

const WANTS_VIDEO = 1 << 2;
const HAS_ADDRESSES = 1 << 16;
/** Bits 0 to 15 are demands; these can be met: modules on page boundaries, memory map. */
const DEMANDS_MET = 0b11;

/** Of what is below it, firmware uses some. */
const END_OF_LOW_MEMORY = 0x100000;

/** One run of bytes to place in memory, zeros behind it up to `size`. */
interface Piece {
  readonly address: number;
  readonly bytes: Uint8Array;
  readonly size: number;
}

/** A file that the kernel finds in memory beside itself. */
export interface BootModule {
  /** What the kernel gets to read as the module's command line. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface MultibootImage {
  readonly pieces: readonly Piece[];
  /** Physical address of the first instruction. */
  readonly entry: number;
}

const hex = (value: number) => `0x${value.toString(16)}`;

/** Offset of the header in the file, or undefined: not a multiboot kernel. */
export function findMultibootHeader(file: Uint8Array): number | undefined {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const end = Math.min(file.length, HEADER_SEARCH_BYTES) - 12;
  for (let offset = 0; offset <= end; offset += 4) {
    if (view.getUint32(offset, true) !== HEADER_MAGIC) continue;
    const sum = HEADER_MAGIC + view.getUint32(offset + 4, true) + view.getUint32(offset + 8, true);
    if (sum >>> 0 === 0) return offset;
  }
  return undefined;
}

/** @throws MultibootError, or ElfError for a malformed ELF file */
export function readMultiboot(file: Uint8Array): MultibootImage {
  const header = findMultibootHeader(file);
  if (header === undefined)
    throw new MultibootError(
      `no multiboot header (magic ${hex(HEADER_MAGIC)} with a right checksum, 4-byte aligned) in the first ${HEADER_SEARCH_BYTES} bytes`,
    );
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const flags = view.getUint32(header + 4, true);
  const unmet = flags & 0xffff & ~DEMANDS_MET;
  if (unmet !== 0)
    throw new MultibootError(
      `the header at ${hex(header)} demands ${unmet & WANTS_VIDEO ? "a video mode" : "what is not known"} ` +
        `(flags ${hex(flags)}): there is none on this board`,
    );
  if (flags & HAS_ADDRESSES) return addressedImage(file, view, header);
  if (!isElf(file))
    throw new MultibootError("the file is not ELF and its header has no address fields (flag 16)");
  return elfImage(readElf(file));
}

function addressedImage(file: Uint8Array, view: DataView, header: number): MultibootImage {
  if (header + 32 > file.length)
    throw new MultibootError(`the header at ${hex(header)} ends behind the file`);
  const field = (offset: number) => view.getUint32(header + offset, true);
  const [headerAddress, load, loadEnd, bssEnd, entry] = [12, 16, 20, 24, 28].map(field);
  const start = header - (headerAddress - load);
  if (load > headerAddress || start < 0)
    throw new MultibootError(
      `load_addr ${hex(load)}: must be at most header_addr ${hex(headerAddress)} and lie in the file`,
    );
  const end = loadEnd === 0 ? file.length : start + (loadEnd - load);
  if (end < start || end > file.length)
    throw new MultibootError(`load_end_addr ${hex(loadEnd)}: lies outside the file`);
  const bytes = file.subarray(start, end);
  const size = bssEnd === 0 ? bytes.length : bssEnd - load;
  if (size < bytes.length)
    throw new MultibootError(`bss_end_addr ${hex(bssEnd)}: lies before the end of the data`);
  return { pieces: [{ address: load, bytes, size }], entry };
}

function elfImage(elf: Elf): MultibootImage {
  if (elf.machine !== EM_386 && elf.machine !== EM_X86_64)
    throw new MultibootError(`e_machine is ${elf.machine}: not an x86 program`);
  const pieces = elf.segments.map(({ physicalAddress, bytes, memorySize }) => ({
    address: physicalAddress,
    bytes,
    size: memorySize,
  }));
  if (pieces.length === 0) throw new MultibootError("the ELF file has no segment to load");
  // the entry is a virtual address, but paging is off
  const holder = elf.segments.find(
    ({ virtualAddress, memorySize }) =>
      elf.entry >= virtualAddress && elf.entry < virtualAddress + BigInt(memorySize),
  );
  if (holder === undefined)
    throw new MultibootError(`the entry 0x${elf.entry.toString(16)} lies in no segment`);
  return {
    pieces,
    entry: holder.physicalAddress + Number(elf.entry - holder.virtualAddress),
  };
}

/**
 * Copies kernel and modules into RAM of a machine that has run nothing yet. What is zero there is not
 * written: so the host backs no page of a segment's zeros before the kernel needs it.
 * @throws MultibootError for a piece outside of RAM
 */
function place(pieces: readonly Piece[], memory: GuestMemory): void {
  let written = END_OF_LOW_MEMORY;
  for (const { address, bytes, size } of pieces) {
    if (address + size > memory.ramBytes)
      throw new MultibootError(
        `a segment or module of ${hex(size)} bytes at ${hex(address)} does not fit into RAM of ${hex(memory.ramBytes)} bytes (--memory)`,
      );
    const used = Math.min(address + size, written) - address;
    if (used > 0) memory.bytes(address, used).fill(0);
    memory.bytes(address, bytes.length).set(bytes);
    written = Math.max(written, address + bytes.length);
  }
}

const INFO_MEMORY = 1 << 0;
const INFO_COMMAND_LINE = 1 << 2;
const INFO_MODULES = 1 << 3;
const INFO_MEMORY_MAP = 1 << 6;
const INFO_LOADER_NAME = 1 << 9;
const INFO_BYTES = 0x1000;
const LOADER_NAME = "gaoler";

const AVAILABLE = 1;
const RESERVED = 2;

/** Each from a page boundary, the first behind the kernel. */
function placeModules(image: MultibootImage, modules: readonly BootModule[]): Piece[] {
  let end = Math.max(...image.pieces.map(({ address, size }) => address + size), END_OF_LOW_MEMORY);
  return modules.map(({ bytes }) => {
    const address = Math.ceil(end / 4096) * 4096;
    end = address + bytes.length;
    return { address, bytes, size: bytes.length };
  });
}

/**
 * Puts a kernel and its modules into RAM and enters it as in sections 3.2 and 3.3: protected mode
 * without paging, EAX the magic, EBX the information structure, in a page of low memory that the
 * kernel does not occupy.
 * @throws MultibootError if there is no such page, it is too small, or RAM is
 */
export function enterMultiboot(
  image: MultibootImage,
  registers: Registers,
  memory: GuestMemory,
  commandLine: string,
  modules: readonly BootModule[] = [],
): void {
  const placed = placeModules(image, modules);
  place([...image.pieces, ...placed], memory);
  const info = freeLowPage(image);
  const view = memory.view;
  const text = (address: number, value: string) => {
    const bytes = new TextEncoder().encode(value);
    if (address + bytes.length + 1 > info + INFO_BYTES)
      throw new MultibootError(
        `command line and names of modules leave no space in ${INFO_BYTES} bytes of boot information`,
      );
    memory.bytes(address, bytes.length).set(bytes);
    return address + bytes.length + 1;
  };
  memory.bytes(info, INFO_BYTES).fill(0);
  const flags = INFO_MEMORY | INFO_COMMAND_LINE | INFO_MODULES | INFO_MEMORY_MAP | INFO_LOADER_NAME;
  const map: readonly [start: number, end: number, type: number][] = [
    [0, 0x9fc00, AVAILABLE],
    [0x9fc00, END_OF_LOW_MEMORY, RESERVED],
    [END_OF_LOW_MEMORY, memory.ramBytes, AVAILABLE],
  ];
  const mapAddress = info + 0x80;
  const words: readonly [offset: number, value: number][] = [
    [0, flags],
    [4, 0x9fc00 / 1024],
    [8, (memory.ramBytes - END_OF_LOW_MEMORY) / 1024],
    [20, modules.length],
    [24, mapAddress + map.length * 24],
    [44, map.length * 24],
    [48, mapAddress],
  ];
  for (const [offset, value] of words) view.setUint32(info + offset, value, true);
  map.forEach(([start, end, type], index) => {
    const entry = mapAddress + index * 24;
    view.setUint32(entry, 20, true);
    view.setBigUint64(entry + 4, BigInt(start), true);
    view.setBigUint64(entry + 12, BigInt(end - start), true);
    view.setUint32(entry + 20, type, true);
  });
  const moduleTable = mapAddress + map.length * 24;
  const loaderName = moduleTable + modules.length * 16;
  const commandLineAddress = text(loaderName, LOADER_NAME);
  let next = text(commandLineAddress, commandLine);
  placed.forEach(({ address, size }, index) => {
    const entry = moduleTable + index * 16;
    view.setUint32(entry, address, true);
    view.setUint32(entry + 4, address + size, true);
    view.setUint32(entry + 8, next, true);
    next = text(next, modules[index].name);
  });
  view.setUint32(info + 16, commandLineAddress, true);
  view.setUint32(info + 64, loaderName, true);

  registers.set("cr0", 0x11n);
  registers.set("rflags", 2n);
  loadFlatSegments(registers, 32);
  registers.set("rax", LOADER_MAGIC);
  registers.set("rbx", BigInt(info));
  registers.set("rip", BigInt(image.entry));
}

function freeLowPage(image: MultibootImage): number {
  for (let page = 0x9000; page < 0x9f000; page += INFO_BYTES) {
    const taken = image.pieces.some(
      ({ address, size }) => address < page + INFO_BYTES && page < address + size,
    );
    if (!taken) return page;
  }
  throw new MultibootError("the kernel leaves no page below 0x9f000 for the boot information");
}
