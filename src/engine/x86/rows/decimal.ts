import { row } from "../row.ts";

/** Decimal adjustment of packed and unpacked BCD; not in 64-bit mode. */

const LEGACY = { no64: true };
row("27", "DAA", (i) => i.helper("daa"), LEGACY);
row("2f", "DAS", (i) => i.helper("das"), LEGACY);
row("37", "AAA", (i) => i.helper("aaa"), LEGACY);
row("3f", "AAS", (i) => i.helper("aas"), LEGACY);
row("d4", "AAM Ib", (i) => i.helper("aam"), LEGACY);
row("d5", "AAD Ib", (i) => i.helper("aad"), LEGACY);
