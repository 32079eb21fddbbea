/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole plant as one ordinary program, 1000 steps a second, for tests:
 *
 *     closed_loop SECONDS [TIME MEMBER VALUE]...
 *
 * gives an order at each TIME (seconds, ascending) and prints CSV, a line for each 10 ms. With MEMBER
 * "open" the generator's breaker opens by itself, as by a protection relay, whatever its controller says.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../generator.h"
#include "../governor.h"
#include "../physics.h"

#define DT 0.001

static double *member(struct operator_orders *orders, const char *name)
{
    if (!strcmp(name, "run"))
        return &orders->run;
    if (!strcmp(name, "synchronise"))
        return &orders->synchronise;
    if (!strcmp(name, "load_reference"))
        return &orders->load_reference;
    if (!strcmp(name, "station_load"))
        return &orders->station_load;
    if (!strcmp(name, "grid_tie"))
        return &orders->grid_tie;
    if (!strcmp(name, "trip"))
        return &orders->trip;
    fprintf(stderr, "no order \"%s\"\n", name);
    exit(2);
}

int main(int count, char **words)
{
    struct physics physics;
    struct governor governor;
    struct generator generator;
    struct operator_orders orders = {.grid_tie = 1};
    struct plant_signals plant = {0};
    struct turbine_signals turbine = {.stop_valve = 1};
    struct generator_signals generator_signals = {0};
    int next = 2, open = 0;
    double balance = 0, losses = 0;

    if (count < 2 || (count - 2) % 3 != 0)
        return 2;
    physics_init(&physics);
    governor_init(&governor);
    generator_init(&generator);
    double initial_energy = physics.kinetic_energy;

    puts("time,speed,valve,mechanical,electrical,reactive,voltage,current,phase,breaker,field,tripped,"
         "in_step,a,b,c,kinetic,balance,losses");
    for (int step = 1; step <= atof(words[1]) / DT; step++) {
        for (; next + 2 < count && atof(words[next]) <= step * DT; next += 3) {
            if (!strcmp(words[next + 1], "open"))
                open = 1;
            else
                *member(&orders, words[next + 1]) = atof(words[next + 2]);
        }
        governor_step(&governor, DT, &orders, &plant, &generator_signals, &turbine);
        generator_step(&generator, DT, &orders, &plant, &turbine, &generator_signals);
        if (open)
            generator_signals.breaker_close = 0;
        physics_step(&physics, DT, &orders, &turbine, &generator_signals, &plant);
        balance += DT * (plant.mechanical_power - plant.electrical_power);
        losses += DT * 0.003 * plant.current * plant.current;
        if (step % 10 == 0)
            printf("%.3f,%.9g,%.9g,%.9g,%.9g,%.9g,%.9g,%.9g,%.9g,%g,%.9g,%g,%g,%.9g,%.9g,%.9g,%.9g,%.9g,%.9g\n",
                   plant.time_s, plant.speed, plant.valve, plant.mechanical_power, plant.electrical_power,
                   plant.reactive_power, plant.voltage, plant.current, plant.phase_rad, plant.breaker,
                   generator_signals.field_voltage, turbine.tripped, generator_signals.in_step,
                   generator_signals.phase_a, generator_signals.phase_b, generator_signals.phase_c,
                   physics.kinetic_energy - initial_energy, balance, losses);
    }
    return 0;
}
