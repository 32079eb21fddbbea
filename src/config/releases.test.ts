import { expect, test } from "vitest";
import { fixedResetAddress, isRevision, REVISIONS, releaseOf } from "./releases.ts";

test("the facts of each release", () => {
  const facts = REVISIONS.map((revision) => {
    const release = releaseOf(revision);
    return [
      release.revision,
      release.versions.join("/"),
      release.commRegionAbi ?? "none",
      release.ivshmem,
      release.imageAddress,
      release.cmdlineAddress,
      release.perCpuBytes,
      release.consolePage,
    ].join(" ");
  });
  expect(facts).toEqual([
    "3 v0.6 none 1 983040 983040 16384 false",
    "4 v0.7 none 1 983040 983040 16384 true",
    "8 v0.8 none 1 0 256 16384 true",
    "9 v0.9/v0.9.1 0 1 0 4096 16384 true",
    "10 v0.10/v0.11 1 1 0 4096 24576 true",
    "12 v0.12 2 2 0 4096 24576 true",
    "14 master 2 2 0 4096 24576 true",
  ]);
});

test("revisions between releases are none", () => {
  expect([0, 1, 2, 5, 6, 7, 11, 13, 15].some(isRevision)).toBe(false);
  expect(REVISIONS.every(isRevision)).toBe(true);
});

test("x86 CPUs begin at the reset vector of real hardware where nothing else can be said", () => {
  expect(fixedResetAddress("x86")).toBe(0xffff0n);
  expect(fixedResetAddress("arm")).toBe(0n);
});
