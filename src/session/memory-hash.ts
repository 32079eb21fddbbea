/**
 * One value for the whole of a machine's RAM. It is SHA-256 over the pages of 4096 bytes that are
 * not all zero, in ascending order, each preceded by its host-physical address as 8 bytes, little
 * endian. Leaving zero pages out keeps untouched memory untouched.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import type { GuestMemory } from "../engine/guest-memory.ts";

const PAGE = 4096;

/** 64 hexadecimal digits. */
export function memoryHash(memory: GuestMemory): string {
  const hash = sha256.create();
  const address = new Uint8Array(8);
  const addressView = new DataView(address.buffer);
  // the widest elements that compare fast
  const quads = new Float64Array(memory.u8.buffer, memory.ramOffset, memory.ramBytes / 8);
  const words = memory.u32;
  for (let page = 0; page < memory.ramBytes; page += PAGE) {
    if (isZero(quads, words, page)) continue;
    addressView.setBigUint64(0, BigInt(page), true);
    hash.update(address).update(memory.bytes(page, PAGE));
  }
  return bytesToHex(hash.digest());
}

function isZero(quads: Float64Array, words: Uint32Array, page: number): boolean {
  const end = (page + PAGE) / 8;
  for (let index = page / 8; index < end; index++) {
    // a NaN differs from 0 as well; only -0.0 equals it without being zero bits
    if (quads[index] !== 0) return false;
    if (words[index * 2 + 1] !== 0) return false;
  }
  return true;
}
