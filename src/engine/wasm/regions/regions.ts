import type { GuestMemory } from "../../guest-memory.ts";
import type { Vcpu } from "../../vcpu.ts";
import { SLOW_UPDATE, SLOW_WRITE } from "../../x86/access.ts";
import type { Core } from "../../x86/core.ts";
import { Decoder } from "../../x86/decoder.ts";
import { MODE_CODE_32, MODE_CODE_64 } from "../../x86/mode.ts";
import {
  ADDRESS,
  CS,
  DATA_WINDOW,
  MODE,
  MXCSR_FAST,
  READ_WINDOW,
  RIP,
  SEGMENT_BASE,
  STACK_WINDOW,
  STATUS,
  segmentField,
  X87,
} from "../../x86/state.ts";
import { STATUS_WORD, TAGS } from "../../x87/layout.ts";
import { HEADER_SLOT, REGION_IMPORTS, TEMPLATE } from "../base-module.ts";
import type { Block, Blocks } from "../blocks.ts";
import { ModuleBuilder } from "../module-builder.ts";
import type { Templates } from "../templates.ts";
import { type Node, newNode, structure } from "./graph.ts";
import { affordableBytes, type Jit, Thresholds } from "./jit.ts";
import { atBlock, isSameStack, type KnownX87, knownX87 } from "./known-stack.ts";
import type { AccessPath } from "./operand-places.ts";
import { type Caution, liftBlock, type RegionBlock } from "./region-block.ts";
import { RegionEmitter } from "./region-emitter.ts";
import {
  JUMP_NOTES,
  JUMP_NOTES_BYTES,
  JUMP_TARGETS,
  JUMPS_LEFT,
  KIND_SHIFT,
  REACH,
  WAY_MASK,
  WAYS,
  type WindowKind,
} from "./ways-out.ts";

/** Most blocks and instructions of a region. */
const MAXIMUM_BLOCKS = 64;
const MAXIMUM_INSTRUCTIONS = 600;
/** A region of so many blocks may become part of others as well; at larger ones they end, unless they lead back. */
const SMALL_REGION_BLOCKS = 12;
/** So many regions become one module; fewer if one is entered so often while it waits. */
const BATCH_REGIONS = 16;
const BATCH_ENTRIES = 1000;
/** Each time that code of a page is changed after it was compiled, it must be twice as hot for the next; up to that. */
const MAXIMUM_DOUBLINGS = 16;
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
/** Entries until a block is compiled anew, whose region was given up for what an instruction did. */
const HOT_AGAIN_AFTER = 64;

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

function holds(block: Block, address: number): boolean {
  return address >= block.start && address < block.start + block.size;
}

interface Region {
  readonly entry: Block;
  readonly blocks: readonly Block[];
  readonly slot: number;
  /** Value of MXCSR_FAST with which it can be entered; undefined: any. */
  readonly fast: number | undefined;
}

/** Regions that wait to become one module: each has an index of a function there. */
class Batch {
  readonly module = new ModuleBuilder();
  readonly indices = new Map<string, number>();
  readonly regions = new Map<Region, number>();

  constructor() {
    for (const [name, signature] of Object.entries(REGION_IMPORTS))
      this.indices.set(name, this.module.importFunction(name, signature));
  }
}

/**
 * The compiling tier: hot code as regions, each one WebAssembly function that
 * is entered in place of a block's header. A region is dropped with any of
 * its blocks.
 */
export class Regions {
  private readonly memory: GuestMemory;
  /** All of linear memory. */
  private readonly view: DataView;
  private readonly table: WebAssembly.Table;
  private readonly functions: Readonly<Record<string, WebAssembly.ExportValue>>;
  private readonly blocks: Blocks;
  private readonly templates: Templates;
  private readonly decoder = new Decoder();
  private readonly byBlock = new Map<Block, Set<Region>>();
  private readonly byEntry = new Map<Block, Region>();
  private readonly freeSlots: number[] = [];
  /** What is known of instructions at host-physical addresses that were left to tier 0. */
  private readonly sites = new Map<number, Site>();
  /** Addresses of jumps by where their targets are noted. */
  private readonly notes = new Map<number, number>();
  /** Of how many an operand was in no window. */
  private windowless = 0;
  /** Blocks whose operands are to be looked for in the TLB as well. */
  private readonly cautious = new Set<Block>();
  /** How often compiled code of a host-physical page was changed. */
  private readonly changes = new Map<number, number>();
  /** What will be compiled together. */
  private batch: Batch | undefined;
  private readonly jit: Jit;
  /** Bytes of code emitted so far. */
  private emittedBytes = 0;
  /** Regions compiled so far. */
  compiled = 0;
  /** Of more at a time, the oldest are given up. */
  maximum = 2048;

  /** @param functions those of {@link REGION_IMPORTS} by name */
  constructor(
    memory: GuestMemory,
    table: WebAssembly.Table,
    functions: Readonly<Record<string, WebAssembly.ExportValue>>,
    blocks: Blocks,
    templates: Templates,
    jit: Jit,
  ) {
    this.memory = memory;
    this.view = new DataView(memory.memory.buffer);
    this.table = table;
    this.functions = functions;
    this.blocks = blocks;
    this.templates = templates;
    this.jit = jit;
    const thresholds = new Thresholds(jit);
    blocks.hotAfter = (page, costly) =>
      thresholds.next(Math.min(this.changes.get(page) ?? 0, MAXIMUM_DOUBLINGS), costly);
    blocks.onDrop = (block) => this.dropWith(block);
    blocks.onClear = () => this.clear();
  }

  /** Regions there are. */
  get count(): number {
    return this.byEntry.size;
  }

  /**
   * A block has been entered often, and is about to be again: have what begins with it compiled.
   * What becomes hot at about the same time goes into one module.
   */
  compile(core: Core, entry: Block): void {
    const known = this.byEntry.get(entry);
    if (known !== undefined && this.batch?.regions.has(known)) {
      this.finishBatch();
      return;
    }
    const mode = core.get(MODE);
    const flat =
      mode & MODE_CODE_64 ||
      (mode & MODE_CODE_32 && core.get(segmentField(CS, SEGMENT_BASE)) === 0);
    if (!flat || entry.crossing >= 0 || !this.blocks.hasRoom) return;
    if (this.jit === "on" && this.emittedBytes > affordableBytes((core.vcpu as Vcpu).retired)) {
      this.blocks.countDown(entry, this.hotAfter(entry));
      return;
    }
    const nodes = this.select(core, entry, mode);
    if (nodes === undefined) return;
    this.batch ??= new Batch();
    const { module, indices, regions } = this.batch;
    const emitter = new RegionEmitter(indices, module.typeIndex(TEMPLATE), nodes, {
      newLink: () => this.blocks.newLink(),
      pathOf: (block, offset, usual) => this.pathOf(block, offset, usual),
      notesAt: (block, offset) => this.notesAt(block.start + offset),
      hotAfter: this.hotAfter(entry),
    });
    emitter.body();
    this.emittedBytes += emitter.code.length;
    if (known !== undefined) this.drop(known);
    const fast = nodes.some(({ block }) => block.flow.usesFast) ? core.get(MXCSR_FAST) : undefined;
    const slot = this.freeSlots.pop() ?? this.templates.takeSlot();
    const region = { entry, blocks: nodes.map(({ block }) => block.block), slot, fast };
    const index = module.addFunction(TEMPLATE, emitter.locals, emitter.code, emitter.unlikely);
    regions.set(region, index);
    this.know(region);
    if (this.jit === "always" || regions.size >= BATCH_REGIONS) this.finishBatch();
    else this.blocks.countDown(entry, BATCH_ENTRIES);
  }

  private hotAfter(block: Block): number {
    return this.blocks.hotAfter(Math.floor(block.start / 4096));
  }

  private know(region: Region): void {
    this.byEntry.set(region.entry, region);
    for (const block of new Set(region.blocks)) {
      const regions = this.byBlock.get(block) ?? new Set();
      this.byBlock.set(block, regions.add(region));
      // what was about to become hot is entered through this one now, or has to become so again
      if (!this.byEntry.has(block)) this.blocks.countDown(block, this.hotAfter(block));
    }
  }

  private finishBatch(): void {
    const { batch } = this;
    this.batch = undefined;
    if (batch === undefined || batch.regions.size === 0) return;
    const { module, regions } = batch;
    const imports: Record<string, WebAssembly.ImportValue> = {
      memory: this.memory.memory,
      table: this.table,
    };
    for (const name of Object.keys(REGION_IMPORTS))
      imports[name] = this.functions[name] as WebAssembly.ImportValue;
    for (const [{ slot }, index] of regions) module.tableEntries(slot, [index]);
    const bytes = module.build(this.memory.memory.buffer.byteLength / 65536, 1);
    new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: imports });
    for (const { entry, slot } of regions.keys()) this.blocks.setSlot(entry, slot);
    this.compiled += regions.size;
    for (const region of this.byEntry.values()) {
      if (this.byEntry.size <= this.maximum) break;
      this.drop(region);
      this.blocks.countDown(region.entry, this.hotAfter(region.entry));
    }
  }

  /** Blocks that are reached from the entry, those found first first. Undefined: the entry stays with tier 0. */
  private select(core: Core, entry: Block, mode: number): readonly Node[] | undefined {
    const nodes = new Map<bigint, Node>();
    const isFast = core.get(MXCSR_FAST) !== 0;
    let instructions = 0;
    const add = (block: Block, rip: bigint, x87: KnownX87 | undefined): Node | undefined => {
      const pageEnd = Math.floor(block.start / 4096) * 4096 + 4096;
      const lifted = liftBlock(
        this.decoder,
        block,
        this.memory.u8.subarray(block.start, pageEnd),
        mode,
        rip,
        this.blocks.instructionsOf(block),
        isFast,
        (address) => this.cautionAt(address),
        x87,
      );
      if (lifted === undefined) return undefined;
      instructions += lifted.instructions.length;
      const node = newNode(lifted);
      nodes.set(rip, node);
      return node;
    };
    const entryRip = mode & MODE_CODE_64 ? (core.u64[RIP >> 3] as bigint) : BigInt(core.get(RIP));
    const first = add(
      entry,
      BigInt.asIntN(64, entryRip),
      knownX87(core.get(X87 + STATUS_WORD), core.get(X87 + TAGS)),
    );
    if (first === undefined) return undefined;
    const rejected = new Set<bigint>();
    for (const node of nodes.values()) {
      const { falls, jumps, returnSite, flow } = node.block;
      const known = this.targetsOf(node.block);
      for (const rip of [...jumps, ...(falls === undefined ? [] : [falls]), returnSite, ...known]) {
        if (rip === undefined || nodes.has(rip) || rejected.has(rip)) continue;
        if (nodes.size >= MAXIMUM_BLOCKS || instructions >= MAXIMUM_INSTRUCTIONS) break;
        const block = this.blockAt(core, node, rip, mode);
        const distance = Number(rip - first.block.rip);
        if (
          block === undefined ||
          Math.abs(distance) >= REACH - 4096 ||
          add(block, rip, atBlock(flow.x87)) === undefined
        )
          rejected.add(rip);
      }
    }
    const returnSites = [...nodes.values()].flatMap(({ block }) => {
      const site = block.returnSite === undefined ? undefined : nodes.get(block.returnSite);
      return site === undefined ? [] : [site];
    });
    for (const node of nodes.values()) {
      const { falls, jumps, returns, flow } = node.block;
      const fits = ({ block }: Node): boolean => isSameStack(block.x87, flow.x87);
      const direct = falls === undefined ? jumps : [...jumps, falls];
      for (const rip of [...direct, ...this.targetsOf(node.block)]) {
        const successor = nodes.get(rip);
        if (successor !== undefined && fits(successor)) node.successors.push(successor);
      }
      if (returns) node.successors.push(...new Set(returnSites.filter(fits)));
    }
    this.endAtOthers([...nodes.values()]);
    return structure(first);
  }

  /** Let a region end where another large one begins, if nothing leads back from there. */
  private endAtOthers(nodes: readonly Node[]): void {
    const comesBack = new Set(nodes.slice(0, 1));
    for (let size = 0; size < comesBack.size; ) {
      size = comesBack.size;
      for (const node of nodes)
        if (node.successors.some((successor) => comesBack.has(successor))) comesBack.add(node);
    }
    const isOther = (node: Node): boolean =>
      !comesBack.has(node) &&
      (this.byEntry.get(node.block.block)?.blocks.length ?? 0) > SMALL_REGION_BLOCKS;
    for (const node of nodes) node.successors = node.successors.filter((one) => !isOther(one));
  }

  /** The decoded block at an address, if it is known. */
  private blockAt(core: Core, from: Node, rip: bigint, mode: number): Block | undefined {
    const source = from.block;
    if (source.rip >> 12n === rip >> 12n) {
      const block = this.blocks.at(source.block.start + Number(rip - source.rip), mode);
      return block === undefined || block.crossing >= 0 ? undefined : block;
    }
    const block = this.blocks.ofRecord(core.jumpCache.recordOf(rip));
    return block === undefined || block.crossing >= 0 ? undefined : block;
  }

  private pathOf(block: Block, offset: number, usual: WindowKind): AccessPath {
    const isWindowless = this.windowless >= MAXIMUM_WINDOWLESS;
    const window = this.sites.get(block.start + offset)?.window ?? usual;
    return {
      window: isWindowless ? undefined : window,
      tlb: isWindowless || this.cautious.has(block),
    };
  }

  /** Where the computed jump at a block's end is known to go. */
  private targetsOf({ block, indirect }: RegionBlock): readonly bigint[] {
    return indirect === undefined ? [] : (this.sites.get(block.start + indirect)?.targets ?? []);
  }

  /** Where the jump at a host-physical address notes its targets; 0: nowhere. */
  private notesAt(address: number): number {
    const site = this.siteAt(address);
    if (site.lookedAt >= MAXIMUM_LOOKS) return 0;
    const notes = this.blocks.newArea(JUMP_NOTES_BYTES);
    const left = JUMP_NOTES * 4 ** site.lookedAt;
    this.view.setInt32(notes + JUMPS_LEFT, left, true);
    this.notes.set(notes, address);
    return notes;
  }

  /** A computed jump has been noted as often as was wanted: let its region have the targets. */
  jumped(notes: number): void {
    const address = this.notes.get(notes);
    if (address === undefined) return;
    const site = this.siteAt(address);
    site.lookedAt++;
    const targets = new Set(site.targets);
    for (let k = 0; k < JUMP_NOTES; k++) {
      const target = this.view.getBigInt64(notes + JUMP_TARGETS + 8 * k, true);
      if (targets.size < MAXIMUM_TARGETS) targets.add(target);
    }
    this.view.setInt32(notes + JUMPS_LEFT, NEVER, true);
    if (targets.size === site.targets.length) return;
    site.targets = [...targets];
    for (const region of this.regionsAt(address)) {
      this.drop(region);
      this.blocks.countDown(region.entry, 1);
    }
  }

  private siteAt(address: number): Site {
    let site = this.sites.get(address);
    if (site === undefined) {
      site = { retries: 0, misses: 0, window: undefined, targets: [], lookedAt: 0 };
      this.sites.set(address, site);
    }
    return site;
  }

  private cautionAt(address: number): Caution {
    const retries = this.sites.get(address)?.retries ?? 0;
    if (retries < MAXIMUM_RETRIES) return "none";
    return retries < 2 * MAXIMUM_RETRIES ? "careful" : "excluded";
  }

  /** The instruction of a block's header record was left to tier 0, which is about to do it. */
  retried(core: Core, record: number): void {
    const block = this.blocks.ofRecord(record);
    const entered = block && this.byEntry.get(block);
    if (entered?.fast !== undefined && entered.fast !== core.get(MXCSR_FAST)) {
      this.replace(entered);
      return;
    }
    const address = this.blocks.startOf(record);
    const site = this.siteAt(address);
    const status = core.get(STATUS);
    const isLeft = WAYS[status & WAY_MASK] === "retry" || isModerated(core, status);
    if (!isLeft) this.missed(core, address, site, status);
    else if (++site.retries % MAXIMUM_RETRIES === 0)
      for (const region of this.regionsAt(address)) this.replace(region);
  }

  /** An operand was not in its window. */
  private missed(core: Core, address: number, site: Site, status: number): void {
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
    if (site.misses !== MAXIMUM_MISSES) return;
    if (site.window === undefined) this.windowless++;
    this.dropAt(address);
  }

  /** Drop what was compiled from an instruction, to be compiled anew soon, and with more caution. */
  private dropAt(address: number): void {
    for (const region of this.regionsAt(address)) {
      this.replace(region);
      for (const block of region.blocks) this.cautious.add(block);
    }
  }

  /** Those that have the code at a host-physical address. */
  private regionsAt(address: number): ReadonlySet<Region> {
    const found = new Set<Region>();
    for (const [block, regions] of this.byBlock)
      if (holds(block, address)) for (const region of regions) found.add(region);
    return found;
  }

  /** Drop a region that takes too much for granted; it is compiled anew soon. */
  private replace(region: Region): void {
    this.drop(region);
    this.blocks.countDown(region.entry, HOT_AGAIN_AFTER);
  }

  private dropWith(block: Block): void {
    this.cautious.delete(block);
    const regions = this.byBlock.get(block);
    if (regions === undefined) return;
    const page = Math.floor(block.start / 4096);
    this.changes.set(page, (this.changes.get(page) ?? 0) + 1);
    for (const region of regions) this.drop(region);
  }

  private drop(region: Region): void {
    for (const block of region.blocks) {
      const regions = this.byBlock.get(block);
      regions?.delete(region);
      if (regions?.size === 0) this.byBlock.delete(block);
    }
    this.byEntry.delete(region.entry);
    if (!this.batch?.regions.delete(region)) {
      this.blocks.setSlot(region.entry, HEADER_SLOT);
      this.table.set(region.slot, null);
    }
    this.freeSlots.push(region.slot);
  }

  private clear(): void {
    for (const regions of [...this.byBlock.values()])
      for (const region of [...regions]) this.drop(region);
    this.sites.clear();
    this.windowless = 0;
    this.cautious.clear();
    this.notes.clear();
    this.changes.clear();
  }
}

/** Whether an access that was not done is known to be the moderator's: no window will ever have it. */
function isModerated(core: Core, status: number): boolean {
  const writes = ((status >> KIND_SHIFT) & (SLOW_WRITE | SLOW_UPDATE)) !== 0;
  return core.tlb.device(core.address(ADDRESS), writes, core.tlbSet) >= 0;
}
