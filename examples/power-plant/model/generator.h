/* SPDX-License-Identifier: Apache-2.0 */
/** @file The generator's controller: excitation, synchroniser, and the momentary voltages of the phases. */
#ifndef GENERATOR_H
#define GENERATOR_H

#include "excitation.h"
#include "signals.h"
#include "synchroniser.h"

struct generator {
    struct excitation excitation;
    struct synchroniser synchroniser;
};

void generator_init(struct generator *generator);

/** One step of `dt` seconds. */
void generator_step(struct generator *generator, double dt, const struct operator_orders *orders,
                    const struct plant_signals *plant, const struct turbine_signals *turbine,
                    struct generator_signals *signals);

#endif
