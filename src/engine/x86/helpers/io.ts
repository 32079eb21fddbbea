import type { PortRead } from "../../vcpu.ts";
import { lastRead, probe } from "../access.ts";
import type { Core } from "../core.ts";
import { exitObject } from "../exit-objects.ts";
import { checkIoPermission } from "../io-permission.ts";
import { Leave, VALUE } from "../state.ts";
import type { Helpers } from "./helpers.ts";
import {
  begin,
  countDown,
  destination,
  end,
  index,
  isDone,
  linear,
  read,
  remaining,
  repeat,
  setIndex,
  write,
} from "./string.ts";

/** V8 folds no imported constants. */
const VALUE_WORD = VALUE >> 2;
const { none: DONE } = Leave;

const RDX = 2;
const RSI = 6;
const RDI = 7;

type PortWidth = PortRead["width"];

const portRead = exitObject("port-read");
const portWrite = exitObject("port-write");

function truncated(value: number, width: number): number {
  return width === 4 ? value >>> 0 : value & (width === 1 ? 0xff : 0xffff);
}

function input(core: Core, port: number, width: number, string: boolean): number {
  portRead.port = port;
  portRead.width = width as PortWidth;
  portRead.string = string;
  portRead.value = 0;
  core.exit(portRead);
  return truncated(portRead.value, width);
}

function output(core: Core, port: number, width: number, string: boolean, value: number): void {
  portWrite.port = port;
  portWrite.width = width as PortWidth;
  portWrite.string = string;
  portWrite.value = truncated(value, width);
  core.exit(portWrite);
}

/** Do `element` as often as the prefix and rCX say, but at most what one execution does. */
function repeated(core: Core, record: number, element: (core: Core, port: number) => void): number {
  const repeats = core.get(VALUE) >> 16 !== 0;
  begin(core);
  const port = core.register(RDX) & 0xffff;
  if (!repeats) {
    checkIoPermission(core, port, repeat.bytes);
    element(core, port);
    return Leave.none;
  }
  const count = remaining(core);
  if (count > 0) checkIoPermission(core, port, repeat.bytes);
  for (let k = 0; k < count; k++) {
    element(core, port);
    countDown(core, 1);
  }
  return end(core, record, !isDone(core));
}

/** The memory is known to be writable before the port is read. */
function inputElement(core: Core, port: number): void {
  const at = linear(core, destination(core), index(core, RDI), true);
  probe(core, at, repeat.bytes, "write");
  write(core, at, input(core, port, repeat.bytes, true), 0);
  setIndex(core, RDI, index(core, RDI) + repeat.step);
}

function outputElement(core: Core, port: number): void {
  read(core, linear(core, repeat.source, index(core, RSI), false));
  output(core, port, repeat.bytes, true, lastRead.lo);
  setIndex(core, RSI, index(core, RSI) + repeat.step);
}

/** IN: the value goes to VALUE. @param access port, and width in bytes (<< 16) */
export function portIn(core: Core, access: number): number {
  const port = access & 0xffff;
  const width = access >> 16;
  checkIoPermission(core, port, width);
  core.u32[VALUE_WORD] = input(core, port, width, false);
  return DONE;
}

/** OUT. */
export function portOut(core: Core, access: number, value: number): number {
  const port = access & 0xffff;
  const width = access >> 16;
  checkIoPermission(core, port, width);
  output(core, port, width, false, value);
  return DONE;
}

/** Rows: rows/io.ts. */
export const IO_HELPERS: Helpers = {
  port_ins: (core, record) => repeated(core, record, inputElement),
  port_outs: (core, record) => repeated(core, record, outputElement),
};
