/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PAGING_H
#define PAGING_H

/* Makes a page of arena_in_small_pages() another page of the arena. */
void point_small_page(unsigned page, unsigned arena_page);

#endif
