/** The partition map for people: a cell's guest-physical space as a table. */
import type { Cell } from "./cell.ts";
import type { Backing } from "./memory-map.ts";

export interface PartitionRow {
  /** Guest-physical, bytes. */
  readonly start: number;
  readonly size: number;
  /** Host-physical start; undefined: accesses are emulated. */
  readonly host: number | undefined;
  /** READ, WRITE, EXECUTE as in a memory map; undefined: decided access by access. */
  readonly rights: number | undefined;
  readonly kind: Backing | "moderated";
}

export function partitionMap({ map, mmio }: Cell): PartitionRow[] {
  const mapped = map.mappings.map(({ guest, size, host, rights, backing }) => ({
    start: guest,
    size,
    host,
    rights,
    kind: backing,
  }));
  const moderated = mmio.handlers.map(({ range }) => ({
    ...range,
    host: undefined,
    rights: undefined,
    kind: "moderated" as const,
  }));
  return [...mapped, ...moderated].sort((a, b) => a.start - b.start);
}
