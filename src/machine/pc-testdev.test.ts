import { describe, expect, it } from "vitest";
import { MemoryBus } from "./memory-bus.ts";
import { PcTestdev } from "./pc-testdev.ts";
import { PortBus } from "./port-bus.ts";

function plugged() {
  const ports = new PortBus();
  const memory = new MemoryBus();
  const log: string[] = [];
  const lines = [0, 1, 2].map((line) => ({
    set: (level: boolean) => void log.push(`${line}=${level}`),
  }));
  const device = new PcTestdev(lines, () => log.push("flush"));
  device.plugInto(ports, memory);
  return { ports, memory, log, device };
}

describe("pc-testdev", () => {
  it("stores four bytes, of any width at 0xe0, by bytes at 0xe8", () => {
    const { ports } = plugged();
    ports.write(0xe0, 4, 0x44332211);
    ports.write(0xe1, 2, 0xbbaa);
    expect(ports.read(0xe0, 4)).toBe(0x44bbaa11);
    expect(ports.read(0xe3, 1)).toBe(0x44);
    expect(ports.read(0xe8, 4)).toBe(0x44bbaa11);
    ports.write(0xe9, 1, 0xff);
    expect(ports.read(0xe0, 2)).toBe(0xff11);
  });

  it("sets interrupt lines, and flushes", () => {
    const { ports, log } = plugged();
    ports.write(0x2001, 1, 1);
    ports.write(0x2001, 1, 0);
    ports.write(0x2002, 1, 0x80);
    ports.write(0xe4, 4, 0x1234_5000);
    expect(log).toEqual(["1=true", "1=false", "2=true", "flush"]);
  });

  it("has a window of memory for every width, which a snapshot keeps", () => {
    const { memory, device } = plugged();
    memory.write(0xff00_0100, 8, 0x4433_2211, 0x8877_6655);
    memory.write(0xff00_0101, 1, 0xee, 0);
    memory.write(0xff00_fffe, 2, 0xabcd, 0);
    const other = plugged();
    other.device.load(structuredClone(device.save()));
    const result = { lo: 0, hi: 0 };
    other.memory.read(0xff00_0100, 8, result);
    expect(result).toEqual({ lo: 0x4433_ee11, hi: 0x8877_6655 });
    other.memory.read(0xff00_fffc, 4, result);
    expect(result).toEqual({ lo: 0xabcd_0000, hi: 0 });
  });
});
