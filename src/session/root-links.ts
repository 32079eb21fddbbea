/** Root's ends of links to other cells, by PCI address. */
import { formatBdf, parseBdf } from "../config/builders/devices.ts";
import type { PciDevice } from "../config/types.ts";
import type { Hypervisor } from "../hypervisor/hypervisor.ts";
import { type LinkAccess, type Machine, RootLinkEnd } from "./root-link.ts";
import { LinkError } from "./shared-section.ts";

export class RootLinks {
  readonly #hypervisor: Hypervisor;
  readonly #machine: Machine;
  readonly #observe: ((access: LinkAccess) => void) | undefined;
  readonly #open = new Map<number, RootLinkEnd>();

  constructor(
    hypervisor: Hypervisor,
    machine: Machine,
    observe: ((access: LinkAccess) => void) | undefined,
  ) {
    this.#hypervisor = hypervisor;
    this.#machine = machine;
    this.#observe = observe;
  }

  /** @throws LinkError, RangeError for an address that is none */
  open(address: string | undefined): RootLinkEnd {
    const bdf = address === undefined ? this.#onlyLink() : parseBdf(address);
    let link = this.#open.get(bdf);
    if (link === undefined) {
      const opened = this.#hypervisor.openRootLink(bdf);
      if (!opened.ok) throw new LinkError(`${opened.reason} (${opened.errno})`);
      link = new RootLinkEnd(opened.value, this.#machine, this.#observe);
      this.#open.set(bdf, link);
    }
    return link;
  }

  /** The only link of root that another cell has, too. */
  #onlyLink(): number {
    const { cells, rootLinks } = this.#hypervisor;
    const shared = rootLinks.flatMap((bdf) => {
      const names = cells
        .filter(({ isRoot, config }) => !isRoot && config.pciDevices.some(isLinkAt(bdf)))
        .map(({ name }) => `"${name}"`);
      return names.length === 0 ? [] : [{ bdf, names }];
    });
    if (shared.length === 1) return shared[0].bdf;
    const list = shared.map(({ bdf, names }) => `${formatBdf(bdf)} (${names.join(", ")})`);
    throw new LinkError(
      list.length === 0
        ? "no cell has a shared-memory device at a PCI address where root has one"
        : `root has links to cells at ${list.join(" and ")}: say which`,
    );
  }
}

const isLinkAt =
  (address: number) =>
  ({ type, bdf }: PciDevice): boolean =>
    type === "ivshmem" && bdf === address;
