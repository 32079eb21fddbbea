/**
 * What the controller does to packets on their way out when a context descriptor has told it where
 * their headers are (3.3.6, 3.5): insert checksums, cut a large TCP or UDP payload into segments.
 */

export interface OffloadContext {
  /** Where the IP checksum starts, where it goes, and its last byte (0: the packet's last). */
  ipStart: number;
  ipOffset: number;
  ipEnd: number;
  /** The same of TCP or UDP. */
  tcpStart: number;
  tcpOffset: number;
  tcpEnd: number;
  /** Segmentation: bytes of the headers, and of the payload of each segment. */
  headerBytes: number;
  segmentBytes: number;
  isTcp: boolean;
  isIpv4: boolean;
}

/** What the first data descriptor of a packet asks for. */
export interface OffloadRequest {
  segment: boolean;
  ipChecksum: boolean;
  tcpChecksum: boolean;
}

export const NO_CONTEXT: OffloadContext = {
  ipStart: 0,
  ipOffset: 0,
  ipEnd: 0,
  tcpStart: 0,
  tcpOffset: 0,
  tcpEnd: 0,
  headerBytes: 0,
  segmentBytes: 0,
  isTcp: false,
  isIpv4: false,
};

/** Fields of the headers. */
const IP4_LENGTH = 2;
const IP4_IDENTIFICATION = 4;
const IP6_LENGTH = 4;
const IP6_HEADER_BYTES = 40;
const TCP_SEQUENCE = 4;
const TCP_FLAGS = 13;
const TCP_FIN_PUSH = 0x09;
const UDP_LENGTH = 4;

/** Ones' complement sum of big-endian words, folded. */
export function onesComplementSum(bytes: Uint8Array, start: number, end: number): number {
  let sum = 0;
  for (let n = start; n < end; n++) sum += ((n - start) & 1) === 0 ? bytes[n] << 8 : bytes[n];
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return sum;
}

/**
 * Put the inverted sum of `start` to `last` (0: to the end), which includes what the field holds,
 * into two bytes at `offset`. A field outside the packet is left out.
 */
export function insertChecksum(
  packet: Uint8Array,
  start: number,
  offset: number,
  last: number,
): void {
  if (offset + 2 > packet.length || start > packet.length) return;
  const end = last === 0 ? packet.length : Math.min(last + 1, packet.length);
  const sum = ~onesComplementSum(packet, start, end);
  packet[offset] = sum >> 8;
  packet[offset + 1] = sum;
}

/** The packets that a packet becomes. */
export function* offload(
  packet: Uint8Array,
  context: OffloadContext,
  request: OffloadRequest,
): Generator<Uint8Array> {
  for (const segment of request.segment ? segments(packet, context) : [packet]) {
    if (request.ipChecksum)
      insertChecksum(segment, context.ipStart, context.ipOffset, context.ipEnd);
    if (request.tcpChecksum)
      insertChecksum(segment, context.tcpStart, context.tcpOffset, context.tcpEnd);
    yield segment;
  }
}

/** Without a size to cut to, or without payload, the packet stays as it is. */
function* segments(packet: Uint8Array, context: OffloadContext): Generator<Uint8Array> {
  const { headerBytes, segmentBytes } = context;
  if (segmentBytes === 0 || headerBytes >= packet.length) {
    yield packet;
    return;
  }
  for (let at = headerBytes, index = 0; at < packet.length; at += segmentBytes, index++) {
    const end = Math.min(at + segmentBytes, packet.length);
    const segment = new Uint8Array(headerBytes + end - at);
    segment.set(packet.subarray(0, headerBytes));
    segment.set(packet.subarray(at, end), headerBytes);
    adjustHeaders(segment, context, index, end === packet.length);
    yield segment;
  }
}

function adjustHeaders(
  segment: Uint8Array,
  context: OffloadContext,
  index: number,
  isLast: boolean,
): void {
  const { ipStart, tcpStart, tcpOffset, isIpv4, isTcp, segmentBytes } = context;
  const ipBytes = segment.length - ipStart;
  if (isIpv4) {
    put16(segment, ipStart + IP4_LENGTH, ipBytes);
    put16(segment, ipStart + IP4_IDENTIFICATION, get16(segment, ipStart + 4) + index);
  } else put16(segment, ipStart + IP6_LENGTH, ipBytes - IP6_HEADER_BYTES);
  const tcpBytes = segment.length - tcpStart;
  if (isTcp) {
    const at = tcpStart + TCP_SEQUENCE;
    const sequence = get16(segment, at) * 0x10000 + get16(segment, at + 2) + index * segmentBytes;
    put16(segment, at, Math.floor(sequence / 0x10000));
    put16(segment, at + 2, sequence);
    if (!isLast && tcpStart + TCP_FLAGS < segment.length)
      segment[tcpStart + TCP_FLAGS] &= ~TCP_FIN_PUSH;
  } else put16(segment, tcpStart + UDP_LENGTH, tcpBytes);
  // software has summed the pseudo header up, all but the length
  const sum = get16(segment, tcpOffset) + tcpBytes;
  put16(segment, tcpOffset, (sum & 0xffff) + (sum >>> 16));
}

function get16(bytes: Uint8Array, at: number): number {
  return at + 2 <= bytes.length ? (bytes[at] << 8) | bytes[at + 1] : 0;
}

function put16(bytes: Uint8Array, at: number, value: number): void {
  if (at + 2 > bytes.length) return;
  bytes[at] = value >> 8;
  bytes[at + 1] = value;
}
