import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GuestMemory } from "../../guest-memory.ts";
import { EXECUTE, type MapRegion, READ, WRITE } from "../../vcpu.ts";
import { CR4_PAE, CR4_PSE, CR4_SMAP, EFER_LMA, EFER_NXE } from "../../x86/control-bits.ts";
import { ABANDON, Core } from "../../x86/core.ts";
import { translate } from "../../x86/paging.ts";
import {
  CODE_MAP,
  CPL,
  CR0,
  CR2,
  CR3,
  CR4,
  EFER,
  EFLAGS,
  ERROR_CODE,
  REGIONS,
  TLB_SETS,
  VECTOR,
} from "../../x86/state.ts";
import { baseModuleBytes } from "../base-module-bytes.ts";
import { PAGE_FAULT, PAGE_FAULT_SHIFT } from "./walk.ts";

const PAGES = 48;
const ALL = READ | WRITE | EXECUTE;
const GIB = 2 ** 30;
/** Where RAM is seen as well, for large pages; the last is nowhere. */
const FRAMES = [0, 2 ** 21, 2 ** 22, GIB, 2 ** 32, 2 ** 39, 2 ** 39 + GIB] as const;
/** Indices in tables: few, so that paths meet. */
const INDICES = [0, 1, 2, 0xff, 0x100, 0x1ff];

const memory = new GuestMemory(PAGES * 4096);
const { exports } = new WebAssembly.Instance(new WebAssembly.Module(baseModuleBytes()), {
  env: {
    memory: memory.memory,
    table: new WebAssembly.Table({ element: "anyfunc", initial: 8 }),
    access_in_typescript: () => 0,
    device_access: () => 0,
    fill_tlb_in_typescript: () => 0,
  },
});
const pageWalk = exports.page_walk as (cpu: number, linear: bigint, writes: number) => number;
let regions: readonly MapRegion[] = [];
const core = new Core(
  0,
  memory,
  {
    find: (at) => regions.find(({ guest, size }) => at >= guest && at - guest < size),
  },
  { exit: () => "done" },
  { pending: () => -1, acknowledge: () => 0, taskPriority: 0 },
);
/** The TLB, which entries were used, larger pages. */
const words = core.i32.subarray(TLB_SETS >> 2, REGIONS >> 2);
const codeMap = new Uint32Array(memory.memory.buffer, CODE_MAP, PAGES * 2);

/** Numbers of a seed (xorshift). */
function numbers(seed: number): () => number {
  let x = seed | 1;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) / 2 ** 32;
  };
}

/** What a bit of an entry is set with the probability of. */
const LOW_BITS = [0.96, 0.85, 0.85, 0.1, 0.1, 0.6, 0.6, 0.15, 0.3, 0.1, 0.1, 0.1];

/** Where a page or a table may be: not at 0, which is the root. PAE paging wants no marks there. */
const page = (random: () => number): number => (1 + Math.floor(random() * (PAGES + 1))) * 4096;

function fillTables(random: () => number, bytes: 4 | 8): void {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const { view, ramBytes } = memory;
  for (let at = 0; at < ramBytes; at += bytes) {
    const isPointer = random() < 0.03; // as PAE wants it at the top
    let low = 0;
    if (isPointer) low = 1;
    else
      LOW_BITS.forEach((chance, bit) => {
        if (random() < chance) low |= 1 << bit;
      });
    const large = (low & 0x80) !== 0;
    const frame = large && random() < 0.9 ? pick(FRAMES) : page(random);
    const pat = large && random() < 0.3 ? 0x1000 : 0;
    if (bytes === 4) {
      const high = large ? (Math.floor(frame / 2 ** 32) & 0xff) << 13 : 0;
      view.setUint32(at, low | (frame % 2 ** 32) | pat | high, true);
    } else {
      let high = Math.floor(frame / 2 ** 32);
      if (!isPointer && random() < 0.1) high |= 0x8000_0000;
      if (random() < 0.02) high |= 1 << Math.floor(random() * 31);
      view.setUint32(at, low | (frame % 2 ** 32) | pat, true);
      view.setUint32(at + 4, high, true);
    }
  }
}

function linearAddress(random: () => number, paging: Paging): number {
  const index = () => INDICES[Math.floor(random() * INDICES.length)] as number;
  const offset = Math.floor(random() * 4096);
  const low = ((index() << 21) | (index() << 12) | offset) >>> 0;
  if (paging === "none") return Math.floor(random() * (PAGES + 2) * 4096);
  const page = (low % GIB) + Math.floor(random() * 4) * GIB;
  if (paging !== "4-level") return page;
  const upper = (index() * 512 + index()) * GIB + (low % GIB);
  return upper >= 2 ** 47 ? upper - 2 ** 48 : upper;
}

type Paging = "none" | "32-bit" | "PAE" | "4-level";

function setMode(paging: Paging, bits: { wp: boolean; nxe: boolean; pse: boolean; set: number }) {
  core.set(CR0, 1 | (paging === "none" ? 0 : 0x8000_0000) | (bits.wp ? 0x1_0000 : 0));
  core.set(
    CR4,
    (paging === "PAE" || paging === "4-level" ? CR4_PAE : 0) |
      (bits.pse ? CR4_PSE : 0) |
      (bits.set === 2 ? CR4_SMAP : 0),
  );
  core.set(EFER, (paging === "4-level" ? EFER_LMA : 0) | (bits.nxe ? EFER_NXE : 0));
  core.set(CPL, bits.set === 1 ? 3 : 0);
  core.set(EFLAGS, 2);
  core.modeChanged();
  expect(core.tlbSet).toBe(bits.set);
}

type Numbers = Uint8Array | Int32Array;

/** Where two of the same length differ first, or -1. */
function difference(a: Numbers, b: Numbers): number {
  const bytes = ({ buffer, byteOffset, byteLength }: Numbers) =>
    Buffer.from(buffer, byteOffset, byteLength);
  return bytes(a).equals(bytes(b)) ? -1 : a.findIndex((value, at) => value !== b[at]);
}

interface Access {
  readonly linear: number;
  readonly writes: boolean;
}
/** A byte in linear memory, -1 for the moderator's, or a page fault's error code. */
type Outcome = number | `fault ${number}`;

function inTypeScript({ linear, writes }: Access): Outcome {
  try {
    return translate(core, linear, writes ? "write" : "read", core.tlbSet);
  } catch (problem) {
    if (problem !== ABANDON) throw problem;
    expect(core.get(VECTOR)).toBe(14);
    expect(core.address(CR2)).toBe(linear);
    return `fault ${core.get(ERROR_CODE)}`;
  }
}

/** A walk in WebAssembly as generated code does it: when the TLB has no answer; if that has none, the other. */
function inWebAssembly(access: Access, unanswered: (outcome: Outcome) => void): Outcome {
  const { linear, writes } = access;
  const known = () =>
    writes ? core.tlb.write(linear, core.tlbSet) : core.tlb.read(linear, core.tlbSet);
  if (known() >= 0) return known();
  const before = { ram: memory.u8.slice(), tlb: words.slice() };
  const result = pageWalk(core.base, BigInt(linear), writes ? 1 : 0);
  if (result !== 0 && (result & PAGE_FAULT) === 0) return known();
  expect(difference(memory.u8, before.ram)).toBe(-1);
  expect(difference(words, before.tlb)).toBe(-1);
  if (result !== 0) return `fault ${result >> PAGE_FAULT_SHIFT}`;
  const outcome = inTypeScript(access);
  unanswered(outcome);
  return outcome;
}

/** What accesses come to and leave behind, beginning with an empty TLB; memory is as before. */
function effects(accesses: readonly Access[], perform: (access: Access) => Outcome) {
  core.flushTlb();
  const before = memory.u8.slice();
  const outcomes = accesses.map(perform);
  const after = { outcomes, ram: memory.u8.slice(), tlb: words.slice() };
  memory.u8.set(before);
  return after;
}

const flat: MapRegion[] = FRAMES.slice(0, -1).map((guest) => ({
  guest,
  size: PAGES * 4096,
  host: 0,
  rights: ALL,
}));

/** The same, cut in three, with holes and pages without rights. */
function broken(random: () => number): MapRegion[] {
  const cut = 4 + Math.floor(random() * 30);
  return [
    { guest: 0, size: cut * 4096, host: 0, rights: ALL },
    { guest: (cut + 2) * 4096, size: 4 * 4096, host: cut * 4096, rights: READ },
    { guest: (cut + 6) * 4096, size: 2 * 4096, host: (cut + 6) * 4096, rights: WRITE },
    { guest: (cut + 8) * 4096, size: 2 * 4096, host: 0, rights: 0 },
    { guest: 2 ** 21, size: 8 * 4096, host: 8 * 4096, rights: READ | WRITE },
    { guest: 2 ** 39, size: PAGES * 4096, host: 0, rights: ALL },
  ];
}

describe("walks in WebAssembly", () => {
  it.each(["none", "32-bit", "PAE", "4-level"] as const)(
    "do what those in TypeScript do, or nothing: paging %s",
    (paging) => {
      let granted = 0;
      let faults = 0;
      /** Of them, those that were left to TypeScript. */
      let unanswered = 0;
      fc.assert(
        fc.property(
          fc.record({
            seed: fc.integer(),
            wp: fc.boolean(),
            nxe: fc.boolean(),
            pse: fc.boolean(),
            set: fc.integer({ min: 0, max: 2 }),
            isFlat: fc.boolean(),
          }),
          ({ seed, isFlat, ...mode }) => {
            const random = numbers(seed);
            regions = isFlat ? flat : broken(random);
            core.mapChanged();
            setMode(paging, mode);
            fillTables(random, paging === "32-bit" ? 4 : 8);
            core.set(CR3, 0);
            if (paging === "PAE")
              for (let k = 0; k < 4; k++)
                memory.view.setBigUint64(8 * k, BigInt(page(random) + 1), true);
            codeMap.fill(0);
            if (!isFlat)
              for (let k = 0; k < 16; k++)
                codeMap[Math.floor(random() * codeMap.length)] = random() * 2 ** 32;
            for (let k = 0; k < 20; k++) {
              const first = linearAddress(random, paging);
              // more of them near the first one: what is above is known then
              const accesses = [0, 1, 2, 3].map((k) => ({
                linear:
                  k === 0 || paging === "none"
                    ? first
                    : Math.floor(first / GIB) * GIB + (linearAddress(random, "32-bit") % GIB),
                writes: random() < 0.5,
              }));
              const expected = effects(accesses, inTypeScript);
              const found = effects(accesses, (access) =>
                inWebAssembly(access, (outcome) => {
                  // an entry was to be marked beside code, or where nothing is to be written
                  if (typeof outcome === "number" && outcome >= 0) expect(isFlat).toBe(false);
                  else if (outcome !== -1) unanswered++;
                }),
              );
              expect(found.outcomes).toEqual(expected.outcomes);
              expect(difference(found.ram, expected.ram)).toBe(-1);
              expect(difference(found.tlb, expected.tlb)).toBe(-1);
              granted += found.outcomes.filter((o) => typeof o === "number" && o >= 0).length;
              faults += found.outcomes.filter((o) => typeof o === "string").length;
            }
          },
        ),
        { numRuns: 15 },
      );
      expect(granted).toBeGreaterThan(10);
      expect(unanswered).toBeLessThanOrEqual(faults);
    },
  );

  it("see rights that a page directory has come to give, which needs no INVLPG", () => {
    regions = flat;
    core.mapChanged();
    setMode("4-level", { wp: true, nxe: true, pse: true, set: 1 });
    memory.u8.fill(0);
    codeMap.fill(0);
    const [directory, table] = [0x3000, 0x4027n];
    memory.view.setBigUint64(0, 0x2027n, true);
    memory.view.setBigUint64(0x2000, 0x3027n, true);
    memory.view.setBigUint64(directory, table & ~2n, true);
    memory.view.setBigUint64(0x4000, 0x5067n, true);
    memory.view.setBigUint64(0x4008, 0x6067n, true);
    core.set(CR3, 0);
    core.regions.add(flat[0] as MapRegion);
    const walk = (linear: bigint, writes: boolean) => pageWalk(core.base, linear, writes ? 1 : 0);
    expect(walk(0x10n, false) & PAGE_FAULT).toBe(0);
    // present, write, user
    expect(walk(0x1010n, true)).toBe((7 << PAGE_FAULT_SHIFT) | PAGE_FAULT);
    expect(walk(0x10n, false) & PAGE_FAULT).toBe(0);
    memory.view.setBigUint64(directory, table, true);
    expect(walk(0x1010n, true) & PAGE_FAULT).toBe(0);
    expect(core.tlb.write(0x1010, 1)).toBe(memory.ramOffset + 0x6010);
  });
});
