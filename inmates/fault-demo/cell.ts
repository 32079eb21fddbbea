/** The cell of fault-demo on the q35 board. */
import { demoCell } from "../../src/config/index.ts";

export default demoCell("fault-demo");
