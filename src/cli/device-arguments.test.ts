import { describe, expect, it } from "vitest";
import { deviceArgument } from "./device-arguments.ts";

describe("--device", () => {
  it("adds a device, with what is said about it", () => {
    const first = deviceArgument("hda@00:1b.0", []);
    expect(first).toEqual([{ kind: "intel-hda", bdf: "00:1b.0" }]);
    expect(deviceArgument("e1000@0:19.0", first)).toEqual([
      ...first,
      { kind: "e1000", bdf: "0:19.0" },
    ]);
    expect(
      deviceArgument("e1000@00:1a.0,bar0=0xfebe0000,io=0xc040,mac=02:00:00:00:00:01,wire=b", []),
    ).toEqual([
      {
        kind: "e1000",
        bdf: "00:1a.0",
        bar0: 0xfebe0000,
        ioBase: 0xc040,
        mac: "02:00:00:00:00:01",
        wire: "b",
      },
    ]);
  });

  it.each([
    ["e1000", /A device is hda or e1000 with its place/],
    ["toaster@00:19.0", /A device is hda or e1000/],
    ["e1000@00:19", /A device is hda or e1000/],
    ["hda@00:1b.0,mac=1", /"mac=1" is not among what hda takes: bar0=/],
    ["e1000@00:19.0,bar0", /"bar0" is not among what e1000 takes: bar0=, io=, mac=, wire=/],
    ["e1000@00:19.0,bar0=abc", /An address is/],
  ])("refuses %s", (text, message) => {
    expect(() => deviceArgument(text, [])).toThrow(message);
  });
});
