/** Values as they are typed on a command line. */
import { InvalidArgumentError } from "commander";

const NANOSECONDS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  ms: 1e6,
  s: 1e9,
  min: 60e9,
};

/** "2s", "1.5ms", "10 min" in nanoseconds. */
export function duration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(ns|us|µs|ms|s|min)$/.exec(text.trim());
  const nanoseconds = match ? Math.round(Number(match[1]) * NANOSECONDS[match[2]]) : Number.NaN;
  if (!(nanoseconds <= Number.MAX_SAFE_INTEGER))
    throw new InvalidArgumentError(
      "A time is a number with a unit (ns, us, ms, s, min), up to 104 days: 500us, 2s, 1.5min.",
    );
  return nanoseconds;
}

const MULTIPLES: Readonly<Record<string, number>> = {
  "": 1,
  K: 1024,
  M: 1024 ** 2,
  G: 1024 ** 3,
};

/** "64M", "0x100000" in bytes. */
export function size(text: string): number {
  const match = /^(0x[0-9a-f]+|\d+)\s*([KMG]?)(?:i?B)?$/i.exec(text.trim());
  const bytes = match ? Number(match[1]) * MULTIPLES[match[2].toUpperCase()] : Number.NaN;
  if (!Number.isSafeInteger(bytes))
    throw new InvalidArgumentError(
      "A size is a number of bytes, or one with K, M or G: 64M, 0x100000.",
    );
  return bytes;
}

/** "0xf0000", "983040" as an address. */
export function address(text: string): number {
  const value = /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value))
    throw new InvalidArgumentError("An address is a hexadecimal or decimal number: 0xf0000.");
  return value;
}

/**
 * "FILE" or "FILE@ADDRESS". An @ that no number follows belongs to the text before it, so that
 * names and command lines may hold one.
 */
export function located(text: string): { text: string; address?: number } {
  const match = /^(.*)@(0x[0-9a-f]+|\d+)$/is.exec(text);
  return match ? { text: match[1], address: address(match[2]) } : { text };
}

/** "0xe0000000:0x10000": an address and a size. */
export function range(text: string): { address: number; size: number } {
  const [from, length, ...rest] = text.split(":");
  if (length === undefined || rest.length > 0)
    throw new InvalidArgumentError("A range is ADDRESS:SIZE: 0xe0000000:64K.");
  return { address: address(from), size: size(length) };
}

/** "0x1000=0fa2f4": bytes in the order of their addresses. */
export function bytesAt(text: string): { address: number; bytes: Uint8Array } {
  const match = /^([^=]+)=(?:0x)?((?:[0-9a-f]{2})+)$/i.exec(text.replace(/[\s,]/g, ""));
  if (!match)
    throw new InvalidArgumentError(
      "Bytes are given as ADDRESS=HEX, two digits each, lowest address first: 0x1000=b80100f4.",
    );
  return {
    address: address(match[1]),
    bytes: Uint8Array.from(match[2].match(/../g) ?? [], (pair) => Number.parseInt(pair, 16)),
  };
}

/** A number from 1. */
export function count(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : 0;
  if (!Number.isSafeInteger(value) || value === 0)
    throw new InvalidArgumentError("A count is a number from 1.");
  return value;
}

/** "rax=0x1234" or "xmm0=1". */
export function assignment(text: string): { name: string; value: bigint } {
  const match = /^\s*([a-z][a-z0-9_]*)\s*=\s*(0x[0-9a-f]+|\d+)\s*$/i.exec(text);
  if (!match)
    throw new InvalidArgumentError("A register is set as NAME=NUMBER: rax=0x1234, xmm0=1.");
  return { name: match[1].toLowerCase(), value: BigInt(match[2]) };
}

/** The source of a regular expression. */
export function pattern(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? `${error.message}.` : String(error));
  }
}
