/* SPDX-License-Identifier: Apache-2.0 */
#include "generator.h"
#include "plantmath.h"

/* The exciter comes on near rated speed: below it the iron would saturate. */
#define EXCITE_ABOVE 0.95

/* Voltage of one phase from those along the rotor's axes (Park's transformation, backwards). */
static double phase_voltage(const struct plant_signals *plant, double angle)
{
    return plant->voltage_d * plant_sin(angle - PI / 2) + plant->voltage_q * plant_sin(angle);
}

void generator_init(struct generator *generator)
{
    excitation_init(&generator->excitation);
    synchroniser_init(&generator->synchroniser);
}

void generator_step(struct generator *g, double dt, const struct operator_orders *orders,
                    const struct plant_signals *plant, const struct turbine_signals *turbine,
                    struct generator_signals *signals)
{
    int on_load = plant->breaker > 0.5;
    int tripped = orders->trip > 0.5 || turbine->tripped > 0.5;
    int energised = !tripped && (on_load || plant->speed > EXCITE_ABOVE);
    /* on its own the plant keeps rated voltage; before closing it takes the bus's */
    double setpoint = on_load || plant->bus_voltage < 0.5 ? 1 : plant->bus_voltage + 0.01;
    double angle = plant->rotor_angle_rad;

    synchroniser_step(&g->synchroniser, dt, orders->synchronise > 0.5 && !tripped, plant, signals);
    signals->field_voltage = 
        excitation_step(&g->excitation, dt, energised, on_load, setpoint, plant);
    signals->phase_a = phase_voltage(plant, angle);
    signals->phase_b = phase_voltage(plant, angle - 2 * PI / 3);
    signals->phase_c = phase_voltage(plant, angle + 2 * PI / 3);
}
