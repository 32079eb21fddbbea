/** Requests of the person at the root cell, as data: they can be recorded, and made again. */
import type { CellConfig } from "../config/types.ts";
import type { Cell } from "../hypervisor/cell.ts";
import type { CellName, Hypervisor } from "../hypervisor/hypervisor.ts";
import type { Request } from "../hypervisor/request.ts";

export type ManagementRequest =
  | { readonly verb: "create"; readonly config: CellConfig }
  /** `set-loadable` is `cell shutdown`, and the first half of `cell load`. */
  | { readonly verb: "set-loadable" | "start" | "destroy"; readonly cell: CellName }
  | { readonly verb: "disable" };

/** Why a request is abandoned. */
export const NO_ANSWER = "every CPU of every cell is at rest: no answer can come";

/** A request on its way. */
export type Begun = Pick<Request<unknown>, "result" | "abandon">;

export type RequestOf<R extends ManagementRequest> = R extends { verb: "create" }
  ? Request<Cell>
  : Request<void>;

export function beginRequest<R extends ManagementRequest>(
  hypervisor: Hypervisor,
  request: R,
): RequestOf<R> {
  return begin(hypervisor, request) as RequestOf<R>;
}

function begin(hypervisor: Hypervisor, request: ManagementRequest): Request<Cell> | Request<void> {
  switch (request.verb) {
    case "create":
      return hypervisor.createCell(request.config);
    case "set-loadable":
      return hypervisor.setLoadable(request.cell);
    case "start":
      return hypervisor.startCell(request.cell);
    case "destroy":
      return hypervisor.destroyCell(request.cell);
    case "disable":
      return hypervisor.disable();
  }
}
