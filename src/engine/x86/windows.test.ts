import { describe, expect, it } from "vitest";
import { Random } from "../testing/random.ts";
import { type Bare, bare, enterLongMode } from "../testing/run-code.ts";
import { EXECUTE, type MapRegion, READ, WRITE } from "../vcpu.ts";
import { translate } from "./paging.ts";
import {
  READ_WINDOW,
  TLB_SET_COUNT,
  WINDOW_BASE,
  WINDOW_BYTES,
  WINDOW_HOST,
  WINDOW_SET_BYTES,
  WINDOWS,
} from "./state.ts";

const SEED = 20_261_122;
const MIB = 2 ** 20;
const RAM = 64 * MIB;
/** Tables for 4 KiB pages of the third and fourth 2 MiB. */
const SMALL_PAGES = 0x8000;
const ALL = READ | WRITE | EXECUTE;
/** Pages of a window that are looked at. */
const PROBES = 24;

/** 64 MiB in pages of 2 MiB and of 4 KiB, most of them where one expects them and used already. */
function randomTables({ memory }: Bare, random: Random): void {
  const often = (bits: number): number => (random.oneIn(16) ? 0 : bits);
  const flags = (): number =>
    often(1) | often(2) | often(4) | often(0x20) | often(0x40) | (random.oneIn(8) ? 0x100 : 0);
  const place = (usual: number, bytes: number): number =>
    random.oneIn(24) ? random.below(RAM / bytes) * bytes : usual;
  for (let k = 0; k < RAM / (2 * MIB); k++)
    memory.view.setUint32(0x3000 + 8 * k, place(k * 2 * MIB, 2 * MIB) | flags() | 0x80, true);
  for (let table = 0; table < 2; table++) {
    const at = SMALL_PAGES + 0x1000 * table;
    memory.view.setUint32(0x3000 + 8 * (2 + table), at | 0x27, true);
    for (let k = 0; k < 512; k++) {
      const usual = (4 + 2 * table) * MIB + k * 4096;
      memory.view.setUint32(at + 8 * k, place(usual, 4096) | flags(), true);
    }
  }
}

/** The map of a cell: some regions, with holes, and not all for writing. */
function randomMap({ vcpu }: Bare, random: Random): void {
  const regions: MapRegion[] = [{ guest: 0, size: 0x10_0000, host: 0, rights: ALL }];
  for (let guest = 0x10_0000; guest < RAM; ) {
    const size = Math.min(RAM - guest, (1 + random.below((8 * MIB) / 4096)) * 4096);
    const rights = random.oneIn(8) ? READ : ALL;
    const shift = random.oneIn(4) && guest + size + 0x1_0000 <= RAM ? 0x1_0000 : 0;
    if (!random.oneIn(8)) regions.push({ guest, size, host: guest + shift, rights });
    guest += size;
  }
  vcpu.map = {
    find: (address) =>
      regions.find(({ guest, size }) => address >= guest && address < guest + size),
  };
}

/** Low parts of the entries of all tables. */
const tables = ({ memory }: Bare): string =>
  Buffer.from(memory.u8.subarray(0x1000, SMALL_PAGES + 0x2000)).toString("latin1");

describe("a window", () => {
  it(`has what translating a page at a time gives, and needs no entry changed (seed ${SEED})`, () => {
    const random = new Random(SEED);
    let pages = 0;
    for (let round = 0; round < 15; round++) {
      const machine = bare({ ramBytes: RAM });
      const { vcpu, memory } = machine;
      enterLongMode(machine);
      if (random.oneIn(4)) vcpu.registers.set("cr0", 0x8000_0033n); // without CR0.WP
      memory.view.setUint32(0x1000, 0x2027, true);
      memory.view.setUint32(0x2000, 0x3027, true);
      randomTables(machine, random);
      randomMap(machine, random);
      const { core } = vcpu;
      const before = tables(machine);
      for (let k = 0; k < 12; k++) {
        const set = random.below(TLB_SET_COUNT);
        const writes = random.oneIn(2);
        const linear = random.below(RAM);
        const window = core.windows.include(set, linear, writes, random.oneIn(4));
        if (window < 0) continue;
        expect(core.windows.find(set, linear, writes)).toBe(window);
        const at = WINDOWS + set * WINDOW_SET_BYTES + window * WINDOW_BYTES;
        const base = core.address(at + WINDOW_BASE);
        const host = core.get(at + WINDOW_HOST);
        const bytes = core.windows.bytes(set, window);
        for (let n = 0; n < PROBES; n++) {
          const offset = n === 0 ? 0 : n === 1 ? bytes - 4096 : random.below(bytes / 4096) * 4096;
          pages += bytes > 4096 ? 1 : 0;
          const access = window === READ_WINDOW ? "read" : "write";
          expect(translate(core, base + offset, access, set)).toBe(host + offset);
        }
      }
      expect(tables(machine)).toBe(before);
    }
    expect(pages).toBeGreaterThan(1_000);
  });

  it("loses a page that is invalidated, and one that code is decoded from", () => {
    const machine = bare({ ramBytes: RAM });
    const { vcpu } = machine;
    const { core } = vcpu;
    const { windows } = core;
    expect(windows.include(0, 0x10_0000, true)).toBe(0);
    const has = (linear: number): boolean => windows.find(0, linear, true) === 0;
    expect(windows.bytes(0, 0)).toBe(RAM);
    windows.forgetPage(0x20_0000);
    expect(has(0x20_0000)).toBe(false);
    expect(has(0x20_1000)).toBe(true);
    expect(has(RAM - 16)).toBe(true);
    expect(has(RAM - 15)).toBe(false);
    windows.watchWrites(core.memory.ramOffset + 0x30_0000);
    expect(has(0x30_0fff)).toBe(false);
    expect(has(0x30_1000)).toBe(true);
    core.flushTlb();
    expect(windows.bytes(0, 0)).toBe(0);
  });

  it("is one of several: those for stores, and one for what is only read", () => {
    const regions: MapRegion[] = [4, 12, 20, 28, 36].map((mib, k) => ({
      guest: mib * MIB,
      size: (1 + (k % 3)) * 0x10_0000,
      host: mib * MIB,
      rights: k === 4 ? READ : ALL,
    }));
    const { vcpu } = bare({ ramBytes: RAM });
    vcpu.map = {
      find: (address) =>
        regions.find(({ guest, size }) => address >= guest && address < guest + size),
    };
    const { windows } = vcpu.core;
    expect([4, 12, 20].map((mib) => windows.include(0, mib * MIB, true))).toEqual([0, 1, 2]);
    expect(windows.include(0, 36 * MIB, false)).toBe(READ_WINDOW);
    expect(windows.include(0, 36 * MIB, true)).toBe(-1);
    // 1 MiB is not worth one of 1, 2 or 3 MiB, and nothing is given up for a guess
    expect(windows.include(0, 28 * MIB, true, true)).toBe(-1);
    expect(windows.include(0, 28 * MIB, true)).toBe(-1);
    expect([4, 12, 20].map((mib) => windows.find(0, mib * MIB, true))).toEqual([0, 1, 2]);
    let tries = 0;
    while (windows.include(0, 28 * MIB, true) < 0) tries++;
    // but somebody has to give way in the end
    expect(tries).toBeGreaterThan(10);
    // and what is larger by far takes the place of the smallest
    regions.push({ guest: 40 * MIB, size: 16 * MIB, host: 40 * MIB, rights: ALL });
    expect(windows.include(0, 45 * MIB, true)).toBeGreaterThanOrEqual(0);
    expect(windows.find(0, 55 * MIB, false)).toBe(windows.find(0, 40 * MIB, true));
  });

  it("is taken for what it was only as long as it has all of that", () => {
    const { vcpu } = bare({ ramBytes: RAM });
    const { windows, memory } = vcpu.core;
    expect(windows.include(0, 4 * MIB, true)).toBe(0);
    const place = windows.placeOf(0, 0);
    expect(place).toMatchObject({ base: 0, host: memory.ramOffset });
    const part = { base: MIB, reach: place.reach - 2 * MIB, host: memory.ramOffset + MIB };
    const holds = (): boolean[] => [place, part].map((one) => windows.covers(0, 0, one));
    expect(holds()).toEqual([true, true]);
    expect(windows.covers(0, 0, { ...part, host: part.host + 4096 })).toBe(false);
    expect(windows.covers(0, 0, { ...place, reach: place.reach + 1 })).toBe(false);
    windows.forgetPage(0);
    expect(holds()).toEqual([false, true]);
    vcpu.core.flushTlb();
    expect(holds()).toEqual([false, false]);
    windows.adopt(0, 0, part);
    expect(holds()).toEqual([true, true]);
    windows.adopt(0, READ_WINDOW, part);
    expect(windows.covers(0, READ_WINDOW, part)).toBe(true);
  });
});
