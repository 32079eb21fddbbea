import type { UpdateCell, Value } from "../../micro/micro-op.ts";
import { visit } from "../../micro/visit.ts";
import { SLOW_STACK, SLOW_UNALIGNED, SLOW_UPDATE, SLOW_WRITE } from "../../x86/access.ts";
import {
  ADDRESS,
  Leave,
  TLB_DEVICE_TAG,
  TLB_READ_TAG,
  TLB_WRITE_TAG,
  VALUE,
} from "../../x86/state.ts";
import { DEVICE_READ, DEVICE_WRITE } from "../../x86/tlb.ts";
import type { WindowPlace } from "../../x86/windows.ts";
import type { Block } from "../blocks.ts";
import { BYTES, CPU, ELSE, IF, LOAD_CODES, type Operation, STORE_CODES } from "../emitter.ts";
import type { ValueType } from "../module-builder.ts";
import type { Node } from "./node.ts";
import type { Records } from "./region-code.ts";
import { RegionWindows } from "./region-windows.ts";
import { WINDOW_WAYS, type WindowWay } from "./ways-out.ts";

const I32_WRAP = 0xa7;
const I64_SUB = 0x7d;
const I64_LT_U = 0x54;
const I64_GE_U = 0x5a;
const I64_EQ = 0x51;
const I64_ADD = 0x7c;
const I64_AND = 0x83;

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
export abstract class OperandPlaces extends RegionWindows {
  /** How the instruction at an offset in a block finds its operands. */
  private readonly paths: ReadonlyMap<Value, AccessPath>;
  /** To be added to the address in linear memory that was pushed last, and to those that are kept. */
  private displacement = 0;
  private readonly displacements = new Map<UpdateCell, number>();

  constructor(
    functions: ReadonlyMap<string, number>,
    templateType: number,
    nodes: readonly Node[],
    records: Records,
    pathOf: PathOf,
    placeOf: (window: number) => WindowPlace,
  ) {
    const paths = pathsOf(nodes, pathOf);
    const used = new Set([...paths.values()].map(({ window }) => window));
    super(functions, templateType, nodes, records, used, placeOf);
    this.paths = paths;
  }

  protected override tlbSet(): void {
    this.get(this.tlb);
  }

  /** Push an operand's place in linear memory, less {@link displacement}, or leave the instruction to tier 0. */
  private locate(value: Value, operand: Operand, bytes: number, tag: number, kind: number): void {
    const { address } = operand;
    const { window, tlb } = this.paths.get(value) as AccessPath;
    this.displacement = 0;
    if (window === undefined) {
      this.locateByTlb(value, address, bytes, tag, kind);
      return;
    }
    const distance = this.newLocal("i64");
    if (tlb) this.pinned(address);
    this.value(address);
    this.pushBase(window);
    this.code.byte(I64_SUB);
    this.tee(distance);
    this.pushReach(window);
    this.code.byte(I64_GE_U);
    if (tlb) {
      this.openUnlikely("i32");
      this.locateByTlb(value, address, bytes, tag, kind);
      this.code.byte(ELSE);
      this.placeInWindow(window, distance);
      this.close();
      return;
    }
    this.missedIf(value, distance, bytes | kind, WINDOW_WAYS[window] as WindowWay);
    const place = this.fixedPlace(window);
    if (place === undefined) this.placeInWindow(window, distance);
    else {
      this.get(distance);
      this.code.byte(I32_WRAP);
      this.displacement = place.host;
    }
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

  /**
   * Do an access of an instruction that calls out: in the window, or by the function that does all.
   *
   * @param inWindow does it where the address is that has been pushed
   * @param calling what is done before the call and behind it
   */
  private callOutUnless(
    value: Value,
    operand: Operand,
    kind: number,
    type: ValueType | undefined,
    inWindow: () => void,
    calling: { readonly before: () => void; readonly behind: () => void },
  ): void {
    const linear = this.pinned(operand.address);
    const { window } = this.paths.get(value) as AccessPath;
    if (window !== undefined) {
      const distance = this.newLocal("i64");
      this.get(linear);
      this.pushBase(window);
      this.code.byte(I64_SUB);
      this.tee(distance);
      this.pushReach(window);
      this.code.byte(I64_LT_U);
      this.open(IF, type);
      this.placeInWindow(window, distance);
      inWindow();
      this.code.byte(ELSE);
    }
    this.get(CPU);
    this.get(linear);
    this.access(STORE_CODES.i64, ADDRESS);
    calling.before();
    this.callOut((vcpuAndRecord) => {
      const entry = this.lookUpDevice(linear, kind);
      this.open(IF, "i32");
      vcpuAndRecord();
      this.i32(kind);
      this.get(entry);
      this.callFunction("device_access");
      this.code.byte(ELSE);
      vcpuAndRecord();
      this.i32(kind | (operand.stack ? SLOW_STACK : 0));
      this.callFunction("slow_access");
      this.close();
    });
    calling.behind();
    if (window !== undefined) this.close();
  }

  /**
   * Push whether the TLB says that an access is the moderator's, and it needs one exit only; leaves the
   * entry's address in the returned local.
   */
  private lookUpDevice(linear: number, kind: number): number {
    const entry = this.lookUpEntry(linear);
    const bytes = kind & 0xff;
    const bit = BigInt(kind & SLOW_WRITE ? DEVICE_WRITE : DEVICE_READ);
    if (kind & SLOW_UPDATE || bytes > 8) {
      this.i32(0);
      return entry;
    }
    this.get(entry);
    this.access(LOAD_CODES.i64, TLB_DEVICE_TAG);
    this.i64(~BigInt(DEVICE_READ | DEVICE_WRITE) | bit);
    this.code.byte(I64_AND);
    this.get(linear);
    this.i64(-4096n | BigInt(bytes - 1));
    this.code.byte(I64_AND);
    this.i64(bit);
    // no sum if the address is not a multiple of the size
    this.code.byte(I64_ADD, I64_EQ);
    return entry;
  }

  protected guestLoad(value: Value, op: Operation<"guest-load">): void {
    const update = op.intent !== "read";
    if (this.present.callsOut) {
      const kind = (update ? SLOW_UPDATE : 0) | (op.unaligned ? SLOW_UNALIGNED : 0);
      this.callOutUnless(
        value,
        op,
        BYTES[op.load] | kind,
        value.type,
        () => this.access(LOAD_CODES[op.load], 0),
        {
          before() {},
          behind: () => {
            this.get(CPU);
            this.access(LOAD_CODES[op.load], VALUE);
          },
        },
      );
    } else {
      const tag = update ? TLB_WRITE_TAG : TLB_READ_TAG;
      this.locate(value, op, BYTES[op.load], tag, update ? SLOW_UPDATE : 0);
      if (op.cell !== undefined) {
        op.cell.local = this.newLocal("i32");
        this.tee(op.cell.local);
        this.displacements.set(op.cell, this.displacement);
      }
      this.access(LOAD_CODES[op.load], this.displacement);
    }
    value.local = this.newLocal(value.type);
    this.set(value.local);
  }

  protected guestStore(value: Value, op: Operation<"guest-store">): void {
    if (this.present.callsOut) {
      const stored = this.pinned(op.value);
      this.callOutUnless(
        value,
        op,
        BYTES[op.store] | SLOW_WRITE,
        undefined,
        () => {
          this.get(stored);
          this.access(STORE_CODES[op.store], 0);
        },
        {
          before: () => {
            this.get(CPU);
            this.get(stored);
            this.access(STORE_CODES[op.store], VALUE);
          },
          behind() {},
        },
      );
      return;
    }
    if (op.cell !== undefined) {
      this.get(op.cell.local);
      this.displacement = this.displacements.get(op.cell) as number;
    } else this.locate(value, op, BYTES[op.store], TLB_WRITE_TAG, SLOW_WRITE);
    const { displacement } = this;
    this.value(op.value);
    this.access(STORE_CODES[op.store], displacement);
  }

  protected leave(value: Value, { reason }: Operation<"leave">): void {
    if (reason === Leave.dispatch) this.leaveBehind(value);
    else this.retry(value);
  }
}

/** How each access of a region finds its operand. */
function pathsOf(nodes: readonly Node[], pathOf: PathOf): ReadonlyMap<Value, AccessPath> {
  const paths = new Map<Value, AccessPath>();
  for (const { block } of nodes)
    for (const { list, rip } of block.instructions)
      visit(list, (value) => {
        const { op } = value;
        if (op.kind !== "guest-load" && op.kind !== "guest-store") return;
        const writes = op.kind === "guest-store" || op.intent !== "read";
        paths.set(value, pathOf(block.block, Number(rip - block.rip), op, writes));
      });
  return paths;
}
