import { describe, expect, test } from "vitest";
import type { Revision } from "../config/types.ts";
import { GuestMemory } from "../engine/guest-memory.ts";
import { CELL_STATE, type CommContent, CommRegion, MESSAGE } from "./comm-region.ts";
import { releaseOf } from "./release.ts";

const CONTENT: CommContent = {
  consolePermitted: true,
  consoleActive: false,
  console: Uint8Array.from({ length: 32 }, (_, i) => i + 1),
  pciMmconfigBase: 0xb000_0000n,
  pmTimerAddress: 0x608,
  cpuCount: 3,
  tscKilohertz: 1_000_000,
  apicKilohertz: 62_500,
};

const PAGE = 0x3000;

// hypervisor interface, 4.1: offsets by release; undefined where the table has a dash
type Offsets = Record<
  "message" | "reply" | "mmconfig" | "pmTimer" | "cpus" | "tsc" | "apic",
  number
>;
const OFFSETS: Record<Revision, Partial<Offsets>> = {
  3: { message: 0, reply: 4, pmTimer: 16, cpus: 18 },
  4: { message: 0, reply: 4, pmTimer: 16, cpus: 18 },
  8: { message: 0, reply: 4, mmconfig: 16, pmTimer: 24, cpus: 26, tsc: 28, apic: 32 },
  9: { message: 12, reply: 16, mmconfig: 24, pmTimer: 32, cpus: 34, tsc: 36, apic: 40 },
  10: { message: 12, reply: 16, mmconfig: 56, pmTimer: 64, cpus: 66, tsc: 68, apic: 72 },
  12: { message: 12, reply: 16, mmconfig: 56, pmTimer: 64, cpus: 66, tsc: 68, apic: 72 },
  14: { message: 12, reply: 16, mmconfig: 56, pmTimer: 64, cpus: 66, tsc: 68, apic: 72 },
};
const ABI: Partial<Record<Revision, number>> = { 9: 0, 10: 1, 12: 2, 14: 2 };

function setUp(revision: Revision) {
  const memory = new GuestMemory(0x10000);
  memory.u8.fill(0xee);
  const comm = new CommRegion(memory, PAGE, releaseOf(revision));
  const view = new DataView(memory.u8.buffer, memory.u8.byteOffset + PAGE, 4096);
  return { memory, comm, view };
}

describe.each([3, 4, 8, 9, 10, 12, 14] as const)("revision %i", (revision) => {
  const offsets = OFFSETS[revision];

  test("a started cell finds every field at its place", () => {
    const { comm, view, memory } = setUp(revision);
    comm.create(CONTENT);
    expect(view.getUint32(8, true)).toBe(CELL_STATE.shutDown);
    comm.start(CONTENT);
    expect(view.getUint32(8, true)).toBe(CELL_STATE.running);
    expect(view.getUint16(offsets.pmTimer ?? 0, true)).toBe(0x608);
    expect(view.getUint16(offsets.cpus ?? 0, true)).toBe(3);
    if (offsets.mmconfig !== undefined)
      expect(view.getBigUint64(offsets.mmconfig, true)).toBe(0xb000_0000n);
    if (offsets.tsc !== undefined) expect(view.getUint32(offsets.tsc, true)).toBe(1_000_000);
    if (offsets.apic !== undefined) expect(view.getUint32(offsets.apic, true)).toBe(62_500);
    const abi = ABI[revision];
    if (abi !== undefined) {
      expect(new TextDecoder().decode(memory.bytes(PAGE, 6))).toBe("JHCOMM");
      expect(view.getUint16(6, true)).toBe(abi);
    }
    if (revision >= 10) {
      expect(view.getUint32(20, true)).toBe(1);
      expect(memory.bytes(PAGE + 24, 32)).toEqual(CONTENT.console);
    }
    expect(memory.u8[PAGE - 1]).toBe(0xee);
    expect(memory.u8[PAGE + 4096]).toBe(0xee);
  });

  test("a message clears the reply first", () => {
    const { comm, view } = setUp(revision);
    comm.create(CONTENT);
    view.setUint32(offsets.reply ?? 0, 3, true);
    comm.send(MESSAGE.shutdownRequest);
    expect(view.getUint32(offsets.reply ?? 0, true)).toBe(0);
    expect(view.getUint32(offsets.message ?? 0, true)).toBe(1);
  });

  test("start clears the page only from v0.9 on", () => {
    const { comm, view } = setUp(revision);
    comm.create(CONTENT);
    view.setUint32(offsets.reply ?? 0, 2, true);
    view.setUint32(offsets.message ?? 0, 1, true);
    view.setUint8(0xfff, 0x55);
    comm.start(CONTENT);
    expect(view.getUint32(offsets.message ?? 0, true)).toBe(0);
    expect(view.getUint32(offsets.reply ?? 0, true)).toBe(revision >= 9 ? 0 : 2);
    expect(view.getUint8(0xfff)).toBe(revision >= 9 ? 0 : 0x55);
  });
});
