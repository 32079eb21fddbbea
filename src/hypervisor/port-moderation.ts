/** IN and OUT (hypervisor interface, 7.7): direct, to a moderated device, or against the rules. */
import type { PortRead, PortWrite } from "../engine/vcpu.ts";
import type { PortBus } from "../machine/port-bus.ts";
import type { Cpu } from "./cpu.ts";
import type { Violation } from "./mmio-dispatch.ts";
import { isPciPort } from "./pci-access.ts";
import { I8042_COMMAND } from "./port-permissions.ts";
import type { Release } from "./release.ts";
import { PIO } from "./statistics.ts";

/** Commands of the keyboard controller that would reset the machine or switch its A20 gate. */
const WRITE_OUTPUT_PORT = 0xd1;
const PULSE_OUTPUT_PORT = 0xf0;

const DIAGNOSTIC_PORT = 0x80;

/** Does the access, or returns the FATAL text of the rule it breaks. */
export function moderatePort(
  cpu: Cpu,
  exit: PortRead | PortWrite,
  ports: PortBus,
  release: Release,
): Violation | undefined {
  const { cell } = cpu;
  const { port, width } = exit;
  if (cell.ports.permits(port, width)) {
    access(cpu, exit, ports);
    return undefined;
  }
  cpu.statistics.count(PIO);
  if (!exit.string) {
    if (isPciPort(port)) return cell.pci.port(exit);
    if (port === I8042_COMMAND && cell.ports.i8042) return keyboardController(cpu, exit, ports);
    if (port === DIAGNOSTIC_PORT && width === 1 && release.port80Ignored) return undefined;
  }
  const direction = exit.kind === "port-read" ? "read" : "write";
  return `FATAL: Invalid PIO ${direction}, port: ${port.toString(16)} size: ${width}`;
}

/** The hardware: a serial port of the cell's own, else the machine's bus. */
function access({ cell }: Cpu, exit: PortRead | PortWrite, ports: PortBus): void {
  const bus = cell.uarts.has(exit.port) ? cell.uarts.bus : ports;
  if (exit.kind === "port-read") exit.value = bus.read(exit.port, exit.width);
  else bus.write(exit.port, exit.width, exit.value);
}

/** The text speaks of a write even for a read of the wrong size. */
function keyboardController(
  cpu: Cpu,
  exit: PortRead | PortWrite,
  ports: PortBus,
): Violation | undefined {
  const pulse =
    exit.kind === "port-write" &&
    (exit.value === WRITE_OUTPUT_PORT || (exit.value & PULSE_OUTPUT_PORT) === PULSE_OUTPUT_PORT);
  if (exit.width !== 1 || pulse) return "FATAL: Invalid write to i8042 controller port";
  access(cpu, exit, ports);
  return undefined;
}
