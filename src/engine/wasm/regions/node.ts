import type { RegionBlock } from "./region-block.ts";

/** A block as a node of its region's control flow. */
export interface Node {
  readonly block: RegionBlock;
  /** Ways on from here, and those of them that stay in the region. */
  readonly ways: number;
  successors: Node[];
  /** Where these are entered: at themselves, or at a dispatcher. */
  links: Node[];
  /** The dispatcher through which it is entered, from anywhere else. */
  via: Node | undefined;
  /** Position in reverse postorder. */
  order: number;
  dominator: Node | undefined;
  /** Nodes it dominates immediately. */
  children: Node[];
  /** More than one forward edge comes here. */
  isMerge: boolean;
  isLoopHead: boolean;
  /** The budget is checked here for so many instructions, up to the next check; 0: no check. */
  check: number;
  /** The flags that hold before it are looked at, in it or behind it. */
  flagsRead: boolean;
  /** They are what the flags are when the region is left, somewhere in it or behind it. */
  flagsLeft: boolean;
}

export function newNode(block: RegionBlock): Node {
  return {
    block,
    ways: waysOf(block),
    successors: [],
    links: [],
    via: undefined,
    order: -1,
    dominator: undefined,
    children: [],
    isMerge: false,
    isLoopHead: false,
    check: 0,
    flagsRead: true,
    flagsLeft: true,
  };
}

/** An indirect jump may go anywhere, so one way of it is not counted on. */
function waysOf({ jumps, falls, flow }: RegionBlock): number {
  const indirect = [...flow.targets.keys()].some(({ op }) => op.kind === "jump-indirect");
  return jumps.length + (falls === undefined ? 0 : 1) + (indirect ? 1000 : 0);
}
