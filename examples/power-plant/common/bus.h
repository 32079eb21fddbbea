/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The plant's bus: one shared-memory link (ivshmem version 2) with an end for each controller and one
 * for the operator. An end publishes its record as messages of the channel "signals" in its output
 * section; the others take the newest.
 */
#ifndef BUS_H
#define BUS_H

#include <stdbool.h>
#include <stddef.h>

#include "signals.h"

/**
 * Connects this cell as end `self`, and announces it. After interrupts_init().
 *
 * @param record_size bytes of what it publishes
 * @return false if the cell has no such device; that is printed
 */
bool bus_open(enum bus_end self, size_t record_size);

/** Publishes a record of the size given to bus_open(). */
void bus_publish(const void *record);

/**
 * Takes the newest record of another end; leaves `record` alone if there is none, so that a controller
 * goes on with what it heard last. A record of the wrong size is garbage, and left alone too. The
 * operator gives an order now and then only, and rings: without that nothing is looked for.
 */
void bus_latest(enum bus_end end, void *record, size_t record_size);

#endif
