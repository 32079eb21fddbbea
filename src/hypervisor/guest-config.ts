/** A cell configuration in the memory of a root guest: the argument of CELL_CREATE. */

import { decodeConfig } from "../config/codec/index.ts";
import { ConfigError } from "../config/config-error.ts";
import type { CellConfig } from "../config/types.ts";
import type { Cell } from "./cell.ts";
import type { Core } from "./core.ts";
import type { Cpu } from "./cpu.ts";
import type { Errno } from "./errno.ts";
import { CONFIG_PAGES, checkLocks, createCell } from "./lifecycle.ts";
import { PAGE_SIZE } from "./memory-map.ts";
import type { Operation } from "./request.ts";

/** Magic, architecture and revision. */
const SIGNATURE_BYTES = 8;

/**
 * Begins the creation of the cell whose configuration a root guest wrote.
 * @param address guest-physical
 */
export function createFromGuest(core: Core, caller: Cpu, address: number): Operation<Cell> | Errno {
  const locked = checkLocks(core, undefined);
  if (locked !== undefined) return locked.errno;
  const pageOffset = address % PAGE_SIZE;
  const bytes = readRoot(core, address, CONFIG_PAGES * PAGE_SIZE - pageOffset);
  if (bytes.length === 0) return "ENOMEM";
  let config: CellConfig;
  try {
    const decoded = decodeConfig(bytes, { file: "CELL_CREATE" });
    if (decoded.kind !== "cell" || decoded.revision !== core.system.revision) return "EINVAL";
    config = decoded;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    // what is wrong with the signature or the CPU set can be said; all else does not fit
    if (error.offset < SIGNATURE_BYTES || error.field.includes("cpu_set_size")) return "EINVAL";
    return bytes.length === CONFIG_PAGES * PAGE_SIZE - pageOffset ? "E2BIG" : "ENOMEM";
  }
  const { surplus, ...rest } = config;
  const configBytes = bytes.length - (surplus?.length ?? 0);
  return createCell(core, { config: rest, id: config.id, configBytes, pageOffset, caller });
}

/** Up to `size` bytes of root's memory, as far as it is mapped without a gap. */
function readRoot({ root, board }: Core, address: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let read = 0;
  while (read < size) {
    const region = root.map.find(address + read);
    if (region === undefined) break;
    const offset = address + read - region.guest;
    const count = Math.min(size - read, region.size - offset);
    bytes.set(board.memory.bytes(region.host + offset, count), read);
    read += count;
  }
  return bytes.subarray(0, read);
}
