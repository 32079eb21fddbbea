/** Building blocks for writing systems and cells in TypeScript. */
export * from "./cell.ts";
export * from "./devices.ts";
export * from "./memory.ts";
export * from "./shared-memory.ts";
export * from "./system.ts";
export * from "./units.ts";
