import type { GuestMemory } from "../../guest-memory.ts";
import type { Vcpu } from "../../vcpu.ts";
import type { Core } from "../../x86/core.ts";
import { MODE_CODE_32, MODE_CODE_64 } from "../../x86/mode.ts";
import { CS, MODE, MXCSR_FAST, SEGMENT_BASE, segmentField } from "../../x86/state.ts";
import { HEADER_SLOT, REGION_IMPORTS, TEMPLATE } from "../base-module.ts";
import type { Block, Blocks } from "../blocks.ts";
import { ModuleBuilder } from "../module-builder.ts";
import { STRING_AT_ONCE } from "../strings-at-once.ts";
import type { Templates } from "../templates.ts";
import { affordableBytes, type Jit, Thresholds } from "./jit.ts";
import { RegionEmitter } from "./region-emitter.ts";
import type { FixedWindow } from "./region-windows.ts";
import { Selection } from "./selection.ts";
import { Sites } from "./sites.ts";

/** So many regions become one module; fewer if one is entered so often while it waits. */
const BATCH_REGIONS = 16;
const BATCH_ENTRIES = 1000;
/** Each time that MXCSR is not what a region is for, it must be entered four times as often for the next; up to that. */
const MAXIMUM_CONTROL_CHANGES = 10;
/** Each time that code of a page is changed after it was compiled, it must be twice as hot for the next; up to that. */
const MAXIMUM_DOUBLINGS = 16;
/** A region that so often could not be entered, for windows that were other ones, is compiled anew. */
const MAXIMUM_LOST = 16;
/** Entries until a block is compiled anew, whose region was given up for what an instruction did. */
const HOT_AGAIN_AFTER = 64;

function holds(block: Block, address: number): boolean {
  return address >= block.start && address < block.start + block.size;
}

interface Region {
  readonly entry: Block;
  readonly blocks: readonly Block[];
  readonly slot: number;
  /** Value of MXCSR_FAST with which it can be entered; undefined: any. */
  readonly fast: number | undefined;
  /** Windows without which it cannot be entered, and how often one was not there. */
  readonly windows: readonly FixedWindow[];
  lost: number;
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
  private readonly table: WebAssembly.Table;
  private readonly functions: Readonly<Record<string, WebAssembly.ExportValue>>;
  private readonly blocks: Blocks;
  private readonly templates: Templates;
  private readonly byBlock = new Map<Block, Set<Region>>();
  private readonly byEntry = new Map<Block, Region>();
  private readonly freeSlots: number[] = [];
  private readonly sites: Sites;
  private readonly selection: Selection;
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
    this.sites = new Sites(memory.memory, blocks);
    this.table = table;
    this.functions = functions;
    this.blocks = blocks;
    this.templates = templates;
    this.selection = new Selection(
      memory,
      blocks,
      this.sites,
      (entry) => this.byEntry.get(entry)?.blocks.length ?? 0,
    );
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
    const nodes = this.selection.select(core, entry, mode);
    if (nodes === undefined) return;
    this.batch ??= new Batch();
    const { module, indices, regions } = this.batch;
    const emitter = new RegionEmitter(indices, module.typeIndex(TEMPLATE), nodes, {
      records: this.blocks,
      pathOf: (block, offset, operand, writes) =>
        this.sites.pathOf(core, block, offset, operand, writes),
      placeOf: (window) => core.windows.placeOf(core.tlbSet, window),
      notesAt: (block, offset) => this.sites.notesAt(block.start + offset),
      callee: (name) => ({
        slot: this.templates.slotOfFunction(name),
        type: module.typeIndex(STRING_AT_ONCE),
      }),
      hotAfter: this.hotAfter(entry),
    });
    emitter.body();
    this.emittedBytes += emitter.code.length;
    if (known !== undefined) this.drop(known);
    const fast = nodes.some(({ block }) => block.flow.usesFast) ? core.get(MXCSR_FAST) : undefined;
    const slot = this.freeSlots.pop() ?? this.templates.takeSlot();
    const blocks = nodes.map(({ block }) => block.block);
    const region = { entry, blocks, slot, fast, windows: emitter.fixed, lost: 0 };
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
      this.replace(region, this.hotAfter(region.entry));
    }
  }

  /** The instruction of a block's header record was left to tier 0, which is about to do it. */
  retried(core: Core, record: number): void {
    const block = this.blocks.ofRecord(record);
    const entered = block && this.byEntry.get(block);
    if (entered?.fast !== undefined && entered.fast !== core.get(MXCSR_FAST)) {
      // Code that is run with one and with the other soon is hardly ever compiled.
      const times = Math.min(this.sites.controlChanged(entered.blocks), MAXIMUM_CONTROL_CHANGES);
      this.replace(entered, HOT_AGAIN_AFTER * 4 ** (times - 1));
      return;
    }
    if (entered !== undefined && this.lacksWindow(core, entered)) return;
    const address = this.blocks.startOf(record);
    const consequence = this.sites.left(core, address);
    if (consequence === "none") return;
    for (const region of this.regionsAt(address)) {
      this.replace(region, HOT_AGAIN_AFTER);
      if (consequence === "replaced for a window") this.sites.moved(region.blocks);
    }
  }

  /** Whether a region could not be entered for want of a window: have that anew, or the region compiled for others. */
  private lacksWindow(core: Core, region: Region): boolean {
    const { windows, tlbSet } = core;
    const missing = region.windows.filter(
      ({ window, place }) => !windows.covers(tlbSet, window, place),
    );
    if (missing.length === 0) return false;
    // each time it is tried there is more behind it that speaks against it
    if ((++region.lost & (region.lost - 1)) === 0)
      for (const { window, place } of missing) windows.adopt(tlbSet, window, place);
    if (region.lost === MAXIMUM_LOST) {
      this.sites.lostWindow(region.blocks);
      this.replace(region, HOT_AGAIN_AFTER);
    }
    return true;
  }

  /** It has been noted where a computed jump goes: let its region have the targets. */
  jumped(notes: number): void {
    const address = this.sites.noted(notes);
    if (address !== undefined)
      for (const region of this.regionsAt(address)) this.replace(region, 1);
  }

  /** Those that have the code at a host-physical address. */
  private regionsAt(address: number): ReadonlySet<Region> {
    const found = new Set<Region>();
    for (const [block, regions] of this.byBlock)
      if (holds(block, address)) for (const region of regions) found.add(region);
    return found;
  }

  /** Drop a region that is compiled anew after so many entries, with what is known now. */
  private replace(region: Region, entries: number): void {
    this.drop(region);
    this.blocks.countDown(region.entry, entries);
  }

  private dropWith(block: Block): void {
    this.sites.forget(block);
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
    this.changes.clear();
  }
}
