import { SLOW_UPDATE, SLOW_WRITE } from "../../x86/access.ts";
import type { Core } from "../../x86/core.ts";
import { ADDRESS, GPR, READ_WINDOW, STATUS } from "../../x86/state.ts";
import type { Block, Blocks } from "../blocks.ts";
import type { AccessPath, Operand } from "./operand-places.ts";
import { presentValue } from "./present-value.ts";
import type { Caution, RegionBlock } from "./region-block.ts";
import {
  JUMP_NOTES,
  JUMP_NOTES_BYTES,
  JUMP_TARGETS,
  JUMPS_LEFT,
  KIND_SHIFT,
  WAY_MASK,
  WAYS,
  type Way,
  WINDOW_WAYS,
} from "./ways-out.ts";

/** An instruction that so often was left to tier 0 takes less for granted of numbers; after as many more times it stays there. */
const MAXIMUM_RETRIES = 64;
/** If its accesses so often were the moderator's, compiled code calls what asks that. */
const MAXIMUM_MODERATED = 8;
/** If an operand so often was not in a window, its region is compiled anew; each time after twice as often. */
const MAXIMUM_MISSES = 16;
/** So many times; then it is looked for in the TLB as well. */
const MAXIMUM_WINDOWS = 3;
/** After a region was compiled anew for so many of its operands, it is not for others. */
const MAXIMUM_MOVED = 6;
/** After so many regions that begin with a block could not be entered for want of a window, they have none. */
const MAXIMUM_LOSSES = 3;
/** If so many operands were in no window, and so large a part of all, none are looked for there any more. */
const MAXIMUM_WINDOWLESS = 32;
const WINDOWLESS_PART = 1 / 4;
/** Most targets of a computed jump that a region has. */
const MAXIMUM_TARGETS = 128;
/** How often it is found out where a jump goes, each time after four times as many jumps. */
const MAXIMUM_LOOKS = 10;
/** More jumps than there are in the life of a region. */
const NEVER = 0x7fff_ffff;
/** RSP. */
const STACK_POINTER = GPR + 4 * 8;

/** An instruction that compiled code has left to tier 0. */
interface Site {
  /** How often: by itself, because an access was the moderator's, and because an operand was not in a window. */
  retries: number;
  moderated: number;
  misses: number;
  /** In which window its operand was found last, -1: in none; undefined: nothing is known. */
  window: number | undefined;
  /** How often its region was compiled anew for another window. */
  moves: number;
  /** Where it was seen to jump to, if that is computed. */
  targets: readonly bigint[];
  /** How often that was found out. */
  lookedAt: number;
}

const NOTHING = { retries: 0, moderated: 0 };

/** What became of the regions that a block belongs to; the numbers are of those that begin with it. */
interface History {
  /** Operands are to be looked for in the TLB as well; or in the TLB alone. */
  cautious: boolean;
  withoutWindows: boolean;
  /** How often one was compiled anew for a window, or lost windows; or met another MXCSR_FAST. */
  moves: number;
  losses: number;
  controlChanges: number;
}

/** What follows for the regions with an instruction, when it was left to tier 0: they are compiled anew. */
export type Consequence = "none" | "replaced" | "replaced for a window";

/** What has been learnt of instructions in compiled code, by their host-physical addresses. */
export class Sites {
  /** All of linear memory. */
  private readonly view: DataView;
  private readonly blocks: Blocks;
  private readonly sites = new Map<number, Site>();
  /** Addresses of jumps by where their targets are noted. */
  private readonly notes = new Map<number, number>();
  /** Of how many an operand was in no window; how many operands were asked for. */
  private windowless = 0;
  private operands = 0;
  /** The window that an operand was found in last. */
  private usual = 0;
  private readonly histories = new Map<Block, History>();

  constructor(memory: WebAssembly.Memory, blocks: Blocks) {
    this.view = new DataView(memory.buffer);
    this.blocks = blocks;
  }

  private at(address: number): Site {
    let site = this.sites.get(address);
    if (site === undefined) {
      site = {
        retries: 0,
        moderated: 0,
        misses: 0,
        window: undefined,
        moves: 0,
        targets: [],
        lookedAt: 0,
      };
      this.sites.set(address, site);
    }
    return site;
  }

  private historyOf(block: Block): History {
    let history = this.histories.get(block);
    if (history === undefined) {
      history = {
        cautious: false,
        withoutWindows: false,
        moves: 0,
        losses: 0,
        controlChanges: 0,
      };
      this.histories.set(block, history);
    }
    return history;
  }

  /** How the instruction at an offset in a block, which is about to be entered, finds an operand. */
  pathOf(core: Core, block: Block, offset: number, operand: Operand, writes: boolean): AccessPath {
    this.operands++;
    const { windowless } = this;
    const isWindowless =
      windowless >= MAXIMUM_WINDOWLESS && windowless > this.operands * WINDOWLESS_PART;
    const site = this.sites.get(block.start + offset);
    const history = this.histories.get(block);
    if (isWindowless || history?.withoutWindows || (site?.window === -1 && site.moves > 0))
      return { window: undefined, tlb: true };
    const known = site?.window ?? -1;
    const window = known >= 0 ? known : this.presentWindow(core, operand, writes);
    return { window, tlb: (history?.cautious ?? false) || (site?.moves ?? 0) >= MAXIMUM_WINDOWS };
  }

  /** The window that an operand is probably in. */
  private presentWindow(core: Core, { address, stack }: Operand, writes: boolean): number {
    const { windows, tlb, tlbSet } = core;
    const value = stack ? BigInt(core.address(STACK_POINTER)) : presentValue(core, address);
    if (value === undefined) return this.usual;
    const linear = Number(BigInt.asIntN(64, value));
    // what was accessed lately is no leftover in a register
    const isAddress = (writes ? tlb.writeData(linear, tlbSet) : tlb.read(linear, tlbSet)) >= 0;
    const window = isAddress
      ? windows.include(tlbSet, linear, writes, true)
      : windows.find(tlbSet, linear, writes);
    if (window < 0) return this.usual;
    if (!stack && window < READ_WINDOW) this.usual = window;
    return window;
  }

  /** Where the computed jump at a block's end is known to go. */
  targetsOf({ block, indirect }: RegionBlock): readonly bigint[] {
    return indirect === undefined ? [] : (this.sites.get(block.start + indirect)?.targets ?? []);
  }

  /** Where the jump at a host-physical address notes its targets; 0: nowhere. */
  notesAt(address: number): number {
    const site = this.at(address);
    if (site.lookedAt >= MAXIMUM_LOOKS) return 0;
    const notes = this.blocks.newArea(JUMP_NOTES_BYTES);
    const left = JUMP_NOTES * 4 ** site.lookedAt;
    this.view.setInt32(notes + JUMPS_LEFT, left, true);
    this.notes.set(notes, address);
    return notes;
  }

  /**
   * A computed jump has been noted as often as was wanted.
   *
   * @returns its address if there are targets that were not known
   */
  noted(notes: number): number | undefined {
    const address = this.notes.get(notes);
    if (address === undefined) return undefined;
    const site = this.at(address);
    site.lookedAt++;
    const targets = new Set(site.targets);
    for (let k = 0; k < JUMP_NOTES; k++) {
      const target = this.view.getBigInt64(notes + JUMP_TARGETS + 8 * k, true);
      if (targets.size < MAXIMUM_TARGETS) targets.add(target);
    }
    this.view.setInt32(notes + JUMPS_LEFT, NEVER, true);
    if (targets.size === site.targets.length) return undefined;
    site.targets = [...targets];
    return address;
  }

  cautionAt(address: number): Caution {
    const { retries, moderated } = this.sites.get(address) ?? NOTHING;
    if (retries < MAXIMUM_RETRIES) return moderated < MAXIMUM_MODERATED ? "none" : "moderated";
    return retries < 2 * MAXIMUM_RETRIES ? "careful" : "excluded";
  }

  /**
   * A region met another MXCSR_FAST than it is for: what numbers made of its instructions so far
   * says nothing any more.
   *
   * @returns how often that has happened to the first block
   */
  controlChanged([entry, ...others]: readonly Block[]): number {
    if (entry === undefined) return 0;
    for (const { start, size } of [entry, ...others])
      for (const [address, site] of this.sites)
        if (address >= start && address < start + size) site.retries = 0;
    return ++this.historyOf(entry).controlChanges;
  }

  /** A region is compiled anew for a window: if that has happened to it too often, it is not to again. */
  moved([entry, ...others]: readonly Block[]): void {
    if (entry === undefined) return;
    if (++this.historyOf(entry).moves <= MAXIMUM_MOVED) return;
    for (const block of [entry, ...others]) this.historyOf(block).cautious = true;
  }

  /** A region could not be entered, for its windows were other ones: if that goes on, it does without. */
  lostWindow([entry, ...others]: readonly Block[]): void {
    if (entry === undefined) return;
    if (++this.historyOf(entry).losses < MAXIMUM_LOSSES) return;
    for (const block of [entry, ...others]) this.historyOf(block).withoutWindows = true;
  }

  /** The block is no more. */
  forget(block: Block): void {
    this.histories.delete(block);
  }

  /** The instruction at a host-physical address was left to tier 0, which is about to do it. */
  left(core: Core, address: number): Consequence {
    const site = this.at(address);
    const status = core.get(STATUS);
    const way = WAYS[status & WAY_MASK] as Way;
    if (way !== "retry") {
      if (isModerated(core, status))
        return ++site.moderated % MAXIMUM_MODERATED === 0 ? "replaced" : "none";
      if (isWindow(way)) return this.missed(core, site, status);
    }
    return ++site.retries % MAXIMUM_RETRIES === 0 ? "replaced" : "none";
  }

  /** An operand was not in its window. */
  private missed(core: Core, site: Site, status: number): Consequence {
    // each time it is tried there is more behind it that speaks against it
    if ((++site.misses & (site.misses - 1)) === 0)
      site.window = core.windows.include(core.tlbSet, core.address(ADDRESS), isForWriting(status));
    if (site.misses < MAXIMUM_MISSES * 2 ** site.moves) return "none";
    site.moves++;
    if (site.window === -1) this.windowless++;
    return "replaced for a window";
  }

  clear(): void {
    this.sites.clear();
    this.windowless = this.operands = 0;
    this.histories.clear();
    this.notes.clear();
  }
}

const isWindow = (way: Way): boolean => (WINDOW_WAYS as readonly Way[]).includes(way);

/** Of an access that was not done. */
function isForWriting(status: number): boolean {
  return ((status >> KIND_SHIFT) & (SLOW_WRITE | SLOW_UPDATE)) !== 0;
}

/** Whether an access that was not done is known to be the moderator's: no window will ever have it. */
function isModerated(core: Core, status: number): boolean {
  return core.tlb.device(core.address(ADDRESS), isForWriting(status), core.tlbSet) >= 0;
}
