/** Interrupt messages that a guest programs into a chip or device (hypervisor interface, 7.9). */
import type { Cell } from "./cell.ts";
import { hex } from "./errno.ts";

export interface InterruptMessage {
  readonly vector: number;
  /** As in bits 10:8 of the ICR: 0 fixed, 1 lowest priority. */
  readonly deliveryMode: number;
  readonly logical: boolean;
  /** APIC id, or one bit a CPU if logical. */
  readonly destination: number;
}

export const FIXED = 0;
export const LOWEST_PRIORITY = 1;

const INTERRUPT_WINDOW = 0xfee;

/**
 * A device's message in the native format (PCI access moderation, 4.5).
 * @param address low 32 bits
 * @returns undefined if the address is not one of messages: then there is none
 */
export function nativeMessage(address: number, data: number): InterruptMessage | undefined {
  if (address >>> 20 !== INTERRUPT_WINDOW) return undefined;
  return {
    vector: data & 0xff,
    deliveryMode: (data >> 8) & 7,
    logical: (address & 4) !== 0,
    destination: (address >>> 12) & 0xff,
  };
}

/** What is wrong with a message that the cell wants delivered, or undefined. */
export function checkMessage(cell: Cell, message: InterruptMessage): string | undefined {
  if (message.deliveryMode > LOWEST_PRIORITY)
    return `delivery mode ${message.deliveryMode} is neither fixed nor lowest priority`;
  return checkDestination(cell, message);
}

/** Whether it stays in the cell. A logical destination may name CPUs beyond the cell only for root. */
export function checkDestination(
  cell: Cell,
  { logical, destination }: InterruptMessage,
): string | undefined {
  if (!logical)
    return cell.cpus.some((cpu) => cpu.index === destination)
      ? undefined
      : `APIC id ${destination} is not in cell "${cell.name}"`;
  const members = cell.cpus.reduce((mask, cpu) => mask | (1 << cpu.index), 0);
  return cell.isRoot || (destination & ~members) === 0
    ? undefined
    : `logical destination ${hex(destination)} reaches beyond cell "${cell.name}"`;
}
