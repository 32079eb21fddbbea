import { Bytes } from "./bytes.ts";
import { ModuleBuilder } from "./module-builder.ts";

/** c = -(a * a), rounded, leaves of a * a + c what rounding lost, or nothing if that is rounded as well. */
const FACTOR = { f32: 1 + 2 ** -12, f64: 1 + 2 ** -27 } as const;
/** Opcodes of splat, extract_lane 0 and relaxed_madd, behind their prefix, and of the constant. */
const CODES = {
  f32: { splat: 0x13, extract: 0x1f, madd: 0x105, negate: 0x8c, multiply: 0x94, constant: 0x43 },
  f64: { splat: 0x14, extract: 0x21, madd: 0x107, negate: 0x9a, multiply: 0xa2, constant: 0x44 },
} as const;

function test(type: "f32" | "f64"): boolean {
  const { splat, extract, madd, negate, multiply, constant } = CODES[type];
  const code = new Bytes();
  const factor = (): void => {
    const bytes = type === "f32" ? new Float32Array([FACTOR.f32]) : new Float64Array([FACTOR.f64]);
    code.byte(constant, ...new Uint8Array(bytes.buffer));
  };
  const splatted = (push: () => void): void => {
    push();
    code.byte(0xfd).u32(splat);
  };
  splatted(factor);
  splatted(factor);
  splatted(() => {
    factor();
    factor();
    code.byte(multiply, negate);
  });
  code.byte(0xfd).u32(madd).byte(0xfd).u32(extract).byte(0);
  const module = new ModuleBuilder();
  const signature = { parameters: [], results: [type] };
  module.exportFunction("rest", module.addFunction(signature, [], code));
  const bytes = module.build(1, 1);
  if (!WebAssembly.validate(bytes)) return false;
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const table = new WebAssembly.Table({ initial: 1, element: "anyfunc" });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
    env: { memory, table },
  });
  return (exports.rest as () => number)() !== 0;
}

let known: boolean | undefined;

/**
 * Whether `relaxed_madd` is there and rounds once. WebAssembly leaves it to each
 * runtime to round once or twice, but a runtime always does the same.
 */
export function isFused(): boolean {
  known ??= test("f32") && test("f64");
  return known;
}
