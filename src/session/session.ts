/**
 * A running system: the machine, the hypervisor, and what the person at the root cell asks of it.
 * The root cell runs no guest: root's requests come from here.
 */
import type { CellConfig } from "../config/types.ts";
import { GuestMemory } from "../engine/guest-memory.ts";
import type { Vcpu } from "../engine/vcpu.ts";
import { type VcpuSurroundings, WasmEngine } from "../engine/wasm/engine.ts";
import { JITS, type Jit } from "../engine/wasm/regions/jit.ts";
import type { Cell } from "../hypervisor/cell.ts";
import { type Refusal, type Result, refuse } from "../hypervisor/errno.ts";
import { type CellName, Hypervisor } from "../hypervisor/hypervisor.ts";
import { Board } from "../machine/board.ts";
import { cellReport, isAtRest } from "./cell-report.ts";
import { CellLog } from "./console-log.ts";
import { resolveDevices } from "./devices.ts";
import { boardOptions } from "./machine-size.ts";
import {
  type Begun,
  beginRequest,
  type ManagementRequest,
  NO_ANSWER,
  type RequestOf,
} from "./management.ts";
import { memoryHash } from "./memory-hash.ts";
import type { Ending, SessionReport } from "./report.ts";
import type { RootAction, UnplacedAction } from "./root-action.ts";
import type { Machine, RootLinkEnd } from "./root-link.ts";
import { RootLinks } from "./root-links.ts";
import { type Image, type LoadedScenario, ScenarioError } from "./scenario.ts";
import { sliceEnd } from "./slice.ts";
import { UNCONNECTED } from "./unconnected.ts";
import { Waits } from "./waits.ts";
import { HOST_CLOCK, Pace, type WallClock } from "./wall-clock.ts";

export type SessionEvent =
  /** A console line; without `cell` the hypervisor's own. */
  | {
      readonly kind: "line";
      readonly cell: string | undefined;
      readonly text: string;
      readonly atNs: number;
    }
  /** A line that the program at root prints. */
  | { readonly kind: "print"; readonly text: string; readonly atNs: number }
  /** A management request begins; in the words of `jailhouse`, without the program's name. */
  | { readonly kind: "request"; readonly text: string }
  /** It was refused, by the hypervisor or by a cell. */
  | { readonly kind: "refused"; readonly text: string; readonly refusal: Refusal }
  /** Now and then, from a run that takes long. */
  | { readonly kind: "progress"; readonly virtualNs: number };

/** Makes the vCPUs of one machine, all on the same memory. */
export interface Engine {
  createVcpu(index: number, surroundings: VcpuSurroundings): Vcpu;
}

export { JITS, type Jit };

export interface SessionOptions {
  /** Default: the engine that emits WebAssembly. */
  readonly engine?: (memory: GuestMemory) => Engine;
  /** Of the engine that emits WebAssembly. Default "on". */
  readonly jit?: Jit;
  /** Keep virtual time from running ahead of the wall clock. Default false. */
  readonly realtime?: boolean;
  readonly wallClock?: WallClock;
  /** Told of everything that the script does, in order: see root-action.ts. */
  readonly record?: (action: RootAction) => void;
}

/** Thrown through a script when its scenario ends under it. */
class Ended extends Error {
  readonly ending: Ending;
  constructor(ending: Ending) {
    super(`the run has ended: ${ending}`);
    this.ending = ending;
  }
}

interface LineWait {
  readonly pattern: RegExp;
  /** Lines still to come. */
  left: number;
  readonly arrived: () => void;
}

export class Session {
  readonly scenario: LoadedScenario;
  readonly board: Board;
  readonly hypervisor: Hypervisor;
  readonly #listeners = new Set<(event: SessionEvent) => void>();
  /** What was said before anybody listened. */
  readonly #unheard: SessionEvent[] = [];
  readonly #logs = new Map<string, CellLog>();
  readonly #hypervisorLog = new CellLog((text) => this.#line(undefined, text));
  readonly #waits = new Waits((untilNs) => this.#runSlice(untilNs));
  readonly #lineWaits = new Set<LineWait>();
  readonly #printed: string[] = [];
  readonly #machine: Machine;
  readonly #links: RootLinks;
  readonly #pace: Pace;
  readonly #recorder: ((action: RootAction) => void) | undefined;
  /** Begun so far, by the scenario and then by its script. */
  #requests = 0;
  /** Requests that wait for their answers. */
  #begun: { readonly text: string; readonly request: Begun }[] = [];
  /** Up to there the scenario itself says what happens. */
  #inScript = false;
  #interrupt: AbortSignal | undefined;
  /** Why the run ended, once it has. */
  #ending: Ending | undefined;

  /** Builds the machine and enables the hypervisor in it. @throws ScenarioError */
  constructor(scenario: LoadedScenario, options: SessionOptions = {}) {
    const { realtime = false, wallClock = HOST_CLOCK } = options;
    const createEngine = options.engine ?? ((memory) => new WasmEngine(memory, options.jit));
    this.scenario = scenario;
    const { system, cells, until } = scenario;
    if (until !== undefined)
      this.#lineWaits.add({
        pattern: until,
        left: 1,
        arrived: () => {
          this.#ending ??= "line";
        },
      });
    const { ramBytes, cpuCount, ...rest } = boardOptions(
      system,
      cells.map(({ config }) => config),
    );
    const memory = new GuestMemory(ramBytes);
    const engine = createEngine(memory);
    this.board = new Board({
      memory,
      vcpus: Array.from({ length: cpuCount }, (_, index) => engine.createVcpu(index, UNCONNECTED)),
      nanosecondsPerInstruction: scenario.nanosecondsPerInstruction,
      devices: resolveDevices(
        scenario.devices,
        system,
        cells.map(({ config }) => config),
      ),
      ...rest,
    });
    this.hypervisor = expectSuccess(
      Hypervisor.enable(this.board, system, {
        consoleLine: (cell, text) => {
          if (cell === null) this.#hypervisorLog.line(text);
          else this.#log(cell).line(text);
        },
        uartByte: (cell, port, byte) => this.#log(cell).put(port, byte),
        features: (cell) =>
          cells.find(({ config }) => config.name === cell)?.features ?? "x86-64-v3",
      }),
      "enable",
    );
    this.#recorder = options.record;
    this.#machine = this.#machineForPrograms();
    this.#links = new RootLinks(this.hypervisor, this.#machine, options.record);
    this.#pace = new Pace(wallClock, realtime, this.nowNs);
  }

  /** Nanoseconds of virtual time since power-on. */
  get nowNs(): number {
    return this.board.clock.now;
  }

  /** What happened before is heard first. @returns how to stop listening */
  on(listener: (event: SessionEvent) => void): () => void {
    this.#listeners.add(listener);
    for (const event of this.#unheard.splice(0)) listener(event);
    return () => this.#listeners.delete(listener);
  }

  /**
   * The whole scenario: creates, loads and starts its cells, follows its script or waits for its end.
   * @param interrupt ends the run from outside
   * @throws ScenarioError if a cell cannot be created or loaded as asked
   */
  async play(interrupt?: AbortSignal): Promise<SessionReport> {
    this.#interrupt = interrupt;
    const { cells, script } = this.scenario;
    try {
      for (const { config } of cells) expectSuccess(await this.createCell(config), "cell create");
      for (const { config, images, startAfterNs } of cells) {
        if (startAfterNs > 0) await this.runFor(startAfterNs);
        expectSuccess(await this.loadCell(config.name, images), "cell load");
        expectSuccess(await this.startCell(config.name), "cell start");
      }
      this.#requests = 0;
      this.#inScript = true;
      if (script === undefined) await this.#waits.until(() => false);
      else await script(this);
      this.#ending ??= "script";
      this.#waits.abandon();
    } catch (error) {
      if (!(error instanceof Ended)) throw error;
    }
    const report = this.report();
    this.#recorder?.({
      moment: this.#machine.moment,
      kind: "end",
      ended: report.ended,
      memoryHash: this.memoryHash(),
    });
    return report;
  }

  /** `jailhouse cell create`. */
  createCell(config: CellConfig): Promise<Result<Cell>> {
    return this.#request(`cell create ${config.name}`, { verb: "create", config });
  }

  /** `jailhouse cell load`: the cell is asked to shut down if it runs. The first error ends it. */
  async loadCell(name: CellName, images: readonly Image[]): Promise<Result> {
    const text = `cell load ${name} ${images.map((image) => image.name).join(" ")}`;
    const loadable = await this.#request(text, { verb: "set-loadable", cell: name });
    if (!loadable.ok) return loadable;
    for (const image of images) {
      const loaded = this.loadImage(text, name, image);
      if (!loaded.ok) return loaded;
    }
    return loadable;
  }

  /** Second half of {@link loadCell}. @param text what is told of a refusal */
  loadImage(text: string, cell: CellName, image: Image): Result {
    this.#record({ kind: "load-image", text, cell, image });
    const loaded = this.hypervisor.loadImage(cell, image.bytes, image.address);
    if (loaded.ok) return loaded;
    const refusal = refuse(loaded.errno, `${image.name}: ${loaded.reason}`);
    this.#emit({ kind: "refused", text, refusal });
    return refusal;
  }

  /** `jailhouse cell start`. */
  startCell(name: CellName): Promise<Result> {
    return this.#request(`cell start ${name}`, { verb: "start", cell: name });
  }

  /** `jailhouse cell shutdown`. The cell may refuse: EPERM. */
  shutdownCell(name: CellName): Promise<Result> {
    return this.#request(`cell shutdown ${name}`, { verb: "set-loadable", cell: name });
  }

  /** `jailhouse cell destroy`. The cell may refuse: EPERM. */
  destroyCell(name: CellName): Promise<Result> {
    return this.#request(`cell destroy ${name}`, { verb: "destroy", cell: name });
  }

  /** `jailhouse disable`, with every cell destroyed before. */
  disable(): Promise<Result> {
    return this.#request("disable", { verb: "disable" });
  }

  /** Lets the machine run until `count` console lines of cells have matched. */
  async waitForLine(pattern: RegExp, count = 1): Promise<void> {
    let arrived = false;
    const wait: LineWait = {
      pattern,
      left: count,
      arrived: () => {
        arrived = true;
      },
    };
    this.#lineWaits.add(wait);
    await this.#waits.until(() => arrived);
  }

  /** Lines that were waited for and have not come: the scenario's own, then its script's. */
  get unmatched(): RegExp[] {
    return Array.from(this.#lineWaits, ({ pattern }) => pattern);
  }

  /** Lets the machine run for this many nanoseconds of virtual time. */
  async runFor(nanoseconds: number): Promise<void> {
    const end = this.nowNs + nanoseconds;
    await this.#waits.until(() => this.nowNs >= end, end);
  }

  /** A line of the program's own, shown among those of the cells. */
  print(text: string): void {
    this.#record({ kind: "print", text });
    this.#printed.push(text);
    this.#emit({ kind: "print", text, atNs: this.nowNs });
  }

  /**
   * Root's end of a link to other cells.
   * @param address of its PCI device, "01:0e.0"; may be left out if cells are connected at only one
   * @throws LinkError if root has no such device, or there are several and none is named
   */
  openLink(address?: string): RootLinkEnd {
    return this.#links.open(address);
  }

  /** Any time, the end of the run included. */
  report(): SessionReport {
    for (const log of this.#logs.values()) log.flush();
    const { vcpus } = this.board;
    return {
      ended: this.#ending ?? "script",
      virtualNs: this.nowNs,
      instructions: vcpus.reduce((sum, { retired }) => sum + retired, 0),
      console: this.#hypervisorLog.text,
      printed: this.#printed.map((line) => `${line}\n`).join(""),
      cells: this.hypervisor.cells
        .filter((cell) => !cell.isRoot)
        .map((cell) =>
          cellReport(
            this.hypervisor,
            this.board.memory,
            cell,
            this.#logs.get(cell.name)?.text ?? "",
          ),
        ),
    };
  }

  /** SHA-256 of all RAM, see memory-hash.ts. */
  memoryHash(): string {
    return memoryHash(this.board.memory);
  }

  /**
   * Begins a request of root's, and waits for nothing: the machine's timers carry it on.
   * @param text for people
   */
  begin<R extends ManagementRequest>(text: string, request: R): RequestOf<R> {
    this.#emit({ kind: "request", text });
    this.#record({ kind: "request", text, request });
    this.#requests++;
    const begun = beginRequest(this.hypervisor, request);
    this.#begun.push({ text, request: begun });
    return begun;
  }

  /** Begins a request and lets the machine run until it has its answer. */
  async #request<R extends ManagementRequest>(text: string, request: R) {
    const index = this.#requests;
    const begun = this.begin(text, request);
    await this.#waits.until(() => {
      if (begun.result === undefined && this.#nobodyCanAnswer()) {
        this.#record({ kind: "abandon", request: index });
        begun.abandon(NO_ANSWER);
      }
      return begun.result !== undefined;
    });
    this.#tellRefusals();
    return begun.result as NonNullable<RequestOf<R>["result"]>;
  }

  #tellRefusals(): void {
    for (const { text, request } of this.#begun)
      if (request.result?.ok === false)
        this.#emit({ kind: "refused", text, refusal: request.result });
    this.#begun = this.#begun.filter(({ request }) => request.result === undefined);
  }

  /** Places an action of the script in time. */
  #record(action: UnplacedAction): void {
    if (this.#inScript) this.#recorder?.({ moment: this.#machine.moment, ...action });
  }

  /**
   * Runs the machine to the end of a slice, or until somebody's wait is over.
   * @param untilNs end of the next wait that has one
   * @returns what the host wants to be done before the next slice
   * @throws Ended
   */
  #runSlice(untilNs: number): Promise<void> | undefined {
    const limitNs = this.scenario.forNs ?? Number.POSITIVE_INFINITY;
    if (this.#ending !== undefined) throw new Ended(this.#ending);
    if (this.nowNs >= limitNs) throw this.#end("time");
    if (this.#interrupt?.aborted) throw this.#end("interrupted");
    const end = Math.min(sliceEnd(this.nowNs), limitNs, untilNs);
    const { scheduler } = this.board;
    const part = Math.min(end, this.nowNs + this.#pace.partNs);
    const outcome = scheduler.run(part);
    // a program that waits often must not keep the host from its turn
    if (this.#waits.anyOver()) return this.#pause();
    if (this.board.powerRequest !== undefined) throw this.#end("power");
    // whether it has ended is decided at the end of a slice
    if (outcome === "deadline" && part < end) return this.#pause();
    const atRest = outcome === "idle" || (outcome === "deadline" && this.#allAtRest());
    if (atRest && untilNs === Number.POSITIVE_INFINITY) throw this.#end("cells");
    // somebody wants time to pass, even if nothing happens in it
    if (outcome === "idle") scheduler.skipTo(end);
    return this.#pause();
  }

  /** Ends the run here and now. Only from inside its script. */
  end(ending: Ending): never {
    throw this.#end(ending);
  }

  /**
   * To be called now and then by a script that drives the machine itself: lets the host have its
   * turn, and tells of requests that were refused.
   * @throws Ended if the run is interrupted
   */
  async hostTurn(): Promise<void> {
    this.#tellRefusals();
    if (this.#interrupt?.aborted) throw this.#end("interrupted");
    await this.#pause();
  }

  /** If the host is due for its turn, or virtual time ahead of the wall clock. */
  #pause(): Promise<void> | undefined {
    const wait = this.#pace.wait(this.nowNs);
    if (wait !== undefined) this.#emit({ kind: "progress", virtualNs: this.nowNs });
    return wait;
  }

  #machineForPrograms(): Machine {
    const { board } = this;
    return {
      get nowNs() {
        return board.clock.now;
      },
      get moment() {
        const { clock, vcpus } = board;
        return {
          atNs: clock.now,
          retired: vcpus.map(({ retired }) => retired),
          due: clock.nextDeadline() <= clock.now,
        };
      },
      runUntil: (done) => this.#waits.until(done),
      stop: () => board.scheduler.stop(),
    };
  }

  #end(ending: Ending): Ended {
    this.#ending = ending;
    return new Ended(ending);
  }

  #allAtRest(): boolean {
    return this.hypervisor.cells.every((cell) => cell.isRoot || cell.cpus.every(isAtRest));
  }

  /** A hypervisor with a time limit for answers needs none of ours. */
  #nobodyCanAnswer(): boolean {
    const { cells } = this.hypervisor;
    return this.#allAtRest() && cells.every(({ config }) => config.msgReplyTimeout === 0n);
  }

  #log(cell: string): CellLog {
    let log = this.#logs.get(cell);
    if (log === undefined) {
      log = new CellLog((text) => this.#line(cell, text));
      this.#logs.set(cell, log);
    }
    return log;
  }

  #line(cell: string | undefined, text: string): void {
    this.#emit({ kind: "line", cell, text, atNs: this.nowNs });
    for (const wait of this.#lineWaits) {
      wait.pattern.lastIndex = 0;
      if (!wait.pattern.test(text) || --wait.left > 0) continue;
      this.#lineWaits.delete(wait);
      wait.arrived();
      // exactly here, whatever the host does
      this.board.scheduler.stop();
    }
  }

  #emit(event: SessionEvent): void {
    if (this.#listeners.size === 0) this.#unheard.push(event);
    for (const listener of this.#listeners) listener(event);
  }
}

/** @throws ScenarioError with the words of the refusal */
function expectSuccess<T>(result: Result<T>, request: string): T {
  if (result.ok) return result.value;
  throw new ScenarioError(`${request}: ${result.reason} (${result.errno})`);
}
