import { arithmeticFlags, condition, flagC, flagZ, setAll, setCarry } from "../../micro/flags.ts";
import type { Value } from "../../micro/micro-op.ts";
import { EFLAGS_DF } from "../control-bits.ts";
import { CONDITION_NAMES, row, type Semantics } from "../row.ts";
import { EFLAGS, SS } from "../state.ts";

/** Near branches, loops, and the instructions on single flags. */

const BRANCH = { force64: true, ends: true };

function branch(i: Parameters<Semantics>[0], taken: Value): void {
  i.if(taken, () => i.jumpRelative(0, true));
  i.jumpRelative(0, false);
}

for (let code = 0; code < 16; code++) {
  const semantics: Semantics = (i) => branch(i, condition(i, code));
  row(`7${code.toString(16)}`, `J${CONDITION_NAMES[code]} Jb`, semantics, BRANCH);
  row(`0f 8${code.toString(16)}`, `J${CONDITION_NAMES[code]} Jz`, semantics, BRANCH);
}

row("eb", "JMP Jb", (i) => i.jumpRelative(0, true), BRANCH);
row("e9", "JMP Jz", (i) => i.jumpRelative(0, true), BRANCH);
row(
  "ff /4",
  "JMP Ev",
  (i) => {
    const target = i.read(0);
    i.checkTarget(target);
    i.jumpTo(target);
  },
  BRANCH,
);

/** #SS where the return address has no room comes before #GP of the target (Intel SDM vol. 2, CALL). */
function checkRoom(i: Parameters<Semantics>[0]): void {
  if (i.codeBits !== 64) i.inSegment(SS, i.stackPointer(-i.bits / 8), i.bits / 8, "write");
}

row(
  "e8",
  "CALL Jz",
  (i) => {
    checkRoom(i);
    i.checkTarget(i.target(0));
    i.push(i.truncate(i.nextRip(), i.bits));
    i.jumpRelative(0, true);
  },
  BRANCH,
);
row(
  "ff /2",
  "CALL Ev",
  (i) => {
    const target = i.read(0);
    checkRoom(i);
    i.checkTarget(target);
    i.push(i.truncate(i.nextRip(), i.bits));
    i.jumpTo(target);
  },
  BRANCH,
);

/** RET, with `extra` bytes of parameters dropped. */
function ret(i: Parameters<Semantics>[0], extra: Value | undefined): void {
  const target = i.peek();
  i.checkTarget(target);
  let pointer = i.stackPointer(i.bits / 8);
  if (extra !== undefined) pointer = i.truncate(i.add(pointer, extra), i.stackBits);
  i.setStackPointer(pointer);
  i.jumpTo(target);
}
row("c3", "RET", (i) => ret(i, undefined), BRANCH);
row("c2", "RET Iw", (i) => ret(i, i.source(0, 16)), BRANCH);

/** The counter is CX, ECX or RCX by address size. */
function loop(also: (i: Parameters<Semantics>[0]) => Value | undefined): Semantics {
  return (i) => {
    const bits = i.decoded.addressBits;
    const counter = i.truncate(i.sub(i.general(1, bits), i.i64(1)), bits);
    let taken = i.ne(counter, i.i64(0));
    const more = also(i);
    if (more !== undefined) taken = i.op("i32.and", taken, more);
    i.if(taken, () => i.checkTarget(i.target(0)));
    i.setGeneral(1, bits, counter);
    branch(i, taken);
  };
}
row(
  "e0",
  "LOOPNE Jb",
  loop((i) => i.op("i32.eqz", flagZ(i))),
  BRANCH,
);
row(
  "e1",
  "LOOPE Jb",
  loop((i) => flagZ(i)),
  BRANCH,
);
row(
  "e2",
  "LOOP Jb",
  loop(() => undefined),
  BRANCH,
);
row("e3", "JCXZ Jb", (i) => branch(i, i.eqz(i.general(1, i.decoded.addressBits))), BRANCH);

row("f5", "CMC", (i) => setCarry(i, i.op("i32.xor", flagC(i), i.i32(1))));
row("f8", "CLC", (i) => setCarry(i, i.i32(0)));
row("f9", "STC", (i) => setCarry(i, i.i32(1)));
row("fc", "CLD", (i) =>
  i.storeState(EFLAGS, "i32", i.op("i32.and", i.loadState(EFLAGS, "i32"), i.i32(~EFLAGS_DF))),
);
row("fd", "STD", (i) =>
  i.storeState(EFLAGS, "i32", i.op("i32.or", i.loadState(EFLAGS, "i32"), i.i32(EFLAGS_DF))),
);

/** SF, ZF, AF, PF, CF: what LAHF and SAHF move. */
const LOW_FLAGS = 0xd5;
const loadFlags: Semantics = (i) => {
  const low = i.op("i32.and", arithmeticFlags(i), i.i32(LOW_FLAGS));
  i.setGeneral(
    0,
    16,
    i.or(i.general(0, 8), i.extend(i.op("i32.shl", i.op("i32.or", low, i.i32(2)), i.i32(8)))),
  );
};
const storeFlags: Semantics = (i) => {
  const ah = i.wrap(i.shrU(i.general(0, 16), i.i64(8)));
  const kept = i.op("i32.and", arithmeticFlags(i), i.i32(~LOW_FLAGS));
  setAll(i, i.op("i32.or", kept, i.op("i32.and", ah, i.i32(LOW_FLAGS))));
};
// In 64-bit mode they came late.
for (const options of [{ no64: true }, { only64: true, level: 2 }] as const) {
  row("9f", "LAHF", loadFlags, options);
  row("9e", "SAHF", storeFlags, options);
}
row("d6", "SALC", (i) => i.setGeneral(0, 8, i.extend(i.op("i32.sub", i.i32(0), flagC(i)))), {
  no64: true,
});
