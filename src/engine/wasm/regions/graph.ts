import { addDispatcher, entranceOf, linksOf } from "./dispatcher.ts";
import type { Node } from "./node.ts";

/** Dispatchers of a region. */
const MAXIMUM_DISPATCHERS = 8;
/** Most instructions between two checks of the budget. */
export const CHECK_DISTANCE = 64;

/** Nodes that can be reached, in reverse postorder. */
function reversePostorder(entry: Node): Node[] {
  const seen = new Set<Node>([entry]);
  entry.links = linksOf(entry);
  const postorder: Node[] = [];
  const stack: { node: Node; next: number }[] = [{ node: entry, next: 0 }];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const successor = top.node.links[top.next++];
    if (successor === undefined) {
      postorder.push(top.node);
      stack.pop();
    } else if (!seen.has(successor)) {
      seen.add(successor);
      successor.links = linksOf(successor);
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
    for (const successor of node.links) predecessors.get(successor)?.push(node);
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
 * Order the nodes and find out how they nest. A loop that can be entered at several places gets a
 * dispatcher in front of them, so that all loops have one head; of too many, such edges become ways
 * out of the region.
 *
 * @returns the nodes in reverse postorder
 */
export function structure(entry: Node): Node[] {
  let nodes: Node[];
  for (let dispatchers = 0; ; dispatchers++) {
    nodes = reversePostorder(entry);
    setDominators(nodes);
    const isProper = (node: Node, link: Node): boolean =>
      link.order > node.order || dominates(link, node);
    const bad = nodes.filter((node) => !node.links.every((link) => isProper(node, link)));
    const [first] = bad;
    if (first === undefined) break;
    const head = first.links.find((link) => !isProper(first, link)) as Node;
    if (dispatchers < MAXIMUM_DISPATCHERS && addDispatcher(nodes, head)) continue;
    for (const node of bad)
      node.successors = node.successors.filter((successor) =>
        isProper(node, entranceOf(node, successor)),
      );
  }
  const forward = new Map<Node, number>();
  for (const node of nodes) {
    if (node !== entry) node.dominator?.children.push(node);
    for (const link of node.links)
      if (link.order <= node.order) link.isLoopHead = true;
      else forward.set(link, (forward.get(link) ?? 0) + 1);
  }
  for (const [node, edges] of forward) node.isMerge = edges > 1;
  setChecks(nodes);
  setLiveFlags(nodes);
  return nodes;
}

/** Where the budget is checked: at the entry, at loop heads, behind what may change it, and often enough on long ways. */
function setChecks(nodes: readonly Node[]): void {
  const checked = new Set<Node>(nodes.filter((node) => node.isLoopHead));
  checked.add(nodes[0] as Node);
  for (const { block, links } of nodes)
    if (block.instructions.some(({ callsOut }) => callsOut))
      for (const link of links) checked.add(link);
  const ahead = new Map<Node, number>();
  for (let k = nodes.length - 1; k >= 0; k--) {
    const node = nodes[k] as Node;
    const own = node.block.instructions.length;
    let rest = 0;
    for (const successor of node.links) {
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
    // a dispatcher may leave the region in front of what it leads to
    node.flagsLeft =
      leavesFlags || (!killsFlags && node.successors.length < node.ways) || node.via !== undefined;
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
