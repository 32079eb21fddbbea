/* SPDX-License-Identifier: Apache-2.0 */
/* Control registers (Intel SDM vol. 3, 2.5), and what is in them when a CPU is in long mode. */
#ifndef CONTROL_H
#define CONTROL_H

#define CR0_PE (1 << 0)
#define CR0_MP (1 << 1)
#define CR0_NE (1 << 5)
#define CR0_WP (1 << 16)
#define CR0_PG (1 << 31)
#define CR4_PAE (1 << 5)
#define CR4_OSFXSR (1 << 9)
#define CR4_OSXMMEXCPT (1 << 10)

#define MSR_EFER 0xc0000080
#define EFER_SCE (1 << 0)
#define EFER_LME (1 << 8)

#define CR0_LONG_MODE (CR0_PE | CR0_MP | CR0_NE | CR0_WP | CR0_PG)
#define CR4_LONG_MODE (CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT)
#define EFER_LONG_MODE (EFER_LME | EFER_SCE)

#endif
