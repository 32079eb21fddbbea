/**
 * A vCPU's memory as its guest sees it, looked at from outside without a trace: no accessed or
 * dirty bits, no faults, no exits, no TLB. Rights and reserved bits are not looked at.
 */
import type { GuestMemory } from "../guest-memory.ts";
import type { Vcpu } from "../vcpu.ts";
import { disassembleBytes } from "./disassemble.ts";
import { MODE_CODE_32, MODE_CODE_64, MODE_LMA, MODE_PROTECTED } from "./mode.ts";

export type Inspected = Pick<Vcpu, "registers" | "map">;

const CR0_PG = 1n << 31n;
const CR4_PSE = 1n << 4n;
const CR4_PAE = 1n << 5n;
const EFER_LMA = 1n << 10n;
/** Segment attributes: 64-bit code, and default size. */
const LONG = 1 << 13;
const BIG = 1 << 14;

const PRESENT = 1n;
const LARGE = 0x80n;
/** Address bits of a 64-bit paging-structure entry. */
const FRAME = 0xf_ffff_ffff_f000n;
const LONGEST_INSTRUCTION = 15;

/** Host-physical address of a guest-physical one, if RAM is behind it. */
function hostAddress(vcpu: Inspected, physical: bigint): number | undefined {
  const address = Number(physical);
  const region = vcpu.map.find(address);
  return region && region.host + (address - region.guest);
}

/** A paging-structure entry of 4 or 8 bytes; 0, which is not present, outside RAM. */
function entry(vcpu: Inspected, memory: GuestMemory, physical: bigint, bytes: 4 | 8): bigint {
  const host = hostAddress(vcpu, physical);
  if (host === undefined) return 0n;
  return bytes === 4
    ? BigInt(memory.view.getUint32(host, true))
    : memory.view.getBigUint64(host, true);
}

/**
 * Guest-physical address of a linear one (Intel SDM vol. 3, chapter 4).
 *
 * @param linear unsigned
 * @returns undefined if it is not mapped, or not canonical
 */
export function linearToPhysical(
  vcpu: Inspected,
  memory: GuestMemory,
  linear: bigint,
): bigint | undefined {
  const { registers } = vcpu;
  const cr3 = registers.get("cr3");
  const cr4 = registers.get("cr4");
  if (!(registers.get("cr0") & CR0_PG)) return linear & 0xffff_ffffn;
  if (!(cr4 & CR4_PAE)) {
    const directory = entry(
      vcpu,
      memory,
      (cr3 & 0xffff_f000n) + ((linear >> 22n) & 0x3ffn) * 4n,
      4,
    );
    if (!(directory & PRESENT)) return undefined;
    if (directory & LARGE && cr4 & CR4_PSE)
      return ((directory & 0x1f_e000n) << 19n) | (directory & 0xffc0_0000n) | (linear & 0x3f_ffffn);
    const table = (directory & 0xffff_f000n) + ((linear >> 12n) & 0x3ffn) * 4n;
    const page = entry(vcpu, memory, table, 4);
    return page & PRESENT ? (page & 0xffff_f000n) | (linear & 0xfffn) : undefined;
  }
  const isLong = (registers.get("efer") & EFER_LMA) !== 0n;
  if (isLong && BigInt.asUintN(64, BigInt.asIntN(48, linear)) !== linear) return undefined;
  let table = isLong ? cr3 & FRAME : cr3 & 0xffff_ffe0n;
  for (let level = isLong ? 4n : 3n; ; level--) {
    const shift = 3n + 9n * level;
    const at = entry(vcpu, memory, table + ((linear >> shift) & 0x1ffn) * 8n, 8);
    if (!(at & PRESENT)) return undefined;
    // The directory pointers of 3-level paging, and level 4, name tables only.
    const isLarge = (at & LARGE) !== 0n && (level === 2n || (level === 3n && isLong));
    if (level === 1n || isLarge) {
      const offset = (1n << shift) - 1n;
      return (at & FRAME & ~offset) | (linear & offset);
    }
    table = at & FRAME;
  }
}

/** Up to `size` bytes from a linear address on, as far as RAM is mapped there. */
export function linearBytes(
  vcpu: Inspected,
  memory: GuestMemory,
  linear: bigint,
  size: number,
): Uint8Array {
  const bytes = new Uint8Array(size);
  let done = 0;
  while (done < size) {
    const at = BigInt.asUintN(64, linear + BigInt(done));
    const physical = linearToPhysical(vcpu, memory, at);
    const host = physical === undefined ? undefined : hostAddress(vcpu, physical);
    if (host === undefined) break;
    const count = Math.min(size - done, 4096 - (host % 4096));
    bytes.set(memory.bytes(host, count), done);
    done += count;
  }
  return bytes.subarray(0, done);
}

/** What decoding depends on, from the registers of the contract. */
function decodingMode({ registers }: Inspected): number {
  const { attributes } = registers.segment("cs");
  const isLong = registers.mode === "long" || registers.mode === "compatibility";
  if (isLong && attributes & LONG) return MODE_PROTECTED | MODE_LMA | MODE_CODE_64;
  const size = attributes & BIG ? MODE_CODE_32 : 0;
  if (registers.mode === "real" || registers.mode === "virtual-8086") return size;
  return MODE_PROTECTED | (isLong ? MODE_LMA : 0) | size;
}

export interface InspectedInstruction {
  /** In Intel syntax. */
  readonly text: string;
  /** Hexadecimal, e.g. `0f 58 c1`; of what is no instruction, all that may belong to it. */
  readonly bytes: string;
  /** What must be switched on for it. */
  readonly unit?: "x87" | "mmx" | "sse" | "avx";
}

/** The instruction at CS:RIP; undefined if it cannot be fetched from RAM. */
export function instructionAtRip(
  vcpu: Inspected,
  memory: GuestMemory,
): InspectedInstruction | undefined {
  const mode = decodingMode(vcpu);
  const rip = vcpu.registers.get("rip");
  const isLong = (mode & MODE_CODE_64) !== 0;
  const linear = isLong ? rip : BigInt.asUintN(32, vcpu.registers.segment("cs").base + rip);
  const bytes = linearBytes(vcpu, memory, linear, LONGEST_INSTRUCTION);
  const instruction = disassembleBytes(bytes, mode, rip);
  if (instruction === undefined) return undefined;
  const { text, length, unit } = instruction;
  const shown = text === "(bad)" ? bytes : bytes.subarray(0, length);
  const hex = Array.from(shown, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return { text, bytes: hex, ...(unit && { unit }) };
}
