import { arithmeticFlags } from "../../micro/flags.ts";
import type { Value } from "../../micro/micro-op.ts";
import {
  CR4_FSGSBASE,
  CR4_TSD,
  CR4_UMIP,
  EFLAGS_IF,
  EFLAGS_IOPL,
  EFLAGS_RF,
  EFLAGS_VM,
} from "../control-bits.ts";
import {
  CPUID_ENTRIES,
  CPUID_ENTRY_BYTES,
  CPUID_EXTENDED_SHIFT,
  CPUID_LEAF,
  CPUID_RESULTS,
  CPUID_SUBLEAF,
  CPUID_VALID,
} from "../cpuid-cache.ts";
import type { Instruction } from "../instruction.ts";
import { MODE_CPL_0, MODE_V86 } from "../mode.ts";
import { IA32_KERNEL_GS_BASE, IA32_TSC_AUX, msrOffset } from "../msr.ts";
import { CR8_PLACE } from "../record.ts";
import { row, type Semantics } from "../row.ts";
import {
  ADDRESS,
  BUDGET,
  CPL,
  CR0,
  CR4,
  DS,
  EFLAGS,
  FS,
  GDTR_BASE,
  GDTR_LIMIT,
  GS,
  HELD,
  IDTR_BASE,
  IDTR_LIMIT,
  LDTR,
  Leave,
  RIP,
  SEGMENT_BASE,
  SEGMENT_SELECTOR,
  segmentField,
  TIME_END,
  TIME_PER_INSTRUCTION,
  TIME_SKIPPED,
  TR,
  VALUE,
} from "../state.ts";
import { TICKS_PER_NANOSECOND, TSC_ADJUST } from "../time-stamp.ts";

/** System instructions: flags, tables, control and debug registers, MSRs, caches. */

const ENDS = { ends: true };
const PRIVILEGED = { cpl0: true };
const PRIVILEGED_ENDS = { cpl0: true, ends: true };

/** Record `i.raise(vector)` where `condition` (i32) holds. */
function raiseIf(i: Instruction, condition: Value, vector: number): void {
  i.if(condition, () => i.raise(vector));
}

function testsSet(i: Instruction, field: number, bits: number): Value {
  return i.op("i32.and", i.loadState(field, "i32"), i.i32(bits));
}

function testsClear(i: Instruction, field: number, bits: number): Value {
  return i.op("i32.eqz", testsSet(i, field, bits));
}

/** #GP(0) unless CPL is at most IOPL. */
function checkIopl(i: Instruction): void {
  if (i.decoded.mode & MODE_CPL_0) return;
  const iopl = i.op("i32.shr_u", testsSet(i, EFLAGS, EFLAGS_IOPL), i.i32(12));
  raiseIf(i, i.op("i32.gt_u", i.loadState(CPL, "i32"), iopl), 13);
}

/** UMIP: SGDT, SIDT, SLDT, SMSW and STR are for CPL 0. */
function checkUserMode(i: Instruction): void {
  if (!(i.decoded.mode & MODE_CPL_0)) raiseIf(i, testsSet(i, CR4, CR4_UMIP), 13);
}

// Flags

row("fa", "CLI", (i) => {
  checkIopl(i);
  i.storeState(EFLAGS, "i32", testsSet(i, EFLAGS, ~EFLAGS_IF));
});
row(
  "fb",
  "STI",
  (i) => {
    checkIopl(i);
    const before = testsSet(i, EFLAGS, EFLAGS_IF);
    i.storeState(EFLAGS, "i32", i.op("i32.or", i.loadState(EFLAGS, "i32"), i.i32(EFLAGS_IF)));
    // Interrupts that become possible wait for the instruction after it: those that wait now, and
    // those that come between two calls of `run`.
    const isSpent = i.op("i32.le_s", i.loadState(BUDGET, "i32"), i.i32(0));
    const mayCome = i.op("i32.or", i.loadState(HELD, "i32"), isSpent);
    i.if(i.op("i32.eqz", before), () => i.if(mayCome, () => i.finish(Leave.shadow)));
    i.proceed();
  },
  ENDS,
);
row(
  "9c",
  "PUSHF",
  (i) => {
    if (i.decoded.mode & MODE_V86) checkIopl(i);
    const others = testsSet(i, EFLAGS, ~(EFLAGS_RF | EFLAGS_VM));
    i.push(i.extend(i.op("i32.or", i.op("i32.or", others, arithmeticFlags(i)), i.i32(2))));
  },
  { default64: true },
);
row(
  "9d",
  "POPF",
  (i) => {
    if (i.decoded.mode & MODE_V86) checkIopl(i);
    i.storeState(VALUE, "i64", i.peek());
    i.storeState(VALUE + 8, "i32", i.i32(i.bits));
    i.setStackPointer(i.stackPointer(i.bits / 8));
    i.helper("load_flags");
    i.storeState(RIP, "i64", i.nextRip());
    i.proceedWithFlags();
  },
  { ends: true, default64: true },
);
// Outside CPL 0 they raise #UD, not #GP: their helpers check.
row("0f 01 /1 rm=2", "CLAC", (i) => i.helper("clear_ac"));
row("0f 01 /1 rm=3", "STAC", (i) => i.helper("set_ac"));

// Descriptor tables

/** LGDT, LIDT: with 16-bit operands the base has 24 bits. */
function loadTable(base: number, limit: number): Semantics {
  return (i) => {
    const is64 = i.codeBits === 64;
    const address = i.linear(0, is64 ? 10 : 6, "read");
    const above = i.add(address, i.i64(2));
    const stack = i.usesStack(0);
    const newLimit = i.loadGuest(address, "i64.16u", { stack });
    const newBase = i.loadGuest(is64 ? above : i.truncate(above, 32), is64 ? "i64" : "i64.32u", {
      stack,
    });
    if (is64) {
      const canonical = i.shrS(i.shl(newBase, i.i64(16)), i.i64(16));
      raiseIf(i, i.ne(canonical, newBase), 13);
    }
    i.storeState(base, "i64", i.bits === 16 ? i.truncate(newBase, 24) : newBase);
    i.storeState(limit, "i32", i.wrap(newLimit));
  };
}

function storeTable(base: number, limit: number): Semantics {
  return (i) => {
    checkUserMode(i);
    const is64 = i.codeBits === 64;
    const address = i.linear(0, is64 ? 10 : 6, "write");
    const above = i.add(address, i.i64(2));
    const stack = i.usesStack(0);
    i.storeGuest(address, "i64.16", i.loadState(limit, "i64.32u"), { stack });
    i.storeGuest(
      is64 ? above : i.truncate(above, 32),
      is64 ? "i64" : "i64.32",
      i.loadState(base, "i64"),
      { stack },
    );
  };
}
row("0f 01 /0 mem", "SGDT M", storeTable(GDTR_BASE, GDTR_LIMIT));
row("0f 01 /1 mem", "SIDT M", storeTable(IDTR_BASE, IDTR_LIMIT));
row("0f 01 /2 mem", "LGDT M", loadTable(GDTR_BASE, GDTR_LIMIT), PRIVILEGED);
row("0f 01 /3 mem", "LIDT M", loadTable(IDTR_BASE, IDTR_LIMIT), PRIVILEGED);

function storeSelector(segment: number): Semantics {
  return (i) => {
    checkUserMode(i);
    i.write(0, i.loadState(segmentField(segment, SEGMENT_SELECTOR), "i64.16u"));
  };
}
const PROTECTED = { protectedOnly: true };
const PROTECTED_PRIVILEGED = { protectedOnly: true, cpl0: true };
row("0f 00 /0 mem", "SLDT Ew", storeSelector(LDTR), PROTECTED);
row("0f 00 /0 reg", "SLDT Rv", storeSelector(LDTR), PROTECTED);
row("0f 00 /1 mem", "STR Ew", storeSelector(TR), PROTECTED);
row("0f 00 /1 reg", "STR Rv", storeSelector(TR), PROTECTED);

/** A helper that takes the 16-bit operand in VALUE. */
function withWord(helper: string): Semantics {
  return (i) => {
    i.storeState(VALUE, "i64", i.read(0));
    i.helper(helper);
  };
}
row("0f 00 /2", "LLDT Ew", withWord("lldt"), PROTECTED_PRIVILEGED);
row("0f 00 /3", "LTR Ew", withWord("ltr"), PROTECTED_PRIVILEGED);

// Control and debug registers

const machineStatus: Semantics = (i) => {
  checkUserMode(i);
  i.write(0, i.truncate(i.loadState(CR0, "i64"), i.width(0)));
};
row("0f 01 /4 mem", "SMSW Ew", machineStatus);
row("0f 01 /4 reg", "SMSW Rv", machineStatus);

/** Then let the run loop look at everything anew. */
function ending(semantics: Semantics): Semantics {
  return (i) => {
    semantics(i);
    i.finish();
  };
}
row("0f 01 /6", "LMSW Ew", ending(withWord("lmsw")), PRIVILEGED_ENDS);
row(
  "0f 06",
  "CLTS",
  ending((i) => i.helper("clts")),
  PRIVILEGED_ENDS,
);

/** They stand in the state, all but CR8. */
const readControl: Semantics = (i) => {
  const place = i.place(1);
  if (!("word" in place)) throw new Error("the operand is no register by number");
  const value = i.variable(i.loadState(place, i.width(0) === 64 ? "i64" : "i64.32u"));
  i.if(i.op("i32.eq", i.word(place.word, "i32"), i.i32(CR8_PLACE)), () => {
    i.helper("read_task_priority");
    i.set(value, i.loadState(VALUE, "i64.32u"));
  });
  i.write(0, i.get(value));
};

function readRegister(helper: string): Semantics {
  return (i) => {
    i.helper(helper);
    i.write(0, i.loadState(VALUE, i.width(0) === 64 ? "i64" : "i64.32u"));
  };
}
function writeRegister(helper: string, end = (i: Instruction) => i.finish()): Semantics {
  return (i) => {
    i.storeState(VALUE, "i64", i.read(1));
    i.helper(helper);
    end(i);
  };
}
const FROM_SPECIAL = { cpl0: true, force64: true };
const TO_SPECIAL = { cpl0: true, force64: true, ends: true };
row("0f 20", "MOV Ry,Cy", readControl, FROM_SPECIAL);
row(
  "0f 22",
  "MOV Cy,Ry",
  writeRegister("write_control", (i) => i.proceed()),
  TO_SPECIAL,
);
row("0f 21", "MOV Ry,Dy", readRegister("read_debug"), FROM_SPECIAL);
row("0f 23", "MOV Dy,Ry", writeRegister("write_debug"), TO_SPECIAL);

// Model-specific registers, time, identification

function proceeding(helper: string): Semantics {
  return (i) => {
    i.helper(helper);
    i.proceed();
  };
}
row("0f 30", "WRMSR", proceeding("wrmsr"), PRIVILEGED_ENDS);
row("0f 32", "RDMSR", proceeding("rdmsr"), PRIVILEGED_ENDS);

/** The time-stamp counter to EDX:EAX, as time-stamp.ts computes it. #GP(0) at CPL above 0 if CR4.TSD is set. */
function readTimeStamp(i: Instruction): void {
  if (!(i.decoded.mode & MODE_CPL_0)) raiseIf(i, testsSet(i, CR4, CR4_TSD), 13);
  const passed = i.op(
    "f64.sub",
    i.loadState(TIME_END, "f64"),
    i.op("f64.convert_i32_s", i.unspent()),
  );
  const time = i.op(
    "f64.add",
    i.loadState(TIME_SKIPPED, "f64"),
    i.op("f64.mul", passed, i.loadState(TIME_PER_INSTRUCTION, "f64")),
  );
  const ticks = i.op("f64.mul", time, i.f64(TICKS_PER_NANOSECOND));
  const counter = i.add(i.op("i64.trunc_sat_f64_u", ticks), i.loadState(TSC_ADJUST, "i64"));
  i.setGeneral(0, 32, counter);
  i.setGeneral(2, 32, i.shrU(counter, i.i64(32)));
}
const TSC_AUX = msrOffset(IA32_TSC_AUX);
row("0f 31", "RDTSC", readTimeStamp);
row("0f 01 /7 rm=1", "RDTSCP", (i) => {
  readTimeStamp(i);
  i.setGeneral(1, 32, i.loadState(TSC_AUX, "i64"));
});
row("0f 33", "RDPMC", (i) => i.helper("rdpmc"));
row("0f a2", "CPUID", (i) => {
  const leaf = i.wrap(i.general(0, 32));
  const subleaf = i.wrap(i.general(1, 32));
  const mixed = i.op(
    "i32.xor",
    i.op("i32.xor", leaf, i.op("i32.shr_u", leaf, i.i32(CPUID_EXTENDED_SHIFT))),
    subleaf,
  );
  const entry = i.op(
    "i32.mul",
    i.op("i32.and", mixed, i.i32(CPUID_ENTRIES - 1)),
    i.i32(CPUID_ENTRY_BYTES),
  );
  const isOther = i.op(
    "i32.or",
    i.op("i32.ne", i.loadIndexed(entry, CPUID_LEAF, "i32"), leaf),
    i.op("i32.ne", i.loadIndexed(entry, CPUID_SUBLEAF, "i32"), subleaf),
  );
  const isInvalid = i.op("i32.eqz", i.loadIndexed(entry, CPUID_VALID, "i32"));
  i.if(i.op("i32.or", isOther, isInvalid), () => i.helper("cpuid"));
  // EAX, EBX, ECX, EDX
  [0, 3, 1, 2].forEach((register, k) => {
    i.setGeneral(register, 32, i.loadIndexed(entry, CPUID_RESULTS + 4 * k, "i64.32u"));
  });
});
row("NP 0f 01 /2 rm=0", "XGETBV", (i) => i.helper("xgetbv"));
row("NP 0f 01 /2 rm=1", "XSETBV", proceeding("xsetbv"), ENDS);

function checkBaseAccess(i: Instruction): void {
  raiseIf(i, testsClear(i, CR4, CR4_FSGSBASE), 6);
}
function readBase(segment: number): Semantics {
  return (i) => {
    checkBaseAccess(i);
    i.write(0, i.truncate(i.loadState(segmentField(segment, SEGMENT_BASE), "i64"), i.width(0)));
  };
}
function writeBase(segment: number): Semantics {
  return (i) => {
    checkBaseAccess(i);
    const base = i.read(0);
    if (i.width(0) === 64) raiseIf(i, i.ne(i.shrS(i.shl(base, i.i64(16)), i.i64(16)), base), 13);
    i.storeState(segmentField(segment, SEGMENT_BASE), "i64", base);
  };
}
const ONLY64 = { only64: true };
row("F3 0f ae /0 reg", "RDFSBASE Ry", readBase(FS), ONLY64);
row("F3 0f ae /1 reg", "RDGSBASE Ry", readBase(GS), ONLY64);
row("F3 0f ae /2 reg", "WRFSBASE Ry", writeBase(FS), ONLY64);
row("F3 0f ae /3 reg", "WRGSBASE Ry", writeBase(GS), ONLY64);

const KERNEL_GS_BASE = msrOffset(IA32_KERNEL_GS_BASE);
row(
  "0f 01 /7 rm=0",
  "SWAPGS",
  (i) => {
    const base = i.loadState(segmentField(GS, SEGMENT_BASE), "i64");
    const kernel = i.loadState(KERNEL_GS_BASE, "i64");
    i.storeState(segmentField(GS, SEGMENT_BASE), "i64", kernel);
    i.storeState(KERNEL_GS_BASE, "i64", base);
  },
  { only64: true, cpl0: true },
);

// Translations, caches, order of memory accesses

row(
  "0f 01 /7 mem",
  "INVLPG M",
  (i) => {
    const address = i.linear(0, 1, "read");
    i.if(i.op("i32.eqz", i.call("invalidate_quickly", "i32", [address])), () => {
      i.storeState(ADDRESS, "i64", address);
      i.helper("invlpg");
    });
    i.proceed();
  },
  PRIVILEGED_ENDS,
);
row(
  "66 0f 38 82 mem",
  "INVPCID Gy,M",
  (i) => {
    const address = i.linear(1, 16, "read");
    const above = i.add(address, i.i64(8));
    const stack = i.usesStack(1);
    const process = i.loadGuest(address, "i64", { stack });
    const page = i.loadGuest(i.codeBits === 64 ? above : i.truncate(above, 32), "i64", { stack });
    i.storeState(ADDRESS, "i64", i.read(0));
    i.storeState(VALUE, "i64", process);
    i.storeState(VALUE + 8, "i64", page);
    i.helper("invpcid");
    i.proceed();
  },
  { cpl0: true, ends: true, force64: true },
);
row("0f 08", "INVD", proceeding("invd"), PRIVILEGED_ENDS);
row("0f 09", "WBINVD", proceeding("wbinvd"), PRIVILEGED_ENDS);

/** There is no cache to flush, but the address is checked as for a load. */
const flushLine: Semantics = (i) => {
  i.loadGuest(i.linear(0, 1, "read"), "i64.8u", { stack: i.usesStack(0) });
};
row("NP 0f ae /7 mem", "CLFLUSH M", flushLine);
row("66 0f ae /7 mem", "CLFLUSHOPT M", flushLine);
row("66 0f ae /6 mem", "CLWB M", flushLine);
// Each vCPU's accesses happen in program order.
row("NP 0f ae /5 reg", "LFENCE", () => {});
row("NP 0f ae /6 reg", "MFENCE", () => {});
row("NP 0f ae /7 reg", "SFENCE", () => {});
row("0f 0d mem", "PREFETCHW M", () => {});

// Waiting and leaving

row("f4", "HLT", (i) => i.finish(Leave.halt), PRIVILEGED_ENDS);
row("0f 01 /1 rm=0", "MONITOR", (i) => {
  if (!(i.decoded.mode & MODE_CPL_0)) return i.raise(6);
  i.storeState(ADDRESS, "i64", i.inSegment(DS, i.general(0, i.decoded.addressBits), 1, "read"));
  i.helper("monitor");
});
row(
  "0f 01 /1 rm=1",
  "MWAIT",
  (i) => {
    if (!(i.decoded.mode & MODE_CPL_0)) return i.raise(6);
    i.helper("mwait");
    i.finish(Leave.halt);
  },
  ENDS,
);
row("0f 01 /0 rm=1", "VMCALL", (i) => hypercall(i, "vmcall"), ENDS);
row("0f 01 /3 rm=1", "VMMCALL", (i) => hypercall(i, "vmmcall"), ENDS);

/** The helper leaves with RIP behind the instruction. */
function hypercall(i: Instruction, helper: string): void {
  i.helper(helper);
  i.proceedAtRip();
}

// Undefined for ever; RSM is, outside system-management mode.
const undefinedInstruction: Semantics = (i) => i.raise(6);
row("0f 0b", "UD2", undefinedInstruction, ENDS);
row("0f b9", "UD1 Gv,Ev", undefinedInstruction, ENDS);
row("0f ff", "UD0 Gv,Ev", undefinedInstruction, ENDS);
row("0f aa", "RSM", undefinedInstruction, ENDS);
