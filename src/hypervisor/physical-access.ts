/** Accesses that the hypervisor makes at a physical address on behalf of a guest. */
import type { Width } from "../engine/vcpu.ts";
import type { Board } from "../machine/board.ts";
import type { ReadResult } from "../machine/device.ts";

export function physicalRead(
  { memory, memoryBus }: Board,
  address: number,
  width: Width,
  result: ReadResult,
): void {
  if (address + width > memory.ramBytes) {
    memoryBus.read(address, width, result);
    return;
  }
  result.hi = 0;
  switch (width) {
    case 1:
      result.lo = memory.u8[address];
      break;
    case 2:
      result.lo = memory.view.getUint16(address, true);
      break;
    case 8:
      result.hi = memory.view.getUint32(address + 4, true);
      result.lo = memory.view.getUint32(address, true);
      break;
    default:
      result.lo = memory.view.getUint32(address, true);
  }
}

export function physicalWrite(
  { memory, memoryBus, vcpus }: Board,
  address: number,
  width: Width,
  lo: number,
  hi: number,
): void {
  if (address + width > memory.ramBytes) {
    memoryBus.write(address, width, lo, hi);
    return;
  }
  switch (width) {
    case 1:
      memory.u8[address] = lo;
      break;
    case 2:
      memory.view.setUint16(address, lo, true);
      break;
    case 8:
      memory.view.setUint32(address + 4, hi, true);
      memory.view.setUint32(address, lo, true);
      break;
    default:
      memory.view.setUint32(address, lo, true);
  }
  for (const vcpu of vcpus) vcpu.memoryChanged(address, width);
}
