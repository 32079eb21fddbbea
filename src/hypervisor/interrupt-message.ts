/** Interrupt messages that a guest programs into a chip or device (hypervisor interface, 7.9). */
import type { Cell } from "./cell.ts";
import { hex } from "./errno.ts";

export interface InterruptMessage {
  readonly vector: number;
  /** 0 fixed, 1 lowest priority. */
  readonly deliveryMode: number;
  readonly logical: boolean;
  /** APIC id, or one bit a CPU if logical. */
  readonly destination: number;
}

const LOWEST_PRIORITY = 1;

/**
 * What is wrong with a message that the cell wants delivered, or undefined. A
 * logical destination may name CPUs beyond the cell only for root.
 */
export function checkMessage(cell: Cell, message: InterruptMessage): string | undefined {
  if (message.deliveryMode > LOWEST_PRIORITY)
    return `delivery mode ${message.deliveryMode} is neither fixed nor lowest priority`;
  const { destination } = message;
  if (!message.logical)
    return cell.cpus.some((cpu) => cpu.index === destination)
      ? undefined
      : `APIC id ${destination} is not in cell "${cell.name}"`;
  const members = cell.cpus.reduce((mask, cpu) => mask | (1 << cpu.index), 0);
  return cell.isRoot || (destination & ~members) === 0
    ? undefined
    : `logical destination ${hex(destination)} reaches beyond cell "${cell.name}"`;
}
