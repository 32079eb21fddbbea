/**
 * Everything that the script of a scenario does to the machine, each thing at its moment. A run is
 * its scenario and these: with them it can be had again without the script, see replay.ts.
 */
import type { CellName } from "../hypervisor/hypervisor.ts";
import type { ManagementRequest } from "./management.ts";
import type { Ending } from "./report.ts";
import type { LinkAccess, Moment } from "./root-link.ts";
import type { Image } from "./scenario.ts";

export type UnplacedAction =
  /** A request begins; `text` is for people. */
  | { readonly kind: "request"; readonly text: string; readonly request: ManagementRequest }
  | {
      readonly kind: "load-image";
      readonly text: string;
      readonly cell: CellName;
      readonly image: Image;
    }
  /** The script's request of this number, from 0, waits no longer: nobody is left to answer. */
  | { readonly kind: "abandon"; readonly request: number }
  | { readonly kind: "print"; readonly text: string }
  /** The run is over. */
  | { readonly kind: "end"; readonly ended: Ending; readonly memoryHash: string };

export type RootAction = LinkAccess | ({ readonly moment: Moment } & UnplacedAction);
