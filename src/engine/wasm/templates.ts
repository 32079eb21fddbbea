import type { Value } from "../micro/micro-op.ts";
import { visit } from "../micro/visit.ts";
import { type Decoded, endsBlock } from "../x86/decoder.ts";
import { Instruction } from "../x86/instruction.ts";
import { MODE_COUNT } from "../x86/mode.ts";
import { memoryShape } from "../x86/record.ts";
import { FIRST_FREE_SLOT, JUMP, MICRO_FUNCTIONS, TEMPLATE } from "./base-module.ts";
import { PORT_IN, PORT_OUT, SLOW_ACCESS } from "./data-access.ts";
import { signatureOf } from "./function-emitter.ts";
import { ModuleBuilder, type Signature } from "./module-builder.ts";
import { TemplateEmitter } from "./template-emitter.ts";

/** Functions that every module of templates imports. */
const BASE_FUNCTIONS: Record<string, Signature> = {
  jump: JUMP,
  interrupted: TEMPLATE,
  slow_access: SLOW_ACCESS,
  segment_violation: { parameters: ["i32", "i32", "i32", "i32"], results: ["i32"] },
};

/** Signatures of the others that are not those of helpers. */
const SIGNATURES = new Map<string, Signature>([
  ...MICRO_FUNCTIONS.map((f) => [f.name, signatureOf(f)] as const),
  ["port_in", PORT_IN],
  ["port_out", PORT_OUT],
]);

/** Everything a template depends on, as one number: equal keys, equal code. */
export function templateKey(decoded: Decoded): number {
  // Of operands that are not in memory the row tells all; no form has more than two that are.
  let shapes = 0;
  for (const operand of decoded.operands)
    if (operand.kind === "memory") shapes = shapes * 64 + memoryShape(operand, decoded.mode);
  const repeat = decoded.repeat === "none" ? 0 : decoded.repeat === "repe" ? 1 : 2;
  const sizes =
    ((decoded.operandBits >> 5) * 3 + (decoded.addressBits >> 5)) * 2 + (decoded.vectorBits >> 8);
  // 2^12 shapes, 2^14 modes, 2^5 sizes, 2^2 repeats, 2^12 rows
  return (((decoded.row.id * 4 + repeat) * 32 + sizes) * MODE_COUNT + decoded.mode) * 4096 + shapes;
}

interface Pending {
  readonly slot: number;
  readonly instruction: Instruction;
}

/**
 * The templates of tier 0: one WebAssembly function for each instruction form
 * and operand shape that has been met. New ones are collected while a block
 * is decoded and compiled together in one small module.
 */
export class Templates {
  private readonly slots = new Map<number, { slot: number; words: number }>();
  private readonly functionSlots = new Map<string, number>();
  private pending: Pending[] = [];
  private nextSlot = FIRST_FREE_SLOT;
  private readonly memory: WebAssembly.Memory;
  private readonly table: WebAssembly.Table;
  private readonly functions: Readonly<Record<string, WebAssembly.ExportValue>>;

  /** @param functions base functions and helpers by name */
  constructor(
    memory: WebAssembly.Memory,
    table: WebAssembly.Table,
    functions: Readonly<Record<string, WebAssembly.ExportValue>>,
  ) {
    this.memory = memory;
    this.table = table;
    this.functions = functions;
  }

  /** Number of templates made so far. */
  get count(): number {
    return this.nextSlot - FIRST_FREE_SLOT;
  }

  /** Table slot of the template for a decoded instruction; callable after `flush`. */
  slotFor(decoded: Decoded): number {
    const key = templateKey(decoded);
    const known = this.slots.get(key);
    if (known !== undefined) return known.slot;
    const instruction = new Instruction(decoded);
    liftChecked(instruction);
    return this.add(key, instruction);
  }

  /** A table slot where a base function or helper is, for code that does not import it. */
  slotOfFunction(name: string): number {
    let slot = this.functionSlots.get(name);
    if (slot === undefined) {
      slot = this.takeSlot();
      this.table.set(slot, this.functions[name]);
      this.functionSlots.set(name, slot);
    }
    return slot;
  }

  /** A table slot for something else than a template. */
  takeSlot(): number {
    this.flush();
    if (this.nextSlot === this.table.length) this.table.grow(this.table.length);
    return this.nextSlot++;
  }

  private add(key: number, instruction: Instruction): number {
    const slot = this.nextSlot++;
    this.slots.set(key, { slot, words: instruction.words });
    this.pending.push({ slot, instruction });
    return slot;
  }

  /** Compile what is pending. */
  flush(): void {
    if (this.pending.length === 0) return;
    const pending = this.pending;
    this.pending = [];
    const module = new ModuleBuilder();
    const indices = new Map<string, number>();
    const imports: Record<string, WebAssembly.ImportValue> = {
      memory: this.memory,
      table: this.table,
    };
    const declare = (name: string): void => {
      if (indices.has(name)) return;
      const value = this.functions[name];
      if (value === undefined) throw new Error(`no function ${name} for templates`);
      indices.set(
        name,
        module.importFunction(name, BASE_FUNCTIONS[name] ?? SIGNATURES.get(name) ?? TEMPLATE),
      );
      imports[name] = value as WebAssembly.ImportValue;
    };
    for (const name of Object.keys(BASE_FUNCTIONS)) declare(name);
    for (const { instruction } of pending)
      for (const name of calledNames(instruction.list)) declare(name);
    const template = module.typeIndex(TEMPLATE);
    const functions = pending.map(({ instruction }) => {
      const emitter = new TemplateEmitter(indices, template, instruction.words * 4);
      emitter.body(instruction.list);
      return module.addFunction(TEMPLATE, emitter.locals, emitter.code);
    });
    // Slots of one batch are consecutive.
    module.tableEntries((pending[0] as Pending).slot, functions);
    if (this.nextSlot > this.table.length) this.table.grow(this.table.length);
    const bytes = module.build(this.memory.buffer.byteLength / 65536, 1);
    new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: imports });
  }
}

function calledNames(list: readonly Value[]): Set<string> {
  const names = new Set<string>();
  visit(list, ({ op }) => {
    if (op.kind === "call") names.add(op.name);
  });
  return names;
}

/** Lift an instruction: the checks every form shares, its semantics, then on to the next record. */
function liftChecked(instruction: Instruction): void {
  const { row } = instruction.decoded;
  const vector = instruction.unavailable();
  if (vector >= 0) {
    instruction.raise(vector);
    return;
  }
  row.semantics(instruction);
  if (!endsBlock(instruction.decoded)) instruction.next();
}
