/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The turbine's controller: run-up, speed governor with droop and integral action, valve rate limits,
 * overspeed protection.
 */
#ifndef GOVERNOR_H
#define GOVERNOR_H

#include "signals.h"

struct governor {
    double speed_reference;
    double load_reference;
    double integral;
    double valve_demand;
    int tripped;
};

void governor_init(struct governor *governor);

/** One step of `dt` seconds. */
void governor_step(struct governor *governor, double dt, const struct operator_orders *orders,
                   const struct plant_signals *plant, const struct generator_signals *generator,
                   struct turbine_signals *signals);

#endif
