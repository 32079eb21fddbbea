import type { Value } from "../../micro/micro-op.ts";
import type { Instruction } from "../instruction.ts";
import { row, type Semantics } from "../row.ts";
import { VALUE } from "../state.ts";

/**
 * Port input and output. Each ends its block, so that an interrupt that the
 * device raises is taken before the next instruction.
 */

const ENDS = { ends: true, exits: true };

/** The port, and the width of operand `index` in bytes (<< 16), as helpers/io.ts takes them. */
function access(i: Instruction, port: Value, index: number): Value {
  return i.op("i32.wrap_i64", i.or(port, i.i64((i.width(index) / 8) << 16)));
}

/** The value is left in VALUE. */
function input(port: (i: Instruction) => Value, index = 0): Semantics {
  return (i) => {
    i.run("port_in", [access(i, port(i), index)], true);
    i.write(index, i.loadState(VALUE, "i64.32u"));
    i.proceed();
  };
}

function output(port: (i: Instruction) => Value, index: number): Semantics {
  return (i) => {
    const value = i.op("i32.wrap_i64", i.read(index));
    i.run("port_out", [access(i, port(i), index), value], true);
    i.proceed();
  };
}

const immediate =
  (index: number) =>
  (i: Instruction): Value =>
    i.source(index, 8);
const dx = (i: Instruction): Value => i.general(2, 16);

row("e4", "IN AL,Ib", input(immediate(1)), ENDS);
row("e5", "IN eAX,Ib", input(immediate(1)), ENDS);
row("ec", "IN AL,DX", input(dx), ENDS);
row("ed", "IN eAX,DX", input(dx), ENDS);
row("e6", "OUT Ib,AL", output(immediate(0), 1), ENDS);
row("e7", "OUT Ib,eAX", output(immediate(0), 1), ENDS);
row("ee", "OUT DX,AL", output(dx, 1), ENDS);
row("ef", "OUT DX,eAX", output(dx, 1), ENDS);

/**
 * VALUE holds element bytes, address size (<< 8), and whether it repeats
 * (<< 16); VALUE + 4 the state offset of the source's segment, or -1.
 */
function string(helper: string, memory: number): Semantics {
  return (i) => {
    const repeats = i.decoded.repeat === "none" ? 0 : 1;
    const word = (i.width(memory) / 8) | (i.decoded.addressBits << 8) | (repeats << 16);
    i.storeState(VALUE, "i32", i.i32(word));
    i.storeState(VALUE + 4, "i32", i.segmentPlace(memory));
    i.helper(helper);
    i.proceed();
  };
}

const REPEATS = { repeats: true, ends: true };
row("6c", "INS Yb,DX", string("port_ins", 0), REPEATS);
row("6d", "INS Yz,DX", string("port_ins", 0), REPEATS);
row("6e", "OUTS DX,Xb", string("port_outs", 1), REPEATS);
row("6f", "OUTS DX,Xz", string("port_outs", 1), REPEATS);
