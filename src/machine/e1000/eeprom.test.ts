import { describe, expect, it } from "vitest";
import { Eeprom } from "./eeprom.ts";

const MAC = Uint8Array.of(0x52, 0x54, 0x00, 0x12, 0x34, 0x56);
const eeprom = () =>
  new Eeprom({
    mac: MAC,
    vendor: 0x8086,
    device: 0x100e,
    subsystemVendor: 0x8086,
    subsystem: 0x1e,
  });

const REQUEST = 0x40;
const SELECT = 0x02;
const CLOCK = 0x01;

/** As a driver reads a 93C46 bit by bit. */
function readByBits(chip: Eeprom, address: number): number {
  chip.eecd = REQUEST;
  expect(chip.eecd & 0x80).toBe(0x80);
  const pulse = (bit: number) => {
    chip.eecd = REQUEST | SELECT | (bit << 2);
    chip.eecd = REQUEST | SELECT | (bit << 2) | CLOCK;
    const out = (chip.eecd >>> 3) & 1;
    chip.eecd = REQUEST | SELECT | (bit << 2);
    return out;
  };
  chip.eecd = REQUEST | SELECT;
  for (let n = 8; n >= 0; n--) pulse((((0b110 << 6) | address) >> n) & 1);
  // the chip shows a 0 before the word
  expect(chip.eecd & 8).toBe(0);
  let word = 0;
  for (let n = 0; n < 16; n++) word = (word << 1) | pulse(0);
  chip.eecd = REQUEST;
  return word;
}

describe("the EEPROM", () => {
  it("holds the address, and adds up to 0xbaba", () => {
    const { words } = eeprom();
    expect([...words.subarray(0, 3)]).toEqual([0x5452, 0x1200, 0x5634]);
    expect(words.reduce((sum, word) => (sum + word) & 0xffff, 0)).toBe(0xbaba);
  });

  it("is read by word, and by bit, with the same result", () => {
    const chip = eeprom();
    for (let address = 0; address < 64; address++) {
      chip.eerd = (address << 8) | 1;
      expect(chip.eerd & 0x10).toBe(0x10);
      expect(chip.eerd >>> 16).toBe(chip.words[address]);
      expect(readByBits(chip, address)).toBe(chip.words[address]);
    }
  });

  it("needs a start to read, and a grant to be clocked", () => {
    const chip = eeprom();
    chip.eerd = 0x0100;
    expect(chip.eerd).toBe(0);
    chip.eecd = SELECT | CLOCK;
    expect(chip.eecd & 0x83).toBe(0);
  });
});
