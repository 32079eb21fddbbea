/** Hypercalls: codes, who may call, errors in their order (hypervisor interface, 2). */
import type { Registers } from "../engine/vcpu.ts";
import { CELL_STATE } from "./comm-region.ts";
import type { Core } from "./core.ts";
import type { Cpu } from "./cpu.ts";
import { disableFromGuest } from "./disable.ts";
import { ERRNO, type Errno } from "./errno.ts";
import { hex16 } from "./failure-report.ts";
import { createFromGuest } from "./guest-config.ts";
import { cellById, destroyCell, setLoadable, startCell } from "./lifecycle.ts";
import type { Operation } from "./request.ts";

export const HYPERCALL = {
  disable: 0,
  cellCreate: 1,
  cellStart: 2,
  cellSetLoadable: 3,
  cellDestroy: 4,
  hypervisorGetInfo: 5,
  cellGetState: 6,
  cpuGetInfo: 7,
  debugConsolePutc: 8,
} as const;

const RAX = 0;
const RSI = 6;
const RDI = 7;

const INSTRUCTION_BYTES = 3n;
const EFER_LMA = 1n << 10n;
const RFLAGS_VM = 1n << 17n;
const CS_LONG = 1 << 13;

const CPU_RUNNING = 0;
const CPU_FAILED = 2;
const CPU_STATISTICS = 1000;
const COUNTER_MASK = 0x7fff_ffff;

/** The answer is not known yet: the caller is held and gets it later. */
const LATER = Symbol("later");

/** Executes the hypercall that the CPU's registers describe; RIP is already behind the instruction. */
export function hypercall(core: Core, cpu: Cpu): void {
  const { registers } = cpu.vcpu;
  const longMode = isLongMode(core, registers);
  if (!isPrivileged(core, registers, longMode)) {
    cpu.returnFromCall(-ERRNO.EPERM);
    return;
  }
  const argument = registers.low(RDI) + (longMode ? registers.high(RDI) * 2 ** 32 : 0);
  const argument2 = registers.low(RSI) + (longMode ? registers.high(RSI) * 2 ** 32 : 0);
  const code = registers.high(RAX) === 0 ? registers.low(RAX) : -1;
  const result = execute(core, cpu, code, argument, argument2);
  if (result !== LATER) cpu.returnFromCall(result);
}

function isLongMode({ release }: Core, registers: Registers): boolean {
  const active = (registers.get("efer") & EFER_LMA) !== 0n;
  if (!release.callerJudgedByDescriptor) return active;
  return active && (registers.segment("cs").attributes & CS_LONG) !== 0;
}

function isPrivileged({ release }: Core, registers: Registers, longMode: boolean): boolean {
  const cs = registers.segment("cs");
  const level = release.callerJudgedByDescriptor ? (cs.attributes >> 5) & 3 : cs.selector & 3;
  return level === 0 && (longMode || (registers.get("rflags") & RFLAGS_VM) === 0n);
}

function execute(
  core: Core,
  cpu: Cpu,
  code: number,
  argument: number,
  argument2: number,
): number | typeof LATER {
  switch (code) {
    case HYPERCALL.disable:
      if (!cpu.cell.isRoot) return -ERRNO.EPERM;
      return disableFromGuest(core, cpu) ?? LATER;
    case HYPERCALL.cellCreate:
      return manage(core, cpu, () => createFromGuest(core, cpu, argument));
    case HYPERCALL.cellStart:
    case HYPERCALL.cellSetLoadable:
    case HYPERCALL.cellDestroy: {
      const operation =
        code === HYPERCALL.cellStart
          ? startCell
          : code === HYPERCALL.cellSetLoadable
            ? setLoadable
            : destroyCell;
      return manage(core, cpu, () => {
        const cell = cellById(core, argument);
        return cell.ok ? operation(core, cell.value) : cell.errno;
      });
    }
    case HYPERCALL.hypervisorGetInfo:
      return hypervisorInfo(core, argument);
    case HYPERCALL.cellGetState:
      return cellState(core, cpu, argument);
    case HYPERCALL.cpuGetInfo:
      return cpuInfo(core, cpu, argument, argument2);
    case HYPERCALL.debugConsolePutc:
      if (!cpu.cell.config.flags.virtualConsolePermitted) return -ERRNO.EPERM;
      core.console.put(cpu.cell.name, argument & 0xff);
      return 0;
    default: {
      const rip = cpu.vcpu.registers.get("rip") - INSTRUCTION_BYTES;
      core.console.print(
        `CPU ${cpu.index}: Unknown hypercall ${BigInt.asIntN(64, cpu.vcpu.registers.get("rax"))}, RIP: 0x${hex16(BigInt.asUintN(64, rip))}`,
      );
      return -ERRNO.ENOSYS;
    }
  }
}

/** Codes that change cells: root only, and the caller is held until the cells have answered. */
function manage(
  core: Core,
  cpu: Cpu,
  begin: () => Operation<unknown> | Errno,
): number | typeof LATER {
  if (!cpu.cell.isRoot) return -ERRNO.EPERM;
  const operation = begin();
  if (typeof operation === "string") return -ERRNO[operation];
  let inCall = true;
  const request = core.request(operation, (result) => {
    if (!inCall) cpu.returnFromCall(result.ok ? 0 : -ERRNO[result.errno]);
  });
  inCall = false;
  if (request.result === undefined) return LATER;
  return request.result.ok ? 0 : -ERRNO[request.result.errno];
}

function hypervisorInfo(core: Core, type: number): number {
  switch (type) {
    case 0:
      return core.pool.size;
    case 1:
      return core.pool.used;
    case 2:
      return core.remapPool.size;
    case 3:
      return core.remapPool.used;
    case 4:
      return core.cells.length;
    default:
      return -ERRNO.EINVAL;
  }
}

function cellState(core: Core, cpu: Cpu, id: number): number {
  if (!cpu.cell.isRoot) return -ERRNO.EPERM;
  const cell = core.cells.find((each) => each.id === id);
  if (cell === undefined) return -ERRNO.ENOENT;
  const { state } = cell.comm;
  return state <= CELL_STATE.commMismatch ? state : -ERRNO.EINVAL;
}

function cpuInfo(core: Core, cpu: Cpu, index: number, type: number): number {
  if (!core.system.rootCell.cpus.includes(index)) return -ERRNO.EINVAL;
  const target = core.cpus[index];
  if (!cpu.cell.isRoot && target.cell !== cpu.cell) return -ERRNO.EPERM;
  if (type === 0) return target.failed ? CPU_FAILED : CPU_RUNNING;
  const counter = target.statistics.numbered(core.release.statistics, type - CPU_STATISTICS);
  return counter === undefined ? -ERRNO.EINVAL : counter & COUNTER_MASK;
}
