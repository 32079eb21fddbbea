/** How much of the hypervisor's memory a configuration takes. */
import { encodeConfig } from "../config/codec/index.ts";
import { ConfigError } from "../config/config-error.ts";
import type { CellConfig, SystemConfig } from "../config/types.ts";
import { type Result, refuse, success } from "./errno.ts";

/** Bytes of the binary form. @returns EINVAL for what no file could hold */
export function configSize(config: CellConfig | SystemConfig): Result<number> {
  const cell = config.kind === "system" ? config.rootCell : config;
  try {
    return success(encodeConfig(config).length - (cell.surplus?.length ?? 0));
  } catch (error) {
    if (error instanceof ConfigError) return refuse("EINVAL", error.message);
    throw error;
  }
}
