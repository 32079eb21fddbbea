/* SPDX-License-Identifier: Apache-2.0 */
/* Segment selectors, in the order that SYSCALL and SYSRET ask for (Intel SDM vol. 2, SYSRET). */
#ifndef SELECTORS_H
#define SELECTORS_H

#define SELECTOR_KERNEL_CODE 0x08
#define SELECTOR_KERNEL_DATA 0x10
#define SELECTOR_SYSRET_BASE 0x18
#define SELECTOR_USER_CODE (0x28 | 3)

#endif
