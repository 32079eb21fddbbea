import { buildBaseModule } from "./base-module.ts";

let bytes: Uint8Array<ArrayBuffer> | undefined;

/** The base module in WebAssembly's binary format. A bundle has these bytes in place of this file. */
export const baseModuleBytes = (): Uint8Array<ArrayBuffer> => (bytes ??= buildBaseModule());
