import { TEMPLATE } from "./base-module.ts";
import type { Bytes } from "./bytes.ts";
import { ModuleBuilder, type Signature, type ValueType } from "./module-builder.ts";
import { PAGE_WALK } from "./page-walk/index.ts";
import { stringRuns } from "./string-runs.ts";
import { stringsAtOnce } from "./strings-at-once.ts";

/** A function that generated code may call, written only when it does; it may call the page walk. */
interface RareFunction {
  readonly name: string;
  readonly signature: Signature;
  readonly write: () => { readonly locals: readonly ValueType[]; readonly code: Bytes };
}

const RARE_FUNCTIONS: readonly RareFunction[] = [
  ...stringRuns().map((run) => ({ ...run, signature: TEMPLATE })),
  ...stringsAtOnce(),
];

type Functions = Record<string, WebAssembly.ExportValue>;

/**
 * Adds functions that most guests need few of, which together take as long to write and compile as
 * everything else that an engine begins with. Each is made when it is first looked up.
 */
export function addRareFunctions(
  functions: Functions,
  memory: WebAssembly.Memory,
  table: WebAssembly.Table,
): void {
  for (const { name, signature, write } of RARE_FUNCTIONS) {
    if (name in functions) throw new Error(`templates have two functions to call by "${name}"`);
    let made: WebAssembly.ExportValue | undefined;
    Object.defineProperty(functions, name, {
      get: () => {
        made ??= make(name, signature, write(), functions, memory, table);
        return made;
      },
    });
  }
}

function make(
  name: string,
  signature: Signature,
  { locals, code }: ReturnType<RareFunction["write"]>,
  functions: Functions,
  memory: WebAssembly.Memory,
  table: WebAssembly.Table,
): WebAssembly.ExportValue {
  const module = new ModuleBuilder();
  module.importFunction("page_walk", PAGE_WALK);
  module.exportFunction(name, module.addFunction(signature, locals, code));
  const bytes = module.build(memory.buffer.byteLength / 65536, 1);
  const imports = {
    env: { memory, table, page_walk: functions.page_walk as WebAssembly.ImportValue },
  };
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), imports);
  return exports[name] as WebAssembly.ExportValue;
}
