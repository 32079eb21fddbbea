/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * What goes over the plant's bus. Each end publishes one of these records in its output section, a
 * thousand times a second (the operator: when an order is given); the others only read it.
 *
 * All members are doubles, in per unit of the machine unless said otherwise; switches are 0 or 1.
 * The operator's side reads this file's order of members too (a test compares them).
 */
#ifndef SIGNALS_H
#define SIGNALS_H

/** Ends of the bus. */
enum bus_end {
    BUS_OPERATOR = 0,
    BUS_PLANT = 1,
    BUS_TURBINE = 2,
    BUS_GENERATOR = 3,
    BUS_ENDS = 4,
};

/** From the root cell: what the person in the control room wants. */
struct operator_orders {
    double run;            /**< run the turbine up and hold its speed */
    double synchronise;    /**< bring the generator to the bus and close its breaker */
    double load_reference; /**< power to deliver at rated speed */
    double station_load;   /**< conductance of the load on the bus: its power at rated voltage */
    double grid_tie;       /**< the tie from the bus to the grid is closed */
    double trip;           /**< stop at once; stays until the cells are started again */
};

/** From the plant: what its instruments show. */
struct plant_signals {
    double time_s;
    double speed;
    double valve;            /**< control valve, 1: fully open */
    double mechanical_power; /**< of the turbine at the shaft, losses taken off */
    double electrical_power;
    double reactive_power;
    double voltage;          /**< at the generator's terminals */
    double voltage_d;        /**< its parts along the rotor's axes */
    double voltage_q;
    double current;
    double rotor_angle_rad;  /**< electrical angle of the rotor, for the three phases */
    double bus_voltage;      /**< of the bus on the far side of the breaker, as if it were open */
    double bus_frequency;
    double phase_rad;        /**< by how much the generator's voltage leads the bus, breaker open */
    double breaker;
};

/** From the turbine's controller. */
struct turbine_signals {
    double valve_demand;
    double stop_valve; /**< 1: open */
    double speed_reference;
    double tripped;
};

/** From the generator's controller. */
struct generator_signals {
    double field_voltage;
    double breaker_close;  /**< the breaker shall be closed */
    double speed_bias;     /**< what the synchroniser asks of the turbine's speed */
    double in_step;        /**< frequency, phase and voltage permit closing */
    double phase_a;        /**< momentary voltages, amplitude 1 at rated voltage */
    double phase_b;
    double phase_c;
};

#endif
