/** What a board gives to a PCI function that is plugged into it. */

import type { ApicBus } from "../apic-bus.ts";
import type { Clock } from "../clock.ts";
import type { MemoryBus } from "../memory-bus.ts";
import type { Bdf } from "../pci-host.ts";
import type { PortBus } from "../port-bus.ts";
import type { Dma } from "./dma.ts";
import type { PciInterruptRouter } from "./interrupt-router.ts";

export interface PciSlot {
  readonly bdf: Bdf;
  readonly clock: Clock;
  readonly memoryBus: MemoryBus;
  readonly portBus: PortBus;
  readonly apicBus: ApicBus;
  readonly interruptRouter: PciInterruptRouter;
  readonly dma: Dma;
}
