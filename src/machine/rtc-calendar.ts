/** The time registers of an MC146818 in either data mode, to and from seconds. */

/** Register B: DM binary, 24/12 hours. */
export const BINARY = 0x04;
export const HOURS_24 = 0x02;
const PM = 0x80;

/** Indices of the time registers, and where PCs keep the century. */
export const SECONDS = 0;
export const MINUTES = 2;
export const HOURS = 4;
export const WEEKDAY = 6;
export const DAY = 7;
export const MONTH = 8;
export const YEAR = 9;
export const CENTURY = 0x32;
export const TIME_REGISTERS = [
  SECONDS,
  MINUTES,
  HOURS,
  WEEKDAY,
  DAY,
  MONTH,
  YEAR,
  CENTURY,
] as const;

export function encode(value: number, registerB: number): number {
  return (registerB & BINARY) !== 0 ? value : (Math.floor(value / 10) << 4) | (value % 10);
}

export function decode(raw: number, registerB: number): number {
  return (registerB & BINARY) !== 0 ? raw : (raw >> 4) * 10 + (raw & 0xf);
}

/** In 12-hour mode 1..12, the top bit meaning p.m. */
export function encodeHour(hour: number, registerB: number): number {
  if ((registerB & HOURS_24) !== 0) return encode(hour, registerB);
  return encode(hour % 12 === 0 ? 12 : hour % 12, registerB) | (hour >= 12 ? PM : 0);
}

export function decodeHour(raw: number, registerB: number): number {
  if ((registerB & HOURS_24) !== 0) return decode(raw, registerB);
  return (decode(raw & ~PM, registerB) % 12) + ((raw & PM) !== 0 ? 12 : 0);
}

/** Write the registers for a moment in seconds since 1970. */
export function toRegisters(seconds: number, registerB: number, registers: Uint8Array): void {
  const date = new Date(seconds * 1000);
  const year = date.getUTCFullYear();
  registers[SECONDS] = encode(date.getUTCSeconds(), registerB);
  registers[MINUTES] = encode(date.getUTCMinutes(), registerB);
  registers[HOURS] = encodeHour(date.getUTCHours(), registerB);
  registers[WEEKDAY] = date.getUTCDay() + 1;
  registers[DAY] = encode(date.getUTCDate(), registerB);
  registers[MONTH] = encode(date.getUTCMonth() + 1, registerB);
  registers[YEAR] = encode(year % 100, registerB);
  registers[CENTURY] = encode(Math.floor(year / 100), registerB);
}

/** Seconds since 1970 that registers show. Days beyond a month's end run into the next month. */
export function fromRegisters(registers: Uint8Array, registerB: number): number {
  const field = (index: number) => decode(registers[index], registerB);
  const year = field(CENTURY) * 100 + field(YEAR);
  // not Date.UTC: that takes years below 100 for those of the twentieth century
  const midnight = new Date(0).setUTCFullYear(year, field(MONTH) - 1, field(DAY)) / 1000;
  const hour = decodeHour(registers[HOURS], registerB);
  return midnight + hour * 3600 + field(MINUTES) * 60 + field(SECONDS);
}

/** An alarm register from 0xc0 up matches anything. */
const DO_NOT_CARE = 0xc0;

/**
 * The first second after `after` at which the alarm registers match, or Infinity.
 * @param registers alarm values at 1 (seconds), 3 (minutes), 5 (hours)
 */
export function nextAlarm(after: number, registers: Uint8Array, registerB: number): number {
  const wanted = (raw: number, value: number) => (raw >= DO_NOT_CARE ? -1 : value);
  const second = wanted(registers[1], decode(registers[1], registerB));
  const minute = wanted(registers[3], decode(registers[3], registerB));
  const hour = wanted(registers[5], decodeHour(registers[5], registerB));
  if (second > 59 || minute > 59 || hour > 23) return Number.POSITIVE_INFINITY;
  let at = after + 1;
  const end = at + 86_400;
  while (at < end) {
    if (hour >= 0 && Math.floor(at / 3600) % 24 !== hour) at += 3600 - (at % 3600);
    else if (minute >= 0 && Math.floor(at / 60) % 60 !== minute) at += 60 - (at % 60);
    else if (second >= 0 && at % 60 !== second) at++;
    else return at;
  }
  return Number.POSITIVE_INFINITY;
}
