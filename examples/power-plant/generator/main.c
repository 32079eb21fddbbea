/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The generator's controller: excitation, synchroniser and the phases' momentary voltages, 1000 times
 * a second.
 *
 * Command line: sse=0  forget to enable SSE. The first floating-point instruction then raises #UD; there
 *                      is no interrupt table yet, so that ends in a triple fault.
 */
#include "bus.h"
#include "cycle.h"
#include "generator.h"
#include "inmate.h"
#include "plantmath.h"

static struct generator generator;
static struct operator_orders orders;
static struct plant_signals plant;
static struct turbine_signals turbine;
static struct generator_signals own;

/* With a sign and three decimals, as printf knows no fractions. */
static const char *decimal(char text[16], double value)
{
    int thousandths = (int)(value * 1000 + (value < 0 ? -0.5 : 0.5));
    int size = thousandths < 0 ? -thousandths : thousandths;

    snprintf(text, 16, "%s%d.%03d", thousandths < 0 ? "-" : "", size / 1000, size % 1000);
    return text;
}

/* One line for each thing that happens. */
static void tell(void)
{
    static bool excited, closing, closed;
    char phase[16], slip[16];
    /* on load the field may be weakened to nothing for a moment */
    bool excites = own.field_voltage > 0 || plant.breaker > 0.5, closes = own.breaker_close > 0.5, is_closed = plant.breaker > 0.5;

    if (excites != excited)
        printf(excites ? "Exciter on\n" : "Exciter off\n");
    if (closes && !closing)
        printf("In step: phase %s degrees, slip %s Hz. Closing the breaker\n",
               decimal(phase, plant.phase_rad * 180 / PI),
               decimal(slip, (plant.speed - plant.bus_frequency) * 60));
    if (is_closed != closed)
        printf("Breaker is %s\n", is_closed ? "closed" : "open");
    excited = excites;
    closing = closes;
    closed = is_closed;
}

static void step(void)
{
    bus_latest(BUS_OPERATOR, &orders, sizeof orders);
    bus_latest(BUS_PLANT, &plant, sizeof plant);
    bus_latest(BUS_TURBINE, &turbine, sizeof turbine);
    generator_step(&generator, CYCLE_S, &orders, &plant, &turbine, &own);
    bus_publish(&own);
    tell();
}

void inmate_main(void)
{
    printf("Generator controller\n");
    if (cmdline_boolean("sse", true))
        inmate_enable_sse();
    generator_init(&generator);
    generator_step(&generator, CYCLE_S, &orders, &plant, &turbine, &own);
    interrupts_init();
    if (bus_open(BUS_GENERATOR, sizeof own))
        cycle_run(step);
    comm_set_state(CELL_FAILED);
}
