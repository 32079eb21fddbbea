/**
 * Links through shared memory: whether their ends go together. The hypervisor refuses little of
 * what is wrong; the rest shows as a link over which nothing comes.
 */

import type { Finding } from "../finding.ts";
import { releaseOf } from "../releases.ts";
import type { CellConfig, MemoryRegion, SystemConfig } from "../types.ts";
import { type LinkEndOf, linkEnds, place, regionsOf } from "./ends.ts";
import { checkEndV1, compareV1 } from "./version-1.ts";
import { checkEndV2, compareV2 } from "./version-2.ts";

const PAGE = 0x1000n;

/** @param cells in the order of their creation */
export function checkLinks(system: SystemConfig, cells: readonly CellConfig[]): Finding[] {
  const version = releaseOf(system.revision).ivshmem;
  const all = [system.rootCell, ...cells].flatMap((cell) =>
    linkEnds(cell, cell === system.rootCell, version),
  );
  const links = Map.groupBy(all, ({ device }) => device.bdf);
  return [...links.values()].flatMap((ends) => [
    ...ends.flatMap((end) => (version === 1 ? checkEndV1(end) : checkEndV2(end))),
    ...ends.flatMap((end) => [...registerBar(end), ...pageAligned(end)]),
    ...(version === 1 ? compareV1(ends) : compareV2(ends)),
    ...staysInRoot(ends),
  ]);
}

/**
 * Linux gives a BAR an address that is a multiple of its size, not of a page: one of 256 bytes may
 * land at 0xc0000200 (read with its flags 0xc0000204), and cannot be mapped into an application.
 */
function registerBar(end: LinkEndOf): Finding[] {
  const [mask] = end.device.barMask;
  const size = -mask >>> 0;
  const found = [place(end, "barMask[0]", mask)];
  if (size === 0 || (size & (size - 1)) !== 0)
    return [
      {
        severity: "warning",
        rule: "the mask of the register BAR must be ones down to the BAR's size, which is a power of two",
        places: found,
        fix: "set barMask[0] to 0xfffff000",
      },
    ];
  if (!end.isRoot || size % Number(PAGE) === 0) return [];
  return [
    {
      severity: "warning",
      rule: `a register BAR smaller than a page may be placed within one, such as at 0xc0000200 (read as 0xc0000204), where Linux cannot map it into an application`,
      places: found,
      fix: "set barMask[0] to 0xfffff000",
    },
  ];
}

function pageAligned(end: LinkEndOf): Finding[] {
  return regionsOf(end).flatMap(({ region, index }) => {
    const fields = ["physStart", "virtStart", "size"] as const;
    const odd = fields.filter((field) => region[field] % PAGE !== 0n);
    if (odd.length === 0) return [];
    return [
      {
        severity: "warning" as const,
        rule: "shared memory must consist of whole pages: else each access to it is moderated, and Linux cannot map it",
        places: odd.map((field) => place(end, `memoryRegions[${index}].${field}`, region[field])),
        fix: "make them multiples of 0x1000",
      },
    ];
  });
}

/** Memory that a cell lists without ROOTSHARED leaves root while the cell exists. */
function staysInRoot(ends: readonly LinkEndOf[]): Finding[] {
  if (ends.length < 2) return [];
  const root = ends.find(({ isRoot }) => isRoot);
  return ends
    .filter(({ isRoot }) => !isRoot)
    .flatMap((end) =>
      regionsOf(end)
        .filter(({ region }) => region.size > 0n && !region.flags.rootShared)
        .map(({ region, index }): Finding => {
          const partner = root === undefined ? [] : sameMemory(root, region);
          return {
            severity: "warning",
            rule:
              root === undefined
                ? "memory that several cells share must be ROOTSHARED: else it goes to the root cell when the first of them is destroyed"
                : "memory shared with the root cell must be ROOTSHARED: else root loses it when the cell is created",
            places: [place(end, `memoryRegions[${index}].flags`, "without ROOTSHARED"), ...partner],
            fix: `add ROOTSHARED to that region of cell "${end.cell.name}"`,
          };
        }),
    );
}

function sameMemory(root: LinkEndOf, { physStart, size }: MemoryRegion) {
  return regionsOf(root)
    .filter(
      ({ region }) =>
        region.physStart < physStart + size && physStart < region.physStart + region.size,
    )
    .map(({ region, index }) => place(root, `memoryRegions[${index}].physStart`, region.physStart))
    .slice(0, 1);
}
