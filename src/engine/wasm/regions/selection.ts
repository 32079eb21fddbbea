import type { GuestMemory } from "../../guest-memory.ts";
import type { Core } from "../../x86/core.ts";
import { Decoder } from "../../x86/decoder.ts";
import { MODE_CODE_64 } from "../../x86/mode.ts";
import { MXCSR_FAST, RIP } from "../../x86/state.ts";
import type { Block, Blocks } from "../blocks.ts";
import { type Node, newNode, structure } from "./graph.ts";
import { atBlock, isSameStack, type KnownX87, knownX87 } from "./known-stack.ts";
import { liftBlock, type RegionBlock } from "./region-block.ts";
import type { Sites } from "./sites.ts";
import { REACH } from "./ways-out.ts";

/** Most blocks and instructions of a region. */
const MAXIMUM_BLOCKS = 64;
const MAXIMUM_INSTRUCTIONS = 600;
/** A region of so many blocks may become part of others as well; at larger ones they end, unless they lead back. */
const SMALL_REGION_BLOCKS = 12;

/** Chooses what becomes a region: code that has run already, as far as it can be told where it goes. */
export class Selection {
  private readonly memory: GuestMemory;
  private readonly blocks: Blocks;
  private readonly sites: Sites;
  private readonly blocksBehind: (entry: Block) => number;
  private readonly decoder = new Decoder();

  /** @param blocksBehind how many blocks the region has that begins with a block; 0: there is none */
  constructor(
    memory: GuestMemory,
    blocks: Blocks,
    sites: Sites,
    blocksBehind: (entry: Block) => number,
  ) {
    this.memory = memory;
    this.blocks = blocks;
    this.sites = sites;
    this.blocksBehind = blocksBehind;
  }

  /**
   * Blocks that are reached from the entry, those found first first. Undefined: the entry stays with tier 0.
   * @param returned what is known of the x87 unit behind functions that leave another stack than they find
   */
  select(
    core: Core,
    entry: Block,
    mode: number,
    returned: ReadonlyMap<bigint, KnownX87> = new Map(),
  ): readonly Node[] | undefined {
    const nodes = new Map<bigint, Node>();
    const isFast = core.get(MXCSR_FAST) !== 0;
    let instructions = 0;
    const lift = (
      block: Block,
      rip: bigint,
      x87: KnownX87 | undefined,
      count = this.blocks.instructionsOf(block),
    ): RegionBlock | undefined => {
      const pageEnd = Math.floor(block.start / 4096) * 4096 + 4096;
      return liftBlock(
        this.decoder,
        block,
        this.memory.u8.subarray(block.start, pageEnd),
        mode,
        rip,
        count,
        isFast,
        (address) => this.sites.cautionAt(address),
        x87,
      );
    };
    const add = (block: Block, rip: bigint, x87: KnownX87 | undefined): Node | undefined => {
      const lifted = lift(block, rip, x87);
      if (lifted === undefined) return undefined;
      instructions += lifted.instructions.length;
      const node = newNode(lifted);
      nodes.set(rip, node);
      return node;
    };
    const entryRip = mode & MODE_CODE_64 ? (core.u64[RIP >> 3] as bigint) : BigInt(core.get(RIP));
    const firstRip = BigInt.asIntN(64, entryRip);
    if (add(entry, firstRip, knownX87(core)) === undefined) return undefined;
    const rejected = new Set<bigint>();
    /** Functions, by their first addresses, that blocks belong to. */
    const functions = new Map<bigint, bigint>();
    for (const node of nodes.values()) {
      const { falls, jumps, returnSite, flow } = node.block;
      const called = calledBy(node);
      const within = functions.get(node.block.rip);
      if (within !== undefined && !returned.has(within)) {
        const stack = stackReturned(node, within, nodes.values());
        if (stack !== undefined)
          return this.select(core, entry, mode, new Map([...returned, [within, stack]]));
      }
      const known = this.sites.targetsOf(node.block);
      for (const rip of [...jumps, ...(falls === undefined ? [] : [falls]), returnSite, ...known]) {
        if (rip === undefined || nodes.has(rip) || rejected.has(rip)) continue;
        const isBehind = rip === returnSite && called !== undefined;
        const x87 = (isBehind && returned.get(called)) || atBlock(flow.x87);
        if (nodes.size >= MAXIMUM_BLOCKS || instructions >= MAXIMUM_INSTRUCTIONS) break;
        const block = this.blockAt(core, node, rip, mode);
        const distance = Number(rip - firstRip);
        if (
          block === undefined ||
          Math.abs(distance) >= REACH - 4096 ||
          add(block, rip, x87) === undefined
        )
          rejected.add(rip);
        else {
          const inside = isBehind ? within : (called ?? within);
          if (inside !== undefined) functions.set(rip, inside);
        }
      }
    }
    // What is jumped to in the middle of a block would be there twice, and a loop be entered at two places.
    for (const [rip, { block }] of nodes) {
      const { instructions, x87 } = block;
      const count = instructions.findIndex((one, k) => k > 0 && nodes.has(one.rip));
      if (count > 0) nodes.set(rip, newNode(lift(block.block, rip, x87, count) as RegionBlock));
    }
    const returnSites = [...nodes.values()].flatMap(({ block }) => {
      const site = block.returnSite === undefined ? undefined : nodes.get(block.returnSite);
      return site === undefined ? [] : [site];
    });
    for (const node of nodes.values()) {
      const { falls, jumps, returns, flow } = node.block;
      const fits = ({ block }: Node): boolean => isSameStack(block.x87, flow.x87);
      const direct = falls === undefined ? jumps : [...jumps, falls];
      for (const rip of [...direct, ...this.sites.targetsOf(node.block)]) {
        const successor = nodes.get(rip);
        if (successor !== undefined && fits(successor)) node.successors.push(successor);
      }
      if (returns) node.successors.push(...new Set(returnSites.filter(fits)));
    }
    this.endAtOthers([...nodes.values()]);
    return structure(nodes.get(firstRip) as Node);
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
      !comesBack.has(node) && this.blocksBehind(node.block.block) > SMALL_REGION_BLOCKS;
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
}

/** The function, by its first address, that a block calls. */
function calledBy({ block }: Node): bigint | undefined {
  return block.returnSite === undefined ? undefined : block.jumps[0];
}

/** What is known of the x87 unit behind a RET of a function, if its callers are not aware of that: it returns a number. */
function stackReturned(
  { block: { returns, flow } }: Node,
  within: bigint,
  nodes: Iterable<Node>,
): KnownX87 | undefined {
  if (!returns) return undefined;
  const differs = [...nodes].some(
    (node) => calledBy(node) === within && !isSameStack(node.block.flow.x87, flow.x87),
  );
  return differs ? atBlock(flow.x87) : undefined;
}
