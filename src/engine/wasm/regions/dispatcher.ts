import { newFlow } from "./bound-instruction.ts";
import { type Node, newNode } from "./node.ts";

/*
 * A loop that can be entered at several places has no head, and structured control flow cannot
 * express it. A dispatcher is a node without code in front of all of these places: who goes to one
 * notes which, and goes to the dispatcher.
 */

/** Places that a dispatcher leads to. */
const MAXIMUM_ENTRIES = 64;

/** It has no instructions. */
export const isDispatcher = ({ block }: Node): boolean => block.instructions.length === 0;

/** Where a node is entered that comes behind another. */
export function entranceOf(from: Node, successor: Node): Node {
  let node = successor;
  while (node.via !== undefined && node.via !== from) node = node.via;
  return node;
}

/** Where the successors of a node are entered. */
export function linksOf(node: Node): Node[] {
  return [...new Set(node.successors.map((successor) => entranceOf(node, successor)))];
}

/**
 * Give the loop that a node is in, but not its head, a dispatcher.
 *
 * @param nodes with dominators
 * @returns whether that is possible
 */
export function addDispatcher(nodes: readonly Node[], inside: Node): boolean {
  const loop = loopOf(nodes, inside);
  const entries = nodes.filter(
    (node) =>
      loop.has(node) && nodes.some((other) => !loop.has(other) && other.links.includes(node)),
  );
  if (entries.length < 2 || entries.length > MAXIMUM_ENTRIES) return false;
  const dispatcher = newNode({
    ...inside.block,
    flow: newFlow(inside.block.rip, false, undefined),
    instructions: [],
    falls: undefined,
    jumps: [],
    returnSite: undefined,
    returns: false,
    indirect: undefined,
  });
  dispatcher.successors = entries;
  for (const entry of entries) entry.via = dispatcher;
  return true;
}

/** All from which a node can be reached, and that can be reached from it, below what dominates it. */
function loopOf(nodes: readonly Node[], inside: Node): ReadonlySet<Node> {
  const below = new Set(nodes.filter((node) => isBelow(node, inside.dominator)));
  const ahead = new Set([inside]);
  for (const node of ahead) for (const link of node.links) if (below.has(link)) ahead.add(link);
  const loop = new Set([inside]);
  for (const node of loop)
    for (const other of ahead) if (other.links.includes(node)) loop.add(other);
  return loop;
}

/** Whether a node is dominated by another, and is not that. */
function isBelow(node: Node, dominator: Node | undefined): boolean {
  if (node === dominator || dominator === undefined) return false;
  let above: Node = node;
  while (above.order > dominator.order) above = above.dominator as Node;
  return above === dominator;
}
