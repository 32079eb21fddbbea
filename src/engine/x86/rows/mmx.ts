import type { Value } from "../../micro/micro-op.ts";
import type { Instruction } from "../instruction.ts";
import { row, type Semantics } from "../row.ts";
import {
  checkMmx,
  commitMmx,
  immediate,
  readMmx,
  readMmx64,
  readXmm,
  writeMmx,
  writeMmx64,
  writeXmm,
} from "../sse/operands.ts";
import { maskOfElement, shiftBytes, wordIndices } from "../sse/shuffle.ts";
import { maskedStore } from "./sse-move.ts";

/** MMX instructions that are not the narrow form of an SSE instruction, and those between both files. */
const MMX = { unit: "mmx" } as const;

/** `work` between the checks and the transition that every MMX instruction makes. */
function transition(
  read: (i: Instruction) => Value,
  write: (i: Instruction, value: Value) => void,
): Semantics {
  return (i) => {
    checkMmx(i);
    const value = read(i);
    commitMmx(i);
    write(i, value);
  };
}

/** Memory is written before the state changes. */
function storing(value: (i: Instruction) => Value): Semantics {
  return (i) => {
    checkMmx(i);
    i.write(0, value(i));
    commitMmx(i);
  };
}

row(
  "NP 0f 77",
  "EMMS",
  (i) => {
    checkMmx(i);
    commitMmx(i, 0);
  },
  MMX,
);

// 32 bits, or 64 with REX.W.
row(
  "NP 0f 6e",
  "MOVD Pq,Ey",
  transition(
    (i) => i.read(1),
    (i, value) => writeMmx64(i, 0, value),
  ),
  MMX,
);
row(
  "NP 0f 7e",
  "MOVD Ey,Pq",
  storing((i) => readMmx64(i, 1)),
  MMX,
);
row(
  "NP 0f 6f",
  "MOVQ Pq,Qq",
  transition(
    (i) => readMmx64(i, 1),
    (i, value) => writeMmx64(i, 0, value),
  ),
  MMX,
);
row(
  "NP 0f 7f mem",
  "MOVQ Mq,Pq",
  storing((i) => readMmx64(i, 1)),
  MMX,
);
row(
  "NP 0f 7f reg",
  "MOVQ Nq,Pq",
  transition(
    (i) => readMmx64(i, 1),
    (i, value) => writeMmx64(i, 0, value),
  ),
  MMX,
);
row(
  "NP 0f e7",
  "MOVNTQ Mq,Pq",
  storing((i) => readMmx64(i, 1)),
  MMX,
);
row(
  "NP 0f f7",
  "MASKMOVQ Kq,Pq,Nq",
  (i) => {
    checkMmx(i);
    maskedStore(i, readMmx(i, 1), readMmx(i, 2), "maskmovq");
    commitMmx(i);
  },
  MMX,
);

row(
  "NP 0f 70",
  "PSHUFW Pq,Qq,Ib",
  transition(
    (i) => i.op("i8x16.swizzle", readMmx(i, 1), wordIndices(i, immediate(i))),
    (i, value) => writeMmx(i, 0, value),
  ),
  MMX,
);
row(
  "NP 0f d7",
  "PMOVMSKB Gd,Nq",
  transition(
    (i) => i.op("i32.and", i.op("i8x16.bitmask", readMmx(i, 1)), i.i32(0xff)),
    (i, value) => i.write(0, i.extend(value)),
  ),
  MMX,
);
row(
  "NP 0f c5",
  "PEXTRW Gd,Nq,Ib",
  transition(
    (i) => {
      const moved = shiftBytes(i, readMmx(i, 1), i.op("i32.mul", wordNumber(i), i.i32(2)));
      return i.lane("i16x8.extract_lane_u", 0, moved);
    },
    (i, value) => i.write(0, i.extend(value)),
  ),
  MMX,
);
for (const [form, operand] of [
  ["mem", "Mw"],
  ["reg", "Rd"],
] as const)
  row(
    `NP 0f c4 ${form}`,
    `PINSRW Pq,${operand},Ib`,
    transition(
      (i) => {
        const element = i.op("i16x8.splat", i.wrap(i.read(1)));
        return i.op(
          "v128.bitselect",
          element,
          readMmx(i, 0),
          maskOfElement(i, "i16x8", wordNumber(i)),
        );
      },
      (i, value) => writeMmx(i, 0, value),
    ),
    MMX,
  );

function wordNumber(i: Instruction): Value {
  return i.op("i32.and", i.wrap(i.read(2)), i.i32(3));
}

row(
  "NP 0f 3a 0f",
  "PALIGNR Pq,Qq,Ib",
  (i) => {
    checkMmx(i);
    const lower = readMmx(i, 1);
    const joined = i.shuffle(
      lower,
      readMmx(i, 0),
      [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23],
    );
    commitMmx(i);
    writeMmx(i, 0, shiftBytes(i, joined, immediate(i)));
  },
  { ...MMX, level: 2 },
);

// Both register files: what SSE needs must be there, too.
row(
  "F3 0f d6",
  "MOVQ2DQ Vdq,Nq",
  (i) => {
    checkMmx(i);
    const value = readMmx64(i, 1);
    commitMmx(i);
    writeXmm(i, 0, i.lane("i64x2.replace_lane", 0, i.v128(0n), value));
  },
  { unit: "sse" },
);
row(
  "F2 0f d6",
  "MOVDQ2Q Pq,Uq",
  (i) => {
    checkMmx(i);
    const value = readXmm(i, 1);
    commitMmx(i);
    writeMmx(i, 0, value);
  },
  { unit: "sse" },
);
