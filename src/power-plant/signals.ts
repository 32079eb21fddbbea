/** The records of the plant's bus, as `examples/power-plant/model/signals.h` has them. */
import { type MessageFormat, messageFormat } from "../session/channels/message.ts";

/** Ends of the bus. */
export const BUS_END = { operator: 0, plant: 1, turbine: 2, generator: 3 } as const;
export type Controller = Exclude<keyof typeof BUS_END, "operator">;

export const BUS_CHANNEL = "signals";

type Doubles<Name extends string> = { readonly [K in Name]: number };

/** A C struct of doubles. */
const doubles = <const Name extends string>(
  name: string,
  fields: readonly Name[],
): MessageFormat<Doubles<Name>> =>
  messageFormat(
    name,
    Object.fromEntries(fields.map((field) => [field, "f64"])),
  ) as unknown as MessageFormat<Doubles<Name>>;

const ORDERS = [
  "run",
  "synchronise",
  "load_reference",
  "station_load",
  "grid_tie",
  "trip",
] as const;

const SIGNALS = {
  plant: [
    "time_s",
    "speed",
    "valve",
    "mechanical_power",
    "electrical_power",
    "reactive_power",
    "voltage",
    "voltage_d",
    "voltage_q",
    "current",
    "rotor_angle_rad",
    "bus_voltage",
    "bus_frequency",
    "phase_rad",
    "breaker",
  ],
  turbine: ["valve_demand", "stop_valve", "speed_reference", "tripped"],
  generator: [
    "field_voltage",
    "breaker_close",
    "speed_bias",
    "in_step",
    "phase_a",
    "phase_b",
    "phase_c",
  ],
} as const;

/** What the person in the control room wants. */
export type Orders = Doubles<(typeof ORDERS)[number]>;
export const ORDERS_FORMAT = doubles("operator_orders", ORDERS);

export const FORMATS = {
  plant: doubles("plant_signals", SIGNALS.plant),
  turbine: doubles("turbine_signals", SIGNALS.turbine),
  generator: doubles("generator_signals", SIGNALS.generator),
};

export type PlantSignals = Doubles<(typeof SIGNALS.plant)[number]>;
export type TurbineSignals = Doubles<(typeof SIGNALS.turbine)[number]>;
export type GeneratorSignals = Doubles<(typeof SIGNALS.generator)[number]>;

/** The newest of each controller at one moment; undefined: it never said anything. */
export interface Sample {
  /** Virtual time since the plant was started. */
  readonly timeS: number;
  readonly plant: PlantSignals | undefined;
  readonly turbine: TurbineSignals | undefined;
  readonly generator: GeneratorSignals | undefined;
}

/** Ratings: what a per-unit value is a part of. */
export const RATED = { powerMva: 555, voltageKv: 24, speedRpm: 3600, frequencyHz: 60 } as const;

/** The physics' own time is not exported: each sample has one. */
const PLANT_NAMES = SIGNALS.plant.slice(1);

/** Every signal by name, in the order of the files that are exported. */
export const SIGNAL_NAMES = [
  "time_s",
  ...PLANT_NAMES,
  ...SIGNALS.turbine,
  ...SIGNALS.generator,
] as const;

/** The values of SIGNAL_NAMES; undefined where the controller is silent. */
export function signalValues({ timeS, plant, turbine, generator }: Sample): (number | undefined)[] {
  return [
    timeS,
    ...PLANT_NAMES.map((name) => plant?.[name]),
    ...SIGNALS.turbine.map((name) => turbine?.[name]),
    ...SIGNALS.generator.map((name) => generator?.[name]),
  ];
}
