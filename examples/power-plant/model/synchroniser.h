/* SPDX-License-Identifier: Apache-2.0 */
/** @file Brings the generator into step with the bus, and lets the breaker close only then. */
#ifndef SYNCHRONISER_H
#define SYNCHRONISER_H

#include "signals.h"

struct synchroniser {
    double in_step_s; /**< for how long every condition has held */
    int closed;       /**< the order to close was given */
};

void synchroniser_init(struct synchroniser *synchroniser);

/** What stands in the way of closing. */
struct synchronism {
    int frequency_good, phase_good, voltage_good;
};

/** The check itself, on what the instruments show now. */
struct synchronism synchronism_check(const struct plant_signals *plant);

/**
 * One step of `dt` seconds.
 * @param wanted the operator wants the breaker closed
 * @param signals gets breaker_close, in_step and speed_bias
 */
void synchroniser_step(struct synchroniser *synchroniser, double dt, int wanted,
                       const struct plant_signals *plant, struct generator_signals *signals);

#endif
