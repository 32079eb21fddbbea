import { SLOW_UPDATE, SLOW_WRITE } from "../../x86/access.ts";
import type { Core } from "../../x86/core.ts";
import { ADDRESS, DATA_WINDOW, READ_WINDOW, STACK_WINDOW, STATUS } from "../../x86/state.ts";
import type { Block, Blocks } from "../blocks.ts";
import type { AccessPath } from "./operand-places.ts";
import type { Caution, RegionBlock } from "./region-block.ts";
import {
  JUMP_NOTES,
  JUMP_NOTES_BYTES,
  JUMP_TARGETS,
  JUMPS_LEFT,
  KIND_SHIFT,
  WAY_MASK,
  WAYS,
  type WindowKind,
} from "./ways-out.ts";

/** An instruction that so often was left to tier 0 takes less for granted of numbers; after as many more times it stays there. */
const MAXIMUM_RETRIES = 64;
/** If an operand so often was not in a window, its region is compiled anew. */
const MAXIMUM_MISSES = 16;
/** If so many operands were in no window, none are looked for there any more. */
const MAXIMUM_WINDOWLESS = 32;
/** Most targets of a computed jump that a region has. */
const MAXIMUM_TARGETS = 128;
/** How often it is found out where a jump goes, each time after four times as many jumps. */
const MAXIMUM_LOOKS = 10;
/** More jumps than there are in the life of a region. */
const NEVER = 0x7fff_ffff;
const WINDOW_OF = { data: DATA_WINDOW, stack: STACK_WINDOW, read: READ_WINDOW } as const;
const WINDOWS_TO_READ = ["data", "stack", "read"] as const;
const WINDOWS_TO_WRITE = ["data", "stack"] as const;

/** An instruction that compiled code has left to tier 0. */
interface Site {
  /** How often: by itself, and because an operand was not in a window. */
  retries: number;
  misses: number;
  /** Where the operand was found last, if not in the window of its kind. */
  window: WindowKind | undefined;
  /** Where it was seen to jump to, if that is computed. */
  targets: readonly bigint[];
  /** How often that was found out. */
  lookedAt: number;
}

/** What follows for the regions with an instruction, when it was left to tier 0: they are compiled anew. */
export type Consequence = "none" | "replaced" | "replaced with caution";

/** What has been learnt of instructions in compiled code, by their host-physical addresses. */
export class Sites {
  /** All of linear memory. */
  private readonly view: DataView;
  private readonly blocks: Blocks;
  private readonly sites = new Map<number, Site>();
  /** Addresses of jumps by where their targets are noted. */
  private readonly notes = new Map<number, number>();
  /** Of how many an operand was in no window. */
  private windowless = 0;
  /** Blocks whose operands are to be looked for in the TLB as well. */
  private readonly cautious = new Set<Block>();
  private readonly controlChanges = new Map<Block, number>();

  constructor(memory: WebAssembly.Memory, blocks: Blocks) {
    this.view = new DataView(memory.buffer);
    this.blocks = blocks;
  }

  private at(address: number): Site {
    let site = this.sites.get(address);
    if (site === undefined) {
      site = { retries: 0, misses: 0, window: undefined, targets: [], lookedAt: 0 };
      this.sites.set(address, site);
    }
    return site;
  }

  /** How the instruction at an offset in a block finds its operands. */
  pathOf(block: Block, offset: number, usual: WindowKind): AccessPath {
    const isWindowless = this.windowless >= MAXIMUM_WINDOWLESS;
    const window = this.sites.get(block.start + offset)?.window ?? usual;
    return {
      window: isWindowless ? undefined : window,
      tlb: isWindowless || this.cautious.has(block),
    };
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
    const retries = this.sites.get(address)?.retries ?? 0;
    if (retries < MAXIMUM_RETRIES) return "none";
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
    const times = (this.controlChanges.get(entry) ?? 0) + 1;
    this.controlChanges.set(entry, times);
    return times;
  }

  /** Operands of a block's instructions are looked for in the TLB as well, from now on. */
  beCautious(block: Block): void {
    this.cautious.add(block);
  }

  /** The block is no more. */
  forget(block: Block): void {
    this.cautious.delete(block);
    this.controlChanges.delete(block);
  }

  /** The instruction at a host-physical address was left to tier 0, which is about to do it. */
  left(core: Core, address: number): Consequence {
    const site = this.at(address);
    const status = core.get(STATUS);
    if (WAYS[status & WAY_MASK] !== "retry" && !isModerated(core, status))
      return this.missed(core, site, status);
    return ++site.retries % MAXIMUM_RETRIES === 0 ? "replaced" : "none";
  }

  /** An operand was not in its window. */
  private missed(core: Core, site: Site, status: number): Consequence {
    const { windows, tlbSet } = core;
    const linear = core.address(ADDRESS);
    const usual = WAYS[status & WAY_MASK] as WindowKind;
    const writes = ((status >> KIND_SHIFT) & (SLOW_WRITE | SLOW_UPDATE)) !== 0;
    const kinds: readonly WindowKind[] = writes ? WINDOWS_TO_WRITE : WINDOWS_TO_READ;
    const has = (kind: WindowKind): boolean => windows.has(tlbSet, WINDOW_OF[kind], linear);
    // each time it is tried there is more behind it that speaks against it
    if ((++site.misses & (site.misses - 1)) === 0) {
      if (!kinds.some(has)) windows.move(tlbSet, WINDOW_OF[usual], linear);
      if (!kinds.some(has) && !writes) windows.move(tlbSet, READ_WINDOW, linear);
      site.window = kinds.find(has);
    }
    if (site.misses !== MAXIMUM_MISSES) return "none";
    if (site.window === undefined) this.windowless++;
    return "replaced with caution";
  }

  clear(): void {
    this.sites.clear();
    this.windowless = 0;
    this.cautious.clear();
    this.controlChanges.clear();
    this.notes.clear();
  }
}

/** Whether an access that was not done is known to be the moderator's: no window will ever have it. */
function isModerated(core: Core, status: number): boolean {
  const writes = ((status >> KIND_SHIFT) & (SLOW_WRITE | SLOW_UPDATE)) !== 0;
  return core.tlb.device(core.address(ADDRESS), writes, core.tlbSet) >= 0;
}
