/**
 * A peer that writes garbage into shared memory, also while it is being read: the reader of channels
 * never throws or loops, gives possible messages only, and finds back once the peer writes properly.
 */
import {
  anyBytes,
  ChannelReceiver,
  createChannels,
  messageFormat,
} from "../../src/session/channels/index.ts";
import { SharedSection } from "../../src/session/shared-section.ts";
import { Random } from "./random.ts";
import type { Target } from "./worker.ts";

const Sample = messageFormat("sample", { number: "u32", value: "f64" });
const SMALL = anyBytes(24);
const AREA_BYTES = 1024;
/** Where numbers decide: header, directory, and the first slots. */
const TENDER_BYTES = 320;

export const target: Target = {
  run(seed, number) {
    const random = new Random(seed, number);
    const bytes = new Uint8Array(AREA_BYTES);
    let intrude = false;
    const damage = (): void => {
      const at = random.below(random.below(4) === 0 ? AREA_BYTES : TENDER_BYTES);
      bytes[at] = random.below(2) === 0 ? random.below(4) : random.u32();
    };
    const memory = {
      view: new DataView(bytes.buffer),
      accessed: () => {
        if (intrude && random.below(8) === 0) damage();
      },
    };
    const section = new SharedSection("garbage", memory, true);
    const slots = 1 + random.below(4);
    const layOut = () =>
      createChannels(
        section,
        { name: "samples", slots, format: Sample },
        { name: "bytes", slots, format: SMALL },
      );
    const readers = [
      new ChannelReceiver(section, "samples", Sample),
      new ChannelReceiver(section, "bytes", SMALL),
    ] as const;
    let garbage = 0;
    const drain = (): unknown[] =>
      readers.flatMap((reader) => {
        const received = [...reader.drain(100)];
        for (const each of received)
          if (each.kind === "garbage") garbage++;
          else if (each.kind === "message" && !(each.lost >= 0 && each.sequence >= 0))
            throw new Error(`message ${each.sequence} after ${each.lost} lost`);
          else if (each.kind === "message" && each.message instanceof Uint8Array)
            if (each.message.length > 24) throw new Error(`${each.message.length} bytes`);
        return received.map((each) => (each.kind === "message" ? each.message : each.kind));
      });

    if (random.below(4) === 0) random.fill(bytes);
    let [samples, raw] = layOut();
    for (let step = random.below(12); step > 0; step--) {
      intrude = false;
      for (let sent = random.below(6); sent > 0; sent--) {
        samples.send({ number: sent, value: 1 / sent });
        raw.send(new Uint8Array(random.below(25)));
      }
      for (let edit = random.below(6); edit > 0; edit--) damage();
      intrude = random.below(2) === 0;
      drain();
    }

    intrude = false;
    [samples, raw] = layOut();
    drain();
    samples.send({ number: 4711, value: Math.PI });
    raw.send(Uint8Array.of(1, 2, 3));
    const last = JSON.stringify(drain());
    if (last !== JSON.stringify([{ number: 4711, value: Math.PI }, Uint8Array.of(1, 2, 3)]))
      throw new Error(`after a new start the reader gets ${last}`);
    return garbage > 0 ? "reported" : "unharmed";
  },
};
