/* SPDX-License-Identifier: Apache-2.0 */
#include "physics.h"
#include "plantmath.h"

/*
 * Generator: 555 MVA, 24 kV, power factor 0.9, 60 Hz, 3600 r/min; the machine of the examples in
 * P. Kundur, Power System Stability and Control (McGraw-Hill 1994), chapters 3, 4 and 12.
 */
#define XD 1.81
#define XQ 1.76
#define XD_TRANSIENT 0.30
#define RA 0.003
#define TD0_TRANSIENT 8.0
#define H 3.5
/* Torque of the damper windings against the grid; in example 12.2 a coefficient of 10. */
#define DAMPING 10.0

/*
 * Turbine without reheat, time constants within the ranges of: IEEE committee report, Dynamic models for
 * steam and hydro turbines in power system studies, IEEE Trans. PAS-92 (1973), 1904-1915.
 */
#define SERVO_S 0.1
#define STEAM_CHEST_S 0.2
/* Trip valves shut within a few tenths of a second. */
#define STOP_VALVE_S 0.15
/* Friction, windage and iron: about one per cent at rated speed, growing with its square (torque). */
#define LOSS 0.01

/* Step-up transformer (0.15) and line to the grid; the grid itself does not give way. */
#define TIE_REACTANCE 0.3
#define GRID_VOLTAGE 1.0
#define GRID_FREQUENCY 1.0
/* Reactive per active power of the station load, power factor 0.9 lagging. */
#define LOAD_TANGENT 0.4843

/* A breaker of five cycles: to close, and to open with the arc quenched. */
#define BREAKER_CLOSE_S 0.083
#define BREAKER_OPEN_S 0.05

struct complex {
    double re, im;
};

static struct complex divide(struct complex a, struct complex b)
{
    double square = b.re * b.re + b.im * b.im;

    return (struct complex){(a.re * b.re + a.im * b.im) / square, (a.im * b.re - a.re * b.im) / square};
}

/* What the generator sees behind its breaker: a voltage (the grid's angle is 0) behind an impedance. */
struct source {
    struct complex voltage, impedance;
    int dead; /* neither grid nor load */
};

static struct source network(const struct operator_orders *orders)
{
    double load = orders->station_load;
    double tie = orders->grid_tie > 0.5 ? 1 / TIE_REACTANCE : 0;
    struct complex admittance = {load, -load * LOAD_TANGENT - tie};

    if (load <= 0 && tie == 0)
        return (struct source){.dead = 1};
    return (struct source){
        .voltage = divide((struct complex){0, -tie * GRID_VOLTAGE}, admittance),
        .impedance = divide((struct complex){1, 0}, admittance),
    };
}

/* Voltage and current at the terminals, along the rotor's axes. */
struct terminals {
    double vd, vq, id, iq;
};

/* Stator and network are solved together: two equations for the two parts of the current. */
static struct terminals solve(const struct physics *p, const struct source *source, double delta)
{
    double sine = plant_sin(delta), cosine = plant_cos(delta);
    double ed = source->voltage.re * sine - source->voltage.im * cosine;
    double eq = source->voltage.re * cosine + source->voltage.im * sine;
    double r = RA + source->impedance.re;
    double xd = XD_TRANSIENT + source->impedance.im, xq = XQ + source->impedance.im;
    /* the stator's voltages are proportional to its frequency */
    double flux = p->field_flux * p->speed;
    double determinant = r * r + xd * xq;
    double id, iq;

    if (!p->breaker_closed || source->dead)
        return (struct terminals){.vq = flux};
    id = (xq * (flux - eq) - r * ed) / determinant;
    iq = (r * (flux - eq) + xd * ed) / determinant;
    return (struct terminals){
        .vd = XQ * iq - RA * id, .vq = flux - XD_TRANSIENT * id - RA * iq, .id = id, .iq = iq};
}

static void step_breaker(struct physics *p, double dt, int wanted)
{
    if (wanted == p->breaker_closed) {
        p->breaker_due_s = 0;
        return;
    }
    if (p->breaker_due_s <= 0)
        p->breaker_due_s = wanted ? BREAKER_CLOSE_S : BREAKER_OPEN_S;
    p->breaker_due_s -= dt;
    if (p->breaker_due_s <= 0)
        p->breaker_closed = wanted;
}

void physics_init(struct physics *physics)
{
    *physics = (struct physics){
        .speed = SOAK_SPEED,
        .stop_valve = 1,
        .kinetic_energy = H * SOAK_SPEED * SOAK_SPEED,
    };
}

void physics_step(struct physics *p, double dt, const struct operator_orders *orders,
                  const struct turbine_signals *turbine, const struct generator_signals *generator,
                  struct plant_signals *signals)
{
    struct source source = network(orders);
    double delta = wrap_angle(p->rotor_angle_rad - p->grid_angle_rad);
    struct terminals t;
    double torque, electrical, middle_speed, bus_angle;

    p->time_s += dt;
    step_breaker(p, dt, generator->breaker_close > 0.5);

    p->stop_valve += dt / STOP_VALVE_S * (clamp(turbine->stop_valve, 0, 1) - p->stop_valve);
    p->valve += dt / SERVO_S * (clamp(turbine->valve_demand, 0, 1) - p->valve);
    p->steam += dt / STEAM_CHEST_S * (p->valve * p->stop_valve - p->steam);

    t = solve(p, &source, delta);
    electrical = t.vd * t.id + t.vq * t.iq;
    p->field_flux += dt / TD0_TRANSIENT *
                     (generator->field_voltage - p->field_flux - (XD - XD_TRANSIENT) * t.id);

    /* The torque of given steam falls with speed, to nothing at about twice the rated one. */
    torque = p->steam * (2 - p->speed) - LOSS * p->speed * p->speed;
    if (p->breaker_closed && orders->grid_tie > 0.5)
        torque -= DAMPING * (p->speed - GRID_FREQUENCY);
    /* losses in the stator are the shaft's to bear as well */
    middle_speed = p->speed;
    if (p->speed > 0.01)
        torque -= (electrical + RA * (t.id * t.id + t.iq * t.iq)) / p->speed;
    p->speed += dt * torque / (2 * H);
    if (p->speed < 0)
        p->speed = 0;
    middle_speed = (middle_speed + p->speed) / 2;
    p->kinetic_energy = H * p->speed * p->speed;
    p->rotor_angle_rad = wrap_angle(p->rotor_angle_rad + dt * RATED_RAD_PER_S * middle_speed);
    p->grid_angle_rad = wrap_angle(p->grid_angle_rad + dt * RATED_RAD_PER_S * GRID_FREQUENCY);

    bus_angle = plant_atan2(source.voltage.im, source.voltage.re);
    *signals = (struct plant_signals){
        .time_s = p->time_s,
        .speed = p->speed,
        .valve = p->valve,
        .mechanical_power = p->steam * (2 - p->speed) * p->speed - LOSS * p->speed * p->speed * p->speed,
        .electrical_power = electrical,
        .reactive_power = t.vq * t.id - t.vd * t.iq,
        .voltage = plant_sqrt(t.vd * t.vd + t.vq * t.vq),
        .voltage_d = t.vd,
        .voltage_q = t.vq,
        .current = plant_sqrt(t.id * t.id + t.iq * t.iq),
        .rotor_angle_rad = p->rotor_angle_rad,
        .bus_voltage =
            plant_sqrt(source.voltage.re * source.voltage.re + source.voltage.im * source.voltage.im),
        .bus_frequency = GRID_FREQUENCY,
        .phase_rad = wrap_angle(wrap_angle(p->rotor_angle_rad - p->grid_angle_rad) - bus_angle),
        .breaker = p->breaker_closed,
    };
}
