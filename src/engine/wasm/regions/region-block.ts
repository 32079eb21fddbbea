import type { Value } from "../../micro/micro-op.ts";
import { type Decoder, endsBlock, OutOfBytes } from "../../x86/decoder.ts";
import type { Block } from "../blocks.ts";
import { type BlockFlow, BoundInstruction, newFlow } from "./bound-instruction.ts";
import { constantOf } from "./fold.ts";
import type { KnownX87 } from "./known-stack.ts";
import { NotCompiled } from "./not-compiled.ts";

/**
 * What experience says of an instruction. `careful`: numbers in it are not of ordinary sizes;
 * `moderated`: it accesses what is the moderator's.
 */
export type Caution = "none" | "careful" | "moderated" | "excluded";

/** An instruction of a region. */
export interface RegionInstruction {
  readonly list: readonly Value[];
  readonly rip: bigint;
  /** RIP behind it. */
  readonly next: bigint;
  /** It calls functions that may ask the moderator. */
  readonly callsOut: boolean;
}

/** A block's instructions up to the first that stays with tier 0, lifted. */
export interface RegionBlock {
  readonly block: Block;
  readonly rip: bigint;
  readonly flow: BlockFlow;
  /** What is known of the x87 unit where it begins; `flow` has what is where it ends. */
  readonly x87: KnownX87 | undefined;
  readonly instructions: readonly RegionInstruction[];
  /** RIP where it goes on, if it does not end in a branch. */
  readonly falls: bigint | undefined;
  /** Where direct jumps go. */
  readonly jumps: readonly bigint[];
  /** RIP behind a CALL at its end. */
  readonly returnSite: bigint | undefined;
  /** It ends in RET. */
  readonly returns: boolean;
  /** Offset of the JMP or CALL at its end whose target is computed. */
  readonly indirect: number | undefined;
}

/**
 * @param bytes from the block's start to the end of its page
 * @param rip of its first instruction
 * @param assumesFast whether MXCSR_FAST is 1 or 0 whenever the code is entered
 * @returns undefined if the first instruction stays with tier 0
 */
export function liftBlock(
  decoder: Decoder,
  block: Block,
  bytes: Uint8Array,
  mode: number,
  rip: bigint,
  count: number,
  assumesFast: boolean,
  cautionAt: (address: number) => Caution,
  x87: KnownX87 | undefined,
): RegionBlock | undefined {
  const flow = newFlow(rip, assumesFast, x87);
  const wrap = (value: bigint): bigint =>
    mode & 2 ? BigInt.asIntN(64, value) : BigInt.asUintN(32, value);
  const instructions: RegionInstruction[] = [];
  const jumps: bigint[] = [];
  let offset = 0;
  let terminated = false;
  let returnSite: bigint | undefined;
  let returns = false;
  let last = 0;
  while (instructions.length < count && !terminated) {
    const before = { ...flow };
    try {
      const caution = cautionAt(block.start + offset);
      if (caution === "excluded") break;
      const decoded = decoder.decode(bytes.subarray(offset), mode);
      if (decoded.row === undefined) break;
      const instruction = new BoundInstruction(decoded, offset, flow, caution);
      if (instruction.unavailable() >= 0) break;
      decoded.row.semantics(instruction);
      const { callsOut } = instruction;
      if (callsOut) instruction.calledOut();
      const { list } = instruction;
      last = offset;
      offset += decoded.length;
      const [at, next] = [last, offset].map((each) => wrap(rip + BigInt(each))) as [bigint, bigint];
      instructions.push({ list, rip: at, next, callsOut });
      terminated = endsBlock(decoded) && !callsOut;
      if (decoded.row.mnemonic === "CALL") returnSite = wrap(rip + BigInt(offset));
      if (decoded.row.mnemonic === "RET") returns = true;
    } catch (problem) {
      if (problem instanceof OutOfBytes) break;
      if (!(problem instanceof NotCompiled)) throw problem;
      flow.effect = before.effect;
      flow.killsFlags = before.killsFlags;
      flow.readsFlags = before.readsFlags;
      flow.leavesFlags = before.leavesFlags;
      flow.x87 = before.x87;
      flow.usesX87 = before.usesX87;
      break;
    }
  }
  if (instructions.length === 0) return undefined;
  for (const [value, target] of flow.targets) {
    const constant = constantOf(target);
    if (value.op.kind === "jump" && constant !== undefined) jumps.push(constant);
  }
  const isIndirect = [...flow.targets.keys()].some(({ op }) => op.kind === "jump-indirect");
  return {
    block,
    rip,
    flow,
    x87,
    instructions,
    falls: terminated ? undefined : wrap(rip + BigInt(offset)),
    jumps,
    returnSite,
    returns,
    indirect: isIndirect && !returns ? last : undefined,
  };
}
