import type { Node } from "./node.ts";

/**
 * A function as a region has it: its code, and where that returns to. What is called from several
 * places is there once, or, if it is small, once for each: then it is known where it returns to, and
 * what is known of registers where it is called holds in it.
 */
export interface Frame {
  /** Its first instruction; of the one that the region is entered in, the region's. */
  readonly entry: bigint;
  /** Who called it first. */
  readonly caller: Frame | undefined;
  /** By their addresses. */
  readonly nodes: Map<bigint, Node>;
  readonly returns: Return[];
}

/** Behind a call. */
interface Return {
  readonly site: bigint;
  readonly frame: Frame;
}

/** Instructions and blocks of functions that are there once for each call. */
const SMALL_INSTRUCTIONS = 64;
const SMALL_BLOCKS = 12;

function newFrame(entry: bigint, caller: Frame | undefined): Frame {
  return { entry, caller, nodes: new Map(), returns: [] };
}

/** The functions of a region. */
export class Frames {
  readonly root: Frame;
  private readonly inlined: ReadonlySet<bigint>;
  private readonly all: Frame[] = [];
  private readonly shared = new Map<bigint, Frame>();

  /** @param inlined functions that are there once for each call */
  constructor(entry: bigint, inlined: ReadonlySet<bigint>) {
    this.root = newFrame(entry, undefined);
    this.all.push(this.root);
    this.inlined = inlined;
  }

  /** The frame of a function that is called. @param site behind the call */
  called(entry: bigint, site: bigint, caller: Frame): Frame {
    const frame = this.recursive(entry, caller) ?? this.known(entry, caller);
    if (!frame.returns.some((one) => one.site === site && one.frame === caller))
      frame.returns.push({ site, frame: caller });
    return frame;
  }

  private recursive(entry: bigint, caller: Frame): Frame | undefined {
    let frame: Frame | undefined = caller;
    while (frame !== undefined && frame.entry !== entry) frame = frame.caller;
    return frame;
  }

  private known(entry: bigint, caller: Frame): Frame {
    const shared = this.shared.get(entry);
    if (shared !== undefined) return shared;
    const frame = newFrame(entry, caller);
    this.all.push(frame);
    if (!this.inlined.has(entry)) this.shared.set(entry, frame);
    return frame;
  }

  /** Functions that may be there once for each call, if so many instructions and blocks may be added. */
  inlinable(instructions: number, blocks: number): ReadonlySet<bigint> {
    const chosen = new Set<bigint>();
    const sized = this.all
      .filter(
        (frame) => frame.returns.length > 1 && frame.returns.every((one) => one.frame !== frame),
      )
      .map(({ entry, nodes, returns }) => {
        const own = [...nodes.values()].map(({ block }) => block.instructions.length);
        return { entry, blocks: nodes.size, size: sum(own), copies: returns.length - 1 };
      })
      .sort((a, b) => a.size - b.size);
    let moreInstructions = 0;
    let moreBlocks = 0;
    for (const one of sized) {
      if (one.size === 0 || one.size > SMALL_INSTRUCTIONS || one.blocks > SMALL_BLOCKS) continue;
      moreInstructions += one.copies * one.size;
      moreBlocks += one.copies * one.blocks;
      if (moreInstructions > instructions || moreBlocks > blocks) break;
      chosen.add(one.entry);
    }
    return chosen;
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
