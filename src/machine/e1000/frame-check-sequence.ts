/** The CRC-32 that ends an Ethernet frame (IEEE 802.3, 3.2.9). */

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) !== 0 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

/** @returns unsigned; its bytes follow the frame with the lowest first */
export function frameCheckSequence(frame: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of frame) crc = (crc >>> 8) ^ TABLE[(crc ^ byte) & 0xff];
  return ~crc >>> 0;
}
