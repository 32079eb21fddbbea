import { setAll } from "../../micro/flags.ts";
import { row, type Semantics } from "../row.ts";
import { RANDOM } from "../state.ts";

/**
 * RDRAND and RDSEED. Every run must be like every other, so the numbers are
 * those of a generator in the CPU's state (SplitMix64 of G. L. Steele and
 * others, 2014): even, but no secret. There is always one.
 */
const draw: Semantics = (i) => {
  const state = i.add(i.loadState(RANDOM, "i64"), i.i64(0x9e37_79b9_7f4a_7c15n));
  let z = i.mul(i.xor(state, i.shrU(state, i.i64(30))), i.i64(0xbf58_476d_1ce4_e5b9n));
  z = i.mul(i.xor(z, i.shrU(z, i.i64(27))), i.i64(0x94d0_49bb_1331_11ebn));
  z = i.xor(z, i.shrU(z, i.i64(31)));
  i.storeState(RANDOM, "i64", state);
  i.write(0, i.truncate(z, i.width(0)));
  // CF alone is set: the number is one.
  setAll(i, i.i32(1));
};
row("0f c7 /6 reg", "RDRAND Rv", draw, { level: 3, noRepeat: true });
row("0f c7 /7 reg", "RDSEED Rv", draw, { level: 3, noRepeat: true });
