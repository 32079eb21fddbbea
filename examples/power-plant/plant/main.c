/* SPDX-License-Identifier: Apache-2.0 */
/* The plant itself, in place of steam, steel and copper: its physics, 1000 steps a second. */
#include "bus.h"
#include "cycle.h"
#include "inmate.h"
#include "physics.h"

static struct physics physics;
static struct operator_orders orders = {.grid_tie = 1};
static struct turbine_signals turbine = {.stop_valve = 1};
static struct generator_signals generator;
static struct plant_signals own;

/* One line for each thing that happens. */
static void tell(void)
{
    static struct operator_orders before = {.grid_tie = 1};

    if (orders.station_load != before.station_load)
        printf("Station load: %d%%\n", (int)(orders.station_load * 100 + 0.5));
    if (orders.grid_tie != before.grid_tie)
        printf("Tie to the grid is %s\n", orders.grid_tie > 0.5 ? "closed" : "open: the plant is on its own");
    before = orders;
}

static void step(void)
{
    bus_latest(BUS_OPERATOR, &orders, sizeof orders);
    bus_latest(BUS_TURBINE, &turbine, sizeof turbine);
    bus_latest(BUS_GENERATOR, &generator, sizeof generator);
    physics_step(&physics, CYCLE_S, &orders, &turbine, &generator, &own);
    bus_publish(&own);
    tell();
}

void inmate_main(void)
{
    printf("Plant: 555 MVA, 3600 r/min, soaking at 1000 r/min\n");
    physics_init(&physics);
    interrupts_init();
    if (bus_open(BUS_PLANT, sizeof own))
        cycle_run(step);
    comm_set_state(CELL_FAILED);
}
