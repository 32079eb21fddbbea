/** The cell of tiny-demo on the q35 board. */
import { demoCell } from "../../src/config/index.ts";

export default demoCell("tiny-demo");
