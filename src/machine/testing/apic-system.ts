/** Local APICs on a bus with a clock, and a log of what reaches the CPUs, for tests. */

import { ApicBus } from "../apic-bus.ts";
import { Clock } from "../clock.ts";
import { LocalApic } from "../local-apic.ts";

export function apicSystem(ids: number[], frequencies: { busHz?: number; tscHz?: number } = {}) {
  const clock = new Clock();
  const log: string[] = [];
  const bus = new ApicBus({
    nmi: (cpu) => log.push(`nmi ${cpu}`),
    init: (cpu) => log.push(`init ${cpu}`),
    sipi: (cpu, vector) => log.push(`sipi ${cpu} ${vector.toString(16)}`),
    wake: () => {},
  });
  const apics = ids.map((id) => new LocalApic({ id, clock, bus, ...frequencies }));
  return { clock, bus, apics, log };
}

/** Software-enable with spurious vector 0xff. */
export function enable(...apics: LocalApic[]): void {
  for (const apic of apics) apic.writeRegister(0x0f, 0x1ff);
}

/** Enter x2APIC mode. */
export function enterX2apic(...apics: LocalApic[]): void {
  for (const apic of apics) apic.apicBase = apic.apicBase + 0x400;
}

/** Take every deliverable interrupt, highest first, ending each at once. */
export function drain(apic: LocalApic): number[] {
  const vectors: number[] = [];
  while (apic.pending() >= 0) {
    vectors.push(apic.acknowledge());
    apic.writeRegister(0x0b, 0);
  }
  return vectors;
}
