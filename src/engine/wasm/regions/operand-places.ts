import type { Value } from "../../micro/micro-op.ts";
import { SLOW_UPDATE, SLOW_WRITE } from "../../x86/access.ts";
import {
  TLB_READ_TAG,
  TLB_SET,
  TLB_WRITE_TAG,
  WINDOW_BASE,
  WINDOW_BYTES,
  WINDOW_HOST,
  WINDOW_REACH,
  WINDOW_SET_BYTES,
  WINDOWS,
} from "../../x86/state.ts";
import type { Block } from "../blocks.ts";
import { BYTES, CPU, ELSE, LOAD_CODES, type Operation, STORE_CODES } from "../emitter.ts";
import type { Node } from "./node.ts";
import { WaysOut, WINDOW_WAYS, type WindowWay } from "./ways-out.ts";

const I32_WRAP = 0xa7;
const I64_SUB = 0x7d;
const I64_GE_U = 0x5a;

/** Locals with a window's fields. */
interface Window {
  readonly base: number;
  readonly reach: number;
  readonly host: number;
}

/** How compiled code finds an operand's place in linear memory. */
export interface AccessPath {
  /** In which window it is looked for first. */
  readonly window: number | undefined;
  /** Then by the TLB; otherwise the instruction is left to tier 0. */
  readonly tlb: boolean;
}

/** An operand in memory. */
export interface Operand {
  readonly address: Value;
  readonly stack: boolean;
}

export type PathOf = (
  block: Block,
  offset: number,
  operand: Operand,
  writes: boolean,
) => AccessPath;

/** Operands in memory: by windows (see x86/windows.ts), by the TLB, or not at all. */
export abstract class OperandPlaces extends WaysOut {
  protected readonly tlb = this.newLocal("i32");
  /** How the instruction at an offset in a block finds its operands. */
  private readonly pathOf: PathOf;
  private readonly windows: readonly Window[] = WINDOW_WAYS.map(() => ({
    base: this.newLocal("i64"),
    reach: this.newLocal("i64"),
    host: this.newLocal("i32"),
  }));

  constructor(
    functions: ReadonlyMap<string, number>,
    templateType: number,
    nodes: readonly Node[],
    newLink: () => number,
    pathOf: PathOf,
  ) {
    super(functions, templateType, nodes, newLink);
    this.pathOf = pathOf;
  }

  protected baseOf(window: number): number {
    return (this.windows[window] as Window).base;
  }

  /** The windows that the TLB set in use has. */
  protected fetchWindows(): void {
    this.get(CPU);
    this.get(CPU);
    this.access(LOAD_CODES.i32, TLB_SET);
    this.i32(WINDOW_SET_BYTES);
    this.code.byte(0x6c, 0x6a);
    this.set(this.target);
    for (const [window, { base, reach, host }] of this.windows.entries())
      for (const [field, local, type] of [
        [WINDOW_BASE, base, "i64"],
        [WINDOW_REACH, reach, "i64"],
        [WINDOW_HOST, host, "i32"],
      ] as const) {
        this.get(this.target);
        this.access(LOAD_CODES[type], WINDOWS + window * WINDOW_BYTES + field);
        this.set(local);
      }
  }

  protected override tlbSet(): void {
    this.get(this.tlb);
  }

  /** Push an operand's place in linear memory, or leave the instruction to tier 0. */
  private locate(value: Value, operand: Operand, bytes: number, tag: number, kind: number): void {
    const { block, instructions, rip } = this.node.block;
    const offset = Number((instructions[this.instruction] as { rip: bigint }).rip - rip);
    const { address } = operand;
    const path = this.pathOf(block, offset, operand, tag === TLB_WRITE_TAG);
    if (path.window === undefined) {
      this.locateByTlb(value, address, bytes, tag, kind);
      return;
    }
    const window = this.windows[path.window] as Window;
    const distance = this.newLocal("i64");
    if (path.tlb) this.pinned(address);
    this.value(address);
    this.get(window.base);
    this.code.byte(I64_SUB);
    this.tee(distance);
    this.get(window.reach);
    this.code.byte(I64_GE_U);
    if (path.tlb) {
      this.openUnlikely("i32");
      this.locateByTlb(value, address, bytes, tag, kind);
      this.code.byte(ELSE);
      this.placeInWindow(window, distance);
      this.close();
      return;
    }
    this.missedIf(value, distance, bytes | kind, WINDOW_WAYS[path.window] as WindowWay);
    this.placeInWindow(window, distance);
  }

  /** Leave the instruction to tier 0, by a way that takes what was missed, if a condition on the stack holds. */
  private missedIf(value: Value, missed: number, kind: number, way: WindowWay | "refill"): void {
    this.openUnlikely();
    this.get(missed);
    this.set(this.missed);
    this.i32(kind);
    this.set(this.kind);
    this.retry(value, way);
    this.close();
  }

  private placeInWindow(window: Window, distance: number): void {
    this.get(distance);
    this.code.byte(I32_WRAP);
    this.get(window.host);
    this.code.byte(0x6a);
  }

  private locateByTlb(
    value: Value,
    address: Value,
    bytes: number,
    tag: number,
    kind: number,
  ): void {
    const linear = this.pinned(address);
    const entry = this.lookUp(linear, bytes, tag);
    this.code.byte(0x45);
    this.missedIf(value, linear, bytes | kind, "refill");
    this.hostAddress(linear, entry);
  }

  protected guestLoad(value: Value, op: Operation<"guest-load">): void {
    const update = op.intent !== "read";
    const tag = update ? TLB_WRITE_TAG : TLB_READ_TAG;
    this.locate(value, op, BYTES[op.load], tag, update ? SLOW_UPDATE : 0);
    if (op.cell !== undefined) {
      op.cell.local = this.newLocal("i32");
      this.tee(op.cell.local);
    }
    this.access(LOAD_CODES[op.load], 0);
    value.local = this.newLocal(value.type);
    this.set(value.local);
  }

  protected guestStore(value: Value, op: Operation<"guest-store">): void {
    if (op.cell !== undefined) this.get(op.cell.local);
    else this.locate(value, op, BYTES[op.store], TLB_WRITE_TAG, SLOW_WRITE);
    this.value(op.value);
    this.access(STORE_CODES[op.store], 0);
  }

  protected leave(value: Value): void {
    this.retry(value);
  }
}
