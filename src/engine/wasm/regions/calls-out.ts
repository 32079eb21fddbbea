import { packPosition } from "../../x86/position.ts";
import { BUDGET, TLB } from "../../x86/state.ts";
import { CPU } from "../emitter.ts";
import type { RegionInstruction } from "./region-block.ts";
import { WaysOut } from "./ways-out.ts";

const RETURN = 0x0f;
const CALL = 0x10;

/**
 * Calls of functions that may ask the moderator. He sees the state as it is before the instruction,
 * and may change it; so all of it is put back before the call, and fetched again behind it.
 */
export abstract class CallsOut extends WaysOut {
  /** Address in linear memory of the TLB set in use. */
  protected readonly tlb = this.newLocal("i32");

  /** Fetch the windows that the TLB set in use has. */
  protected abstract fetchWindows(): void;

  protected get present(): RegionInstruction {
    return this.node.block.instructions[this.instruction] as RegionInstruction;
  }

  /** Fetch whatever of the state is kept in locals. */
  protected fetchAll(): void {
    this.fetch(BUDGET, this.budget, "i32");
    this.fetch(TLB, this.tlb, "i32");
    this.fetchWindows();
    this.fetchState();
  }

  /**
   * Call a function for the present instruction, and leave the region if it says so.
   *
   * @param call calls it, with the vCPU and the record that have been pushed
   */
  protected callOut(call: (pushArguments: () => void) => void): void {
    const { rip, next } = this.present;
    const left = this.node.block.instructions.length - this.instruction;
    const record = this.records.newRecord(packPosition(0, Number(next - rip), left));
    // counted from the instruction itself: RIP is what the moderator is to see
    this.setRip(rip);
    this.spill();
    call(() => {
      this.get(CPU);
      this.i32(record);
    });
    this.tee(this.packed);
    this.openUnlikely();
    this.get(this.packed);
    this.code.byte(RETURN);
    this.close();
    this.fetchAll();
  }

  /** Call an imported function, whose arguments have been pushed. */
  protected callFunction(name: string): void {
    this.code.byte(CALL).u32(this.function(name));
  }
}
