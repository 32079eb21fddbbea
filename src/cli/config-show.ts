/** `gaoler config show`. */
import { configToJson, decodeConfig, showConfig } from "../config/index.ts";
import { readBytes } from "./files.ts";
import type { ConfigShowOptions } from "./program.ts";
import { UsageError } from "./usage-error.ts";

/** @returns the exit status */
export async function configShow(file: string, options: ConfigShowOptions): Promise<number> {
  const { architecture = "x86" } = options;
  if (architecture !== "x86" && architecture !== "arm" && architecture !== "arm64")
    throw new UsageError(`--architecture ${architecture}: must be x86, arm or arm64`);
  const config = decodeConfig(await readBytes(file), { file, architecture });
  if (options.architecture !== undefined && config.architecture !== architecture)
    throw new UsageError(`${file} says itself that it is one of ${config.architecture}`);
  const text = options.json
    ? JSON.stringify(configToJson(config), undefined, 2)
    : showConfig(config).trimEnd();
  process.stdout.write(`${text}\n`);
  return 0;
}
