import { describe, expect, it } from "vitest";
import { FW_CFG_PORTS, FwCfg } from "./fw-cfg.ts";
import { PortBus } from "./port-bus.ts";

const SELECTOR = 0x510;
const DATA = 0x511;

function plugged() {
  const bus = new PortBus();
  const device = new FwCfg(0x2_8000_0000, 300);
  bus.claim("fw_cfg", FW_CFG_PORTS.first, FW_CFG_PORTS.count, device, 2);
  const bytes = (item: number, count: number) => {
    bus.write(SELECTOR, 2, item);
    return Array.from({ length: count }, () => bus.read(DATA, 1));
  };
  return { bus, device, bytes };
}

describe("fw_cfg", () => {
  it("gives its items byte by byte, little-endian, then zeros", () => {
    const { bytes } = plugged();
    expect(String.fromCharCode(...bytes(0, 4))).toBe("QEMU");
    expect(bytes(1, 4)).toEqual([1, 0, 0, 0]);
    expect(bytes(3, 10)).toEqual([0, 0, 0, 0x80, 2, 0, 0, 0, 0, 0]);
    expect(bytes(5, 2)).toEqual([0x2c, 1]);
    expect(bytes(0xf, 2)).toEqual([0x2c, 1]);
    expect(bytes(0x19, 3)).toEqual([0, 0, 0]);
  });

  it("is selected by words only, and starts an item over when it is selected", () => {
    const { bus, bytes } = plugged();
    expect(bytes(5, 1)).toEqual([0x2c]);
    bus.write(SELECTOR, 1, 0);
    bus.write(DATA, 1, 0xff);
    expect(bus.read(DATA, 1)).toBe(1);
    expect(bytes(5, 1)).toEqual([0x2c]);
  });

  it("carries its state over to another", () => {
    const first = plugged();
    first.bytes(0, 2);
    const second = plugged();
    second.device.load(structuredClone(first.device.save()));
    expect(second.bus.read(DATA, 1)).toBe("M".charCodeAt(0));
  });
});
