import type { CellConfig } from "../types.ts";
import type { Codec } from "./fields.ts";

const FIELD_BYTES = 32;

/**
 * The name of a cell, NUL-terminated in a field of 32 bytes. The format names no character set; one
 * byte is one character, so that any name survives.
 */
export const cellName: Codec<Pick<CellConfig, "name" | "nameTail">> = {
  size: FIELD_BYTES,

  read: (from) =>
    from.within("name", () => {
      const field = from.slice(FIELD_BYTES);
      // the last byte always counts as the terminator: the driver overwrites it with NUL
      const nul = field.indexOf(0);
      const length = nul < 0 ? FIELD_BYTES - 1 : nul;
      const name = String.fromCharCode(...field.subarray(0, length));
      const nameTail = field.subarray(length);
      return nameTail.some((byte) => byte !== 0) ? { name, nameTail } : { name };
    }),

  write: (to, { name, nameTail }) =>
    to.within("name", () => {
      if (name.length > FIELD_BYTES - 1)
        to.fail(`"${name}" has ${name.length} characters, at most ${FIELD_BYTES - 1} are possible`);
      const characters = Array.from({ length: name.length }, (_, i) => name.charCodeAt(i));
      if (characters.some((character) => character === 0 || character > 0xff))
        to.fail(`"${name}" has a character outside 0x01 to 0xff`);
      const field = new Uint8Array(FIELD_BYTES);
      if (nameTail !== undefined)
        field.set(
          nameTail.subarray(-FIELD_BYTES),
          FIELD_BYTES - Math.min(nameTail.length, FIELD_BYTES),
        );
      field.set(characters);
      to.put(field);
    }),
};
