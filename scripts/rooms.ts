/**
 * The rooms of the house (docs/architecture.md): which may import which, and which run in a
 * browser as they are. Every import that is not listed goes upwards or sideways.
 */
export interface Room {
  readonly imports: readonly string[];
  /** Nothing of Node, neither modules nor globals. */
  readonly browserSafe: boolean;
  /** Packages from the registry that its sources (not its tests) may import. */
  readonly packages: readonly string[];
  /** Free of the wall clock and of chance: the same inputs give the same run. */
  readonly deterministic: boolean;
}

const below = { browserSafe: true, packages: [], deterministic: true };

export const ROOMS: Readonly<Record<string, Room>> = {
  engine: { ...below, imports: [] },
  machine: { ...below, imports: ["engine"] },
  config: { ...below, imports: ["engine"] },
  hypervisor: { ...below, imports: ["machine", "config", "engine"] },
  debug: { ...below, imports: ["hypervisor", "machine", "config", "engine"] },
  session: {
    imports: ["debug", "hypervisor", "machine", "config", "engine"],
    browserSafe: true,
    packages: ["@noble/hashes"],
    deterministic: false,
  },
  /** The root application of examples/power-plant, and its view. */
  "power-plant": {
    imports: ["session", "config"],
    browserSafe: true,
    packages: [],
    deterministic: true,
  },
  cli: {
    imports: ["power-plant", "session", "debug", "hypervisor", "machine", "config", "engine"],
    browserSafe: false,
    packages: ["commander"],
    deterministic: false,
  },
};

export const BROWSER_SAFE_ROOMS = Object.keys(ROOMS).filter((name) => ROOMS[name].browserSafe);
