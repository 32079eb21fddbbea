/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The generator's voltage regulator: proportional and integral, into a static exciter, with a
 * stabiliser that damps the swinging of the rotor against the grid.
 */
#ifndef EXCITATION_H
#define EXCITATION_H

#include "signals.h"

struct excitation {
    double measured_voltage;
    double voltage_reference;
    double integral;
    double slow_speed;     /**< what the stabiliser takes for the steady speed */
    double lead_speed;     /**< state of its lead-lag filter */
};

void excitation_init(struct excitation *excitation);

/**
 * One step of `dt` seconds.
 * @param energised the exciter is on; off, the field dies away by itself
 * @param on_load the breaker is closed: the stabiliser works
 * @param voltage_setpoint what the voltage at the terminals shall be
 * @return field voltage, 1 for rated voltage without load
 */
double excitation_step(struct excitation *excitation, double dt, int energised, int on_load,
                       double voltage_setpoint, const struct plant_signals *plant);

#endif
