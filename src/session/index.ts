/**
 * The library: what a scenario is written with, and what runs one, in Node and in a browser.
 *
 *     import { defineScenario, demoCell, q35 } from "gaoler";
 */
export * from "../config/boards/q35.ts";
export * from "../config/builders/index.ts";
export { decodeConfig, encodeConfig } from "../config/codec/index.ts";
export { ConfigError } from "../config/config-error.ts";
export { DEMO_NAMES, type DemoName, demoCell } from "../config/demos/index.ts";
export type * from "../config/types.ts";
export {
  defineScenario,
  type LoadedScenario,
  loadScenario,
  type ReadFile,
  type Scenario,
  type ScenarioCell,
  ScenarioError,
  type ScenarioLoad,
} from "./scenario.ts";
export * from "./session.ts";
