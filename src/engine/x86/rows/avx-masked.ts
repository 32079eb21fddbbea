import type { Value } from "../../micro/micro-op.ts";
import type { Instruction } from "../instruction.ts";
import type { Semantics } from "../row.ts";
import { avx } from "../sse/forms.ts";
import { crossesPage, readVector, STACK_ELEMENTS, writeVector } from "../sse/operands.ts";
import { ADDRESS, SSE_INTEGER } from "../state.ts";

/** Loads and stores of the elements whose mask has its top bit set; the others cannot fault. */

interface Elements {
  readonly shape: "i32x4" | "i64x2";
  readonly element: "i32" | "i64";
  /** In bytes. */
  readonly size: 4 | 8;
}
const DOUBLE_WORDS: Elements = { shape: "i32x4", element: "i32", size: 4 };
const QUAD_WORDS: Elements = { shape: "i64x2", element: "i64", size: 8 };

/** The masks' top bits, element 0's lowest (i32). */
function chosenBits(i: Instruction, { shape, size }: Elements, mask: number): Value {
  return readVector(i, mask)
    .map((lane, k) => i.op("i32.shl", i.op(`${shape}.bitmask`, lane), i.i32((k * 16) / size)))
    .reduce((x, y) => i.op("i32.or", x, y));
}

/** `work` for each element that is chosen, in order. */
function eachChosen(
  i: Instruction,
  { size }: Elements,
  chosen: Value,
  work: (k: number) => void,
): void {
  for (let k = 0; k < i.decoded.vectorBits / 8 / size; k++)
    i.if(i.op("i32.and", chosen, i.i32(1 << k)), () => work(k));
}

/** Linear address of element k of operand `index`. */
function elementAddress(
  i: Instruction,
  { size }: Elements,
  index: number,
  k: number,
  intent: "read" | "write",
): Value {
  const offset = i.add(i.effective(index), i.i64(k * size));
  return i.linear(index, size, intent, i.truncate(offset, i.decoded.addressBits));
}

function areAll(i: Instruction, { size }: Elements, chosen: Value): Value {
  return i.op("i32.eq", chosen, i.i32((1 << (i.decoded.vectorBits / 8 / size)) - 1));
}

function load(elements: Elements): Semantics {
  const { shape, element, size } = elements;
  return (i) => {
    const chosen = chosenBits(i, elements, 1);
    const lanes = readVector(i, 1).map(() => i.variable(i.v128(0n)));
    i.if(
      areAll(i, elements, chosen),
      () => {
        readVector(i, 2).forEach((lane, k) => {
          const variable = lanes[k];
          if (variable) i.set(variable, lane);
        });
      },
      () =>
        eachChosen(i, elements, chosen, (k) => {
          const lane = lanes[Math.floor((k * size) / 16)];
          if (lane === undefined) return;
          const address = elementAddress(i, elements, 2, k, "read");
          const value = i.loadGuest(address, element, { stack: i.usesStack(2) });
          i.set(lane, i.lane(`${shape}.replace_lane`, k % (16 / size), i.get(lane), value));
        }),
    );
    writeVector(
      i,
      0,
      lanes.map((lane) => i.get(lane)),
    );
  };
}

function store(elements: Elements): Semantics {
  const { shape, element, size } = elements;
  return (i) => {
    const bytes = i.decoded.vectorBits / 8;
    const chosen = chosenBits(i, elements, 1);
    const data = readVector(i, 2);
    const part = (): void => {
      const stack = i.usesStack(0) ? STACK_ELEMENTS : 0;
      // Whatever faults does so before anything is written.
      const probe = (start: Value, which: Value): void => {
        i.storeState(ADDRESS, "i64", start);
        i.storeState(SSE_INTEGER, "i32", i.op("i32.or", which, i.i32((size << 8) | stack)));
        i.helper("probe_elements");
      };
      if (i.codeBits === 64) {
        const start = elementAddress(i, elements, 0, 0, "write");
        i.if(crossesPage(i, start, bytes), () => probe(start, chosen));
      } else
        eachChosen(i, elements, chosen, (k) =>
          probe(elementAddress(i, elements, 0, k, "write"), i.i32(1)),
        );
      eachChosen(i, elements, chosen, (k) => {
        const lane = data[Math.floor((k * size) / 16)] as Value;
        const value = i.lane(`${shape}.extract_lane`, k % (16 / size), lane);
        const address = elementAddress(i, elements, 0, k, "write");
        i.storeGuest(address, element, value, { stack: i.usesStack(0) });
      });
    };
    i.if(areAll(i, elements, chosen), () => writeVector(i, 0, data), part);
  };
}

for (const [w, loadCode, storeCode, name, elements] of [
  ["W0", "2c", "2e", "VMASKMOVPS", DOUBLE_WORDS],
  ["W0", "2d", "2f", "VMASKMOVPD", QUAD_WORDS],
  ["W0", "8c", "8e", "VPMASKMOVD", DOUBLE_WORDS],
  ["W1", "8c", "8e", "VPMASKMOVQ", QUAD_WORDS],
] as const) {
  avx(`${w} 66 0f 38 ${loadCode}`, `${name} Vx,Hx,Mx`, load(elements));
  avx(`${w} 66 0f 38 ${storeCode}`, `${name} Mx,Hx,Vx`, store(elements));
}
