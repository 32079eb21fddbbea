import type { GuestMemory } from "../guest-memory.ts";
import type { Core } from "../x86/core.ts";
import { type Decoded, Decoder, endsBlock, OutOfBytes } from "../x86/decoder.ts";
import { exitObject } from "../x86/exit-objects.ts";
import { MODE_CODE_32, MODE_CODE_64 } from "../x86/mode.ts";
import type { Operand } from "../x86/operand.ts";
import { moderated, translate } from "../x86/paging.ts";
import { AT_RIP, codeLinear, packPosition } from "../x86/position.ts";
import { keepsModrm, operandWords, RECORD_HEADER_WORDS } from "../x86/record.ts";
import { allOptions, type Row } from "../x86/row.ts";
import {
  CODE_MAP,
  CS,
  MODE,
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
import { BLOCK_INFO_BYTES, BlockIndex } from "./block-index.ts";
import type { Templates } from "./templates.ts";

/**
 * Decoded instructions from one entry point to the first branch or the page's end. There is one
 * object for a block, as long as it lives, and only if somebody has asked for it.
 */
export interface Block {
  /** Address of its header record in linear memory. */
  readonly record: number;
  /** Host-physical address and length of its code; both parts if it crosses a page. */
  readonly start: number;
  readonly size: number;
  /** Host-physical address of the rest of its only instruction on the next page, or -1. */
  readonly crossing: number;
}

const MAXIMUM_INSTRUCTIONS = 96;
/** Room that one block needs at most. */
const MAXIMUM_BLOCK_BYTES = 16 * 1024;
/** A record that goes on through the jump cache; the link of every branch to another page. */
const INDIRECT_RECORD = AT_RIP;
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
  memory: undefined,
  options: allOptions({ ends: true }),
  semantics: (i) => i.jumpRelative(0, false),
};

const fetchExit = exitObject("memory-fetch");

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
  private readonly index: BlockIndex;
  /** Those that somebody has asked for. */
  private readonly objects = new Map<number, Block>();
  private readonly words: Int32Array;
  private readonly codeMap: Uint32Array;
  private readonly arenaEnd: number;
  private next = ARENA_START;
  /**
   * Entries that make a block in a host-physical page hot; 0: none does.
   * `costly`: the share of instructions that tier 0 takes long for.
   */
  hotAfter: (page: number, costly?: number) => number = () => 0;
  /** A block is forgotten, of those that there is an object for. */
  onDrop: (block: Block) => void = () => {};
  onClear: () => void = () => {};
  /** Changes when all blocks are forgotten. */
  generation = 0;
  /** Of the block that is decoded: the instructions' records, as word indices. */
  private readonly positions = new Int32Array(MAXIMUM_INSTRUCTIONS);
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
    this.index = new BlockIndex(this.words, memory.ramBytes);
    this.arenaEnd = memory.ramOffset;
    this.words[INDIRECT_RECORD >> 2] = INDIRECT_SLOT;
  }

  /** Blocks decoded and still valid. */
  get count(): number {
    return this.index.count;
  }

  /**
   * The header record of the block at the vCPU's RIP, decoded if need be. Raises what fetching or
   * decoding its first instruction raises.
   *
   * @param count most instructions that it may have; fewer than usual where the budget ends, or a
   * guest is stepped
   */
  find(core: Core, count: number = MAXIMUM_INSTRUCTIONS): number {
    const { index } = this;
    const linear = codeLinear(core, core.address(RIP));
    const start = this.fetchAddress(core, linear);
    const maximum = Math.min(count, MAXIMUM_INSTRUCTIONS);
    const known = index.find(start, core.get(MODE), maximum);
    if (known !== 0) {
      const crossing = index.crossing(known);
      if (crossing < 0 || this.fetchAddress(core, pageAfter(core, linear)) === crossing)
        return known;
      this.drop(known);
    }
    if (!this.hasRoom) this.clear();
    return this.decode(core, linear, start, maximum);
  }

  /** The block of full length decoded at a host-physical address for a mode, if there is one. */
  at(start: number, mode: number): Block | undefined {
    const record = this.index.find(start, mode, MAXIMUM_INSTRUCTIONS);
    return record === 0 ? undefined : this.object(record);
  }

  /** The block with this header record, unless it is forgotten; -1: none. */
  ofRecord(record: number): Block | undefined {
    return record < 0 || this.isForgotten(record) ? undefined : this.object(record);
  }

  private object(record: number): Block {
    let block = this.objects.get(record);
    if (block === undefined) {
      const { index } = this;
      block = {
        record,
        start: index.start(record),
        size: index.size(record),
        crossing: index.crossing(record),
      };
      this.objects.set(record, block);
    }
    return block;
  }

  /** Whether a header record's block is no more. */
  isForgotten(record: number): boolean {
    return this.words[record >> 2] === STALE_SLOT;
  }

  /** Host-physical address of a block's code. */
  startOf(record: number): number {
    return this.index.start(record);
  }

  instructionsOf(block: Block): number {
    return this.words[(block.record >> 2) + 1] as number;
  }

  /** Let a block's header be something else: a compiled region, or the header again. */
  setSlot(block: Block, slot: number): void {
    if (this.objects.get(block.record) === block) this.words[block.record >> 2] = slot;
  }

  /** A block is hot after so many entries. */
  countDown(block: Block, entries: number): void {
    if (this.objects.get(block.record) === block)
      this.words[(block.record + HEADER_COUNTDOWN) >> 2] = entries;
  }

  /** Whether a region's link words find room. */
  get hasRoom(): boolean {
    return this.next + MAXIMUM_BLOCK_BYTES <= this.arenaEnd;
  }

  /** A link word, unresolved. */
  newLink(): number {
    return this.newArea(4);
  }

  /** A record of nothing but an instruction's position (see x86/position.ts). */
  newRecord(position: number): number {
    const record = this.newArea(8);
    this.words[(record >> 2) + 1] = position;
    return record;
  }

  /** Bytes of linear memory, zeros, that live as long as the blocks do. */
  newArea(bytes: number): number {
    const area = Math.ceil(this.next / 8) * 8;
    this.next = area + bytes;
    this.words.fill(0, area >> 2, this.next >> 2);
    return area;
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

  /** Decodes what is at RIP into a new block; returns its header record. */
  private decode(core: Core, linear: number, start: number, maximum: number): number {
    const record = this.next + BLOCK_INFO_BYTES;
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
    const { positions } = this;
    let count = 0;
    let costly = 0;
    let at = (record + HEADER_BYTES) >> 2;
    let offset = 0;
    let crossing = -1;
    let ended = false;
    while (count < maximum && !ended && start + offset < pageEnd) {
      const available = Math.min(pageEnd - start - offset, inSegment - offset);
      let decoded: ReturnType<Decoder["decode"]>;
      try {
        if (available <= 0) throw new OutOfBytes();
        const from = start + offset;
        decoded = this.decoder.decode(ram, mode, from, from + available);
      } catch (problem) {
        if (!(problem instanceof OutOfBytes)) throw problem;
        if (count > 0) break;
        // The first instruction reaches into the next page, or out of the segment.
        const first = pageEnd - start;
        if (inSegment < Math.min(15, first)) core.generalProtection();
        crossing = this.fetchAddress(core, pageAfter(core, linear));
        this.crossingBytes.set(ram.subarray(start, pageEnd), 0);
        this.crossingBytes.set(ram.subarray(crossing, crossing + 16), first);
        try {
          decoded = this.decoder.decode(this.crossingBytes, mode, 0, Math.min(15, inSegment));
        } catch (again) {
          if (!(again instanceof OutOfBytes)) throw again;
          core.generalProtection();
        }
        ended = true;
      }
      if (decoded.row === undefined) {
        if (count > 0) break;
        if (decoded.vector === 13) core.generalProtection();
        core.raise(6);
      }
      positions[count++] = at;
      if (decoded.row.options.unit !== undefined) costly++;
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
      at = this.write(this.continuing(mode), offset, at);
      words[at - 3] = INDIRECT_RECORD;
      words[at - 1] = linkable && crossing < 0 && start + offset < pageEnd ? 0 : INDIRECT_RECORD;
    }
    // Now that the number of instructions is known: how many are left at each.
    for (let k = 0; k < count; k++) {
      const word = (positions[k] as number) + 1;
      words[word] = (words[word] as number) | packPosition(0, 0, count - k);
    }
    words[record >> 2] = HEADER_SLOT;
    words[(record >> 2) + 1] = count;
    words[(record + HEADER_COUNTDOWN) >> 2] =
      maximum < MAXIMUM_INSTRUCTIONS ? 0 : this.hotAfter(Math.floor(start / 4096), costly / count);
    this.templates.flush();
    this.next = at * 4;
    this.index.add(record, start, mode, maximum, offset, crossing);
    this.markCode(start, offset, crossing);
    return record;
  }

  private continues: Decoded | undefined;

  /** The end of a block that ends in no branch. */
  private continuing(mode: number): Decoded {
    if (this.continues?.mode !== mode)
      this.continues = {
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
    return this.continues;
  }

  private lastEnds = false;

  /** Write one record at a word index; returns the index behind it. */
  private write(decoded: Decoded, offset: number, at: number): number {
    const { words } = this;
    const { operands } = decoded;
    words[at] = this.templates.slotFor(decoded);
    words[at + 1] = packPosition(offset, decoded.length, 0);
    let end = at + RECORD_HEADER_WORDS;
    for (let k = 0; k < operands.length; k++)
      end = operandWords(operands[k] as Operand, decoded, offset, words, end);
    if (keepsModrm(decoded)) words[end++] = decoded.modrm;
    this.lastEnds = endsBlock(decoded);
    return end;
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

  /** Record in the code map which bytes a block was decoded from, and stop unseen writes to them. */
  private markCode(start: number, size: number, crossing: number): void {
    const first = crossing < 0 ? size : 4096 - (start % 4096);
    this.markBytes(start, first);
    if (crossing >= 0) this.markBytes(crossing, Math.max(1, size - first));
  }

  private markBytes(start: number, size: number): void {
    const page = Math.floor(start / 4096);
    if (this.codeMap[page * 2] === 0 && this.codeMap[page * 2 + 1] === 0)
      for (const core of this.cores) {
        core?.tlb.watchWrites(this.memory.ramOffset + page * 4096);
        core?.windows.watchWrites(this.memory.ramOffset + page * 4096);
      }
    for (
      let granule = Math.floor(start / 64);
      granule <= Math.floor((start + size - 1) / 64);
      granule++
    ) {
      const word = granule >> 5;
      this.codeMap[word] = (this.codeMap[word] as number) | (1 << (granule & 31));
    }
  }

  private drop(record: number): void {
    const block = this.objects.get(record);
    if (block !== undefined) {
      this.onDrop(block);
      this.objects.delete(record);
    }
    this.words[record >> 2] = STALE_SLOT;
    this.index.remove(record);
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
      for (const record of this.index.inPage(page)) {
        const start = this.index.start(record);
        const size = this.index.size(record);
        const crossing = this.index.crossing(record);
        const first = crossing < 0 ? size : 4096 - (start % 4096);
        const touches = (address: number, length: number): boolean =>
          address < to && address + length > from;
        if (
          touches(start, first) ||
          (crossing >= 0 && touches(crossing, Math.max(1, size - first)))
        )
          this.drop(record);
      }
    }
  }

  /** Forget everything: the arena is full, or the memory was replaced. */
  clear(): void {
    this.onClear();
    this.objects.clear();
    this.index.clear();
    this.codeMap.fill(0);
    this.next = ARENA_START;
    this.generation++;
    for (const core of this.cores) core?.flushJumpCache();
  }
}

/** It is always the last one. */
function hasRelative({ operands }: Decoded): boolean {
  return operands.length > 0 && (operands[operands.length - 1] as Operand).kind === "relative";
}

/** Linear address of the page that follows. */
function pageAfter(core: Core, linear: number): number {
  const next = Math.floor(linear / 4096) * 4096 + 4096;
  return core.is64 ? next : next % 4294967296;
}
