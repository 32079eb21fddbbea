import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SharedSection } from "../shared-section.ts";
import { AREA, ENTRY, entryOffset, SLOT, slotBytes } from "./layout.ts";
import { anyBytes, type MessageOf, messageFormat } from "./message.ts";
import { ChannelReceiver, type Received } from "./receiver.ts";
import { type ChannelDescription, createChannels } from "./sender.ts";

const AREA_BYTES = 4096;

/** The memory, the side that writes it and the side that only reads it. */
function shared(content = new Uint8Array(AREA_BYTES)) {
  const view = new DataView(content.buffer);
  return {
    bytes: content,
    own: new SharedSection("output", { view }, true),
    others: new SharedSection("input", { view }, false),
  };
}

const bytesOf = (received: Received<Uint8Array> | undefined) =>
  received?.kind === "message" ? [...received.message] : received;

describe("channels", () => {
  it("carry messages in order, each channel its own", () => {
    const { own, others } = shared();
    const [fast, slow] = createChannels(
      own,
      { name: "fast", slots: 8, format: anyBytes(16) },
      { name: "slow", slots: 2, format: anyBytes(40) },
    );
    const fastIn = new ChannelReceiver(others, "fast", anyBytes(16));
    const slowIn = new ChannelReceiver(others, "slow", anyBytes(40));
    for (let n = 0; n < 5; n++) fast.send(Uint8Array.of(n));
    slow.send(new Uint8Array(0));
    expect([...fastIn.drain()].map(bytesOf)).toEqual([[0], [1], [2], [3], [4]]);
    expect([...slowIn.drain()].map(bytesOf)).toEqual([[]]);
    expect(fastIn.receive()).toBeUndefined();
  });

  it("show what a slow reader lost", () => {
    const { own, others } = shared();
    const [sender] = createChannels(own, { name: "c", slots: 4, format: anyBytes(8) });
    const receiver = new ChannelReceiver(others, "c", anyBytes(8));
    for (let n = 0; n < 3; n++) sender.send(Uint8Array.of(n));
    expect(receiver.receive()).toMatchObject({ sequence: 0, lost: 0 });
    for (let n = 3; n < 10; n++) sender.send(Uint8Array.of(n));
    expect(receiver.receive()).toEqual({
      kind: "message",
      sequence: 6,
      lost: 5,
      message: Uint8Array.of(6),
    });
    expect([...receiver.drain()]).toMatchObject([
      { sequence: 7, lost: 0 },
      { sequence: 8, lost: 0 },
      { sequence: 9, lost: 0 },
    ]);
    expect(receiver.lost).toBe(5);
  });

  it("give the newest message to who wants no other", () => {
    const { own, others } = shared();
    const [sender] = createChannels(own, { name: "c", slots: 4, format: anyBytes(8) });
    const receiver = new ChannelReceiver(others, "c", anyBytes(8));
    expect(receiver.receiveNewest()).toBeUndefined();
    for (let n = 0; n < 9; n++) sender.send(Uint8Array.of(n));
    expect(receiver.receiveNewest()).toMatchObject({ sequence: 8, lost: 0 });
    expect(receiver.receiveNewest()).toBeUndefined();
    for (let n = 9; n < 11; n++) sender.send(Uint8Array.of(n));
    expect(receiver.receive()).toMatchObject({ sequence: 9, lost: 0 });
    expect(receiver.lost).toBe(0);
    const late = new ChannelReceiver(others, "c", anyBytes(8));
    expect(late.receiveNewest()).toMatchObject({ sequence: 10, lost: 0 });
    expect(late.receive()).toBeUndefined();
  });

  it("a message that is being overwritten is lost, not torn", () => {
    const { own, others } = shared();
    const [sender] = createChannels(own, { name: "c", slots: 2, format: anyBytes(8) });
    const receiver = new ChannelReceiver(others, "c", anyBytes(8));
    for (let n = 0; n < 2; n++) sender.send(Uint8Array.of(n));
    // the writer has begun message 2 in the slot of message 0
    const directory = entryOffset(1);
    own.setBigUint64(directory + SLOT.stamp, 5n);
    own.setUint8(directory + SLOT.message, 0xff);
    expect(receiver.receive()).toMatchObject({ sequence: 1, lost: 1, message: Uint8Array.of(1) });
    expect(receiver.receive()).toBeUndefined();
  });

  it("a reader may be there first, and notices that the writer starts again", () => {
    const { own, others } = shared();
    const receiver = new ChannelReceiver(others, "c", anyBytes(8));
    expect(receiver.receive()).toBeUndefined();
    const [first] = createChannels(own, { name: "c", slots: 4, format: anyBytes(8) });
    first.send(Uint8Array.of(1));
    expect(bytesOf(receiver.receive())).toEqual([1]);
    const [second] = createChannels(own, { name: "c", slots: 4, format: anyBytes(8) });
    second.send(Uint8Array.of(2));
    expect(receiver.receive()).toEqual({ kind: "restarted" });
    expect(bytesOf(receiver.receive())).toEqual([2]);
  });

  it("a late reader begins with the oldest message that is still there", () => {
    const { own, others } = shared();
    const [sender] = createChannels(own, { name: "c", slots: 4, format: anyBytes(8) });
    for (let n = 0; n < 6; n++) sender.send(Uint8Array.of(n));
    expect(new ChannelReceiver(others, "c", anyBytes(8)).receive()).toMatchObject({
      sequence: 2,
      lost: 2,
    });
  });

  it.each<[string, () => unknown, RegExp]>([
    [
      "no name",
      () => ({ name: "", slots: 1, format: anyBytes(8) }),
      /channel name "": must be 1 to 31/,
    ],
    [
      "no slots",
      () => ({ name: "c", slots: 0, format: anyBytes(8) }),
      /"c", slots 0: must be 1 to 65536/,
    ],
    [
      "no room",
      () => ({ name: "c", slots: 99, format: anyBytes(80) }),
      /"c" need 9632 bytes.*has 4096/,
    ],
  ])("refuse %s", (_what, description, message) => {
    const { own } = shared();
    const channel = description() as ChannelDescription<Uint8Array>;
    expect(() => createChannels(own, channel)).toThrow(message);
  });

  it("refuse a message that is too long", () => {
    const [sender] = createChannels(shared().own, { name: "c", slots: 1, format: anyBytes(8) });
    expect(() => sender.send(new Uint8Array(9))).toThrow(/9 bytes: channel "c" takes at most 8/);
  });
});

const Sample = messageFormat("sample", {
  flag: "u8",
  speed: "f64",
  small: "u16",
  time: "u64",
  phase: ["f32", 3],
  name: { text: 5 },
  last: "i8",
});

describe("typed messages", () => {
  const sample: MessageOf<typeof Sample> = {
    flag: 200,
    speed: Math.PI,
    small: 65535,
    time: 2n ** 63n,
    phase: [0, -1.5, 0.25],
    name: "pump",
    last: -7,
  };

  it("are what was sent", () => {
    const { own, others } = shared();
    const [sender] = createChannels(own, { name: "c", slots: 4, format: Sample });
    sender.send(sample);
    const receiver = new ChannelReceiver(others, "c", Sample);
    expect(receiver.receive()).toMatchObject({ kind: "message", message: sample });
  });

  it("of another size are reported, once", () => {
    const { own, others } = shared();
    createChannels(own, { name: "c", slots: 4, format: anyBytes(24) });
    const receiver = new ChannelReceiver(others, "c", Sample);
    expect(receiver.receive()).toEqual({
      kind: "garbage",
      reason: 'channel "c": messages have 24 bytes, the format "sample" has 56',
    });
    expect(receiver.receive()).toBeUndefined();
  });
});

describe("a peer that writes garbage", () => {
  const corruptions: [string, (own: SharedSection) => void, RegExp][] = [
    [
      "a count that goes back",
      (own) => own.setBigUint64(entryOffset(0) + ENTRY.written, 1n),
      /went back from 2 to 1/,
    ],
    [
      "an impossible count",
      (own) => own.setBigUint64(entryOffset(0) + ENTRY.written, 2n ** 64n - 1n),
      /says 1844\d+ messages/,
    ],
    [
      "a count ahead of the slots",
      (own) => own.setBigUint64(entryOffset(0) + ENTRY.written, 3n),
      /slot 2 of message 2 has stamp 0 instead of 6/,
    ],
  ];
  it.each(corruptions)("%s", (_what, corrupt, reason) => {
    const { own, others } = shared();
    const [sender] = createChannels(own, { name: "c", slots: 4, format: anyBytes(8) });
    const receiver = new ChannelReceiver(others, "c", anyBytes(8));
    for (let n = 0; n < 2; n++) sender.send(Uint8Array.of(n));
    expect([...receiver.drain()]).toHaveLength(2);
    corrupt(own);
    expect(receiver.receive()).toMatchObject({
      kind: "garbage",
      reason: expect.stringMatching(reason),
    });
    expect(receiver.garbage).toBe(1);
  });

  it.each<[string, number, number, RegExp]>([
    ["a version", AREA.version, 7, /version 7, this side speaks 1/],
    ["slots beyond the area", entryOffset(0) + ENTRY.slots, 5000, /5000 slots of 8 bytes/],
    ["a ring beyond the area", entryOffset(0) + ENTRY.offset, 0xfff0, /at 65520/],
    ["an odd ring", entryOffset(0) + ENTRY.offset, 129, /slots at 129/],
    ["another name", entryOffset(0) + ENTRY.name, 0x7a7a, /none of the 1 channels/],
  ])("%s in the directory", (_what, offset, value, reason) => {
    const { own, others } = shared();
    createChannels(own, { name: "c", slots: 4, format: anyBytes(8) });
    own.setUint16(offset, value);
    const received = new ChannelReceiver(others, "c", anyBytes(8)).receive();
    expect(received).toMatchObject({ kind: "garbage", reason: expect.stringMatching(reason) });
  });

  it("a length beyond the channel is reported, and the next message read", () => {
    const { own, others } = shared();
    const [sender] = createChannels(own, { name: "c", slots: 4, format: anyBytes(8) });
    for (let n = 0; n < 2; n++) sender.send(Uint8Array.of(n));
    own.setUint32(entryOffset(1) + SLOT.length, 9);
    const results = [...new ChannelReceiver(others, "c", anyBytes(8)).drain()];
    expect(results).toMatchObject([{ kind: "garbage" }, { kind: "message", sequence: 1 }]);
  });

  it("anything at all", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1024, maxLength: 1024 }),
        fc.boolean(),
        (noise, plausible) => {
          const { bytes, own, others } = shared();
          if (plausible) createChannels(own, { name: "c", slots: 4, format: anyBytes(8) });
          const receiver = new ChannelReceiver(others, "c", anyBytes(8));
          receiver.receive();
          for (let round = 0; round < 4; round++) {
            bytes.set(noise.subarray(256 * round), (round % 2) * (AREA.BYTES + 24));
            for (const received of receiver.drain(50))
              if (received.kind === "message") expect(received.message.length).toBeLessThan(9);
          }
        },
      ),
    );
  });
});

const root = resolve(import.meta.dirname, "../../..");
const noCompiler = spawnSync("gcc", ["--version"]).error !== undefined;

describe.skipIf(noCompiler)("the C library's side, as a native program (needs gcc)", () => {
  let folder = "";
  let program = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "gaoler-channels-"));
    program = join(folder, "peer");
    const sources = ["src/session/channels/testing/channel-peer.c", "inmates/lib/src/channel.c"];
    const compile = (...options: string[]) =>
      spawnSync(
        "gcc",
        [...options, "-std=gnu11", "-O1", "-g", "-Iinmates/lib/include", ...sources, "-o", program],
        { cwd: root, encoding: "utf8" },
      );
    // the sanitizers' libraries are not everywhere
    const sanitized = compile("-fsanitize=address,undefined", "-fno-sanitize-recover=all");
    const { status, stderr } = sanitized.status === 0 ? sanitized : compile();
    expect(stderr).toBe("");
    expect(status).toBe(0);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** One answer a command. */
  function peer(commands: readonly string[]): string[] {
    const { status, stdout, stderr } = spawnSync(program, {
      input: `${commands.join("\n")}\n`,
      encoding: "utf8",
      maxBuffer: 2 ** 28,
    });
    expect(stderr).toBe("");
    expect(status).toBe(0);
    return stdout.trimEnd().split("\n");
  }
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
  const fromHex = (text: string) => Uint8Array.from(Buffer.from(text, "hex"));

  it("has structs of the same sizes, and C's layout of typed messages", () => {
    expect(peer(["layout"])[0].split(" ").map(Number)).toEqual([
      AREA.BYTES,
      ENTRY.BYTES,
      slotBytes(0),
      ...Object.values(Sample.offsets),
      Sample.bytes,
    ]);
  });

  const message = fc.uint8Array({ maxLength: 24 });

  it("writes the same bytes", () => {
    fc.assert(
      fc.property(
        fc.array(message, { maxLength: 9 }),
        fc.integer({ min: 1, max: 5 }),
        (sent, slots) => {
          const { own, bytes } = shared();
          const [, sender] = createChannels(
            own,
            { name: "other", slots: 2, format: anyBytes(12) },
            { name: "c", slots, format: anyBytes(24) },
          );
          for (const each of sent) sender.send(each);
          const answers = peer([
            `create other:2:12 c:${slots}:24`,
            ...sent.map((each) => `send 1 ${each.length === 0 ? "-" : hex(each)}`),
            "area",
          ]);
          expect(hex(bytes)).toBe(answers.at(-1));
        },
      ),
      { numRuns: 20 },
    );
  });

  it("refuses what this side refuses", () => {
    expect(peer(["create c:0:8", "create :1:8", "create c:99:80", "create c:1:8"])).toEqual([
      ...["refused", "refused", "refused"],
      "ok",
    ]);
    expect(peer(["create c:1:2", "send 0 010203"])[1]).toBe("refused");
  });

  /** Steps of a writer: messages sent, then bytes damaged; after each the reader takes what it can. */
  const damage = fc.record({
    at: fc.oneof(fc.integer({ min: AREA.BYTES, max: 400 }), fc.integer({ min: 128, max: 160 })),
    value: fc.integer({ min: 0, max: 255 }),
  });
  const step = fc.record({
    sent: fc.array(message, { maxLength: 7 }),
    damage: fc.array(damage, { maxLength: 2 }),
    newest: fc.boolean(),
  });

  it("reads the same out of the same memory, whole or damaged", () => {
    const RECEIVES = 8;
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 6 }), (steps) => {
        const { own, others, bytes } = shared();
        const [sender] = createChannels(own, { name: "c", slots: 4, format: anyBytes(24) });
        const receiver = new ChannelReceiver(others, "c", anyBytes(24));
        receiver.receive();
        const commands = [`set ${hex(bytes)}`, "open c"];
        const here: string[] = [];
        for (const { sent, damage, newest } of steps) {
          for (const each of sent) sender.send(each);
          for (const { at, value } of damage) bytes[at] = value;
          commands.push(`set ${hex(bytes)}`);
          for (let n = 0; n < RECEIVES; n++) {
            commands.push(newest ? "newest" : "receive");
            const received = newest ? receiver.receiveNewest() : receiver.receive();
            here.push(
              received?.kind === "message"
                ? `message ${receiver.lost} ${hex(received.message)}`
                : (received?.kind ?? "empty"),
            );
          }
        }
        const there = peer(commands).filter((answer) => answer !== "ok");
        expect(there[0]).toBe("message");
        // this side reports what stays wrong only once
        const quiet = there
          .slice(1)
          .map((answer, n) =>
            answer === "garbage" && there[n] === "garbage" && here[n] === "empty"
              ? "empty"
              : answer,
          );
        expect(here).toEqual(quiet);
      }),
      { numRuns: 60 },
    );
  });

  it("survives anything at all", () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 300, maxLength: 300 }), {
          minLength: 5,
          maxLength: 20,
        }),
        (noises) => {
          const { own, bytes } = shared();
          createChannels(own, { name: "c", slots: 4, format: anyBytes(8) });
          const good = bytes.slice();
          const commands = noises.flatMap((noise, index) => {
            const area = good.slice();
            area.set(noise, [0, 4, AREA.BYTES + 32, 128][index % 4]);
            const then = fromHex(hex(good));
            then.set(noise, 112 + index);
            return [
              `set ${hex(area)}`,
              "open c",
              `set ${hex(good)}`,
              "open c",
              `set ${hex(then)}`,
            ].concat(["receive", "receive", "receive", "receive", "receive"]);
          });
          const answers = peer(commands);
          expect(answers).toHaveLength(commands.length);
        },
      ),
      { numRuns: 10 },
    );
  });
});
