/** Root's end of the plant's bus: gives orders, and reads the instruments. */

import type { MessageFormat } from "../session/channels/message.ts";
import { ChannelReceiver } from "../session/channels/receiver.ts";
import { type ChannelSender, createChannels } from "../session/channels/sender.ts";
import type { RootLinkEnd } from "../session/root-link.ts";
import {
  BUS_CHANNEL,
  BUS_END,
  type Controller,
  FORMATS,
  ORDERS_FORMAT,
  type Orders,
  type Sample,
} from "./signals.ts";

/** Orders are few, and only the newest counts. */
const ORDER_SLOTS = 4;

export class ControlRoom {
  readonly #bus: RootLinkEnd;
  readonly #sender: ChannelSender<Orders>;
  readonly #plant: Latest<NonNullable<Sample["plant"]>>;
  readonly #turbine: Latest<NonNullable<Sample["turbine"]>>;
  readonly #generator: Latest<NonNullable<Sample["generator"]>>;
  #orders: Orders;

  /** @param orders until others are given */
  constructor(bus: RootLinkEnd, orders: Orders) {
    this.#bus = bus;
    [this.#sender] = createChannels(bus.output, {
      name: BUS_CHANNEL,
      slots: ORDER_SLOTS,
      format: ORDERS_FORMAT,
    });
    const latest = <T>(end: Controller, format: MessageFormat<T>) =>
      new Latest(new ChannelReceiver(bus.input(BUS_END[end]), BUS_CHANNEL, format));
    this.#plant = latest("plant", FORMATS.plant);
    this.#turbine = latest("turbine", FORMATS.turbine);
    this.#generator = latest("generator", FORMATS.generator);
    this.#orders = orders;
    this.order({});
  }

  /** Changes some of what is ordered, and rings every controller. */
  order(change: Partial<Orders>): void {
    this.#orders = { ...this.#orders, ...change };
    this.#sender.send(this.#orders);
    for (const { id } of this.#bus.peers) this.#bus.ring(0, id);
  }

  /** What the instruments show now. Reading disturbs nothing. */
  sample(timeS: number): Sample {
    return {
      timeS,
      plant: this.#plant.take(),
      turbine: this.#turbine.take(),
      generator: this.#generator.take(),
    };
  }
}

/** Of a channel whose older messages are of no interest. */
class Latest<T> {
  readonly #receiver: ChannelReceiver<T>;
  #newest: T | undefined;

  constructor(receiver: ChannelReceiver<T>) {
    this.#receiver = receiver;
  }

  /** undefined: there was never a message. Garbage is passed over. */
  take(): T | undefined {
    const received = this.#receiver.receiveNewest();
    if (received?.kind === "message") this.#newest = received.message;
    return this.#newest;
  }
}
