/**
 * The predicates of CMPxx (Intel SDM vol. 2, table 3-1) by their low 4 bits: of
 * each relation between the operands, bit p says whether predicate p holds.
 * Without VEX only the first eight can be named.
 */
export const EQUAL = 0b1010_0101_1010_0101;
export const LESS = 0b1001_0110_1001_0110;
export const GREATER = 0b1111_0000_1111_0000;
export const UNORDERED = 0b1000_0111_0111_1000;
/** Quiet NaNs are invalid operands, too; in the predicates from 16 on those of the others. */
export const SIGNALING = 0b0110_0110_0110_0110;
