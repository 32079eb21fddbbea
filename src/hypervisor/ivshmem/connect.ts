/** A cell gets its end of a link (1.1, 2.1): the checks, in their order, and what the console says. */
import { formatBdf } from "../../config/builders/devices.ts";
import type { PciDevice } from "../../config/types.ts";
import type { Cell } from "../cell.ts";
import type { Core } from "../core.ts";
import { hex, type Refusal, refuse } from "../errno.ts";
import { physicalWrite } from "../physical-access.ts";
import type { IvshmemDevice } from "./device.ts";
import { IvshmemLink } from "./link.ts";
import { IvshmemV1 } from "./v1.ts";
import { FIRST_OUTPUT, IvshmemV2, MAXIMUM_PEERS, STATE_TABLE, USUAL_PEERS } from "./v2.ts";

const V1_ENDS = 2;
const V2_VECTORS = 16;

export function connect(core: Core, cell: Cell, config: PciDevice): Refusal | undefined {
  core.console.print(`Adding virtual PCI device ${formatBdf(config.bdf)} to cell "${cell.name}"`);
  return core.release.ivshmem === 1 ? connectV1(core, cell, config) : connectV2(core, cell, config);
}

function connectV1(core: Core, cell: Cell, config: PciDevice): Refusal | undefined {
  const { memoryRegions } = cell.config;
  const { bdf, shmemRegionsStart } = config;
  const what = describe(cell, bdf);
  if (shmemRegionsStart >= memoryRegions.length)
    return refuse(
      "EINVAL",
      `${what}: shmem_region ${shmemRegionsStart}, but the cell has ${memoryRegions.length} memory regions`,
    );
  const existing = core.links.get(bdf);
  const peer = existing?.connected[0];
  if (existing !== undefined && existing.connected.length === V1_ENDS)
    return refuse("EBUSY", `${what}: both ends of the link are taken, ${takenBy(existing)}`);
  const disagreement = peer && disagreementV1(cell, config, peer);
  if (disagreement !== undefined) return refuse("EINVAL", `${what}: ${disagreement}`);
  const link = existing ?? openLink(core, bdf, V1_ENDS);
  if (link === undefined) return noMemory(what);
  const id = link.ends.indexOf(undefined);
  join(new IvshmemV1({ core, cell, config, link, id }));
  if (peer !== undefined)
    core.console.print(
      `Shared memory connection established: "${cell.name}" <--> "${peer.cell.name}"`,
    );
  return undefined;
}

/** Both ends must name the same memory and speak the same. */
function disagreementV1(cell: Cell, config: PciDevice, peer: IvshmemDevice): string | undefined {
  const own = cell.config.memoryRegions[config.shmemRegionsStart];
  const other = peer.cell.config.memoryRegions[peer.config.shmemRegionsStart];
  const its = `of cell "${peer.cell.name}"`;
  if (own.physStart !== other.physStart)
    return `shared memory at ${hex(own.physStart)}, that ${its} at ${hex(other.physStart)}`;
  if (own.size !== other.size)
    return `shared memory of ${hex(own.size)} bytes, that ${its} of ${hex(other.size)}`;
  if (config.shmemProtocol !== peer.config.shmemProtocol)
    return `protocol ${hex(config.shmemProtocol)}, that ${its} is ${hex(peer.config.shmemProtocol)}`;
  return undefined;
}

function connectV2(core: Core, cell: Cell, config: PciDevice): Refusal | undefined {
  const { memoryRegions } = cell.config;
  const { bdf, shmemRegionsStart, shmemPeers, shmemDevId: id, numMsixVectors } = config;
  const what = describe(cell, bdf);
  const needed = shmemRegionsStart + FIRST_OUTPUT + shmemPeers;
  if (needed > memoryRegions.length)
    return refuse(
      "EINVAL",
      `${what}: its ${FIRST_OUTPUT + shmemPeers} regions begin at ${shmemRegionsStart}, but the cell has ${memoryRegions.length} memory regions`,
    );
  if (numMsixVectors > V2_VECTORS)
    return refuse(
      "EINVAL",
      `${what}: ${numMsixVectors} MSI-X vectors, at most ${V2_VECTORS} exist`,
    );
  const ends = Math.min(Math.max(shmemPeers, USUAL_PEERS), MAXIMUM_PEERS);
  if (id >= ends)
    return refuse("EINVAL", `${what}: shmem_dev_id ${id}, the highest is ${ends - 1}`);
  const existing = core.links.get(bdf);
  const peers = existing?.connected ?? [];
  const holder = existing?.ends[id];
  if (holder !== undefined)
    return refuse("EBUSY", `${what}: shmem_dev_id ${id} is taken by cell "${holder.cell.name}"`);
  const link = existing ?? openLink(core, bdf, MAXIMUM_PEERS);
  if (link === undefined) return noMemory(what);
  if (existing === undefined && core.release.firstPeerClearsStates) {
    const table = Number(memoryRegions[shmemRegionsStart + STATE_TABLE].physStart);
    for (let peer = 0; peer < shmemPeers; peer++)
      physicalWrite(core.board, table + 4 * peer, 4, 0, 0);
  }
  join(new IvshmemV2({ core, cell, config, link, id }));
  if (peers.length > 0) {
    core.console.print("Shared memory connection established, peer cells:");
    for (const peer of peers) core.console.print(` "${peer.cell.name}"`);
  }
  return undefined;
}

function openLink(core: Core, bdf: number, ends: number): IvshmemLink | undefined {
  const page = core.pool.allocate(1);
  if (page === undefined) return undefined;
  const link = new IvshmemLink(bdf, page, ends);
  core.links.set(bdf, link);
  return link;
}

function join(device: IvshmemDevice): void {
  device.link.ends[device.id] = device;
  device.cell.pci.add(device);
  device.reset();
}

function describe(cell: Cell, bdf: number): string {
  return `cell "${cell.name}", shared-memory device ${formatBdf(bdf)}`;
}

function takenBy({ connected }: IvshmemLink): string {
  return connected.map(({ cell }) => `by cell "${cell.name}"`).join(" and ");
}

function noMemory(what: string): Refusal {
  return refuse("ENOMEM", `${what}: no free page of hypervisor memory for the link`);
}
