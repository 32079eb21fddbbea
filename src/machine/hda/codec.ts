/**
 * A codec on the HD Audio link that plays into nothing: a root node, an audio function group, one
 * converter and one line-out pin (High Definition Audio Specification 1.0a, chapter 7).
 */

import type { Stateful } from "../device.ts";

const ROOT = 0;
const FUNCTION_GROUP = 1;
const CONVERTER = 2;
const PIN = 3;

/** Parameters (7.3.4), by node. */
const PARAMETERS: readonly Readonly<Record<number, number>>[] = [
  // root: vendor and device, revision, one function group from node 1
  { 0: 0x1af40011, 2: 0x00100101, 4: 0x00010001 },
  // function group: two widgets from node 2; audio; no delays; PCM 44.1 and 48 kHz, 16 bits; power states D0, D3
  {
    4: 0x00020002,
    5: 0x00000001,
    8: 0x00000000,
    10: 0x00020060,
    11: 0x00000001,
    15: 0x00000009,
  },
  // audio output: stereo, own format
  { 9: 0x00000011, 10: 0x00020060, 11: 0x00000001 },
  // pin: stereo, connected to one widget; output only
  { 9: 0x00400101, 12: 0x00000010, 14: 0x00000001 },
];

/** Line out, green jack at the rear, association 1. */
const PIN_DEFAULT = 0x01014010;
const SUBSYSTEM_ID = 0x1af40000;

/** Verbs with 16 bits of payload: identifier in bits 19:16. */
const SET_FORMAT = 0x2;
const SET_AMPLIFIER = 0x3;
const GET_FORMAT = 0xa;
const GET_AMPLIFIER = 0xb;
/** Verbs with 8 bits of payload: identifier in bits 19:8. What 7xx sets, Fxx gets. */
const GET_PARAMETER = 0xf00;
const GET_CONNECTION_LIST = 0xf02;
const FUNCTION_RESET = 0x7ff;
const GET_SUBSYSTEM_ID = 0xf20;
const GET_PIN_DEFAULT = 0xf1c;

/** Controls that hold a byte: power state, stream and channel, pin control, unsolicited enable, EAPD. */
const CONTROLS: Readonly<Record<number, readonly number[]>> = {
  5: [FUNCTION_GROUP, CONVERTER, PIN],
  6: [CONVERTER],
  7: [PIN],
  8: [PIN],
  12: [PIN],
};
const POWER_STATE = 5;
const PIN_CONTROL = 7;
const PIN_OUT_ENABLE = 0x40;

export interface HdaCodecState {
  format: number;
  controls: Uint8Array;
}

export class HdaCodec implements Stateful<HdaCodecState> {
  #format = 0;
  /** By node, 16 controls each. */
  readonly #controls = new Uint8Array(4 * 16);

  constructor() {
    this.reset();
  }

  reset(): void {
    this.#format = 0;
    this.#controls.fill(0);
    this.#controls[PIN * 16 + PIN_CONTROL] = PIN_OUT_ENABLE;
  }

  /** @param verb bits 27:0 of a command: node, verb and payload @returns the response */
  command(verb: number): number {
    const node = (verb >>> 20) & 0xff;
    if (node > PIN) return 0;
    const identifier = (verb >>> 16) & 0xf;
    if (identifier !== 0x7 && identifier !== 0xf)
      return this.#wide(node, identifier, verb & 0xffff);
    return this.#narrow(node, (verb >>> 8) & 0xfff, verb & 0xff);
  }

  save(): HdaCodecState {
    return { format: this.#format, controls: this.#controls.slice() };
  }

  load(state: HdaCodecState): void {
    this.#format = state.format;
    this.#controls.set(state.controls);
  }

  #wide(node: number, identifier: number, payload: number): number {
    if (node !== CONVERTER) return 0;
    if (identifier === SET_FORMAT) this.#format = payload;
    else if (identifier === GET_FORMAT) return this.#format;
    // no amplifier: gain is 0 and stays so
    else if (identifier === SET_AMPLIFIER || identifier === GET_AMPLIFIER) return 0;
    return 0;
  }

  #narrow(node: number, identifier: number, payload: number): number {
    switch (identifier) {
      case GET_PARAMETER:
        return PARAMETERS[node][payload] ?? 0;
      case GET_CONNECTION_LIST:
        return node === PIN && payload === 0 ? CONVERTER : 0;
      case GET_SUBSYSTEM_ID:
        return node === FUNCTION_GROUP ? SUBSYSTEM_ID : 0;
      case GET_PIN_DEFAULT:
        return node === PIN ? PIN_DEFAULT : 0;
      case FUNCTION_RESET:
        if (node === FUNCTION_GROUP || node === ROOT) this.reset();
        return 0;
      default:
        return this.#control(node, identifier, payload);
    }
  }

  #control(node: number, identifier: number, payload: number): number {
    const control = identifier & 0xff;
    if (!CONTROLS[control]?.includes(node)) return 0;
    const at = node * 16 + control;
    if (identifier >>> 8 === 0x7) {
      this.#controls[at] = payload;
      return 0;
    }
    const value = this.#controls[at];
    // a power state is asked for in bits 3:0 and reached at once: it shows in bits 7:4 too
    return control === POWER_STATE ? (value & 0xf) * 0x11 : value;
  }
}
