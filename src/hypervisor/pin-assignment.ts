/** IOAPIC pins change hands, with the interrupt-remapping entries that each cell needs for its own. */
import type { Cell } from "./cell.ts";
import type { Core } from "./core.ts";
import { hex, type Refusal, refuse } from "./errno.ts";
import type { IoapicView } from "./ioapic-moderation.ts";

const SOURCE_ID = 0xffff;

/** Entries for every pin of every chip that the cell lists. */
export function reservePins({ remapping }: Core, cell: Cell): Refusal | undefined {
  for (const [index, { id }] of cell.config.irqchips.entries()) {
    const { chip } = cell.ioapics[index];
    if (!remapping.reserve(cell, id & SOURCE_ID, chip.pins))
      return refuse(
        "E2BIG",
        `no ${chip.pins} free interrupt-remapping entries for the IOAPIC at ${hex(chip.address)}`,
      );
  }
  return undefined;
}

/** A new cell's pins leave root. */
export function takePins({ root, release }: Core, cell: Cell): void {
  for (const view of cell.ioapics) {
    const rootView = sameChip(root, view);
    if (rootView !== undefined)
      for (let word = 0; word < view.pins.length; word++) rootView.pins[word] &= ~view.pins[word];
    if (release.ioapic.maskedAtCreate) view.maskAll();
  }
}

/** A destroyed cell's pins are masked; those of root's configuration return to it. */
export function returnPins({ root }: Core, cell: Cell): void {
  for (const view of cell.ioapics) {
    view.maskAll();
    const rootView = sameChip(root, view);
    const configured = root.config.irqchips.find(
      ({ address }) => Number(address) === view.chip.address,
    );
    if (rootView === undefined || configured === undefined) continue;
    for (let word = 0; word < view.pins.length; word++)
      rootView.pins[word] |= view.pins[word] & configured.pinBitmap[word];
  }
}

function sameChip(cell: Cell, { chip }: IoapicView): IoapicView | undefined {
  return cell.ioapics.find((each) => each.chip === chip);
}
