/** The cell of the power plant's plant on the q35 board. */
import { plantCell } from "../../../src/power-plant/cells.ts";

export default plantCell("plant");
