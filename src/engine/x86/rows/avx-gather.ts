import type { Semantics } from "../row.ts";
import { avx } from "../sse/forms.ts";
import { byteOf } from "../sse/operands.ts";

/**
 * AVX2: loads of elements from addresses that a vector gives. An element whose
 * mask has its top bit set is loaded, then its mask is cleared: after a fault
 * the instruction goes on where it was. Alignment is never checked (Intel SDM
 * vol. 2, VGATHERDPS).
 *
 * @param count of elements
 * @param size of an element, in bytes
 * @param indexSize of an index, in bytes
 */
function gather(count: number, size: 4 | 8, indexSize: 4 | 8): Semantics {
  return (i) => {
    const destination = i.place(0);
    const mask = i.place(2);
    const load = size === 4 ? "i32" : "i64";
    for (let k = 0; k < count; k++) {
      const at = k * size;
      const top = i.loadState(byteOf(mask, at + size - 4), "i32");
      i.if(i.op("i32.lt_s", top, i.i32(0)), () => {
        const indexPlace = byteOf(i.vectorIndex(1), k * indexSize);
        const index = i.loadState(indexPlace, indexSize === 4 ? "i64.32s" : "i64");
        const address = i.linear(1, size, "read", i.effective(1, index));
        const value = i.loadGuest(address, load, { stack: i.usesStack(1), unaligned: true });
        i.storeState(byteOf(destination, at), load, value);
        i.storeState(byteOf(mask, at), load, size === 4 ? i.i32(0) : i.i64(0));
      });
    }
    for (const offset of [0, 16]) i.storeState(byteOf(mask, offset), "v128", i.v128(0n));
    if (count * size === 8) i.storeState(byteOf(destination, 8), "i64", i.i64(0));
    if (count * size < 32) i.storeState(byteOf(destination, 16), "v128", i.v128(0n));
  };
}

for (const [opcode, indexLetter, indexSize] of [
  ["90", "D", 4],
  ["91", "Q", 8],
] as const)
  for (const [w, size, integer, float] of [
    ["W0", 4, "D", "PS"],
    ["W1", 8, "Q", "PD"],
  ] as const)
    for (const [length, bytes] of [
      ["L0", 16],
      ["L1", 32],
    ] as const) {
      // The wider of element and index fills the vectors.
      const count = bytes / Math.max(size, indexSize);
      const vector = count * size === 32 ? "qq" : "dq";
      const indices = count * indexSize === 32 ? "y" : "x";
      const operands = `V${vector},vm${indexSize * 8}${indices}${size === 4 ? "d" : "q"},H${vector}`;
      const semantics = gather(count, size, indexSize);
      const second = (Number.parseInt(opcode, 16) + 2).toString(16);
      avx(
        `${length} ${w} 66 0f 38 ${opcode}`,
        `VPGATHER${indexLetter}${integer} ${operands}`,
        semantics,
      );
      avx(
        `${length} ${w} 66 0f 38 ${second}`,
        `VGATHER${indexLetter}${float} ${operands}`,
        semantics,
      );
    }
