/** Rules for shared-memory devices of version 1 (up to v0.11): two ends, one region. */
import { formatBdf } from "../builders/devices.ts";
import type { Finding } from "../finding.ts";
import { hasItsRegions, type LinkEndOf, place, regionsOf } from "./ends.ts";

export function checkEndV1(end: LinkEndOf): Finding[] {
  const { cell, device } = end;
  if (!hasItsRegions(end))
    return [
      {
        severity: "error",
        rule: "shmem_region must be the index of a memory region of the cell",
        places: [place(end, "shmemRegionsStart", String(device.shmemRegionsStart))],
        fix: `the cell has ${cell.memoryRegions.length} regions: give one of 0 to ${cell.memoryRegions.length - 1}`,
      },
    ];
  return regionsOf(end)
    .filter(({ region }) => !region.flags.read || !region.flags.write)
    .map(({ index }) => ({
      severity: "warning",
      rule: "both ends of a link read and write its memory",
      places: [place(end, `memoryRegions[${index}].flags`, "without READ and WRITE")],
      fix: "add READ and WRITE",
    }));
}

/** The second end must agree with the first, and there is no third. */
export function compareV1(ends: readonly LinkEndOf[]): Finding[] {
  const [first, second, ...others] = ends;
  return [
    ...(second === undefined ? [] : disagreements(first, second)),
    ...others.map((end): Finding => {
      const bdf = formatBdf(end.device.bdf);
      return {
        severity: "error",
        rule: `a link has two ends: "${first.cell.name}" and "${second.cell.name}" have ${bdf} already`,
        places: [place(end, "bdf", bdf), place(second, "bdf", bdf)],
        fix: "give the link between two other cells a PCI address of its own",
      };
    }),
  ];
}

function disagreements(first: LinkEndOf, second: LinkEndOf): Finding[] {
  const [[a], [b]] = [regionsOf(first), regionsOf(second)];
  if (a === undefined || b === undefined) return [];
  const differing = (["physStart", "size"] as const).filter(
    (field) => a.region[field] !== b.region[field],
  );
  const memory = differing.map(
    (field): Finding => ({
      severity: "error",
      rule: "both ends of a link must name the same memory",
      places: [
        place(first, `memoryRegions[${a.index}].${field}`, a.region[field]),
        place(second, `memoryRegions[${b.index}].${field}`, b.region[field]),
      ],
      fix: `make ${field} the same in both`,
    }),
  );
  if (first.device.shmemProtocol === second.device.shmemProtocol) return memory;
  return [
    ...memory,
    {
      severity: "error",
      rule: "both ends of a link must have the same protocol",
      places: [first, second].map((end) => place(end, "shmemProtocol", end.device.shmemProtocol)),
      fix: "make shmemProtocol the same in both",
    },
  ];
}
