import type { Value } from "./micro-op.ts";

/** Calls `action` for each micro-operation of a list, and then for those of its bodies. */
export function visit(list: readonly Value[], action: (value: Value) => void): void {
  for (const value of list) {
    action(value);
    const { op } = value;
    if (op.kind === "if") {
      visit(op.whenTrue, action);
      visit(op.whenFalse, action);
    } else if (op.kind === "while") {
      visit(op.test, action);
      visit(op.body, action);
    }
  }
}
