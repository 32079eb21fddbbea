import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { NicDriver } from "./testing/nic-driver.ts";
import { PciSystem } from "./testing/pci-system.ts";

const NICS = [0x19 << 3, 0x1a << 3];
const BARS = [0xfebc0000, 0xfebe0000];
const HDA = 0x1b << 3;
const HDA_BAR = 0xfebb4000;
const BROADCAST = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

const memoryOf = ({ memory }: PciSystem) => createHash("sha256").update(memory.u8).digest("hex");

function system(): PciSystem {
  return new PciSystem([
    ...NICS.map((bdf, n) => ({
      kind: "e1000" as const,
      bdf,
      bar0: BARS[n],
      ioBase: 0xc000 + 0x40 * n,
      mac: Uint8Array.of(0x52, 0x54, 0, 0, 0, n),
      wire: "lan",
    })),
    { kind: "intel-hda", bdf: HDA, bar0: HDA_BAR },
  ]);
}

describe("PCI devices of a board", () => {
  it("that stand in the same place are refused", () => {
    expect(
      () =>
        new PciSystem([
          { kind: "intel-hda", bdf: HDA, bar0: HDA_BAR },
          { kind: "intel-hda", bdf: HDA, bar0: 0xfebf0000 },
        ]),
    ).toThrow(/0xd8 is plugged already/);
  });

  it("whose registers overlap are refused", () => {
    expect(
      () =>
        new PciSystem([
          { kind: "e1000", bdf: NICS[0], bar0: 0xfebc0000, mac: new Uint8Array(6) },
          { kind: "intel-hda", bdf: HDA, bar0: 0xfebd4000 },
        ]),
    ).toThrow("HD Audio BAR 0: 0xfebd4000+0x4000 overlaps 82540EM BAR 0 at 0xfebc0000+0x20000");
  });

  it("are saved with all that is under way, and go on in another board", () => {
    const first = system();
    const [a, b] = NICS.map((bdf, n) => new NicDriver(first, bdf, BARS[n], 0x20000 + n * 0x20000));
    // an interrupt that waits for its time, frames on the wire and in the ring, half a packet
    b.write(0xc4, 1000);
    b.write(0xd0, 0x80);
    b.write(0xc8, 0x80);
    first.vectors();
    b.read(0xc0);
    b.write(0xc8, 0x80);
    for (let n = 0; n < 3; n++) a.send([...BROADCAST, ...Array(54).fill(n)]);
    a.descriptor(0x30000, 0x0a000020, 0);
    first.board.portBus.write(0xc040, 4, 0x5400);
    // a controller on its way out of reset with a stream that plays
    first.enable(HDA, 0x60, 0x42);
    first.store(HDA_BAR + 0x08, 1);
    first.store(HDA_BAR + 0x0c, 1, 2);
    first.store(HDA_BAR + 0x20, 0xc0000010);
    first.memory.view.setUint32(0x3008, 400, true);
    first.memory.view.setUint32(0x300c, 1, true);
    first.store(HDA_BAR + 0x108, 400);
    first.store(HDA_BAR + 0x112, 0x11, 2);
    first.store(HDA_BAR + 0x118, 0x3000);
    first.store(HDA_BAR + 0x100, 0x06, 1);

    const saved = structuredClone(first.board.save());
    const memory = first.memory.u8.slice();
    /** Everything that happens from here on. */
    const rest = (machine: PciSystem): unknown[] => {
      const log: unknown[] = [];
      for (let n = 0; n < 500; n++) {
        machine.run(5000);
        const vectors = machine.vectors();
        for (const vector of vectors) log.push(`vector ${vector} in step ${n}`);
        if (vectors.includes(0x42)) log.push(machine.load(HDA_BAR + 0x24));
        if (n % 100 === 0) {
          log.push(machine.load(BARS[1] + 0xc0), machine.board.portBus.read(0xc044, 4));
          machine.store(HDA_BAR + 0x0e, 1, 2);
          machine.store(HDA_BAR + 0x103, 4, 1);
        }
      }
      log.push(machine.load(BARS[1] + 0x2810), machine.load(HDA_BAR + 0x104));
      log.push(machine.board.save().devices, memoryOf(machine));
      return log;
    };
    const expected = rest(first);
    // the throttled interrupt, the codec, the end of a buffer
    expect(expected).toContain("vector 65 in step 51");
    expect(expected).toContain("vector 66 in step 104");
    expect(expected.filter((each) => String(each).startsWith("vector"))).toHaveLength(3);

    const second = system();
    second.board.load(saved);
    second.memory.u8.set(memory);
    expect(second.board.save()).toEqual(saved);
    expect(rest(second)).toEqual(expected);
  });
});
