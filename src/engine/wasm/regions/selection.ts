import type { GuestMemory } from "../../guest-memory.ts";
import type { Core } from "../../x86/core.ts";
import { Decoder } from "../../x86/decoder.ts";
import { MODE_CODE_64 } from "../../x86/mode.ts";
import { MXCSR_FAST, RIP } from "../../x86/state.ts";
import type { Block, Blocks } from "../blocks.ts";
import { type Frame, Frames } from "./frames.ts";
import { structure } from "./graph.ts";
import { atBlock, isSameStack, type KnownX87, knownX87 } from "./known-stack.ts";
import { type Node, newNode } from "./node.ts";
import { liftBlock, type RegionBlock } from "./region-block.ts";
import type { Sites } from "./sites.ts";
import { REACH } from "./ways-out.ts";

/** Most blocks and instructions of a region. */
const MAXIMUM_BLOCKS = 64;
const MAXIMUM_INSTRUCTIONS = 600;
/** A region of so many blocks may become part of others as well; at larger ones they end, unless they lead back. */
const SMALL_REGION_BLOCKS = 12;

/** Nothing is there more than once. */
const NONE: ReadonlySet<bigint> = new Set();

/** A place in a function. */
interface Place {
  readonly rip: bigint;
  readonly frame: Frame;
}

/** A block of a region, and where it goes on. */
interface Member {
  node: Node;
  readonly frame: Frame;
  ways: readonly Place[];
}

interface Reached {
  readonly frames: Frames;
  readonly members: readonly Member[];
  readonly instructions: number;
  /** There was no room for all. */
  readonly isCut: boolean;
}

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

  /** Blocks that are reached from the entry, those found first first. Undefined: the entry stays with tier 0. */
  select(core: Core, entry: Block, mode: number): readonly Node[] | undefined {
    const found = this.reach(core, entry, mode, NONE);
    if (found === undefined) return undefined;
    const { frames, members, instructions } = found;
    const inlined = frames.inlinable(
      MAXIMUM_INSTRUCTIONS - instructions,
      MAXIMUM_BLOCKS - members.length,
    );
    const copied = inlined.size === 0 ? undefined : this.reach(core, entry, mode, inlined);
    return this.connected(copied === undefined || copied.isCut ? found : copied);
  }

  /**
   * @param inlined functions that are there once for each call
   * @param returned what is known of the x87 unit behind functions that leave another stack than they find
   */
  private reach(
    core: Core,
    entry: Block,
    mode: number,
    inlined: ReadonlySet<bigint>,
    returned: ReadonlyMap<bigint, KnownX87> = new Map(),
  ): Reached | undefined {
    const members: Member[] = [];
    const isFast = core.get(MXCSR_FAST) !== 0;
    let instructions = 0;
    let isCut = false;
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
    const add = (block: Block, { rip, frame }: Place, x87: KnownX87 | undefined): boolean => {
      const lifted = lift(block, rip, x87);
      if (lifted === undefined) return false;
      instructions += lifted.instructions.length;
      const node = newNode(lifted);
      frame.nodes.set(rip, node);
      members.push({ node, frame, ways: [] });
      return true;
    };
    const entryRip = mode & MODE_CODE_64 ? (core.u64[RIP >> 3] as bigint) : BigInt(core.get(RIP));
    const first = BigInt.asIntN(64, entryRip);
    const frames = new Frames(first, inlined);
    if (!add(entry, { rip: first, frame: frames.root }, knownX87(core))) return undefined;
    const rejected = new Set<bigint>();
    for (const member of members) {
      const { node, frame } = member;
      const { flow, returnSite } = node.block;
      const function_ = frame.entry;
      if (frame !== frames.root && !returned.has(function_)) {
        const stack = stackReturned(node, function_, members);
        if (stack !== undefined)
          return this.reach(core, entry, mode, inlined, new Map([...returned, [function_, stack]]));
      }
      member.ways = this.waysFrom(node.block, frame, frames);
      const behind = returnSite === undefined ? [] : [{ rip: returnSite, frame }];
      for (const place of [...member.ways, ...behind]) {
        const { rip } = place;
        if (place.frame.nodes.has(rip) || rejected.has(rip)) continue;
        if (members.length >= MAXIMUM_BLOCKS || instructions >= MAXIMUM_INSTRUCTIONS) {
          isCut = true;
          break;
        }
        const called = rip === returnSite && place.frame === frame ? calledBy(node) : undefined;
        const x87 = (called !== undefined && returned.get(called)) || atBlock(flow.x87);
        const block = this.blockAt(core, node, rip, mode);
        const isNear = Math.abs(Number(rip - first)) < REACH - 4096;
        if (block === undefined || !isNear || !add(block, place, x87)) rejected.add(rip);
      }
    }
    // What is jumped to in the middle of a block would be there twice, and a loop be entered at two places.
    for (const member of members) {
      const { block } = member.node;
      const { nodes } = member.frame;
      const count = block.instructions.findIndex((one, k) => k > 0 && nodes.has(one.rip));
      if (count <= 0) continue;
      const shorter = lift(block.block, block.rip, block.x87, count) as RegionBlock;
      member.node = newNode(shorter);
      member.ways = this.waysFrom(shorter, member.frame, frames);
      nodes.set(block.rip, member.node);
    }
    return { frames, members, instructions, isCut };
  }

  /** Where a block goes on, as far as it is known; not where it returns to. */
  private waysFrom(block: RegionBlock, frame: Frame, frames: Frames): readonly Place[] {
    const { falls, jumps, returnSite } = block;
    const targets = [...jumps, ...this.sites.targetsOf(block)];
    if (returnSite === undefined)
      return [...targets, ...(falls === undefined ? [] : [falls])].map((rip) => ({ rip, frame }));
    return targets.map((rip) => ({ rip, frame: frames.called(rip, returnSite, frame) }));
  }

  /** Let blocks know which come behind them, in order. */
  private connected({ members }: Reached): readonly Node[] {
    for (const { node, frame, ways } of members) {
      const { returns, flow } = node.block;
      const places = returns
        ? frame.returns.map((one) => ({ rip: one.site, frame: one.frame }))
        : ways;
      const successors = new Map<bigint, Node>();
      for (const { rip, frame } of places) {
        const successor = frame.nodes.get(rip);
        if (successor === undefined || !isSameStack(successor.block.x87, flow.x87)) continue;
        if (!successors.has(rip)) successors.set(rip, successor);
      }
      node.successors = [...successors.values()];
    }
    const nodes = members.map(({ node }) => node);
    this.endAtOthers(nodes);
    return structure(nodes[0] as Node);
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
  members: readonly Member[],
): KnownX87 | undefined {
  if (!returns) return undefined;
  const differs = members.some(
    ({ node }) => calledBy(node) === within && !isSameStack(node.block.flow.x87, flow.x87),
  );
  return differs ? atBlock(flow.x87) : undefined;
}
