import type { Value } from "../../micro/micro-op.ts";
import type { Instruction } from "../instruction.ts";
import { row, type Semantics } from "../row.ts";
import { VALUE } from "../state.ts";

/**
 * Port input and output. Each ends its block, so that an interrupt that the
 * device raises is taken before the next instruction.
 */

const ENDS = { ends: true };

/** What helpers/io.ts finds: VALUE the port and the width in bytes (<< 16), VALUE + 8 the value. */
function input(port: (i: Instruction) => Value, index = 0): Semantics {
  return (i) => {
    i.storeState(VALUE, "i64", i.or(port(i), i.i64((i.width(index) / 8) << 16)));
    i.helper("port_in");
    i.write(index, i.loadState(VALUE + 8, "i64.32u"));
    i.proceed();
  };
}

function output(port: (i: Instruction) => Value, index: number): Semantics {
  return (i) => {
    i.storeState(VALUE, "i64", i.or(port(i), i.i64((i.width(index) / 8) << 16)));
    i.storeState(VALUE + 8, "i64", i.read(index));
    i.helper("port_out");
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
