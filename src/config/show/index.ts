export { configToJson } from "./json.ts";
export { showConfig } from "./text.ts";
