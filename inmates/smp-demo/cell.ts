/** The cell of smp-demo on the q35 board. */
import { demoCell } from "../../src/config/index.ts";

export default demoCell("smp-demo");
