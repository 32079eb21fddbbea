/**
 * The pages of the hypervisor's own memory. What is counted here is what
 * HYPERVISOR_GET_INFO and the "Page pool usage" lines report.
 */
import { PAGE_SIZE } from "./memory-map.ts";

export class PagePool {
  /** Host-physical address of the first page. */
  readonly #start: number;
  /** 1: in use. */
  readonly #used: Uint8Array;
  #usedPages = 0;

  constructor(start: number, pages: number) {
    this.#start = start;
    this.#used = new Uint8Array(pages);
  }

  get size(): number {
    return this.#used.length;
  }

  get used(): number {
    return this.#usedPages;
  }

  /** Host-physical address of the lowest run of so many free pages, or undefined: out of memory. */
  allocate(pages: number): number | undefined {
    let run = 0;
    for (let page = 0; page < this.#used.length; page++) {
      run = this.#used[page] === 0 ? run + 1 : 0;
      if (run < pages) continue;
      const first = page + 1 - pages;
      this.#used.fill(1, first, page + 1);
      this.#usedPages += pages;
      return this.#start + first * PAGE_SIZE;
    }
    return undefined;
  }

  free(address: number, pages: number): void {
    const first = (address - this.#start) / PAGE_SIZE;
    this.#used.fill(0, first, first + pages);
    this.#usedPages -= pages;
  }
}

/** Pages that so many bytes take. */
export function pagesFor(bytes: number): number {
  return Math.ceil(bytes / PAGE_SIZE);
}
