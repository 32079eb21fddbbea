/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The inmate library: what a program needs that has one cell, and nothing else, to itself.
 *
 * Each header is one concept and can be included by itself. An inmate defines inmate_main(); when it
 * returns, the CPU halts with interrupts disabled, and the cell's state stays what it is.
 */
#ifndef INMATE_H
#define INMATE_H

#include "inmate/cmdline.h"
#include "inmate/comm.h"
#include "inmate/console.h"
#include "inmate/cpu.h"
#include "inmate/hypercall.h"
#include "inmate/mmio.h"
#include "inmate/sse.h"
#include "inmate/string.h"
#ifdef __x86_64__
#include "inmate/apic.h"
#include "inmate/channel.h"
#include "inmate/interrupt.h"
#include "inmate/ivshmem.h"
#include "inmate/memory.h"
#include "inmate/pci.h"
#include "inmate/smp.h"
#include "inmate/time.h"
#endif

/** The inmate's own entry, on the boot CPU, interrupts disabled, no interrupt table installed. */
void inmate_main(void);

#endif
