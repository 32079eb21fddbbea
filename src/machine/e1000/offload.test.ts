import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  insertChecksum,
  NO_CONTEXT,
  type OffloadContext,
  offload,
  onesComplementSum,
} from "./offload.ts";

const HEADER_BYTES = 54;
const CONTEXT: OffloadContext = {
  ...NO_CONTEXT,
  ipStart: 14,
  ipOffset: 24,
  ipEnd: 33,
  tcpStart: 34,
  tcpOffset: 50,
  tcpEnd: 0,
  headerBytes: HEADER_BYTES,
  segmentBytes: 100,
  isTcp: true,
  isIpv4: true,
};
const ALL = { segment: true, ipChecksum: true, tcpChecksum: true };
const ADDRESSES = [10, 0, 0, 1, 10, 0, 0, 2];

/** Sum of the pseudo header: addresses, protocol and length. */
const pseudo = (length: number) =>
  onesComplementSum(Uint8Array.from([...ADDRESSES, 0, 6, length >> 8, length & 0xff]), 0, 12);

/** TCP over IPv4, as software hands it over: its checksum holds the pseudo header without the length. */
function packet(payload: Uint8Array, sequence: number): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(12, 0x0800);
  bytes.set([0x45, 0, 0, 0, 0xff, 0xfe, 0x40, 0, 64, 6, 0, 0, ...ADDRESSES], 14);
  view.setUint32(38, sequence);
  view.setUint16(46, 0x5019);
  view.setUint16(50, pseudo(0));
  bytes.set(payload, HEADER_BYTES);
  return bytes;
}

describe("checksums", () => {
  it("of RFC 1071's example and of a known IPv4 header", () => {
    const example = Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7);
    expect(onesComplementSum(example, 0, 8)).toBe(0xddf2);
    const header = Uint8Array.from([
      0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0, 0, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0, 0xc7,
    ]);
    insertChecksum(header, 0, 10, 0);
    expect([header[10], header[11]]).toEqual([0xb8, 0x61]);
  });

  it("outside the packet change nothing", () => {
    const bytes = Uint8Array.of(1, 2, 3);
    insertChecksum(bytes, 0, 2, 0);
    insertChecksum(bytes, 200, 0, 0);
    expect([...bytes]).toEqual([1, 2, 3]);
  });
});

describe("segmentation", () => {
  it("makes packets that are right in themselves, and together the payload", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 1000 }),
        fc.integer({ min: 1, max: 300 }),
        fc.nat(0xffffffff),
        (payload, segmentBytes, sequence) => {
          const made = [...offload(packet(payload, sequence), { ...CONTEXT, segmentBytes }, ALL)];
          expect(made.flatMap((each) => [...each.subarray(HEADER_BYTES)])).toEqual([...payload]);
          made.forEach((each, n) => {
            const view = new DataView(each.buffer);
            const tcpBytes = each.length - 34;
            expect(view.getUint16(16)).toBe(each.length - 14);
            expect(view.getUint16(18)).toBe((0xfffe + n) & 0xffff);
            expect(view.getUint32(38)).toBe((sequence + n * segmentBytes) % 2 ** 32);
            expect(each[47]).toBe(n === made.length - 1 ? 0x19 : 0x10);
            // a receiver's check: everything adds up to all ones
            expect(onesComplementSum(each, 14, 34)).toBe(0xffff);
            const total = onesComplementSum(each, 34, each.length) + pseudo(tcpBytes);
            expect(total > 0xffff ? total - 0xffff : total).toBe(0xffff);
          });
        },
      ),
    );
  });

  it("needs a size and a payload", () => {
    const bytes = packet(new Uint8Array(0), 1);
    expect([...offload(bytes, CONTEXT, ALL)]).toHaveLength(1);
    expect([
      ...offload(packet(new Uint8Array(10), 1), { ...CONTEXT, segmentBytes: 0 }, ALL),
    ]).toHaveLength(1);
  });
});
