/** `gaoler config show`. */
import { configToJson, decodeConfig, showConfig } from "../config/index.ts";
import { readBytes } from "./files.ts";

/** @returns the exit status */
export async function configShow(file: string, options: { json?: true }): Promise<number> {
  const config = decodeConfig(await readBytes(file), { file });
  const text = options.json
    ? JSON.stringify(configToJson(config), undefined, 2)
    : showConfig(config).trimEnd();
  process.stdout.write(`${text}\n`);
  return 0;
}
