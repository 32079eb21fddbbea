import { describe, expect, it } from "vitest";
import { I8042 } from "./i8042.ts";
import { Port80 } from "./port80.ts";
import { ResetPort } from "./reset-port.ts";

describe("I8042", () => {
  it("answers its own commands and no keyboard's", () => {
    const kbc = new I8042(() => {});
    const command = (value: number) => {
      kbc.portWrite(0x64, 1, value);
      expect(kbc.portRead(0x64, 1) & 0x09).toBe(0x09);
      return kbc.portRead(0x60, 1);
    };
    expect(kbc.portRead(0x64, 1) & 0x03).toBe(0);
    expect(command(0xaa)).toBe(0x55);
    expect(command(0xab)).toBe(0);
    kbc.portWrite(0x64, 1, 0x60);
    kbc.portWrite(0x60, 1, 0x47);
    expect(kbc.portRead(0x64, 1) & 0x08).toBe(0);
    expect(command(0x20)).toBe(0x47);
    kbc.portWrite(0x64, 1, 0xad);
    expect(command(0x20)).toBe(0x57);
    kbc.portWrite(0x64, 1, 0xae);
    expect(command(0x20)).toBe(0x47);
    kbc.portWrite(0x60, 1, 0xff);
    expect(kbc.portRead(0x64, 1) & 1).toBe(0);
    expect(command(0xd0) & 3).toBe(3);
  });

  it("carries its state over to another", () => {
    const first = new I8042(() => {});
    for (const [port, value] of [
      [0x64, 0xd1],
      [0x60, 0xdd],
      [0x64, 0x65],
      [0x60, 0x99],
      [0x64, 0x25],
      [0x64, 0x66],
    ])
      first.portWrite(port, 1, value);
    const second = new I8042(() => {});
    second.load(structuredClone(first.save()));
    expect(second.save()).toEqual(first.save());
    expect(second.portRead(0x64, 1)).toBe(first.portRead(0x64, 1));
    expect(second.portRead(0x60, 1)).toBe(0x99);
    // the data byte of the command that was under way
    second.portWrite(0x60, 1, 0x11);
    for (const [command, answer] of [
      [0x26, 0x11],
      [0xd0, 0xdf],
    ]) {
      second.portWrite(0x64, 1, command);
      expect(second.portRead(0x60, 1)).toBe(answer);
    }
  });

  it("resets by pulse and by output port, bit 0 low", () => {
    let resets = 0;
    const kbc = new I8042(() => resets++);
    kbc.portWrite(0x64, 1, 0xff);
    kbc.portWrite(0x64, 1, 0xfd);
    expect(resets).toBe(0);
    kbc.portWrite(0x64, 1, 0xfe);
    expect(resets).toBe(1);
    kbc.portWrite(0x64, 1, 0xd1);
    kbc.portWrite(0x60, 1, 0xdf);
    expect(resets).toBe(1);
    kbc.portWrite(0x64, 1, 0xd1);
    kbc.portWrite(0x60, 1, 0xde);
    expect(resets).toBe(2);
  });
});

describe("ResetPort", () => {
  it("pulls INIT on a rising bit 0 of port 0x92, and keeps the A20 bit", () => {
    const resets: string[] = [];
    const port = new ResetPort((how) => resets.push(how));
    expect(port.portRead(0x92, 1)).toBe(0x02);
    port.portWrite(0x92, 1, 0x00);
    expect(port.portRead(0x92, 1)).toBe(0x00);
    port.portWrite(0x92, 1, 0x03);
    port.portWrite(0x92, 1, 0x03);
    expect(resets).toEqual(["soft"]);
  });
});

describe("Port80", () => {
  it("passes codes on and shows the last", () => {
    const codes: number[] = [];
    const port = new Port80((code) => codes.push(code));
    for (const code of [1, 0x55]) port.portWrite(0x80, 1, code);
    expect(codes).toEqual([1, 0x55]);
    expect(port.portRead(0x80, 1)).toBe(0x55);
  });
});
