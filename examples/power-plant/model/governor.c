/* SPDX-License-Identifier: Apache-2.0 */
#include "governor.h"
#include "physics.h"
#include "plantmath.h"

/* Speed falls by five per cent from no load to full load, the common setting. */
#define DROOP 0.05
/*
 * For a rotor of 2H = 7 s behind lags of 0.1 and 0.2 s: the loop crosses at 2.3 rad/s with about 50
 * degrees of phase margin, and the integral part is slower by a factor of ten.
 */
#define PROPORTIONAL 16.0
#define INTEGRAL 3.0
/* What accelerating by 1 per second takes at standstill: twice the inertia constant (see physics.c). */
#define ACCELERATION_TORQUE 7.0

/*
 * A valve closes far faster than it opens: 1.0 and 0.1 per second in the IEEE report of 1973 (see
 * physics.c). Opening is twice as fast here, so that a start is seen within seconds, not minutes;
 * the run-up's ramp is faster than a real machine's metal would bear for the same reason.
 */
#define OPENING_PER_S 0.2
#define CLOSING_PER_S 1.0
#define RUN_UP_PER_S 0.12
/* The last part of the run-up is a soft landing. */
#define LANDING_PER_S 1.2
/* The reference waits for a speed that cannot follow. */
#define REFERENCE_AHEAD 0.04
#define LOADING_PER_S 0.2

/* Trip at 110 % of rated speed. */
#define OVERSPEED 1.10

/* Towards `to`, by at most `step`. */
static double approach(double from, double to, double step)
{
    return from + clamp(to - from, -step, step);
}

void governor_init(struct governor *governor)
{
    *governor = (struct governor){.speed_reference = SOAK_SPEED};
}

void governor_step(struct governor *g, double dt, const struct operator_orders *orders,
                   const struct plant_signals *plant, const struct generator_signals *generator,
                   struct turbine_signals *signals)
{
    int on_load = plant->breaker > 0.5;
    double distance, ramp, error, wanted, limited;

    if (orders->trip > 0.5 || plant->speed > OVERSPEED)
        g->tripped = 1;

    distance = (orders->run > 0.5 ? 1 : SOAK_SPEED) - g->speed_reference;
    ramp = clamp(LANDING_PER_S * distance, -RUN_UP_PER_S, RUN_UP_PER_S);
    g->speed_reference += dt * ramp;
    if (!on_load && g->speed_reference > plant->speed + REFERENCE_AHEAD)
        g->speed_reference = plant->speed + REFERENCE_AHEAD;
    g->load_reference =
        on_load ? approach(g->load_reference, orders->load_reference, LOADING_PER_S * dt) : 0;

    /* The droop line: as much below the reference speed as the load is above the reference load. */
    error = g->speed_reference + (on_load ? 0 : generator->speed_bias) - plant->speed +
            (on_load ? DROOP * (g->load_reference - plant->electrical_power) : 0);
    /* what is known beforehand: steam for the load, and for the ramp where it meets less torque */
    wanted = g->load_reference + ACCELERATION_TORQUE * ramp / (2 - plant->speed) +
             PROPORTIONAL * error + g->integral;
    limited = clamp(wanted, g->valve_demand - CLOSING_PER_S * dt, g->valve_demand + OPENING_PER_S * dt);
    limited = clamp(limited, 0, 1);
    /* the integral part does not grow into what the valve cannot do */
    if (wanted == limited || (wanted > limited) == (error < 0))
        g->integral = clamp(g->integral + dt * INTEGRAL * error, 0, 1);
    if (g->tripped) {
        limited = 0;
        g->integral = 0;
    }
    g->valve_demand = limited;

    *signals = (struct turbine_signals){
        .valve_demand = limited,
        .stop_valve = !g->tripped,
        .speed_reference = g->speed_reference,
        .tripped = g->tripped,
    };
}
