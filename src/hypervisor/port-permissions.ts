/** The I/O ports that a cell may access directly: what the I/O bitmap of a VMCS holds. */
import { deniedPorts, PORT_COUNT, permittedPorts } from "../config/ports.ts";
import type { PortRange } from "../config/types.ts";

/** Command port of the keyboard controller: never direct, see port-moderation. */
export const I8042_COMMAND = 0x64;

export class PortPermissions {
  /** Bit n % 8 of byte n / 8: port n is intercepted. */
  readonly #intercepted: Uint8Array;
  /** The configuration permits the keyboard controller's command port. */
  readonly i8042: boolean;
  /** Direct for every cell. */
  readonly #pmTimer: readonly PortRange[];

  /** @param pmTimer first of the four ports of the ACPI PM timer, 0 = none */
  constructor(ports: readonly PortRange[], pmTimer: number) {
    this.#pmTimer = pmTimer === 0 ? [] : [{ base: pmTimer, length: 4 }];
    this.#intercepted = deniedPorts(ports);
    this.i8042 = !this.#isIntercepted(I8042_COMMAND);
    this.#keepRules();
  }

  /** True if each port of the access is direct. */
  permits(port: number, width: number): boolean {
    for (let each = port; each < port + width; each++)
      if (this.#isIntercepted(each & (PORT_COUNT - 1))) return false;
    return true;
  }

  grant(ports: readonly PortRange[]): void {
    this.#set(ports, false);
    this.#keepRules();
  }

  revoke(ports: readonly PortRange[]): void {
    this.#set(ports, true);
    this.#keepRules();
  }

  /** The direct ports, for display. */
  ranges(): PortRange[] {
    return permittedPorts(this.#intercepted);
  }

  #keepRules(): void {
    this.#set([{ base: I8042_COMMAND, length: 1 }], true);
    this.#set(this.#pmTimer, false);
  }

  #isIntercepted(port: number): boolean {
    return (this.#intercepted[port >> 3] & (1 << (port & 7))) !== 0;
  }

  #set(ports: readonly PortRange[], intercepted: boolean): void {
    for (const { base, length } of ports)
      for (let port = base; port < Math.min(base + length, PORT_COUNT); port++)
        if (intercepted) this.#intercepted[port >> 3] |= 1 << (port & 7);
        else this.#intercepted[port >> 3] &= ~(1 << (port & 7));
  }
}

/** The ports in both lists: what goes back to root when a cell is destroyed. */
export function commonPorts(a: readonly PortRange[], b: readonly PortRange[]): PortRange[] {
  return a.flatMap((x) =>
    b.flatMap((y) => {
      const base = Math.max(x.base, y.base);
      const end = Math.min(x.base + x.length, y.base + y.length);
      return base < end ? [{ base, length: end - base }] : [];
    }),
  );
}
