import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { GuestMemory } from "../engine/guest-memory.ts";
import { memoryHash } from "./memory-hash.ts";

describe("memoryHash", () => {
  const memory = new GuestMemory(64 * 4096);

  it("of untouched memory is the hash of nothing", () => {
    expect(memoryHash(memory)).toBe(createHash("sha256").digest("hex"));
  });

  it("is SHA-256 over addresses and contents of the pages that are not zero", () => {
    memory.u8[3 * 4096 + 7] = 1;
    // the bits of -0.0: a page that only compares equal to zero
    memory.u8[9 * 4096 + 4095] = 0x80;
    const expected = createHash("sha256");
    for (const page of [3, 9]) {
      const address = Buffer.alloc(8);
      address.writeBigUInt64LE(BigInt(page * 4096));
      expected.update(address).update(memory.bytes(page * 4096, 4096));
    }
    expect(memoryHash(memory)).toBe(expected.digest("hex"));
  });
});
