/** The bytes of a 32-bit number, as they lie in memory. */
export const dword = (value: number): number[] => [...new Uint8Array(Int32Array.of(value).buffer)];
