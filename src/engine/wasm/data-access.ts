import { SLOW_UPDATE, SLOW_WRITE } from "../x86/access.ts";
import { AT_RIP } from "../x86/position.ts";
import {
  ADDRESS,
  CPL,
  CR2,
  ERROR_CODE,
  Leave,
  RECORD,
  SUPERVISOR_TLB,
  SUPERVISOR_TLB_SET,
  TLB,
  TLB_ADDEND,
  TLB_DEVICE_TAG,
  TLB_READ_TAG,
  TLB_SET,
  TLB_WRITE_TAG,
  USER_TLB,
  VALUE,
  VECTOR,
} from "../x86/state.ts";
import { DEVICE_READ, DEVICE_WRITE, USER } from "../x86/tlb.ts";
import { Assembler } from "./assembler.ts";
import type { Signature, ValueType } from "./module-builder.ts";
import { PAGE_FAULT, PAGE_FAULT_SHIFT } from "./page-walk/walk.ts";
import { isCode, tlbEntry } from "./tlb-code.ts";

/** A slow access: (vCPU base, record address, kind) -> 0 or the reason to leave. */
export const SLOW_ACCESS: Signature = { parameters: ["i32", "i32", "i32"], results: ["i32"] };
/** One that is the moderator's: (vCPU base, record address, kind, TLB entry) -> 0 or the reason to leave. */
export const DEVICE_ACCESS: Signature = {
  parameters: ["i32", "i32", "i32", "i32"],
  results: ["i32"],
};
/** IN and OUT: (vCPU base, record address, port and width, value) -> 0 or the reason to leave. */
export const PORT_IN: Signature = { parameters: ["i32", "i32", "i32"], results: ["i32"] };
export const PORT_OUT: Signature = { parameters: ["i32", "i32", "i32", "i32"], results: ["i32"] };
/**
 * As a slow access, but only makes the TLB grant it: (vCPU base, kind, linear address) -> {@link GRANTED};
 * Leave.exception: it is a page fault of what is at RIP; or 0: it cannot.
 */
export const FILL_TLB: Signature = { parameters: ["i32", "i32", "i64"], results: ["i32"] };
export const GRANTED = 1;
/** The rest of it in TypeScript: (vCPU base, kind); the address is in ADDRESS. */
export const FILL_TLB_IN_TYPESCRIPT: Signature = { parameters: ["i32", "i32"], results: ["i32"] };

/** Functions that are called here: page-walk/, and what does all the rest. */
export interface Callees {
  readonly pageWalk: number;
  readonly typescript: number;
}

const PAGE_FAULT_VECTOR = 14;
const CPU = 0;
const SCRATCH_TYPES: readonly ValueType[] = ["i32", "i32", "i32"];

/** Loads and stores by size in bytes. */
const MOVES = [
  [1, "i32.8u", "i32.8"],
  [2, "i32.16u", "i32.16"],
  [4, "i32", "i32"],
  [8, "i64", "i64"],
  [16, "v128", "v128"],
] as const;

/** A function about one access to data; what it knows of it is in locals. */
class DataAccess {
  readonly code = new Assembler();
  private readonly kind: number;
  private readonly linear: number;
  readonly entry: number;
  private readonly last: number;
  readonly host: number;
  private readonly pageWalk: number;
  private readonly ramOffset: number;

  constructor(
    locals: { kind: number; linear: number; scratch: number },
    pageWalk: number,
    ramOffset: number,
  ) {
    this.kind = locals.kind;
    this.linear = locals.linear;
    this.entry = locals.scratch;
    this.last = locals.scratch + 1;
    this.host = locals.scratch + 2;
    this.pageWalk = pageWalk;
    this.ramOffset = ramOffset;
  }

  size(): Assembler {
    return this.code.get(this.kind).i32(0xff).op("i32.and");
  }

  /** @param then what to do if the access is known to be the moderator's, and needs one exit; `entry` says so */
  ifDevice(then: () => void): void {
    const { code, linear, kind, entry, last: bit } = this;
    code
      .get(kind)
      .i32(SLOW_UPDATE | 16)
      .op("i32.and")
      .op("i32.eqz");
    code.if(() => {
      code.i32(DEVICE_WRITE).i32(DEVICE_READ).get(kind).i32(SLOW_WRITE).op("i32.and").select();
      code.set(bit);
      tlbEntry(code, linear).get(CPU).load("i32", TLB).op("i32.add").tee(entry);
      code.load("i64", TLB_DEVICE_TAG);
      code
        .get(bit)
        .op("i64.extend_i32_u")
        .i64(~BigInt(DEVICE_READ | DEVICE_WRITE));
      code.op("i64.or").op("i64.and");
      // no sum if the address is not a multiple of the size
      this.size().i32(1).op("i32.sub").op("i64.extend_i32_u").i64(-4096n).op("i64.or");
      code.get(linear).op("i64.and").get(bit).op("i64.extend_i32_u").op("i64.add");
      code.op("i64.eq").if(then);
    });
  }

  /**
   * Sets `host` if the access lies in one page that the TLB grants, or does after a walk. Leaves the
   * enclosing block if not, or if it changes decoded code.
   * @param fault what to do if the walk ends in a page fault: `entry` has it
   */
  grant(fault: () => void): void {
    const { code, linear, kind, entry, host, last, ramOffset } = this;
    code.get(linear).op("i32.wrap_i64").i32(0xfff).op("i32.and");
    this.size().op("i32.add").i32(4096).op("i32.gt_u").branchIf(0);
    tlbEntry(code, linear).get(CPU).load("i32", TLB).op("i32.add").set(entry);
    code
      .get(kind)
      .i32(SLOW_WRITE | SLOW_UPDATE)
      .op("i32.and");
    code.if(
      () => {
        this.walkUnless(TLB_WRITE_TAG, ~1n, 1, fault);
        // bit 0 of the tag: the page holds code as well, somewhere
        code.get(entry).load("i32.8u", TLB_WRITE_TAG).i32(1).op("i32.and");
        this.setHost();
        code.if(() => {
          isCode(code, host, ramOffset).branchIf(2);
          code.get(host).i32(1).op("i32.sub");
          this.size().op("i32.add").set(last);
          isCode(code, last, ramOffset).branchIf(2);
        });
      },
      () => {
        this.walkUnless(TLB_READ_TAG, -1n, 0, fault);
        this.setHost();
      },
    );
  }

  /** Leave with the page fault that `entry` has. @param record pushes the instruction's */
  raise(record: () => void): void {
    const { code, linear, entry } = this;
    code.get(CPU).get(linear).store("i64", CR2);
    code.get(CPU).i32(PAGE_FAULT_VECTOR).store("i32", VECTOR);
    code.get(CPU).get(entry).i32(PAGE_FAULT_SHIFT).op("i32.shr_u").store("i32", ERROR_CODE);
    code.get(CPU);
    record();
    code.store("i32", RECORD).i32(Leave.exception).return();
  }

  private setHost(): void {
    const { code, linear, entry, host } = this;
    code.get(linear).op("i32.wrap_i64").get(entry).load("i32", TLB_ADDEND).op("i32.add").set(host);
  }

  /**
   * Inside an `if`: fill the entry unless its tag, less the bits that are not in `mask`, is the page's.
   * A page of the moderator's is not looked for again.
   */
  private walkUnless(tag: number, mask: bigint, writes: 0 | 1, fault: () => void): void {
    const { code, linear, entry } = this;
    code.get(entry).load("i64", tag);
    if (mask !== -1n) code.i64(mask).op("i64.and");
    code.get(linear).i64(-4096n).op("i64.and").op("i64.ne");
    code.if(() => {
      code.get(entry).load("i64", TLB_DEVICE_TAG).i64(-4096n).op("i64.and");
      code.get(linear).i64(-4096n).op("i64.and").op("i64.eq").branchIf(2);
      code.get(CPU).get(linear).i32(writes).call(this.pageWalk).tee(entry);
      code.op("i32.eqz").branchIf(2);
      code.get(entry).i32(PAGE_FAULT).op("i32.and").if(fault);
    });
  }
}

/**
 * What a template calls for an access that the TLB does not grant at once.
 * @param device index of the function for those that are the moderator's
 */
export function slowAccess({ pageWalk, typescript }: Callees, device: number, ramOffset: number) {
  const [record, kind, linear] = [1, 2, 3];
  const access = new DataAccess({ kind, linear, scratch: 4 }, pageWalk, ramOffset);
  const { code, entry, host } = access;
  code.get(CPU).load("i64", ADDRESS).set(linear);
  access.ifDevice(() => code.get(CPU).get(record).get(kind).get(entry).returnCall(device));
  code.block(() => {
    access.grant(() => access.raise(() => code.get(record)));
    for (const [bytes, load, store] of MOVES) {
      access.size().i32(bytes).op("i32.eq");
      code.if(() => {
        code.get(kind).i32(SLOW_WRITE).op("i32.and");
        code.if(
          () => code.get(host).get(CPU).load(load, VALUE).store(store),
          () => code.get(CPU).get(host).load(load).store(store, VALUE),
        );
        code.i32(Leave.none).return();
      });
    }
  });
  code.get(CPU).get(record).get(kind).returnCall(typescript);
  return { locals: ["i64", ...SCRATCH_TYPES] as const, code };
}

/** What a region calls to have the TLB entry of an access filled in. */
export function fillTlb({ pageWalk, typescript }: Callees, ramOffset: number) {
  const [kind, linear] = [1, 2];
  const access = new DataAccess({ kind, linear, scratch: 3 }, pageWalk, ramOffset);
  const { code } = access;
  code.block(() => {
    access.grant(() => access.raise(() => code.i32(AT_RIP)));
    code.i32(GRANTED).return();
  });
  code.get(CPU).get(linear).store("i64", ADDRESS);
  code.get(CPU).get(kind).returnCall(typescript);
  return { locals: SCRATCH_TYPES, code };
}

/** The same for an implicit access of the system's, which is done at CPL 0 or 3. @param fill index of that */
export function fillSystemTlb(fill: number): Assembler {
  const [kind, linear] = [1, 2];
  const code = new Assembler();
  const granted = (): void => {
    code.get(CPU).get(kind).get(linear).call(fill).i32(GRANTED).op("i32.eq");
  };
  const isUser = (): Assembler => code.get(CPU).load("i32", CPL);
  isUser().if(() => {
    code.get(CPU).get(CPU).load("i32", SUPERVISOR_TLB).store("i32", TLB);
    code.get(CPU).get(CPU).load("i32", SUPERVISOR_TLB_SET).store("i32", TLB_SET);
  });
  granted();
  isUser().if(() => {
    code.get(CPU).get(CPU).load("i32", USER_TLB).store("i32", TLB);
    code.get(CPU).i32(USER).store("i32", TLB_SET);
  });
  return code;
}
