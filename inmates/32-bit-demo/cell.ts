/** The cell of 32-bit-demo on the q35 board. */
import { demoCell } from "../../src/config/index.ts";

export default demoCell("32-bit-demo");
