/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The physics of one turbine and generator, and of the network they feed.
 *
 * Steam valve and steam chest, rotor swing equation, generator with one field winding, station load,
 * tie to a grid of constant voltage and frequency. Per unit of the machine's ratings, times in seconds.
 */
#ifndef PHYSICS_H
#define PHYSICS_H

#include "signals.h"

/** Rated angular frequency: 60 Hz, two poles, 3600 r/min. */
#define RATED_RAD_PER_S (2 * 3.14159265358979323846 * 60)

/** Where the set waits while it is warmed through: 1000 r/min. */
#define SOAK_SPEED (1000.0 / 3600.0)

struct physics {
    double time_s;
    double valve;         /**< position after the servomotor */
    double steam;         /**< mass flow through the turbine */
    double stop_valve;    /**< 0 to 1 */
    double speed;
    double rotor_angle_rad, grid_angle_rad;
    double field_flux;    /**< E'q: voltage behind the transient reactance */
    int breaker_closed;
    double breaker_due_s; /**< until its contacts follow the order; 0: they did */
    double kinetic_energy;/**< of the rotor; ratings times seconds */
};

/** Soaking at SOAK_SPEED, unexcited, breaker open. */
void physics_init(struct physics *physics);

/** One step of `dt` seconds under the controllers' commands; `signals` shows the state after it. */
void physics_step(struct physics *physics, double dt, const struct operator_orders *orders,
                  const struct turbine_signals *turbine, const struct generator_signals *generator,
                  struct plant_signals *signals);

#endif
