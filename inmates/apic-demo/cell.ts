/** The cell of apic-demo on the q35 board. */
import { demoCell } from "../../src/config/index.ts";

export default demoCell("apic-demo");
