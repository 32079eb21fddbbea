import { pushesErrorCode } from "../x86/core.ts";
import { isFault } from "../x86/interrupt-gate.ts";
import { BY_FAULT } from "../x86/interrupt-quick.ts";
import { MODE_CODE_64 } from "../x86/mode.ts";
import { AT_RIP } from "../x86/position.ts";
import { ATTENTION, BUDGET, ERROR_CODE, Leave, MODE, RECORD, RIP, VECTOR } from "../x86/state.ts";
import { Assembler } from "./assembler.ts";
import type { Signature, ValueType } from "./module-builder.ts";

/** Goes on where guest code left: (vCPU base, reason to leave) -> reason to leave. */
export const GO_ON: Signature = { parameters: ["i32", "i32"], results: ["i32"] };
export const GO_ON_LOCALS: readonly ValueType[] = ["i32", "i32", "i32"];

const DEBUG_EXCEPTION = 1;
const VECTORS = [...Array(32).keys()];

/** Push whether a vector, a local, is one of those, as a bit at a place. */
function isOneOf(
  code: Assembler,
  vector: number,
  which: (vector: number) => boolean,
  bit: number,
): void {
  const vectors = VECTORS.reduce((bits, v) => (which(v) ? bits | (1 << v) : bits), 0);
  code.i32(vectors).get(vector).op("i32.shr_u").i32(1).op("i32.and");
  code.i32(Math.log2(bit)).op("i32.shl");
}

/**
 * Exceptions of 64-bit code are delivered, if that is simple, and their handlers entered, as the run
 * loop of vcpu.ts does. Only where nothing else has to be looked at meanwhile: no instruction is to be
 * run by itself.
 *
 * @param deliver index of `deliver_quickly`
 * @param jump index of the function that enters the block at RIP
 */
export function goOn(deliver: number, jump: number): Assembler {
  const [cpu, leave, scratch, vector, errorCode] = [0, 1, 2, 3, 4];
  const code = new Assembler();
  const giveUp = (): Assembler => code.get(leave).return();
  const add = (field: number, sign: "i32.add" | "i32.sub", value: () => void): void => {
    code.get(cpu).get(cpu).load("i32", field);
    value();
    code.op(sign).store("i32", field);
  };
  code.loop(() => {
    code.get(leave).i32(Leave.exception).op("i32.ne").if(giveUp);
    code.get(cpu).load("i32", VECTOR).tee(vector).i32(DEBUG_EXCEPTION).op("i32.eq");
    code.get(cpu).load("i32", MODE).i32(MODE_CODE_64).op("i32.and").op("i32.eqz");
    code.op("i32.or").if(giveUp);
    // back to the instruction
    code.get(cpu).load("i32", RECORD).load("i32", 4).set(scratch);
    code.get(cpu).get(cpu).load("i64", RIP);
    code.get(scratch).i32(0xffff).op("i32.and").op("i64.extend_i32_u");
    code.op("i64.add").store("i64", RIP);
    code.get(cpu).i32(AT_RIP).store("i32", RECORD);
    // each delivery takes the time of an instruction
    add(BUDGET, "i32.add", () => code.get(scratch).i32(20).op("i32.shr_u").i32(1).op("i32.sub"));
    isOneOf(code, vector, pushesErrorCode, 1);
    code.if(
      () => code.get(cpu).load("i32", ERROR_CODE).set(errorCode),
      () => code.i32(-1).set(errorCode),
    );
    code.get(cpu).i32(AT_RIP).get(vector).get(errorCode);
    isOneOf(code, vector, isFault, BY_FAULT);
    code.call(deliver).op("i32.eqz");
    code.if(() => {
      add(BUDGET, "i32.add", () => code.i32(1));
      code.get(cpu).get(vector).store("i32", VECTOR);
      code.get(cpu).get(errorCode).store("i32", ERROR_CODE);
      giveUp();
    });
    code.get(cpu).load("i32", ATTENTION);
    code.get(cpu).load("i32", BUDGET).i32(0).op("i32.le_s");
    code.op("i32.or").if(() => code.i32(Leave.dispatch).return());
    code.get(cpu).call(jump).set(leave);
    code.branch(0);
  });
  return code.byte(0x00); // it does not come out of the loop
}
