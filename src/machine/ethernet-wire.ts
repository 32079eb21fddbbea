/**
 * An Ethernet segment: what one station sends, every other receives, a fixed time later. Frames
 * begin with the destination address and end before the frame check sequence.
 */

import type { Clock, Timer } from "./clock.ts";
import type { Stateful } from "./device.ts";

export interface EthernetStation {
  /** The frame belongs to the wire: copy what is kept. */
  receive(frame: Uint8Array): void;
}

interface Transit {
  /** When its last byte arrives, nanoseconds since power-on. */
  readonly arrivesNs: number;
  readonly sender: number;
  readonly frame: Uint8Array;
}

/** Frames under way, earliest first. */
export type EthernetWireState = readonly Transit[];

/** One station's end of the wire. */
export interface EthernetPort {
  /** @param sentNs when the last byte leaves the station. The frame is copied. */
  send(frame: Uint8Array, sentNs: number): void;
}

export const DEFAULT_LATENCY_NS = 10_000;

export class EthernetWire implements Stateful<EthernetWireState> {
  readonly latencyNs: number;
  readonly #stations: EthernetStation[] = [];
  readonly #timer: Timer;
  readonly #clock: Clock;
  #transits: Transit[] = [];

  /** @param latencyNs from one station to any other */
  constructor(clock: Clock, latencyNs = DEFAULT_LATENCY_NS) {
    if (!(latencyNs >= 0 && Number.isFinite(latencyNs)))
      throw new RangeError(`an Ethernet wire's latency of ${latencyNs} ns is not a time`);
    this.latencyNs = latencyNs;
    this.#clock = clock;
    this.#timer = clock.timer(() => this.#arrive());
  }

  attach(station: EthernetStation): EthernetPort {
    const sender = this.#stations.push(station) - 1;
    return {
      send: (frame, sentNs) => {
        this.#depart({ arrivesNs: sentNs + this.latencyNs, sender, frame: frame.slice() });
      },
    };
  }

  save(): EthernetWireState {
    return this.#transits.map((transit) => ({ ...transit, frame: transit.frame.slice() }));
  }

  load(state: EthernetWireState): void {
    this.#transits = state.map((transit) => ({ ...transit, frame: transit.frame.slice() }));
    this.#arm();
  }

  /** Frames that arrive at the same time do so in the order in which they were sent. */
  #depart(transit: Transit): void {
    const transits = this.#transits;
    let at = transits.length;
    while (at > 0 && transits[at - 1].arrivesNs > transit.arrivesNs) at--;
    transits.splice(at, 0, transit);
    this.#arm();
  }

  #arrive(): void {
    const now = this.#clock.now;
    for (;;) {
      const [first] = this.#transits;
      if (first === undefined || first.arrivesNs > now) break;
      this.#transits.shift();
      this.#stations.forEach((station, n) => {
        if (n !== first.sender) station.receive(first.frame);
      });
    }
    this.#arm();
  }

  #arm(): void {
    this.#timer.arm(this.#transits[0]?.arrivesNs ?? Number.POSITIVE_INFINITY);
  }
}
