/** Numbers and flags of a configuration in words. */
import type { Console, PciCapability, Revision } from "../types.ts";

/** `0x` and at least `digits` digits. */
export function hex(value: number | bigint, digits = 1): string {
  return `0x${value.toString(16).padStart(digits, "0")}`;
}

/** Exact: in the largest unit of which it is a whole number. */
export function sizeInWords(bytes: number | bigint): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = BigInt(bytes);
  let unit = 0;
  while (value !== 0n && value % 1024n === 0n && unit < units.length - 1) {
    value /= 1024n;
    unit++;
  }
  return `${value} ${units[unit]}`;
}

/** `passiveCommRegion` to "passive-comm-region". */
export function inWords(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** A name from a file, harmless on a terminal: control characters as `\\x1b`. */
export function printable(name: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return name.replace(/[\x00-\x1f\x7f-\x9f]/g, (character) => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
}

interface Flags {
  readonly unknownBits: number | bigint;
}

/** The flags that are set; bits without a name in hex. */
export function flagNames<T extends Flags>(flags: T): string[] {
  const named = Object.entries(flags as object)
    .filter(([, value]) => value === true)
    .map(([name]) => name);
  return BigInt(flags.unknownBits) === 0n ? named : [...named, hex(flags.unknownBits)];
}

/** Flags as text, "none" if there are none. */
export function flagsInWords<T extends Flags>(flags: T): string {
  return flagNames(flags).map(inWords).join(", ") || "none";
}

/** 0, 1, 2, 5 to "0-2,5". */
export function numberRanges(numbers: readonly number[]): string {
  const ranges: [first: number, last: number][] = [];
  for (const number of numbers) {
    const range = ranges.at(-1);
    if (range !== undefined && range[1] + 1 === number) range[1] = number;
    else ranges.push([number, number]);
  }
  return ranges
    .map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`))
    .join(",");
}

export function consoleInWords(console: Console): string {
  if (console.type === "none") return "none";
  const type = typeof console.type === "number" ? `type ${console.type}` : console.type;
  return [
    console.access === "pio"
      ? `${type} at port ${hex(console.address)}`
      : `${type} at ${hex(console.address)}`,
    ...(console.size > 0 ? [sizeInWords(console.size)] : []),
    ...(console.registerDistance === 4 ? ["32-bit registers"] : []),
    ...(console.divider > 0 ? [`divider ${console.divider}`] : []),
    ...(console.clockReg !== 0n
      ? [
          `clock gate ${hex(console.clockReg)} bit ${console.gateNr}${console.invertedGate ? " inverted" : ""}`,
        ]
      : []),
    ...(console.framebuffer1080 ? ["1920x1080"] : []),
    ...(console.mdrQuirk ? ["MDR quirk"] : []),
    ...(console.unknownBits !== 0 ? [`flags ${hex(console.unknownBits)}`] : []),
  ].join(", ");
}

/** Names of capability ids as in the PCI specifications' headers; index = id. */
const CAPABILITIES =
  "? PM AGP VPD SLOTID MSI CHSWP PCIX HT VNDR DBG CCRC SHPC SSVID AGP3 SECDEV EXP MSIX SATA AF EA".split(
    " ",
  );
const EXTENDED_CAPABILITIES =
  "? ERR VC DSN PWR RCLD RCILC RCEC MFVC VC9 RCRB VNDR CAC ACS ARI ATS SRIOV MRIOV MCAST PRI AMD_XXX REBAR DPA TPH LTR SECPCI PMUX PASID ? DPC L1SS PTM".split(
    " ",
  );

const EXTENDED = 0x8000;

export function capabilityName({ id }: Pick<PciCapability, "id">): string {
  const names = id & EXTENDED ? EXTENDED_CAPABILITIES : CAPABILITIES;
  const name = names[id & ~EXTENDED] ?? "?";
  return name === "?" ? hex(id) : name;
}

/** What an ivshmem device speaks; the codes changed in revision 12. */
export function protocolInWords(code: number, revision: Revision): string {
  if (code === 0) return "undefined protocol";
  if (code === (revision < 12 ? 0x0100 : 0x0001)) return "network";
  if (revision >= 12 && code >= 0x8000) {
    const device = code & 0x3fff;
    const name = ["?", "net", "block", "console"][device] ?? hex(device);
    return `virtio ${name === "?" ? hex(device) : name} ${code >= 0xc000 ? "back end" : "front end"}`;
  }
  const custom = revision < 12 ? code >= 0x8000 : code >= 0x4000;
  return `${custom ? "custom" : "unknown"} protocol ${hex(code, 4)}`;
}
