/**
 * The library: what a scenario is written with, and what runs one, in Node and in a browser.
 *
 *     import { defineScenario, demoCell, q35 } from "gaoler";
 */
export * from "../config/index.ts";
export { type BareLimits, BareMachine, type BareReport } from "./bare.ts";
export * from "./channels/index.ts";
export type { ScenarioDevice } from "./devices.ts";
export type { FlatMode, FlatPrivilege } from "./flat.ts";
export { decodeRecording, RecordingWriter } from "./recording.ts";
export { type RegisterReport, registerReport, setRegister } from "./registers.ts";
export { replay } from "./replay.ts";
export type * from "./report.ts";
export type { RootAction } from "./root-action.ts";
export type { LinkAccess, LinkInterrupt, Moment, RootLinkEnd } from "./root-link.ts";
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
export { LinkError, SharedSection } from "./shared-section.ts";
export { flatRam, type RamRange } from "./sparse-ram.ts";
