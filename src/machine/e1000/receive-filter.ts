/** Which frames the controller takes (3.2.1): by exact address, multicast hash, or promiscuously. */

import {
  MTA,
  RA,
  RAH_VALID,
  RCTL,
  RCTL_BAM,
  RCTL_MO_SHIFT,
  RCTL_MPE,
  RCTL_UPE,
} from "./registers.ts";

const RECEIVE_ADDRESSES = 16;

/** RCTL.MO: the lowest of the 12 bits of a destination's last two bytes that make the hash. */
const HASH_SHIFTS: readonly number[] = [4, 3, 2, 0];

export type Acceptance =
  | "exact"
  /** By hash or promiscuously: software must look at the address itself. */
  | "inexact"
  | "rejected";

export function isBroadcast(frame: Uint8Array): boolean {
  for (let n = 0; n < 6; n++) if (frame[n] !== 0xff) return false;
  return true;
}

/** Broadcasts are multicasts too. */
export function isMulticast(frame: Uint8Array): boolean {
  return (frame[0] & 1) !== 0;
}

export function accept(registers: Uint32Array, frame: Uint8Array): Acceptance {
  const rctl = registers[RCTL];
  const low = (frame[0] | (frame[1] << 8) | (frame[2] << 16) | (frame[3] << 24)) >>> 0;
  const high = frame[4] | (frame[5] << 8);
  for (let n = 0; n < RECEIVE_ADDRESSES; n++) {
    const addressHigh = registers[RA + 2 * n + 1];
    if (
      addressHigh >= RAH_VALID &&
      registers[RA + 2 * n] === low &&
      (addressHigh & 0xffff) === high
    )
      return "exact";
  }
  if (isBroadcast(frame) && (rctl & RCTL_BAM) !== 0) return "exact";
  if (!isMulticast(frame)) return (rctl & RCTL_UPE) !== 0 ? "inexact" : "rejected";
  if ((rctl & RCTL_MPE) !== 0) return "inexact";
  const hash = (high >> HASH_SHIFTS[(rctl >>> RCTL_MO_SHIFT) & 3]) & 0xfff;
  return (registers[MTA + (hash >> 5)] & (1 << (hash & 31))) !== 0 ? "inexact" : "rejected";
}
