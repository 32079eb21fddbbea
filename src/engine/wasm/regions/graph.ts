import type { RegionBlock } from "./region-block.ts";

/** A block as a node of its region's control flow. */
export interface Node {
  readonly block: RegionBlock;
  /** Ways on from here, and those of them that stay in the region. */
  readonly ways: number;
  successors: Node[];
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

/** Most instructions between two checks of the budget. */
export const CHECK_DISTANCE = 64;

export function newNode(block: RegionBlock): Node {
  return {
    block,
    ways: waysOf(block),
    successors: [],
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

/** Nodes that can be reached, in reverse postorder. */
function reversePostorder(entry: Node): Node[] {
  const seen = new Set<Node>([entry]);
  const postorder: Node[] = [];
  const stack: { node: Node; next: number }[] = [{ node: entry, next: 0 }];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const successor = top.node.successors[top.next++];
    if (successor === undefined) {
      postorder.push(top.node);
      stack.pop();
    } else if (!seen.has(successor)) {
      seen.add(successor);
      stack.push({ node: successor, next: 0 });
    }
  }
  const nodes = postorder.reverse();
  nodes.forEach((node, order) => {
    node.order = order;
  });
  return nodes;
}

/** Immediate dominators, by the iteration of Cooper, Harvey and Kennedy. */
function setDominators(nodes: readonly Node[]): void {
  const predecessors = new Map<Node, Node[]>(nodes.map((node) => [node, []]));
  for (const node of nodes)
    for (const successor of node.successors) predecessors.get(successor)?.push(node);
  const entry = nodes[0] as Node;
  for (const node of nodes) node.dominator = undefined;
  entry.dominator = entry;
  const intersect = (first: Node, second: Node): Node => {
    let a = first;
    let b = second;
    while (a !== b) {
      while (a.order > b.order) a = a.dominator as Node;
      while (b.order > a.order) b = b.dominator as Node;
    }
    return a;
  };
  for (let changed = true; changed; ) {
    changed = false;
    for (const node of nodes) {
      if (node === entry) continue;
      let dominator: Node | undefined;
      for (const predecessor of predecessors.get(node) as Node[])
        if (predecessor.dominator !== undefined)
          dominator = dominator === undefined ? predecessor : intersect(predecessor, dominator);
      if (dominator !== node.dominator) {
        node.dominator = dominator;
        changed = true;
      }
    }
  }
}

function dominates(a: Node, b: Node): boolean {
  let node = b;
  while (node.order > a.order) node = node.dominator as Node;
  return node === a;
}

/**
 * Order the nodes and find out how they nest. Edges that enter a loop not at
 * its head become ways out of the region, so that what remains is reducible.
 *
 * @returns the nodes in reverse postorder
 */
export function structure(entry: Node): Node[] {
  let nodes: Node[];
  for (;;) {
    nodes = reversePostorder(entry);
    setDominators(nodes);
    let reducible = true;
    for (const node of nodes) {
      const kept = node.successors.filter(
        (successor) => successor.order > node.order || dominates(successor, node),
      );
      if (kept.length === node.successors.length) continue;
      node.successors = kept;
      reducible = false;
    }
    if (reducible) break;
  }
  const forward = new Map<Node, number>();
  for (const node of nodes) {
    if (node !== entry) node.dominator?.children.push(node);
    for (const successor of node.successors)
      if (successor.order <= node.order) successor.isLoopHead = true;
      else forward.set(successor, (forward.get(successor) ?? 0) + 1);
  }
  for (const [node, edges] of forward) node.isMerge = edges > 1;
  setChecks(nodes);
  setLiveFlags(nodes);
  return nodes;
}

/** Where the budget is checked: at the entry, at loop heads, and often enough on long ways. */
function setChecks(nodes: readonly Node[]): void {
  const checked = new Set<Node>(nodes.filter((node) => node.isLoopHead));
  checked.add(nodes[0] as Node);
  const ahead = new Map<Node, number>();
  for (let k = nodes.length - 1; k >= 0; k--) {
    const node = nodes[k] as Node;
    const own = node.block.instructions.length;
    let rest = 0;
    for (const successor of node.successors) {
      if (checked.has(successor)) continue;
      const path = ahead.get(successor) as number;
      if (own + path > CHECK_DISTANCE) checked.add(successor);
      else rest = Math.max(rest, path);
    }
    ahead.set(node, own + rest);
  }
  for (const node of checked) node.check = ahead.get(node) as number;
}

function setLiveFlags(nodes: readonly Node[]): void {
  for (const node of nodes) {
    const { readsFlags, leavesFlags, killsFlags } = node.block.flow;
    node.flagsRead = readsFlags;
    node.flagsLeft = leavesFlags || (!killsFlags && node.successors.length < node.ways);
  }
  for (let changed = true; changed; ) {
    changed = false;
    for (let k = nodes.length - 1; k >= 0; k--) {
      const node = nodes[k] as Node;
      if (node.block.flow.killsFlags) continue;
      for (const live of ["flagsRead", "flagsLeft"] as const) {
        if (node[live] || !node.successors.some((successor) => successor[live])) continue;
        node[live] = true;
        changed = true;
      }
    }
  }
}
