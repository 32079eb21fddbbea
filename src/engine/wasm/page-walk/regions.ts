import {
  REGION_ADDEND,
  REGION_BYTES,
  REGION_COUNT,
  REGION_GUEST,
  REGION_RIGHTS,
  REGION_SIZE,
  REGIONS,
} from "../../x86/state.ts";
import { Assembler } from "../assembler.ts";
import type { Signature, ValueType } from "../module-builder.ts";
import {
  ADDEND,
  CPU,
  GUEST,
  giveUp,
  HOST,
  PHYSICAL,
  RIGHTS,
  SIZE,
  SLOT,
  type Walk,
} from "./walk.ts";

/** Where the region list has a guest-physical address: (vCPU base, address) -> address of the region, or 0. */
export const FIND_REGION: Signature = { parameters: ["i32", "i64"], results: ["i32"] };
export const FIND_REGION_LOCALS: readonly ValueType[] = ["i32"];

export function findRegion(): Assembler {
  const code = new Assembler();
  const [cpu, physical, left] = [0, 1, 2];
  code.i32(REGION_COUNT).set(left);
  return code
    .loop(() => {
      code
        .get(physical)
        .get(cpu)
        .load("i64", REGIONS + REGION_GUEST)
        .op("i64.sub");
      code
        .get(cpu)
        .load("i64", REGIONS + REGION_SIZE)
        .op("i64.lt_u");
      code.if(() => code.get(cpu).i32(REGIONS).op("i32.add").return());
      code.get(cpu).i32(REGION_BYTES).op("i32.add").set(cpu);
      code.get(left).i32(1).op("i32.sub").tee(left).branchIf(0);
    })
    .i32(0);
}

/** Locals from a region, whose address `push` pushes. */
export function useRegion(code: Assembler, push: () => void): void {
  push();
  code.tee(SLOT).load("i64", REGION_GUEST).set(GUEST);
  code.get(SLOT).load("i64", REGION_SIZE).set(SIZE);
  code.get(SLOT).load("i32", REGION_ADDEND).set(ADDEND);
  code.get(SLOT).load("i32", REGION_RIGHTS).set(RIGHTS);
}

/** Sets HOST to where PHYSICAL is, and the region's locals. */
export function locate({ code, find }: Walk): void {
  code.get(PHYSICAL).get(GUEST).op("i64.sub").get(SIZE).op("i64.ge_u");
  code.if(() => {
    code.get(CPU).get(PHYSICAL).call(find).tee(SLOT).op("i32.eqz");
    code.if(() => giveUp(code));
    useRegion(code, () => code.get(SLOT));
  });
  code.get(PHYSICAL).op("i32.wrap_i64").get(ADDEND).op("i32.add").set(HOST);
}
