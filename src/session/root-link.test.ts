import { describe, expect, it } from "vitest";
import {
  cell,
  commRegion,
  MiB,
  type OwnLink,
  ownLinkEnd,
  q35,
  q35MemoryMap,
  ram,
} from "../config/index.ts";
import { ScriptedVcpu } from "../hypervisor/testing/scripted-vcpu.ts";
import { type DeviceSection, type LinkDevice, type Machine, RootLinkEnd } from "./root-link.ts";
import { loadScenario, type Scenario } from "./scenario.ts";
import { Session } from "./session.ts";
import { LinkError } from "./shared-section.ts";
import { Waits } from "./waits.ts";

function section(
  kind: DeviceSection["kind"],
  bytes: number,
  writable: boolean,
  owner?: number,
): DeviceSection & { readonly writes: [number, number][] } {
  const writes: [number, number][] = [];
  return {
    kind,
    owner,
    writable,
    view: new DataView(new ArrayBuffer(bytes)),
    refusal: () => undefined,
    written: (offset, size) => writes.push([offset, size]),
    writes,
  };
}

/** A device of three ends whose doorbell comes back as its own interrupt when the machine runs. */
class FakeDevice implements LinkDevice {
  readonly bdf = 0x170;
  readonly version: 1 | 2;
  readonly id = 0;
  readonly maxPeers: number;
  readonly vectors = 4;
  readonly protocol = 0;
  readonly sections: DeviceSection[];
  peers: { id: number; cell: string }[] = [];
  state = 0;
  rung: [number, number][] = [];
  listener: (vector: number) => void = () => undefined;

  constructor(version: 1 | 2) {
    this.version = version;
    this.maxPeers = version === 1 ? 2 : 3;
    this.sections =
      version === 1
        ? [section("shared", 4096, true)]
        : [
            section("state-table", 4096, false),
            section("common", 256, true),
            ...[0, 1, 2].map((owner) => section("output", 128, owner === 0, owner)),
          ];
  }
  peerState(id: number): number {
    return 100 + id;
  }
  ring(peer: number, vector: number): void {
    this.rung.push([peer, vector]);
  }
  onInterrupt(listener: (vector: number) => void): () => void {
    this.listener = listener;
    return () => undefined;
  }
  close(): void {}
}

/** Time passes one nanosecond a step; what is planned happens at its time. */
function machineWith(plan: Readonly<Record<number, () => void>> = {}) {
  let nowNs = 0;
  const waits = new Waits(() => {
    if (nowNs > 1000) throw new Error("nothing ever happens");
    plan[++nowNs]?.();
    return undefined;
  });
  const machine: Machine = {
    get nowNs() {
      return nowNs;
    },
    get moment() {
      return { atNs: nowNs, retired: [0], due: false };
    },
    runUntil: (done) => waits.until(done),
    stop: () => undefined,
  };
  return { machine, waits };
}

describe("root's end of a link", () => {
  it("has the sections of version 2 by name", () => {
    const device = new FakeDevice(2);
    const link = new RootLinkEnd(device, machineWith().machine);
    expect([...link.sections.keys()]).toEqual([
      ...["states", "common", "output", "input 1", "input 2"],
    ]);
    expect(link.output.name).toBe("output");
    expect(link.input(2).name).toBe("input 2");
    link.output.setFloat64(8, Math.E);
    expect(link.output.getFloat64(8)).toBe(Math.E);
    expect(device.sections[2].view.getFloat64(8, true)).toBe(Math.E);
    expect(() => link.section("shared")).toThrow(
      'link 01:0e.0 has no section "shared": it has "states", "common", "output", "input 1", "input 2"',
    );
  });

  it("has one section in version 1, and by agreement a half for each end", () => {
    const link = new RootLinkEnd(new FakeDevice(1), machineWith().machine);
    expect([...link.sections.keys()]).toEqual(["shared"]);
    link.section("shared").setUint32(2048, 7);
    expect(link.input().getUint32(0)).toBe(7);
    expect([link.output.size, link.input().size]).toEqual([2048, 2048]);
  });

  it("refuses what is not root's, or beyond a section", () => {
    const device = new FakeDevice(2);
    const link = new RootLinkEnd(device, machineWith().machine);
    expect(() => link.input(1).setUint8(0, 1)).toThrow(/section "input 1".*may only read/);
    expect(() => link.output.getUint32(126)).toThrow(
      'read of 4 bytes at 126: section "output" has 128 bytes',
    );
    expect(() => link.output.setUint16(-1, 0)).toThrow(LinkError);
    expect(() => link.section("common").write(250, new Uint8Array(7))).toThrow(/7 bytes at 250/);
    device.sections[1].refusal = () => "taken away";
    expect(() => link.section("common").getUint8(0)).toThrow("link 01:0e.0: taken away");
  });

  it("gives arrays, copied, from any offset", () => {
    const link = new RootLinkEnd(new FakeDevice(2), machineWith().machine);
    [1.5, -2, Math.PI].forEach((value, index) => {
      link.output.setFloat32(4 + 4 * index, value);
    });
    const samples = link.output.array(Float32Array, 4, 3);
    expect(samples).toEqual(Float32Array.of(1.5, -2, Math.PI));
    link.output.setFloat32(4, 0);
    expect(samples[0]).toBe(1.5);
    expect(() => link.output.array(Float64Array, 8, 16)).toThrow(
      'read of 128 bytes at 8: section "output" has 128 bytes',
    );
  });

  it("tells the hypervisor what was written, relative to the whole section", () => {
    const device = new FakeDevice(1);
    const link = new RootLinkEnd(device, machineWith().machine);
    link.section("shared").part("half", 2048, 2048).setUint16(16, 1);
    expect((device.sections[0] as ReturnType<typeof section>).writes).toEqual([[2064, 2]]);
  });

  it("knows which peer is meant, or asks", () => {
    const device = new FakeDevice(2);
    const link = new RootLinkEnd(device, machineWith().machine);
    expect(() => link.ring()).toThrow("say which peer is meant; connected are none");
    device.peers = [{ id: 2, cell: "pump" }];
    link.ring(3);
    expect(link.remoteState()).toBe(102);
    device.peers = [...device.peers, { id: 1, cell: "fan" }];
    expect(() => link.ring()).toThrow('connected are 2 (cell "pump"), 1 (cell "fan")');
    link.ring(0, 1);
    expect(device.rung).toEqual([
      [2, 3],
      [1, 0],
    ]);
    expect(() => link.ring(0, 3)).toThrow("ends 0 to 2, not 3");
  });

  it("counts interrupts that nobody took, by vector, and lets the machine run for the next", async () => {
    const device = new FakeDevice(2);
    const { machine } = machineWith({
      7: () => device.listener(1),
      9: () => device.listener(3),
    });
    const link = new RootLinkEnd(device, machine);
    for (const vector of [2, 0, 2]) device.listener(vector);
    expect(link.takeInterrupts()).toEqual([
      { vector: 2, count: 2, atNs: 0 },
      { vector: 0, count: 1, atNs: 0 },
    ]);
    expect(await link.interrupt(3)).toEqual({ vector: 3, count: 1, atNs: 9 });
    for await (const interrupt of link.interrupts()) {
      expect(interrupt).toEqual({ vector: 1, count: 1, atNs: 7 });
      break;
    }
  });
});

describe("programs side by side", () => {
  it("stop the machine each at its own moment", async () => {
    const { machine, waits } = machineWith();
    const log: string[] = [];
    const program = async (name: string, period: number) => {
      for (let due = period; due <= 12; due += period) {
        await waits.until(() => machine.nowNs >= due);
        // whatever it does without waiting for the machine takes no time
        for (let hop = 0; hop < 100; hop++) await undefined;
        log.push(`${name} ${machine.nowNs}`);
      }
    };
    await Promise.all([program("a", 4), program("b", 3)]);
    expect(log).toEqual(["b 3", "a 4", "b 6", "a 8", "b 9", "a 12", "b 12"]);
  });

  it("all learn that the run is over", async () => {
    const { waits } = machineWith();
    const results = await Promise.allSettled([waits.until(() => false), waits.until(() => false)]);
    expect(results.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  });
});

describe("in a session", () => {
  const { inmates, otherDemos } = q35MemoryMap(14);
  const link: OwnLink = {
    at: "01:10.0",
    base: inmates,
    commonBytes: 0x1000,
    outputBytes: 0x1000,
    peers: 2,
    vectors: 2,
  };

  async function session(scenario: Partial<Scenario>, script: (session: Session) => void) {
    const end = ownLinkEnd(link, 1);
    const config = cell({
      name: "peer",
      cpus: [1],
      memory: [
        ...end.regions,
        ram({ phys: otherDemos, virt: 0, sizeBytes: MiB }),
        commRegion({ virt: MiB }),
      ],
      pciDevices: [end.device],
      passiveCommRegion: true,
    });
    const loaded = await loadScenario(
      {
        system: q35(14, [link]),
        cells: [{ config, load: [] }],
        script: async (running) => script(running),
        ...scenario,
      },
      () => Promise.reject(new Error("no files here")),
    );
    const running = new Session(loaded, {
      engine: () => ({ createVcpu: (index) => new ScriptedVcpu(index) }),
    });
    await running.play();
  }

  it("opens the only link that has a cell, once", () =>
    session({}, (running) => {
      const opened = running.openLink();
      expect(opened.address).toBe("01:10.0");
      expect(running.openLink("01:10.0")).toBe(opened);
      expect(opened.peers).toEqual([{ id: 1, cell: "peer" }]);
      expect(() => running.openLink("01:11.0")).toThrow(/no shared-memory device at 01:11.0/);
    }));

  it("refuses root the memory that a cell has taken without ROOTSHARED", async () => {
    const taken = cell({
      name: "thief",
      cpus: [2],
      memory: [ram({ phys: inmates + 0x1000, virt: 0, sizeBytes: 0x1000 })],
      passiveCommRegion: true,
    });
    await session({}, async (running) => {
      const common = running.openLink().section("common");
      common.setUint8(0, 1);
      await running.createCell(taken);
      expect(() => common.setUint8(0, 2)).toThrow(/is not mapped in the root cell.*ROOTSHARED/);
    });
  });
});
