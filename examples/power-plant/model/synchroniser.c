/* SPDX-License-Identifier: Apache-2.0 */
#include "synchroniser.h"
#include "plantmath.h"

/*
 * A generator bears without inspection: 10 degrees, 0.067 Hz, and a voltage 0 to 5 % above that of the
 * bus (IEEE Std C50.12 and C50.13). Half a per cent below it is let pass, as no meter is exact.
 */
#define PHASE_LIMIT_RAD (10 * PI / 180)
#define FREQUENCY_LIMIT (0.067 / 60)
#define VOLTAGE_BELOW 0.005
#define VOLTAGE_ABOVE 0.05
/* Not a chance meeting. */
#define STEADY_S 0.2

/* Speed asked for per radian of phase to be made up, at most; and a little faster than the bus, so that
 * the machine begins by delivering power. */
#define BIAS_PER_RAD 0.0016
#define BIAS_LIMIT 0.003
#define BIAS_AHEAD 0.0003

static double magnitude(double x)
{
    return x < 0 ? -x : x;
}

void synchroniser_init(struct synchroniser *synchroniser)
{
    *synchroniser = (struct synchroniser){0};
}

struct synchronism synchronism_check(const struct plant_signals *plant)
{
    double above = plant->voltage - plant->bus_voltage;

    return (struct synchronism){
        .frequency_good = magnitude(plant->speed - plant->bus_frequency) < FREQUENCY_LIMIT,
        .phase_good = magnitude(plant->phase_rad) < PHASE_LIMIT_RAD,
        .voltage_good = above > -VOLTAGE_BELOW && above < VOLTAGE_ABOVE,
    };
}

void synchroniser_step(struct synchroniser *s, double dt, int wanted, const struct plant_signals *plant,
                       struct generator_signals *signals)
{
    struct synchronism now = synchronism_check(plant);
    int in_step = now.frequency_good && now.phase_good && now.voltage_good;

    s->in_step_s = in_step ? s->in_step_s + dt : 0;
    s->closed = wanted && (s->closed || s->in_step_s >= STEADY_S);
    signals->in_step = in_step;
    signals->breaker_close = s->closed;
    signals->speed_bias =
        wanted ? clamp(-BIAS_PER_RAD * plant->phase_rad, -BIAS_LIMIT, BIAS_LIMIT) + BIAS_AHEAD : 0;
}
