import { Bytes } from "./bytes.ts";

/** WebAssembly value types with their binary codes (WebAssembly core specification 5.3.1). */
export const VALUE_TYPES = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b } as const;
export type ValueType = keyof typeof VALUE_TYPES;

export interface Signature {
  readonly parameters: readonly ValueType[];
  readonly results: readonly ValueType[];
}

/** A hint of WebAssembly's branch hinting: for engines that heed them, code that is hardly ever reached stands elsewhere. */
const UNLIKELY = 0;

interface Body {
  readonly type: number;
  readonly locals: readonly ValueType[];
  readonly code: Bytes;
  readonly unlikely: readonly number[];
}

/**
 * Assembles one WebAssembly module that imports its memory and function
 * table: function imports first, then own functions, then exports and table
 * entries. Indices handed out are final, so imports must be declared first.
 */
export class ModuleBuilder {
  private readonly types: string[] = [];
  private readonly typeBytes: Bytes[] = [];
  private readonly imports: { name: string; type: number }[] = [];
  private readonly bodies: Body[] = [];
  private readonly exports: { name: string; func: number }[] = [];
  private readonly elements: { slot: number; funcs: number[] }[] = [];

  typeIndex(signature: Signature): number {
    const key = `${signature.parameters.join()}>${signature.results.join()}`;
    const known = this.types.indexOf(key);
    if (known >= 0) return known;
    const bytes = new Bytes().byte(0x60).u32(signature.parameters.length);
    for (const type of signature.parameters) bytes.byte(VALUE_TYPES[type]);
    bytes.u32(signature.results.length);
    for (const type of signature.results) bytes.byte(VALUE_TYPES[type]);
    this.types.push(key);
    this.typeBytes.push(bytes);
    return this.types.length - 1;
  }

  /** Import `env.NAME`; returns its function index. */
  importFunction(name: string, signature: Signature): number {
    if (this.bodies.length > 0) throw new Error("imports come before functions");
    this.imports.push({ name, type: this.typeIndex(signature) });
    return this.imports.length - 1;
  }

  /**
   * Add a function.
   *
   * @param code its body without the final `end`
   * @param unlikely where in `code` there are branches that are hardly ever taken
   * @returns its function index
   */
  addFunction(
    signature: Signature,
    locals: readonly ValueType[],
    code: Bytes,
    unlikely: readonly number[] = [],
  ): number {
    this.bodies.push({ type: this.typeIndex(signature), locals, code, unlikely });
    return this.imports.length + this.bodies.length - 1;
  }

  exportFunction(name: string, func: number): void {
    this.exports.push({ name, func });
  }

  /** Put functions into consecutive table slots at instantiation. */
  tableEntries(slot: number, funcs: number[]): void {
    this.elements.push({ slot, funcs });
  }

  /**
   * @param memoryPages of 64 KiB: what the imported memory has at least
   * @param mostPages and what it can ever have at most
   */
  build(memoryPages: number, tableSlots: number, mostPages = memoryPages): Uint8Array<ArrayBuffer> {
    const out = new Bytes().byte(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00);
    const section = (id: number, entries: number, content: Bytes): void => {
      if (entries > 0) out.byte(id).sized(new Bytes().u32(entries).append(content));
    };
    const types = new Bytes();
    for (const bytes of this.typeBytes) types.append(bytes);
    section(1, this.typeBytes.length, types);

    const imports = new Bytes();
    for (const entry of this.imports)
      imports.name("env").name(entry.name).byte(0x00).u32(entry.type);
    imports.name("env").name("memory").byte(0x02, 0x01).u32(memoryPages).u32(mostPages);
    imports.name("env").name("table").byte(0x01, 0x70, 0x00).u32(tableSlots);
    section(2, this.imports.length + 2, imports);

    const functions = new Bytes();
    for (const body of this.bodies) functions.u32(body.type);
    section(3, this.bodies.length, functions);

    const exports = new Bytes();
    for (const entry of this.exports) exports.name(entry.name).byte(0x00).u32(entry.func);
    section(7, this.exports.length, exports);

    const elements = new Bytes();
    for (const { slot, funcs } of this.elements) {
      elements.byte(0x00).byte(0x41).s32(slot).byte(0x0b).u32(funcs.length);
      for (const func of funcs) elements.u32(func);
    }
    section(9, this.elements.length, elements);

    const code = new Bytes();
    const hints = new Bytes();
    let hinted = 0;
    this.bodies.forEach((body, k) => {
      const content = new Bytes().u32(body.locals.length);
      for (const type of body.locals) content.u32(1).byte(VALUE_TYPES[type]);
      if (body.unlikely.length > 0) {
        hinted++;
        hints.u32(this.imports.length + k).u32(body.unlikely.length);
        for (const at of body.unlikely) hints.u32(content.length + at).byte(1, UNLIKELY);
      }
      code.sized(content.append(body.code).byte(0x0b));
    });
    if (hinted > 0) {
      const hintSection = new Bytes().name("metadata.code.branch_hint").u32(hinted);
      out.byte(0).sized(hintSection.append(hints));
    }
    section(10, this.bodies.length, code);
    return out.done();
  }
}
