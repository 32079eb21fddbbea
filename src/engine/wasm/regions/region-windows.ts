import {
  Leave,
  TLB_SET,
  WINDOW_BASE,
  WINDOW_BYTES,
  WINDOW_HOST,
  WINDOW_REACH,
  WINDOW_SET_BYTES,
  WINDOWS,
} from "../../x86/state.ts";
import type { WindowPlace } from "../../x86/windows.ts";
import { CPU, LOAD_CODES } from "../emitter.ts";
import { CallsOut } from "./calls-out.ts";
import type { Node } from "./node.ts";
import type { Records } from "./region-code.ts";
import { WINDOW_WAYS } from "./ways-out.ts";

const RETURN = 0x0f;
const I32_WRAP = 0xa7;
const I32_ADD = 0x6a;
const I32_MUL = 0x6c;
const I32_NE = 0x47;
const I32_OR = 0x72;
const I64_SUB = 0x7d;
const I64_LT_S = 0x53;
const I64_GT_S = 0x55;
const I64_ADD = 0x7c;

/** Locals with a window's fields. */
interface Window {
  readonly base: number;
  readonly reach: number;
  readonly host: number;
}

/** A window that code takes for what it was when that was compiled. */
export interface FixedWindow {
  readonly window: number;
  readonly place: WindowPlace;
}

/**
 * The windows (see x86/windows.ts) that a region makes use of. Where they are is part of its code, and
 * looked at where it is entered. Behind a call of the moderator they may be anywhere: regions with such
 * calls have them in locals.
 */
export abstract class RegionWindows extends CallsOut {
  /** Where windows were when the region was compiled. */
  readonly fixed: readonly FixedWindow[] = [];
  /** Or locals of those that are used, by their numbers. */
  private readonly windows = new Map<number, Window>();

  /** @param used windows that operands are looked for in */
  constructor(
    functions: ReadonlyMap<string, number>,
    templateType: number,
    nodes: readonly Node[],
    records: Records,
    used: ReadonlySet<number | undefined>,
    placeOf: (window: number) => WindowPlace,
  ) {
    super(functions, templateType, nodes, records);
    const windows = [...WINDOW_WAYS.keys()].filter((window) => used.has(window));
    if (nodes.some(({ block }) => block.instructions.some(({ callsOut }) => callsOut)))
      for (const window of windows)
        this.windows.set(window, {
          base: this.newLocal("i64"),
          reach: this.newLocal("i64"),
          host: this.newLocal("i32"),
        });
    else this.fixed = windows.map((window) => ({ window, place: placeOf(window) }));
  }

  protected override usesWindow(window: number): boolean {
    return this.windows.has(window) || this.fixedPlace(window) !== undefined;
  }

  protected fixedPlace(window: number): WindowPlace | undefined {
    return this.fixed.find((one) => one.window === window)?.place;
  }

  protected pushBase(window: number): void {
    const place = this.fixedPlace(window);
    if (place === undefined) this.get((this.windows.get(window) as Window).base);
    else this.i64(BigInt(place.base));
  }

  protected pushReach(window: number): void {
    const place = this.fixedPlace(window);
    if (place === undefined) this.get((this.windows.get(window) as Window).reach);
    else this.i64(BigInt(place.reach));
  }

  /** The windows that the TLB set in use has. */
  protected fetchWindows(): void {
    if (this.windows.size + this.fixed.length === 0) return;
    this.get(CPU);
    this.get(CPU);
    this.access(LOAD_CODES.i32, TLB_SET);
    this.i32(WINDOW_SET_BYTES);
    this.code.byte(I32_MUL, I32_ADD);
    this.set(this.target);
    // an empty one is missed anyway
    for (const one of this.fixed) if (one.place.reach > 0) this.checkWindow(one);
    this.loadWindows();
  }

  /** Have the region looked at if a window is not what its code takes it for. */
  private checkWindow({ window, place: { base, reach, host } }: FixedWindow): void {
    const field = (type: "i32" | "i64", offset: number): void => {
      this.get(this.target);
      this.access(LOAD_CODES[type], WINDOWS + window * WINDOW_BYTES + offset);
    };
    const distance = this.newLocal("i64");
    this.i64(BigInt(base));
    field("i64", WINDOW_BASE);
    this.code.byte(I64_SUB);
    this.tee(distance);
    this.i64(0n);
    this.code.byte(I64_LT_S);
    this.get(distance);
    this.i64(BigInt(reach));
    this.code.byte(I64_ADD);
    field("i64", WINDOW_REACH);
    this.code.byte(I64_GT_S, I32_OR);
    field("i32", WINDOW_HOST);
    this.get(distance);
    this.code.byte(I32_WRAP, I32_ADD);
    this.i32(host | 0);
    this.code.byte(I32_NE, I32_OR);
    this.openUnlikely();
    this.i32(Leave.retry);
    this.code.byte(RETURN);
    this.close();
  }

  private loadWindows(): void {
    for (const [window, { base, reach, host }] of this.windows)
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

  protected placeInWindow(window: number, distance: number): void {
    const place = this.fixedPlace(window);
    this.get(distance);
    this.code.byte(I32_WRAP);
    if (place === undefined) this.get((this.windows.get(window) as Window).host);
    else this.i32(place.host | 0);
    this.code.byte(I32_ADD);
  }
}
