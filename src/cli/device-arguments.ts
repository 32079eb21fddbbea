/** `--device KIND@BB:DD.F[,NAME=VALUE]...`: a PCI device on a command line. */
import { InvalidArgumentError } from "commander";
import type { ScenarioDevice } from "../session/devices.ts";
import { address } from "./values.ts";

const KINDS: Readonly<Record<string, ScenarioDevice["kind"]>> = {
  hda: "intel-hda",
  "intel-hda": "intel-hda",
  e1000: "e1000",
};

/** What may follow, by kind. */
const SETTINGS: Readonly<Record<ScenarioDevice["kind"], readonly string[]>> = {
  "intel-hda": ["bar0"],
  e1000: ["bar0", "io", "mac", "wire"],
};

export function deviceArgument(
  text: string,
  previous: readonly ScenarioDevice[] = [],
): readonly ScenarioDevice[] {
  const [head, ...settings] = text.split(",");
  const match = /^([a-z0-9-]+)@([0-9a-f]{1,2}:[0-9a-f]{1,2}\.[0-7])$/i.exec(head);
  const kind = match === null ? undefined : KINDS[match[1]];
  if (match === null || kind === undefined)
    throw new InvalidArgumentError(
      "A device is hda or e1000 with its place on PCI: hda@00:1b.0, e1000@00:19.0,bar0=0xfebc0000.",
    );
  const values = new Map<string, string>();
  for (const setting of settings) {
    const [, name, value] = /^([a-z0-9]+)=(.+)$/.exec(setting) ?? [];
    if (name === undefined || !SETTINGS[kind].includes(name))
      throw new InvalidArgumentError(
        `"${setting}" is not among what ${match[1]} takes: ${SETTINGS[kind].map((each) => `${each}=`).join(", ")}.`,
      );
    values.set(name, value);
  }
  const number = (name: string) => {
    const value = values.get(name);
    return value === undefined ? undefined : address(value);
  };
  const bar0 = number("bar0");
  const place = { bdf: match[2], ...(bar0 === undefined ? {} : { bar0 }) };
  if (kind === "intel-hda") return [...previous, { kind, ...place }];
  const ioBase = number("io");
  const mac = values.get("mac");
  const wire = values.get("wire");
  return [
    ...previous,
    {
      kind,
      ...place,
      ...(ioBase === undefined ? {} : { ioBase }),
      ...(mac === undefined ? {} : { mac }),
      ...(wire === undefined ? {} : { wire }),
    },
  ];
}
