/* SPDX-License-Identifier: Apache-2.0 */
/* The turbine's controller: speed governor and overspeed protection, 1000 times a second. */
#include "bus.h"
#include "cycle.h"
#include "governor.h"
#include "inmate.h"

static struct governor governor;
static struct operator_orders orders;
static struct plant_signals plant;
static struct generator_signals generator;
static struct turbine_signals own;

static int rpm(void)
{
    return (int)(plant.speed * 3600 + 0.5);
}

/* One line for each thing that happens. */
static void tell(void)
{
    static bool running, rated, tripped;

    if (orders.run > 0.5 && !running)
        printf("Running up from %d r/min\n", rpm());
    if (!rated && plant.speed > 0.995)
        printf("Rated speed: %d r/min\n", rpm());
    if (own.tripped > 0.5 && !tripped)
        printf("TRIP by %s at %d r/min: stop valve shuts\n", orders.trip > 0.5 ? "the operator" : "overspeed", rpm());
    running = orders.run > 0.5;
    rated = rated || plant.speed > 0.995;
    tripped = own.tripped > 0.5;
}

static void step(void)
{
    bus_latest(BUS_OPERATOR, &orders, sizeof orders);
    bus_latest(BUS_PLANT, &plant, sizeof plant);
    bus_latest(BUS_GENERATOR, &generator, sizeof generator);
    governor_step(&governor, CYCLE_S, &orders, &plant, &generator, &own);
    bus_publish(&own);
    tell();
}

void inmate_main(void)
{
    printf("Turbine controller\n");
    governor_init(&governor);
    interrupts_init();
    if (bus_open(BUS_TURBINE, sizeof own))
        cycle_run(step);
    comm_set_state(CELL_FAILED);
}
