/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of arena_in_small_pages(), by number. */
#ifndef PAGING_H
#define PAGING_H

/* Makes a page another page of the arena. What the CPU has cached of it stays until it is forgotten. */
void point_small_page(unsigned page, unsigned arena_page);
void remove_small_page(unsigned page);
void forget_small_page(unsigned page);

#endif
