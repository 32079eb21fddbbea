/**
 * PCMPESTRI and its kin (Intel SDM vol. 2, 4.1). Control byte: bit 0 words
 * instead of bytes, bit 1 signed, bits 3:2 aggregation, bits 5:4 polarity,
 * bit 6 last index, or expanded mask.
 */
export interface Comparison {
  /** IntRes2: a bit for each element of the second operand. */
  result: number;
  /** Elements: 8 or 16. */
  count: number;
}

/** An operand: its elements and how many of them are valid. */
export interface Text {
  readonly elements: number[];
  length: number;
}

export function elementsOf(view: DataView, at: number, control: number): number[] {
  const words = (control & 1) !== 0;
  const signed = (control & 2) !== 0;
  const elements: number[] = [];
  for (let k = 0; k < (words ? 8 : 16); k++) {
    if (words)
      elements.push(signed ? view.getInt16(at + 2 * k, true) : view.getUint16(at + 2 * k, true));
    else elements.push(signed ? view.getInt8(at + k) : view.getUint8(at + k));
  }
  return elements;
}

/** Length up to the first zero element. */
export function implicitLength(elements: readonly number[]): number {
  const end = elements.indexOf(0);
  return end < 0 ? elements.length : end;
}

/** Whether element j of `second` satisfies the aggregation, before polarity (IntRes1). */
function matches(first: Text, second: Text, j: number, aggregation: number): boolean {
  const value = second.elements[j] as number;
  const isValid = j < second.length;
  const count = first.elements.length;
  switch (aggregation) {
    case 0: // equal any
      return isValid && first.elements.some((element, i) => i < first.length && element === value);
    case 1: // ranges
      for (let i = 0; i + 1 < first.length; i += 2)
        if (
          isValid &&
          value >= (first.elements[i] as number) &&
          value <= (first.elements[i + 1] as number)
        )
          return true;
      return false;
    case 2: // equal each
      return isValid === j < first.length && (!isValid || value === first.elements[j]);
    default: // equal ordered
      for (let i = 0; i + j < count && i < first.length; i++)
        if (j + i >= second.length || second.elements[j + i] !== first.elements[i]) return false;
      return true;
  }
}

export function compareStrings(first: Text, second: Text, control: number): Comparison {
  const count = second.elements.length;
  const polarity = (control >> 4) & 3;
  let result = 0;
  for (let j = 0; j < count; j++) {
    const holds = matches(first, second, j, (control >> 2) & 3);
    const negated = polarity === 1 || (polarity === 3 && j < second.length);
    if (holds !== negated) result |= 1 << j;
  }
  return { result, count };
}
