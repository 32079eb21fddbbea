/** Rules for shared-memory devices of version 2 (v0.12 on): several ends, a set of regions each. */
import type { Finding } from "../finding.ts";
import type { MemoryRegion } from "../types.ts";
import { FIRST_OUTPUT, hasItsRegions, type LinkEndOf, place, regionsOf } from "./ends.ts";

const MAXIMUM_PEERS = 64;
/** Jailhouse has room for so many. */
const USUAL_PEERS = 12;
const MAXIMUM_VECTORS = 16;
/** Virtio codes differ in this bit between the two sides. */
const VIRTIO = 0x8000;
const BACK_END = 0x4000;

export function checkEndV2(end: LinkEndOf): Finding[] {
  const { cell, device } = end;
  const { shmemDevId, shmemPeers, shmemRegionsStart, numMsixVectors } = device;
  const found: Finding[] = [];
  const error = (rule: string, field: string, value: number, fix: string): void => {
    found.push({ severity: "error", rule, places: [place(end, field, String(value))], fix });
  };
  if (!hasItsRegions(end))
    error(
      `a device for ${shmemPeers} peers has ${end.regionCount} regions: state table, common part, and an output for each`,
      "shmemRegionsStart",
      shmemRegionsStart,
      `the cell has ${cell.memoryRegions.length} regions: list all of the device's`,
    );
  if (numMsixVectors > MAXIMUM_VECTORS)
    error(
      `a device has at most ${MAXIMUM_VECTORS} MSI-X vectors`,
      "numMsixVectors",
      numMsixVectors,
      `give at most ${MAXIMUM_VECTORS}`,
    );
  const ends = Math.min(Math.max(shmemPeers, USUAL_PEERS), MAXIMUM_PEERS);
  if (shmemDevId >= ends)
    error(
      `ends are numbered 0 to ${ends - 1}`,
      "shmemDevId",
      shmemDevId,
      "give a number that is free",
    );
  else if (shmemDevId >= shmemPeers)
    found.push({
      severity: "warning",
      rule: "an end's number must be below the number of peers: it has no output, and nobody is told of its state",
      places: [
        place(end, "shmemDevId", String(shmemDevId)),
        place(end, "shmemPeers", String(shmemPeers)),
      ],
      fix: `give a number below ${shmemPeers}, or raise shmemPeers in all ends`,
    });
  if (shmemDevId >= USUAL_PEERS && shmemDevId < ends)
    found.push({
      severity: "warning",
      rule: `Jailhouse itself connects ends 0 to ${USUAL_PEERS - 1} only: Gaoler up to ${MAXIMUM_PEERS - 1}`,
      places: [place(end, "shmemDevId", String(shmemDevId))],
      fix: "split the link if the configuration is for Jailhouse, too",
    });
  return [...found, ...layout(end), ...rights(end)];
}

/** Guests find the sections behind one another from the state table's address on. */
function layout(end: LinkEndOf): Finding[] {
  const regions = regionsOf(end);
  if (regions.length === 0) return [];
  const found: Finding[] = [];
  let next = regions[0].region.virtStart;
  for (const { region, index } of regions) {
    if (region.size === 0n) continue;
    if (region.virtStart !== next)
      found.push({
        severity: "warning",
        rule: "the regions of a device must follow one another without gaps, where the cell sees them",
        places: [place(end, `memoryRegions[${index}].virtStart`, region.virtStart)],
        fix: `place it at 0x${next.toString(16)}`,
      });
    next = region.virtStart + region.size;
  }
  const [states] = regions;
  if (states.region.size === 0n)
    found.push({
      severity: "warning",
      rule: "a device needs a state table of at least a page",
      places: [place(end, `memoryRegions[${states.index}].size`, states.region.size)],
      fix: "make it 0x1000",
    });
  const [first, ...others] = regions.slice(FIRST_OUTPUT);
  for (const { region, index } of others)
    if (region.size !== first.region.size)
      found.push({
        severity: "warning",
        rule: "all outputs of a link must have the same size: guests are told only one",
        places: [
          place(end, `memoryRegions[${first.index}].size`, first.region.size),
          place(end, `memoryRegions[${index}].size`, region.size),
        ],
        fix: "make them the same",
      });
  return found;
}

/** Who writes what keeps the ends apart. */
function rights(end: LinkEndOf): Finding[] {
  return regionsOf(end).flatMap(({ region, index }, step): Finding[] => {
    if (region.size === 0n) return [];
    const writes = step === 1 || step === FIRST_OUTPUT + end.device.shmemDevId;
    const { read, write } = region.flags;
    if (read && write === writes) return [];
    return [
      {
        severity: "warning",
        rule: "every end reads all sections, and writes the common one and its own output only",
        places: [
          place(
            end,
            `memoryRegions[${index}].flags`,
            `${read ? "READ" : ""}${write ? " WRITE" : ""}`.trim() || "0",
          ),
        ],
        fix: `make it ${writes ? "READ and WRITE" : "READ without WRITE"}`,
      },
    ];
  });
}

export function compareV2(ends: readonly LinkEndOf[]): Finding[] {
  const [first, ...others] = ends;
  const holders = new Map<number, LinkEndOf>();
  const taken: Finding[] = [];
  for (const end of ends) {
    const { shmemDevId } = end.device;
    const holder = holders.get(shmemDevId);
    if (holder === undefined) holders.set(shmemDevId, end);
    else
      taken.push({
        severity: "error",
        rule: "every end of a link has a number of its own",
        places: [holder, end].map((each) => place(each, "shmemDevId", String(shmemDevId))),
        fix: `give the device of cell "${end.cell.name}" another number`,
      });
  }
  return [...taken, ...others.flatMap((end) => disagreements(first, end))];
}

function disagreements(first: LinkEndOf, second: LinkEndOf): Finding[] {
  const found: Finding[] = [];
  const differ = (rule: string, field: "shmemPeers" | "shmemProtocol"): void => {
    found.push({
      severity: "warning",
      rule,
      places: [first, second].map((end) => place(end, field, end.device[field])),
      fix: `make ${field} agree`,
    });
  };
  const [a, b] = [first.device, second.device];
  if (a.shmemPeers !== b.shmemPeers)
    differ("all ends of a link must be for the same number of peers", "shmemPeers");
  if (!sameProtocol(a.shmemProtocol, b.shmemProtocol))
    differ(
      "all ends of a link must have the same protocol; virtio has a front end and a back end of the same device",
      "shmemProtocol",
    );
  const theirs = regionsOf(second);
  for (const [step, { region, index }] of regionsOf(first).entries()) {
    const other = theirs[step];
    if (other === undefined) break;
    for (const field of differingFields(region, other.region))
      found.push({
        severity: "warning",
        rule: `all ends of a link must name the same memory for its ${section(step)}`,
        places: [
          place(first, `memoryRegions[${index}].${field}`, region[field]),
          place(second, `memoryRegions[${other.index}].${field}`, other.region[field]),
        ],
        fix: `make ${field} the same in both`,
      });
  }
  return found;
}

function sameProtocol(a: number, b: number): boolean {
  return a === b || (a >= VIRTIO && b >= VIRTIO && (a ^ b) === BACK_END);
}

function differingFields(a: MemoryRegion, b: MemoryRegion): ("physStart" | "size")[] {
  if (a.size === 0n && b.size === 0n) return [];
  return (["physStart", "size"] as const).filter((field) => a[field] !== b[field]);
}

function section(step: number): string {
  if (step === 0) return "state table";
  return step === 1 ? "common section" : `output of end ${step - FIRST_OUTPUT}`;
}
