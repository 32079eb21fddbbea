/* SPDX-License-Identifier: Apache-2.0 */
#include "excitation.h"
#include "plantmath.h"

/* Time constant of the voltage's measurement: Kundur (see physics.c), example 12.3. */
#define MEASUREMENT_S 0.01
/*
 * The field's time constant is 8 s; with a gain of 40 the voltage follows within a few tenths of a second.
 * The integral part takes the remaining 1/40 of an error away.
 */
#define PROPORTIONAL 40.0
#define INTEGRAL 10.0
/* Ceiling of the exciter. It has thyristors only for one direction. */
#define CEILING 5.0
/* From no voltage to rated voltage in two seconds. */
#define BUILD_UP_PER_S 0.5

/*
 * A fast regulator alone makes the rotor swing: what it does to the torque comes a quarter of a swing
 * too late. The stabiliser adds to the voltage in time with the speed; Kundur, example 12.4.
 */
#define STABILISER_GAIN 9.5
#define WASHOUT_S 1.41
#define LEAD_S 0.154
#define LAG_S 0.033
#define STABILISER_LIMIT 0.05

void excitation_init(struct excitation *excitation)
{
    *excitation = (struct excitation){0};
}

static double stabiliser(struct excitation *e, double dt, int on_load, double speed)
{
    double change, output;

    if (!on_load) {
        e->slow_speed = speed;
        e->lead_speed = 0;
        return 0;
    }
    e->slow_speed += dt / WASHOUT_S * (speed - e->slow_speed);
    change = STABILISER_GAIN * (speed - e->slow_speed);
    e->lead_speed += dt / LAG_S * (change - e->lead_speed);
    output = e->lead_speed + LEAD_S / LAG_S * (change - e->lead_speed);
    return clamp(output, -STABILISER_LIMIT, STABILISER_LIMIT);
}

double excitation_step(struct excitation *e, double dt, int energised, int on_load,
                       double voltage_setpoint, const struct plant_signals *plant)
{
    double error, wanted, limited;

    e->measured_voltage += dt / MEASUREMENT_S * (plant->voltage - e->measured_voltage);
    if (!energised) {
        e->voltage_reference = e->measured_voltage;
        e->integral = 0;
        return 0;
    }
    e->voltage_reference +=
        clamp(voltage_setpoint - e->voltage_reference, -BUILD_UP_PER_S * dt, BUILD_UP_PER_S * dt);
    error = e->voltage_reference - e->measured_voltage + stabiliser(e, dt, on_load, plant->speed);
    wanted = PROPORTIONAL * error + e->integral;
    limited = clamp(wanted, 0, CEILING);
    /* at a limit the integral part stays where it is */
    if (limited == wanted)
        e->integral += dt * INTEGRAL * error;
    return limited;
}
