import type { GuestMemory } from "../guest-memory.ts";
import type { MemoryFetch } from "../vcpu.ts";
import type { Core } from "../x86/core.ts";
import { type Decoded, Decoder, endsBlock, OutOfBytes } from "../x86/decoder.ts";
import { MODE_CODE_32, MODE_CODE_64, MODE_COUNT } from "../x86/mode.ts";
import { moderated, translate } from "../x86/paging.ts";
import { codeLinear, packPosition } from "../x86/position.ts";
import { keepsModrm, operandWords, RECORD_HEADER_WORDS } from "../x86/record.ts";
import type { Row } from "../x86/row.ts";
import {
  CODE_MAP,
  CS,
  MODE,
  RECORDS_START,
  RIP,
  SEGMENT_BASE,
  SEGMENT_LIMIT,
  segmentField,
} from "../x86/state.ts";
import { TABLE } from "../x86/table.ts";
import {
  HEADER_BYTES,
  HEADER_COUNTDOWN,
  HEADER_SLOT,
  INDIRECT_SLOT,
  STALE_SLOT,
} from "./base-module.ts";
import type { Templates } from "./templates.ts";

/** Decoded instructions from one entry point to the first branch or the page's end. */
export interface Block {
  /** Address of its header record in linear memory. */
  readonly record: number;
  /** Host-physical address and length of its code; both parts if it crosses a page. */
  readonly start: number;
  readonly size: number;
  /** Host-physical address of the rest of its only instruction on the next page, or -1. */
  readonly crossing: number;
  readonly key: number;
}

const MAXIMUM_INSTRUCTIONS = 96;
/** Of the lengths that a block may be bound to, which is part of its key. */
const LENGTHS = 128;
/** Room that one block needs at most. */
const MAXIMUM_BLOCK_BYTES = 16 * 1024;
/** A record that goes on through the jump cache; the link of every branch to another page. */
const INDIRECT_RECORD = RECORDS_START;
const ARENA_START = INDIRECT_RECORD + 64;

/** Not an instruction: falls from the end of a block into the next one. */
const CONTINUE: Row = {
  id: TABLE.rows.length,
  map: 0,
  opcode: 0,
  prefix: undefined,
  vex: undefined,
  level: 1,
  reg: -1,
  rm: -1,
  form: "any",
  ignoresMod: false,
  hasModrm: false,
  mnemonic: "CONTINUE",
  operands: [],
  options: { ends: true },
  semantics: (i) => i.jumpRelative(0, false),
};

const fetchExit: MemoryFetch = { kind: "memory-fetch", address: 0 };

/**
 * Decodes code into blocks of records and keeps them by host-physical address
 * and mode, for all vCPUs of a memory. A record is the table slot of its
 * template, its position (see position.ts), and its operands' words.
 */
export class Blocks {
  private readonly memory: GuestMemory;
  private readonly templates: Templates;
  private readonly cores: readonly (Core | undefined)[];
  private readonly decoder = new Decoder();
  private readonly byKey = new Map<number, Block>();
  private readonly byPage = new Map<number, Set<Block>>();
  private readonly words: Int32Array;
  private readonly codeMap: Uint32Array;
  private readonly arenaEnd: number;
  private next = ARENA_START;
  private readonly byRecord = new Map<number, Block>();
  /** Entries that make a block in a host-physical page hot; 0: none does. */
  hotAfter: (page: number) => number = () => 0;
  onDrop: (block: Block) => void = () => {};
  onClear: () => void = () => {};
  /** Changes when all blocks are forgotten. */
  generation = 0;
  private readonly crossingBytes = new Uint8Array(32);

  constructor(memory: GuestMemory, templates: Templates, cores: readonly (Core | undefined)[]) {
    this.memory = memory;
    this.templates = templates;
    this.cores = cores;
    this.words = new Int32Array(memory.memory.buffer, 0, memory.ramOffset / 4);
    this.codeMap = new Uint32Array(
      memory.memory.buffer,
      CODE_MAP,
      Math.ceil(memory.ramBytes / 4096) * 2,
    );
    this.arenaEnd = memory.ramOffset;
    this.words[INDIRECT_RECORD >> 2] = INDIRECT_SLOT;
  }

  /** Blocks decoded and still valid. */
  get count(): number {
    return this.byKey.size;
  }

  /**
   * The block at the vCPU's RIP, decoded if need be. Raises what fetching or
   * decoding its first instruction raises.
   *
   * @param count most instructions that it may have; fewer than usual where the budget ends, or a
   * guest is stepped
   */
  find(core: Core, count: number = MAXIMUM_INSTRUCTIONS): Block {
    const linear = codeLinear(core, core.address(RIP));
    const start = this.fetchAddress(core, linear);
    const maximum = Math.min(count, MAXIMUM_INSTRUCTIONS);
    const key = (start * MODE_COUNT + core.get(MODE)) * LENGTHS + maximum;
    const known = this.byKey.get(key);
    if (known !== undefined) {
      if (known.crossing < 0) return known;
      if (this.fetchAddress(core, pageAfter(core, linear)) === known.crossing) return known;
      this.drop(known);
    }
    if (this.next + MAXIMUM_BLOCK_BYTES > this.arenaEnd) this.clear();
    const block = this.decode(core, linear, start, key, this.next, maximum);
    this.next = this.end;
    this.byKey.set(key, block);
    this.byRecord.set(block.record, block);
    this.register(block, block.start);
    if (block.crossing >= 0) this.register(block, block.crossing);
    return block;
  }

  /** The block of full length decoded at a host-physical address for a mode, if there is one. */
  at(start: number, mode: number): Block | undefined {
    return this.byKey.get((start * MODE_COUNT + mode) * LENGTHS + MAXIMUM_INSTRUCTIONS);
  }

  ofRecord(record: number): Block | undefined {
    return this.byRecord.get(record);
  }

  instructionsOf(block: Block): number {
    return this.words[(block.record >> 2) + 1] as number;
  }

  /** Let a block's header be something else: a compiled region, or the header again. */
  setSlot(block: Block, slot: number): void {
    if (this.byRecord.get(block.record) === block) this.words[block.record >> 2] = slot;
  }

  /** Whether a region's link words find room. */
  get hasRoom(): boolean {
    return this.next + MAXIMUM_BLOCK_BYTES <= this.arenaEnd;
  }

  /** A link word, unresolved. It lives as long as the blocks do. */
  newLink(): number {
    const link = this.next;
    this.next += 4;
    this.words[link >> 2] = 0;
    return link;
  }

  /** Host-physical address of the code at a linear address. */
  private fetchAddress(core: Core, linear: number): number {
    if (core.is64 && (linear >= 0x8000_0000_0000 || linear < -0x8000_0000_0000))
      core.generalProtection();
    const host = translate(core, linear, "fetch", core.tlbSet);
    if (host < 0) {
      fetchExit.address = moderated.physical;
      core.exit(fetchExit);
      core.generalProtection();
    }
    return host - this.memory.ramOffset;
  }

  private end = 0;

  private decode(
    core: Core,
    linear: number,
    start: number,
    key: number,
    record: number,
    maximum: number,
  ): Block {
    const mode = core.get(MODE);
    const words = this.words;
    const ram = this.memory.u8;
    const pageEnd = Math.floor(start / 4096) * 4096 + 4096;
    // Bytes up to the end of the code segment; beyond it fetching raises #GP.
    const inSegment =
      mode & MODE_CODE_64
        ? Number.POSITIVE_INFINITY
        : core.get(segmentField(CS, SEGMENT_LIMIT)) - core.address(RIP) + 1;
    const linkable =
      mode & MODE_CODE_64 ||
      (mode & MODE_CODE_32 && core.get(segmentField(CS, SEGMENT_BASE)) % 4096 === 0);
    const positions: number[] = [];
    let at = (record + HEADER_BYTES) >> 2;
    let offset = 0;
    let crossing = -1;
    let ended = false;
    while (positions.length < maximum && !ended && start + offset < pageEnd) {
      const available = Math.min(pageEnd - start - offset, inSegment - offset);
      let decoded: ReturnType<Decoder["decode"]>;
      try {
        if (available <= 0) throw new OutOfBytes();
        decoded = this.decoder.decode(
          ram.subarray(start + offset, start + offset + available),
          mode,
        );
      } catch (problem) {
        if (!(problem instanceof OutOfBytes)) throw problem;
        if (positions.length > 0) break;
        // The first instruction reaches into the next page, or out of the segment.
        const first = pageEnd - start;
        if (inSegment < Math.min(15, first)) core.generalProtection();
        crossing = this.fetchAddress(core, pageAfter(core, linear));
        this.crossingBytes.set(ram.subarray(start, pageEnd), 0);
        this.crossingBytes.set(ram.subarray(crossing, crossing + 16), first);
        try {
          decoded = this.decoder.decode(
            this.crossingBytes.subarray(0, Math.min(15, inSegment)),
            mode,
          );
        } catch (again) {
          if (!(again instanceof OutOfBytes)) throw again;
          core.generalProtection();
        }
        ended = true;
      }
      if (decoded.row === undefined) {
        if (positions.length > 0) break;
        if (decoded.vector === 13) core.generalProtection();
        core.raise(6);
      }
      positions.push(at);
      at = this.write(decoded, offset, at);
      if (linkable) this.linkWithinPage(decoded, start, at);
      else if (hasRelative(decoded)) words[at - 3] = words[at - 1] = INDIRECT_RECORD;
      offset += decoded.length;
      if (this.lastEnds) {
        ended = true;
        break;
      }
      if (ended) break;
    }
    if (!this.lastEnds) {
      const end: Decoded = {
        row: CONTINUE,
        length: 0,
        mode,
        operandBits: 32,
        addressBits: 32,
        vectorBits: 128,
        operands: [{ kind: "relative", delta: 0 }],
        repeat: "none",
        lock: false,
        modrm: 0,
      };
      at = this.write(end, offset, at);
      words[at - 3] = INDIRECT_RECORD;
      words[at - 1] = linkable && crossing < 0 && start + offset < pageEnd ? 0 : INDIRECT_RECORD;
    }
    // Now that the number of instructions is known: how many are left at each.
    for (let k = 0; k < positions.length; k++) {
      const word = (positions[k] as number) + 1;
      words[word] = (words[word] as number) | packPosition(0, 0, positions.length - k);
    }
    words[record >> 2] = HEADER_SLOT;
    words[(record >> 2) + 1] = positions.length;
    words[(record + HEADER_COUNTDOWN) >> 2] =
      maximum < MAXIMUM_INSTRUCTIONS ? 0 : this.hotAfter(Math.floor(start / 4096));
    this.templates.flush();
    this.end = (at * 4 + 15) & ~15;
    return { record, start, size: offset, crossing, key };
  }

  private lastEnds = false;

  /** Write one record at a word index; returns the index behind it. */
  private write(decoded: Decoded, offset: number, at: number): number {
    const operands: number[] = [];
    for (const operand of decoded.operands) operandWords(operand, decoded, offset, operands);
    if (keepsModrm(decoded)) operands.push(decoded.modrm);
    const words = this.words;
    words[at] = this.templates.slotFor(decoded);
    words[at + 1] = packPosition(offset, decoded.length, 0);
    words.set(operands, at + RECORD_HEADER_WORDS);
    this.lastEnds = endsBlock(decoded);
    return at + RECORD_HEADER_WORDS + operands.length;
  }

  /** Branches within the page may be linked directly; others go through the jump cache. */
  private linkWithinPage(decoded: Decoded, start: number, at: number): void {
    if (!hasRelative(decoded)) return;
    const inPage = (delta: number): boolean => {
      const target = (start % 4096) + delta;
      return target >= 0 && target < 4096;
    };
    // The relative operand's words are the last four: target, link, next, link.
    const words = this.words;
    if (decoded.operandBits === 16 || !inPage(words[at - 4] as number))
      words[at - 3] = INDIRECT_RECORD;
    if (!inPage(words[at - 2] as number)) words[at - 1] = INDIRECT_RECORD;
  }

  private register(block: Block, address: number): void {
    const page = Math.floor(address / 4096);
    let blocks = this.byPage.get(page);
    if (blocks === undefined) {
      blocks = new Set();
      this.byPage.set(page, blocks);
    }
    blocks.add(block);
    this.markCode(block);
  }

  /** Record in the code map which bytes a block was decoded from, and stop unseen writes to them. */
  private markCode(block: Block): void {
    const first = block.crossing < 0 ? block.size : 4096 - (block.start % 4096);
    this.markBytes(block.start, first);
    if (block.crossing >= 0) this.markBytes(block.crossing, Math.max(1, block.size - first));
  }

  private markBytes(start: number, size: number): void {
    const page = Math.floor(start / 4096);
    if (this.codeMap[page * 2] === 0 && this.codeMap[page * 2 + 1] === 0)
      for (const core of this.cores) core?.tlb.watchWrites(this.memory.ramOffset + page * 4096);
    for (
      let granule = Math.floor(start / 64);
      granule <= Math.floor((start + size - 1) / 64);
      granule++
    ) {
      const word = granule >> 5;
      this.codeMap[word] = (this.codeMap[word] as number) | (1 << (granule & 31));
    }
  }

  private drop(block: Block): void {
    this.onDrop(block);
    this.words[block.record >> 2] = STALE_SLOT;
    this.byKey.delete(block.key);
    this.byRecord.delete(block.record);
    this.byPage.get(Math.floor(block.start / 4096))?.delete(block);
    if (block.crossing >= 0) this.byPage.get(Math.floor(block.crossing / 4096))?.delete(block);
  }

  /** Bytes changed: forget every block decoded from the 64-byte granules they lie in. */
  invalidate(hostAddress: number, size: number): void {
    const firstPage = Math.floor(hostAddress / 4096);
    const lastPage = Math.floor((hostAddress + size - 1) / 4096);
    for (let page = firstPage; page <= lastPage; page++) {
      if (this.codeMap[page * 2] === 0 && this.codeMap[page * 2 + 1] === 0) continue;
      const from = Math.floor(Math.max(hostAddress, page * 4096) / 64) * 64;
      const to = Math.ceil(Math.min(hostAddress + size, page * 4096 + 4096) / 64) * 64;
      // No block that survives touches these granules. Bits of dropped blocks outside them may
      // stay: a store there comes here once more.
      for (let granule = from / 64; granule < to / 64; granule++) {
        const word = granule >> 5;
        this.codeMap[word] = (this.codeMap[word] as number) & ~(1 << (granule & 31));
      }
      const blocks = this.byPage.get(page);
      if (blocks === undefined) continue;
      for (const block of [...blocks]) {
        const first = block.crossing < 0 ? block.size : 4096 - (block.start % 4096);
        const touches = (start: number, length: number): boolean =>
          start < to && start + length > from;
        if (
          touches(block.start, first) ||
          (block.crossing >= 0 && touches(block.crossing, Math.max(1, block.size - first)))
        )
          this.drop(block);
      }
    }
  }

  /** Forget everything: the arena is full, or the memory was replaced. */
  clear(): void {
    this.onClear();
    this.byKey.clear();
    this.byRecord.clear();
    this.byPage.clear();
    this.codeMap.fill(0);
    this.next = ARENA_START;
    this.generation++;
    for (const core of this.cores) core?.flushJumpCache();
  }
}

function hasRelative(decoded: Decoded): boolean {
  return decoded.operands.some((operand) => operand.kind === "relative");
}

/** Linear address of the page that follows. */
function pageAfter(core: Core, linear: number): number {
  const next = Math.floor(linear / 4096) * 4096 + 4096;
  return core.is64 ? next : next % 4294967296;
}
