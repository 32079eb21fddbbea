/**
 * Where a vCPU's registers stand in linear memory, as byte offsets from the
 * vCPU's base. Everything that executes guest code, WebAssembly or TypeScript,
 * shares this one copy.
 */

/** RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 .. R15: 8 bytes each. */
export const GPR = 0;
/**
 * RIP of the running block's first instruction while guest code runs; the
 * architectural RIP otherwise.
 */
export const RIP = 128;
/**
 * Arithmetic flags are kept unevaluated, as the last result and an auxiliary
 * word, from which each flag follows by one or two operations:
 * ZF = result is 0, SF = sign of result xor aux bit 0, PF = parity of the low
 * byte of result xor aux bits 15:8, CF = aux bit 31, OF = aux bit 31 xor bit
 * 30, AF = aux bit 3.
 */
export const FLAGS_RESULT = 136;
export const FLAGS_AUX = 144;
/** The other bits of RFLAGS: TF, IF, DF, IOPL, NT, RF, VM, AC, VIF, VIP, ID. */
export const EFLAGS = 148;
/** Instructions left before guest code must leave; counted down a block at a time. */
export const BUDGET = 152;
/** The record (see records.ts) of the instruction that called out or left. */
export const RECORD = 156;
/** Linear address of a slow access or of a helper's memory operand. */
export const ADDRESS = 160;
/** 16 bytes that pass a value between guest code and TypeScript. */
export const VALUE = 176;
/** Non-zero after a slow access or helper that must leave guest code; the {@link Leave} reason. */
export const STATUS = 192;
/** Exception to deliver when leaving with {@link Leave.exception}. */
export const VECTOR = 196;
export const ERROR_CODE = 200;
/** What decoding depends on; see mode.ts. */
export const MODE = 204;
/** Address in linear memory of the TLB set in use (see tlb.ts). */
export const TLB = 208;
/** 1: something wants the run loop to look (interrupt, changed code, yield). */
export const ATTENTION = 212;
export const MXCSR = 216;
export const CPL = 220;
/** What follows from MXCSR, see sse/mxcsr.ts. 1: SSE arithmetic on normal numbers changes no flag. */
export const MXCSR_FAST = 224;
/** Then the least operands (f32, f64) whose products and sums are certainly normal; infinity otherwise. */
export const LEAST_SINGLE = 228;
export const LEAST_DOUBLE = 232;

/** Instructions' time that passed in this call of `run` without one retiring: PAUSE, slow devices. */
export const STALLED = 248;

/** Segment registers ES, CS, SS, DS, FS, GS, LDTR, TR: {@link SEGMENT_BYTES} each. */
export const SEGMENTS = 256;
export const SEGMENT_BYTES = 48;
/** Fields of a segment. Base: 64 bits. */
export const SEGMENT_BASE = 0;
/** Highest offset that may be read or written without a closer look, as i64; -1: always look. */
export const SEGMENT_READ_LIMIT = 8;
export const SEGMENT_WRITE_LIMIT = 16;
export const SEGMENT_LIMIT = 24;
export const SEGMENT_SELECTOR = 28;
/** As in `Segment.attributes` of the contract. */
export const SEGMENT_ATTRIBUTES = 32;

export const CR0 = 648;
export const CR2 = 656;
export const CR3 = 664;
export const CR4 = 672;
export const EFER = 680;
export const XCR0 = 688;
export const GDTR_BASE = 696;
export const GDTR_LIMIT = 704;
export const IDTR_BASE = 712;
export const IDTR_LIMIT = 720;
/** DR0 .. DR3, DR6, DR7: 8 bytes each. */
export const DR = 728;

/**
 * What the vCPU's time follows from, see `Vcpu.time` of the contract, as f64: `skipped`,
 * `nanosecondsPerInstruction`, and what `retired` and `stalled` add up to when the budget is 0.
 */
export const TIME_SKIPPED = 792;
export const TIME_PER_INSTRUCTION = 800;
export const TIME_END = 808;
/** What waits inside the CPU: EFLAGS_IF for an interrupt, until that is set; {@link HELD_NMI}. */
export const HELD = 816;
/** NMIs are blocked until IRET. */
export const HELD_NMI = 1;
/** Number of the TLB set in use (see tlb.ts), and of the one that CPL 0 uses while RFLAGS.AC is clear. */
export const TLB_SET = 820;
export const SUPERVISOR_TLB_SET = 824;
/** Addresses in linear memory of that one, and of the one of CPL 3. */
export const SUPERVISOR_TLB = 992;
export const USER_TLB = 996;

/** 32 bytes each: operands and result of a vector instruction that TypeScript performs. */
export const SSE_FIRST = 832;
export const SSE_SECOND = 864;
export const SSE_THIRD = 896;
export const SSE_RESULT = 928;
/** Its immediate or integer operand: 8 bytes. */
export const SSE_INTEGER = 960;
/** What RDRAND and RDSEED draw from, 8 bytes; see random.ts. */
export const RANDOM = 968;
/** 0, 1 or 2: what the CPU lacks of x86-64-v3, in levels (see mode.ts). */
export const MISSING_LEVELS = 976;
/** 1: x87 instructions go on despite the exception that is pending (IGNNE#). */
export const IGNORING_NUMERIC_ERROR = 980;
/** 1: every data access must be looked at (data breakpoints, alignment checks): the TLB stays empty. */
export const WATCHING = 984;

/** XMM0 .. XMM15: 16 bytes each. */
export const XMM = 1024;
/** Bits 255:128 of YMM0 .. YMM15: 16 bytes each, {@link YMM_UPPER} above the lower halves. */
export const YMM_UPPER = 768;
/** The x87 state, laid out by x87/layout.ts. */
export const X87 = 1280;
/** Model-specific registers of the engine, 8 bytes each, in the order of msr.ts. */
export const MSRS = 2048;
/** What CPUID answered lately; see cpuid-cache.ts. */
export const CPUID_CACHE = 3584;

export const TLB_SETS = 4096;
/** Entries of one TLB set; a power of two. */
export const TLB_ENTRIES = 1024;
export const TLB_ENTRY_BYTES = 32;
export const TLB_SET_BYTES = TLB_ENTRIES * TLB_ENTRY_BYTES;
/** Supervisor, user, and supervisor that may not touch user pages (SMAP with AC clear). */
export const TLB_SET_COUNT = 3;
/** Fields of a TLB entry. Tags are linear page addresses, -1 when empty. */
export const TLB_READ_TAG = 0;
export const TLB_WRITE_TAG = 8;
/** Add to the low 32 bits of the linear address to get the byte in linear memory. */
export const TLB_ADDEND = 16;
/** A page whose accesses the moderator decides (see tlb.ts): guest-physical page number and tag. */
export const TLB_DEVICE_PAGE = 20;
export const TLB_DEVICE_TAG = 24;

/** Recently entered blocks by RIP: 16-byte entries of RIP, mode and record address. */
export const JUMP_CACHE = TLB_SETS + TLB_SET_COUNT * TLB_SET_BYTES;
export const JUMP_CACHE_ENTRIES = 4096;
export const JUMP_CACHE_BYTES = JUMP_CACHE_ENTRIES * 16;

/** A bit for each group of TLB entries: some of them may not be empty. The sets follow each other. */
export const TLB_USED = JUMP_CACHE + JUMP_CACHE_BYTES;
/** Bytes of a group; a power of two. */
export const TLB_GROUP_BYTES = 128;
export const TLB_USED_BYTES = (TLB_SET_COUNT * TLB_SET_BYTES) / TLB_GROUP_BYTES / 8;
/** Which larger pages the TLB may know a part of: a bit for each hash of their numbers (see tlb.ts). */
export const LARGE_PAGES = TLB_USED + TLB_USED_BYTES;
export const LARGE_PAGES_BITS = 12;
/** Parts of the memory map that page walks met (see region-cache.ts). */
export const REGIONS = LARGE_PAGES + 2 ** LARGE_PAGES_BITS / 8;
export const REGION_COUNT = 8;
export const REGION_BYTES = 32;
/** Fields of a region. First guest-physical byte and size: 64 bits each; size 0: none. */
export const REGION_GUEST = 0;
export const REGION_SIZE = 8;
/** Add to the low 32 bits of the guest-physical address to get the byte in linear memory. */
export const REGION_ADDEND = 16;
/** As in `MapRegion` of the contract. */
export const REGION_RIGHTS = 20;

/**
 * Windows of each TLB set (see windows.ts), {@link WINDOW_BYTES} each: all are for loads, and all but
 * the last for stores as well.
 */
export const WINDOWS = REGIONS + REGION_COUNT * REGION_BYTES;
export const WINDOW_COUNT = 4;
export const WINDOW_BYTES = 32;
export const WINDOW_SET_BYTES = WINDOW_COUNT * WINDOW_BYTES;
export const READ_WINDOW = WINDOW_COUNT - 1;
/** Fields of a window: first linear address; from there on, of how many bytes an access may begin; its byte in linear memory. */
export const WINDOW_BASE = 0;
export const WINDOW_REACH = 8;
export const WINDOW_HOST = 16;

/**
 * Where walks found the entries of pages, by 2 MiB of linear addresses: a cache of page-directory
 * entries (Intel SDM vol. 3, 4.10.3), or of what maps a larger page. PDE_GENERATION changes when all
 * are forgotten: a number of 21 bits, not 0.
 */
export const PDE_GENERATION = WINDOWS + TLB_SET_COUNT * WINDOW_SET_BYTES;
export const PDE_CACHE = PDE_GENERATION + 32;
/** A power of two. */
export const PDE_COUNT = 512;
export const PDE_BYTES = 32;
/** Fields: linear address and, in its low 21 bits, the generation, 64 bits. */
export const PDE_TAG = 0;
/** Bits that the page's entry must not have: 64 bits. */
export const PDE_RESERVED = 8;
/** Byte in linear memory of the page table, or of the entry of a larger page; bits of an entry's offset from it. */
export const PDE_HOST = 16;
export const PDE_INDEX = 20;
/** Bits of a linear address that are the page's own. */
export const PDE_OFFSETS = 24;
/** What the entries above have in common, bits 7:0; those that the page's entry must have, 15:8. */
export const PDE_RIGHTS = 28;

/** Pages whose code may be known by linear address: a bit for each, by the low bits of its number. */
export const CODE_PAGES = PDE_CACHE + PDE_COUNT * PDE_BYTES;
export const CODE_PAGES_BITS = 10;

/** Distance between two vCPUs. */
export const VCPU_BYTES = 256 * 1024;
export const MAXIMUM_VCPUS = 64;

/** Absolute places in the engine's part of linear memory. */
export const VCPUS_START = 64 * 1024;
/** For each page of RAM 8 bytes: bit k = code was decoded from bytes 64k .. 64k+63 of the page. */
export const CODE_MAP = 20 * 1024 * 1024;
/** Decoded blocks; see records.ts. */
export const RECORDS_START = 32 * 1024 * 1024;

/** Order of the segment registers, as encoded in instructions. */
export const ES = 0;
export const CS = 1;
export const SS = 2;
export const DS = 3;
export const FS = 4;
export const GS = 5;
export const LDTR = 6;
export const TR = 7;

export function segmentField(segment: number, field: number): number {
  return SEGMENTS + segment * SEGMENT_BYTES + field;
}

/** Why guest code came back to TypeScript. */
export const Leave = {
  none: 0,
  /** The budget does not cover the next block. */
  budget: 1,
  /** No decoded block is known for RIP. */
  lookup: 2,
  /** A direct jump wants its target resolved; RECORD is the jump. */
  link: 3,
  /** VECTOR and ERROR_CODE hold an exception of the instruction at RECORD. */
  exception: 4,
  /** RIP is at the next instruction; look at everything anew. */
  dispatch: 5,
  /** As dispatch, and the moderator said stop; RIP is architectural. */
  stopped: 6,
  /** HLT executed. */
  halt: 7,
  /** As dispatch, with interrupts inhibited for one instruction. */
  shadow: 8,
  /** As dispatch, with interrupts and debug exceptions inhibited for one instruction. */
  stackShadow: 9,
  /** The instruction at RECORD waits for an interrupt. */
  wait: 10,
  /** The block whose header is at RECORD has become hot; it has not been entered. */
  hot: 11,
  /** Compiled code cannot go on: tier 0 is to do the instruction at RIP. */
  retry: 12,
  /** The jumps to be noted at RECORD (see regions.ts) are all there; the last goes to RIP. */
  jumps: 13,
} as const;
export type Leave = (typeof Leave)[keyof typeof Leave];
