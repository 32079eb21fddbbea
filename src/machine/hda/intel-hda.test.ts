import { describe, expect, it } from "vitest";
import { PciSystem } from "../testing/pci-system.ts";
import { streamRate } from "./stream.ts";

const BDF = 0x1b << 3;
const BAR = 0xfebd4000;
const VECTOR = 0x41;

const GCTL = BAR + 0x08;
const WAKEEN = BAR + 0x0c;
const STATESTS = BAR + 0x0e;
const INTCTL = BAR + 0x20;
const INTSTS = BAR + 0x24;
const OUTPUT = BAR + 0x80 + 4 * 0x20;

function controller() {
  const machine = new PciSystem([{ kind: "intel-hda", bdf: BDF, bar0: BAR }]);
  machine.enable(BDF, 0x60, VECTOR);
  return machine;
}

function awake() {
  const machine = controller();
  machine.store(GCTL, 1);
  machine.run(600_000);
  machine.store(STATESTS, 0x7fff, 2);
  return machine;
}

describe("reset of an HD Audio controller", () => {
  it("holds all registers but the wake registers", () => {
    const machine = controller();
    expect(machine.load(GCTL)).toBe(0);
    machine.store(INTCTL, 0xffffffff);
    expect(machine.load(INTCTL)).toBe(0);
    machine.store(WAKEEN, 0x0f, 2);
    expect(machine.load(WAKEEN, 2)).toBe(0x0f);
    machine.store(GCTL, 1, 2);
    expect(machine.load(GCTL)).toBe(1);
    machine.store(INTCTL, 0xffffffff);
    expect(machine.load(INTCTL)).toBe(0xc00000ff);
    machine.run(600_000);
    machine.store(GCTL, 0);
    expect(machine.load(INTCTL)).toBe(0);
    expect(machine.load(WAKEEN, 2)).toBe(0x0f);
    expect(machine.load(STATESTS, 2)).toBe(1);
  });

  it("ends with the codec asking for its address, 521 microseconds later: an interrupt if wanted", () => {
    const machine = controller();
    machine.store(GCTL, 1);
    machine.store(WAKEEN, 1, 2);
    machine.store(INTCTL, 0xc0000000);
    machine.run(520_999);
    expect(machine.load(STATESTS, 2)).toBe(0);
    expect(machine.vectors()).toEqual([]);
    machine.run(1);
    expect(machine.load(STATESTS, 2)).toBe(1);
    expect(machine.load(INTSTS)).toBe(0xc0000000);
    expect(machine.vectors()).toEqual([VECTOR]);
    machine.store(STATESTS, 1, 2);
    expect(machine.load(INTSTS)).toBe(0);
  });

  it("interrupts also when the enables come after the change", () => {
    const machine = controller();
    machine.store(GCTL, 1);
    machine.run(600_000);
    machine.store(WAKEEN, 1, 2);
    machine.store(INTCTL, 0x80000000);
    expect(machine.vectors()).toEqual([]);
    machine.store(INTCTL, 0xc0000000);
    expect(machine.vectors()).toEqual([VECTOR]);
  });

  it("starts the wall clock at 24 MHz", () => {
    const machine = controller();
    machine.run(12_345);
    expect(machine.load(BAR + 0x30)).toBe(0);
    machine.store(GCTL, 1);
    machine.run(1_000_000);
    expect(machine.load(BAR + 0x30)).toBe(24_000);
  });
});

describe("commands to the codec", () => {
  const immediate = (machine: PciSystem, verb: number) => {
    machine.store(BAR + 0x60, verb);
    machine.store(BAR + 0x68, 1, 2);
    const status = machine.load(BAR + 0x68, 2);
    machine.store(BAR + 0x68, 2, 2);
    return status === 2 ? machine.load(BAR + 0x64) : undefined;
  };

  it("one at a time: a tree that a driver can walk to the pin and the converter", () => {
    const machine = awake();
    const parameter = (node: number, id: number) =>
      immediate(machine, (node << 20) | 0xf0000 | id) as number;
    expect(parameter(0, 0) >>> 16).toBe(0x1af4);
    const groups = parameter(0, 4);
    const group = groups >>> 16;
    expect(groups & 0xff).toBe(1);
    expect(parameter(group, 5) & 0xff).toBe(1);
    const nodes = parameter(group, 4);
    const types = Array.from(
      { length: nodes & 0xff },
      (_, n) => (parameter((nodes >>> 16) + n, 9) >>> 20) & 0xf,
    );
    expect(types).toEqual([0, 4]);
    const [converter, pin] = [nodes >>> 16, (nodes >>> 16) + 1];
    expect(parameter(pin, 0x0e)).toBe(1);
    expect(immediate(machine, (pin << 20) | 0xf0200)).toBe(converter);
    // line out at the rear, and able to
    expect(((immediate(machine, (pin << 20) | 0xf1c00) as number) >>> 20) & 0xf).toBe(0);
    expect(parameter(pin, 0x0c) & 0x10).toBe(0x10);
    expect(parameter(converter, 0x0a) & 0x20060).toBe(0x20060);
    // what is set can be read back
    immediate(machine, (converter << 20) | 0x20011);
    expect(immediate(machine, (converter << 20) | 0xa0000)).toBe(0x11);
    immediate(machine, (converter << 20) | 0x70640);
    expect(immediate(machine, (converter << 20) | 0xf0600)).toBe(0x40);
    immediate(machine, (group << 20) | 0x70503);
    expect(immediate(machine, (group << 20) | 0xf0500)).toBe(0x33);
    immediate(machine, (group << 20) | 0x7ff00);
    expect(immediate(machine, (converter << 20) | 0xf0600)).toBe(0);
  });

  it("to nobody get no answer, and stay busy until taken back", () => {
    const machine = awake();
    machine.store(BAR + 0x60, 0x100f0000);
    machine.store(BAR + 0x68, 1, 2);
    expect(machine.load(BAR + 0x68, 2)).toBe(1);
    machine.store(BAR + 0x68, 0, 2);
    expect(machine.load(BAR + 0x68, 2)).toBe(0);
  });

  function rings() {
    const machine = awake();
    machine.store(BAR + 0x40, 0x1000);
    machine.store(BAR + 0x50, 0x2000);
    machine.store(BAR + 0x4a, 0x8000, 2);
    expect(machine.load(BAR + 0x4a, 2)).toBe(0x8000);
    machine.store(BAR + 0x4a, 0, 2);
    machine.store(BAR + 0x58, 0x8000, 2);
    machine.store(BAR + 0x5c, 3, 1);
    machine.store(BAR + 0x4c, 2, 1);
    machine.store(INTCTL, 0xc0000000);
    return machine;
  }

  it("through the rings: responses in order, an interrupt when the count is reached or none waits", () => {
    const machine = rings();
    const { view } = machine.memory;
    for (let n = 1; n <= 5; n++)
      view.setUint32(0x1000 + 4 * n, n === 3 ? 0x100f0000 : 0xf0000, true);
    machine.store(BAR + 0x5a, 3, 2);
    machine.store(BAR + 0x48, 5, 2);
    expect(machine.load(BAR + 0x4a, 2)).toBe(5);
    // codec 1 is not there
    expect(machine.load(BAR + 0x58, 2)).toBe(4);
    for (let n = 1; n <= 4; n++) {
      expect(view.getUint32(0x2000 + 8 * n, true) >>> 16).toBe(0x1af4);
      expect(view.getUint32(0x2004 + 8 * n, true)).toBe(0);
    }
    expect(machine.load(BAR + 0x5d, 1)).toBe(1);
    expect(machine.vectors()).toEqual([VECTOR]);
    machine.store(BAR + 0x5d, 1, 1);
    expect(machine.load(INTSTS)).toBe(0);
    // round the end of both
    machine.store(BAR + 0x48, 2, 2);
    expect(machine.load(BAR + 0x4a, 2)).toBe(2);
    expect(machine.vectors()).toEqual([VECTOR]);
  });

  it("report memory that cannot be reached", () => {
    const machine = rings();
    machine.store(BAR + 0x44, 1);
    machine.store(BAR + 0x48, 1, 2);
    expect(machine.load(BAR + 0x4d, 1)).toBe(1);
    expect(machine.load(BAR + 0x4a, 2)).toBe(0);
  });
});

describe("an output stream", () => {
  it("takes its rate from the format", () => {
    expect(streamRate(0x0011)).toEqual({ frameBytes: 4, bytesPerSecond: 192_000 });
    expect(streamRate(0x4011)).toEqual({ frameBytes: 4, bytesPerSecond: 176_400 });
    expect(streamRate(0x0900)).toEqual({ frameBytes: 1, bytesPerSecond: 48_000 });
    expect(streamRate(0x0835)).toEqual({ frameBytes: 24, bytesPerSecond: 96_000 * 24 });
  });

  function playing() {
    const machine = awake();
    const { view } = machine.memory;
    // two buffers of 10 and 20 ms of 48 kHz stereo; the second reports its end
    for (const [n, address, bytes, flags] of [
      [0, 0x4000, 1920, 0],
      [1, 0x5000, 3840, 1],
    ]) {
      view.setUint32(0x3000 + 16 * n, address, true);
      view.setUint32(0x3008 + 16 * n, bytes, true);
      view.setUint32(0x300c + 16 * n, flags, true);
    }
    machine.store(INTCTL, 0x800000ff);
    machine.store(BAR + 0x70, 0x6001);
    machine.store(OUTPUT + 0x08, 5760);
    machine.store(OUTPUT + 0x0c, 1, 2);
    machine.store(OUTPUT + 0x12, 0x11, 2);
    machine.store(OUTPUT + 0x18, 0x3000);
    machine.store(OUTPUT, 0x06, 1);
    return machine;
  }

  it("walks its buffers at the pace of the samples", () => {
    const machine = playing();
    machine.run(15_000_000);
    expect(machine.load(OUTPUT + 4)).toBe(2880);
    expect(machine.memory.view.getUint32(0x6000 + 8 * 4, true)).toBe(2880);
    expect(machine.vectors()).toEqual([]);
    machine.run(15_000_000);
    expect(machine.load(INTSTS)).toBe(0x80000010);
    expect(machine.vectors()).toEqual([VECTOR]);
    expect(machine.load(OUTPUT + 4)).toBe(0);
    machine.store(OUTPUT + 3, 4, 1);
    expect(machine.load(INTSTS)).toBe(0);
    machine.run(30_000_000);
    expect(machine.vectors()).toEqual([VECTOR]);
  });

  it("stands still while it does not run, and begins anew after its reset", () => {
    const machine = playing();
    machine.run(5_000_000);
    machine.store(OUTPUT, 0x04, 1);
    machine.run(50_000_000);
    expect(machine.load(OUTPUT + 4)).toBe(960);
    machine.store(OUTPUT, 0x06, 1);
    machine.run(2_000_000);
    expect(machine.load(OUTPUT + 4)).toBe(1344);
    machine.store(OUTPUT, 0x00, 1);
    machine.store(OUTPUT, 0x01, 1);
    expect(machine.load(OUTPUT, 1)).toBe(1);
    expect(machine.load(OUTPUT + 4)).toBe(0);
    machine.store(OUTPUT, 0x00, 1);
    expect(machine.load(OUTPUT, 1)).toBe(0);
  });

  it("reports a list that cannot be read; a list of nothing does not stop the machine", () => {
    const machine = playing();
    machine.store(OUTPUT, 0x00, 1);
    machine.store(OUTPUT + 0x1c, 1);
    machine.store(OUTPUT, 0x12, 1);
    expect(machine.load(OUTPUT + 3, 1)).toBe(0x30);
    machine.store(OUTPUT, 0x00, 1);
    machine.store(OUTPUT + 0x1c, 0);
    machine.memory.bytes(0x3000, 32).fill(0);
    machine.store(OUTPUT, 0x02, 1);
    machine.run(1_000_000);
    expect(machine.board.clock.now).toBeGreaterThan(1_000_000);
  });
});
