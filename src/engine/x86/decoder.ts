import { codeBits, type Level, levelOf, MODE_PROTECTED } from "./mode.ts";
import { type MemoryOperand, type Operand, type RegisterOperand, RIP_BASE } from "./operand.ts";
import type { OperandSize, OperandSpec, Row } from "./row.ts";
import { DS, ES, SS } from "./state.ts";
import { TABLE } from "./table.ts";

/** VEX-encoded forms of map n are in map 4 + n. */
const VEX_MAPS = 4;

export interface Decoded {
  readonly row: Row;
  readonly length: number;
  readonly mode: number;
  readonly operandBits: 16 | 32 | 64;
  readonly addressBits: 16 | 32 | 64;
  /** Width of vectors, by VEX.L; 128 without VEX. */
  readonly vectorBits: 128 | 256;
  readonly operands: readonly Operand[];
  readonly repeat: "none" | "repe" | "repne";
  readonly lock: boolean;
  /** The ModRM byte, 0 if there is none. */
  readonly modrm: number;
}

/** No instruction: the bytes raise this exception, #UD (6) or #GP (13, longer than 15 bytes). */
export interface Undecodable {
  readonly row: undefined;
  readonly vector: 6 | 13;
}

/** Thrown by a byte source that has no more bytes; decoding can be repeated with more. */
export class OutOfBytes {}
const OUT_OF_BYTES = new OutOfBytes();

/** The segment that a prefix byte names, or -1. */
const SEGMENT_PREFIXES = new Int8Array(256).fill(-1);
for (const [segment, byte] of [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65].entries())
  SEGMENT_PREFIXES[byte] = segment;
const FIXED_INDEX: Record<string, number> = {
  ...{ AL: 0, AX: 0, rAX: 0, eAX: 0, CL: 1, DX: 2, AH: 0 },
  ...{ ES: 0, CS: 1, SS: 2, DS: 3, FS: 4, GS: 5 },
};
const BASE_16 = [3, 3, 5, 5, 6, 7, 5, 3];
const INDEX_16 = [6, 7, 6, 7, -1, -1, -1, -1];
const INVALID: Undecodable = { row: undefined, vector: 6 };
const TOO_LONG: Undecodable = { row: undefined, vector: 13 };

/** Register operands, of which there are few: one object each. */
const REGISTERS: Readonly<Record<RegisterOperand["file"], Map<number, RegisterOperand>>> = {
  general: new Map(),
  xmm: new Map(),
  mmx: new Map(),
  segment: new Map(),
  control: new Map(),
  debug: new Map(),
};

function register(
  file: RegisterOperand["file"],
  index: number,
  bytes: number,
  high = false,
  fixed = false,
): RegisterOperand {
  const key = (bytes * 16 + index) * 4 + (high ? 2 : 0) + (fixed ? 1 : 0);
  let operand = REGISTERS[file].get(key);
  if (operand === undefined) {
    operand = { kind: "register", file, index, high, bytes, fixed };
    REGISTERS[file].set(key, operand);
  }
  return operand;
}

type Writable<T> = { -readonly [Field in keyof T]: T[Field] };

/** Decodes instructions (Intel SDM vol. 2, chapter 2). */
export class Decoder {
  private bytes: Uint8Array = new Uint8Array(0);
  private start = 0;
  private position = 0;
  private end = 0;
  private modrm = 0;
  private rex = 0;
  private addressBits: 16 | 32 | 64 = 32;
  private operandBits: 16 | 32 | 64 = 32;
  private code: 16 | 32 | 64 = 32;
  private segmentOverride = -1;
  private level: Level = 3;
  private vectorBits: 128 | 256 = 128;
  /** VEX.vvvv: a register that ModRM does not name. */
  private vvvv = 0;
  /** VEX.W and VEX.L; 0 without VEX. */
  private vexW = 0;
  private vexL = 0;
  private vexMap = 0;
  /** The operand in memory that ModRM says. */
  private memory: Writable<MemoryOperand> | undefined;

  /**
   * The instruction at `bytes[start]`.
   * @param end no byte from there on is looked at, nor more than 15
   * @throws OutOfBytes if the instruction needs more than there are
   */
  decode(bytes: Uint8Array, mode: number, start = 0, end = bytes.length): Decoded | Undecodable {
    this.bytes = bytes;
    this.start = this.position = start;
    this.end = Math.min(end, start + 15);
    this.rex = 0;
    this.segmentOverride = -1;
    this.memory = undefined;
    this.code = codeBits(mode);
    this.level = levelOf(mode);
    try {
      return this.instruction(mode);
    } catch (problem) {
      if (problem === OUT_OF_BYTES && this.end === start + 15) return TOO_LONG;
      throw problem;
    }
  }

  private next(): number {
    if (this.position >= this.end) throw OUT_OF_BYTES;
    return this.bytes[this.position++] as number;
  }

  /** A sign-extended number of 1, 2 or 4 bytes. */
  private signed(count: number): number {
    let value = 0;
    for (let shift = 0; shift < 8 * count; shift += 8) value |= this.next() << shift;
    const unused = 32 - 8 * count;
    return (value << unused) >> unused;
  }

  private instruction(mode: number): Decoded | Undecodable {
    let operandPrefix = false;
    let addressPrefix = false;
    let repeat = 0;
    let lock = false;
    let byte = this.next();
    for (; ; byte = this.next()) {
      const segment = SEGMENT_PREFIXES[byte] as number;
      if (segment >= 0) {
        if (this.code !== 64 || segment >= 4) this.segmentOverride = segment;
      } else if (byte === 0x66) operandPrefix = true;
      else if (byte === 0x67) addressPrefix = true;
      else if (byte === 0xf0) lock = true;
      else if (byte === 0xf2 || byte === 0xf3) repeat = byte;
      else if (this.code === 64 && (byte & 0xf0) === 0x40) {
        // A REX prefix counts only directly before the opcode.
        this.rex = byte;
        continue;
      } else break;
      this.rex = 0;
    }
    this.addressBits = addressPrefix ? (this.code === 32 ? 16 : 32) : this.code;
    let map = 0;
    let mandatory = repeat;
    let operandSelects = operandPrefix;
    if ((byte === 0xc4 || byte === 0xc5) && mode & MODE_PROTECTED && this.isVex()) {
      if (repeat !== 0 || operandPrefix || lock || this.rex !== 0) return INVALID;
      const pp = this.vexPrefix(byte);
      map = this.vexMap;
      if (map === 0) return INVALID;
      mandatory = pp === 2 ? 0xf3 : pp === 3 ? 0xf2 : 0;
      operandSelects = pp === 1;
      byte = this.next();
    } else if (byte === 0x0f) {
      map = 1;
      byte = this.next();
      if (byte === 0x38 || byte === 0x3a) {
        map = byte === 0x38 ? 2 : 3;
        byte = this.next();
      }
    }
    const candidates = TABLE.candidates(map, byte);
    if (candidates === undefined) return INVALID;
    let modrmRead = false;
    let row: Row | undefined;
    for (const candidate of candidates) {
      if (candidate.hasModrm && !modrmRead) {
        this.modrm = this.next();
        modrmRead = true;
      }
      if (this.fits(candidate, mandatory, operandSelects)) {
        row = candidate;
        break;
      }
    }
    if (row === undefined) return INVALID;
    const { options, vex } = row;
    if (vex !== undefined && !vex.usesVvvv && this.vvvv !== 0) return INVALID;
    this.vectorBits = vex !== undefined && vex.length !== "LIG" && this.vexL !== 0 ? 256 : 128;
    if (options.protectedOnly && !(mode & MODE_PROTECTED)) return INVALID;
    const sizePrefix = operandPrefix && row.prefix !== "66";
    if (this.code === 64) {
      if (options.force64) this.operandBits = 64;
      else if (this.rex & 8) this.operandBits = 64;
      else if (sizePrefix) this.operandBits = 16;
      else this.operandBits = options.default64 ? 64 : 32;
    } else this.operandBits = (this.code === 32) !== sizePrefix ? 32 : 16;
    const specs = row.operands;
    if (row.hasModrm && this.modrm < 0xc0 && !row.ignoresMod) {
      const spec = row.memory;
      const memory = this.decodeMemory(
        spec === undefined ? 0 : this.sizeOf(spec.size),
        spec?.method === "vm",
      );
      if (memory === undefined) return INVALID;
      this.memory = memory;
    }
    const operands = new Array<Operand>(specs.length);
    for (let k = 0; k < specs.length; k++) {
      const operand = this.operand(specs[k] as OperandSpec);
      if (operand === undefined) return INVALID;
      operands[k] = operand;
    }
    if (this.memory?.vsib && !areDistinct(operands)) return INVALID;
    if (lock && !(options.lock && operands[0]?.kind === "memory")) return INVALID;
    const memory = this.memory;
    const length = this.position - this.start;
    if (memory !== undefined && memory.base === RIP_BASE) {
      // RIP-relative displacements count from the end of the instruction.
      const fromStart = memory.displacement + length;
      memory.displacement = fromStart | 0;
      memory.displacementHigh = Math.floor(fromStart / 2 ** 32);
    }
    return {
      row,
      length,
      mode,
      operandBits: this.operandBits,
      addressBits: this.addressBits,
      vectorBits: this.vectorBits,
      operands,
      repeat: options.repeats
        ? repeat === 0xf3
          ? "repe"
          : repeat === 0xf2
            ? "repne"
            : "none"
        : "none",
      lock,
      modrm: row.hasModrm ? this.modrm : 0,
    };
  }

  /** Outside 64-bit mode C4 and C5 are LES and LDS unless ModRM would name a register. */
  private isVex(): boolean {
    if (this.position >= this.end) throw OUT_OF_BYTES;
    return this.code === 64 || (this.bytes[this.position] as number) >= 0xc0;
  }

  /** Read a VEX prefix (SDM vol. 2, 2.3.5); returns its pp field, sets the map (0: there is none). */
  private vexPrefix(first: number): number {
    let byte = this.next();
    let map = 1;
    let rex = byte & 0x80 ? 0 : 4;
    if (first === 0xc4) {
      map = byte & 0x1f;
      rex |= (byte & 0x40 ? 0 : 2) | (byte & 0x20 ? 0 : 1);
      byte = this.next();
      if (byte & 0x80) rex |= 8;
    }
    this.vexW = rex >> 3;
    this.vexL = (byte >> 2) & 1;
    this.vvvv = (~byte >> 3) & 15;
    if (this.code !== 64) {
      this.vvvv &= 7;
      rex = 0;
    }
    this.rex = rex === 0 ? 0 : rex | 0x40;
    this.vexMap = map >= 1 && map <= 3 ? VEX_MAPS + map : 0;
    return byte & 3;
  }

  private fits(row: Row, repeat: number, operandPrefix: boolean): boolean {
    if (this.code === 64 ? row.options.no64 : row.options.only64) return false;
    if (row.options.notRexB && this.rex & 1) return false;
    if (row.options.noRepeat && repeat !== 0) return false;
    if (row.level > this.level) return false;
    if (row.vex !== undefined) {
      const { length, w } = row.vex;
      if (length === (this.vexL === 0 ? "L1" : "L0")) return false;
      if (w !== undefined && w !== this.vexW) return false;
    }
    switch (row.prefix) {
      case undefined:
        break;
      case "NP":
        if (repeat !== 0 || operandPrefix) return false;
        break;
      case "66":
        if (repeat !== 0 || !operandPrefix) return false;
        break;
      case "F3":
        if (repeat !== 0xf3) return false;
        break;
      case "F2":
        if (repeat !== 0xf2) return false;
        break;
    }
    if (!row.hasModrm) return true;
    if (row.reg >= 0 && ((this.modrm >> 3) & 7) !== row.reg) return false;
    if (row.form === "mem" && this.modrm >= 0xc0) return false;
    if (row.form === "reg" && this.modrm < 0xc0 && !row.ignoresMod) return false;
    return row.rm < 0 || (this.modrm & 7) === row.rm;
  }

  private sizeOf(size: OperandSize): number {
    if (typeof size === "number") return size;
    switch (size) {
      case "v":
        return this.operandBits / 8;
      case "z":
        return Math.min(this.operandBits / 8, 4);
      case "y":
        return this.operandBits === 64 ? 8 : 4;
      case "p":
        return 2 + this.operandBits / 8;
      case "x":
        return this.vectorBits / 8;
      case "x/2":
        return this.vectorBits / 16;
      case "x/4":
        return this.vectorBits / 32;
      case "x/8":
        return this.vectorBits / 64;
    }
  }

  private general(index: number, bytes: number): RegisterOperand {
    const high = bytes === 1 && this.rex === 0 && index >= 4 && index < 8;
    return register("general", high ? index - 4 : index, bytes, high);
  }

  private operand(spec: OperandSpec): Operand | undefined {
    const bytes = this.sizeOf(spec.size);
    const reg = ((this.modrm >> 3) & 7) | (this.rex & 4 ? 8 : 0);
    const rm = (this.modrm & 7) | (this.rex & 1 ? 8 : 0);
    switch (spec.method) {
      case "E":
        return this.memory ?? this.general(rm, bytes);
      case "M":
        return this.memory;
      case "R":
        return this.general(rm, bytes);
      case "G":
        return this.general(reg, bytes);
      case "B":
        return this.general(this.vvvv, bytes);
      case "Z":
        return this.general(
          ((this.bytes[this.position - 1] as number) & 7) | (this.rex & 1 ? 8 : 0),
          bytes,
        );
      case "fixed":
        return register(
          spec.text.endsWith("S") ? "segment" : "general",
          FIXED_INDEX[spec.text] as number,
          bytes,
          spec.text === "AH",
          true,
        );
      case "one":
        return { kind: "immediate", value: 1, valueHigh: 0, bytes };
      case "I":
      case "S": {
        const value = this.signed(Math.min(bytes, 4));
        const valueHigh = bytes === 8 ? this.signed(4) : value >> 31;
        return { kind: "immediate", value, valueHigh, bytes };
      }
      case "J":
        return { kind: "relative", delta: this.signed(bytes) };
      case "A": {
        const offset = this.signed(bytes - 2) >>> 0;
        return {
          kind: "far",
          offset: bytes === 4 ? offset & 0xffff : offset,
          selector: this.signed(2) & 0xffff,
        };
      }
      case "O": {
        const low = this.addressBits === 16 ? this.signed(2) & 0xffff : this.signed(4);
        const high = this.addressBits === 64 ? this.signed(4) : 0;
        return memoryOperand(-1, -1, false, 0, low, high, this.segment(DS), bytes);
      }
      case "X":
        return memoryOperand(6, -1, false, 0, 0, 0, this.segment(DS), bytes);
      case "Y":
        return memoryOperand(7, -1, false, 0, 0, 0, ES, bytes);
      case "K":
        return memoryOperand(7, -1, false, 0, 0, 0, this.segment(DS), bytes);
      case "V":
        return register("xmm", reg, bytes);
      case "W":
        return this.memory ?? register("xmm", rm, bytes);
      case "U":
        return register("xmm", rm, bytes);
      case "H":
        return register("xmm", this.vvvv, bytes);
      case "L":
        return register("xmm", (this.next() >> 4) & (this.code === 64 ? 15 : 7), bytes);
      case "vm":
        return this.memory;
      case "P":
        return register("mmx", reg & 7, bytes);
      case "Q":
        return this.memory ?? register("mmx", rm & 7, bytes);
      case "N":
        return register("mmx", rm & 7, bytes);
      case "seg":
        return (reg & 7) > 5 ? undefined : register("segment", reg & 7, 2);
      case "C":
        return [0, 2, 3, 4, 8].includes(reg) ? register("control", reg, bytes) : undefined;
      case "D":
        return reg < 8 ? register("debug", reg, bytes) : undefined;
    }
  }

  /** @param vsib the index is a vector register; undefined: then a SIB byte is missing */
  private decodeMemory(bytes: number, vsib: boolean): MemoryOperand | undefined {
    const mod = this.modrm >> 6;
    const rm = this.modrm & 7;
    let base: number;
    let index = -1;
    let shift = 0;
    let displacement = 0;
    if (vsib && (rm !== 4 || this.addressBits === 16)) return undefined;
    if (this.addressBits === 16) {
      base = BASE_16[rm] as number;
      index = INDEX_16[rm] as number;
      if (mod === 0 && rm === 6) {
        base = -1;
        displacement = this.signed(2) & 0xffff;
      }
    } else {
      base = rm | (this.rex & 1 ? 8 : 0);
      if (rm === 4) {
        const sib = this.next();
        index = ((sib >> 3) & 7) | (this.rex & 2 ? 8 : 0);
        if (index === 4 && !vsib) index = -1;
        shift = index < 0 ? 0 : sib >> 6;
        base = (sib & 7) | (this.rex & 1 ? 8 : 0);
        if ((sib & 7) === 5 && mod === 0) {
          base = -1;
          displacement = this.signed(4);
        }
      } else if (rm === 5 && mod === 0) {
        base = this.code === 64 ? RIP_BASE : -1;
        displacement = this.signed(4);
      }
    }
    if (mod === 1) displacement = this.signed(1);
    else if (mod === 2) displacement = this.signed(this.addressBits === 16 ? 2 : 4);
    const stackBase = base === 4 || base === 5;
    const segment = this.segment(stackBase ? SS : DS);
    const high = displacement >> 31;
    return memoryOperand(base, index, vsib, shift, displacement, high, segment, bytes);
  }

  /** The segment of a memory operand. */
  private segment(usual: number): number {
    return this.segmentOverride >= 0 ? this.segmentOverride : usual;
  }
}

/** In one place, so that V8 gives them all one shape. */
function memoryOperand(
  base: number,
  index: number,
  vsib: boolean,
  shift: number,
  displacement: number,
  displacementHigh: number,
  segment: number,
  bytes: number,
): MemoryOperand {
  return {
    kind: "memory",
    base,
    index,
    vsib,
    shift,
    displacement,
    displacementHigh,
    segment,
    bytes,
  };
}

/** Gathers: destination, indices and mask must be different registers. */
function areDistinct(operands: readonly Operand[]): boolean {
  const registers = operands.map((operand) =>
    operand.kind === "register" || operand.kind === "memory" ? operand.index : -1,
  );
  return new Set(registers).size === registers.length;
}

/** Whether nothing of the same block follows: branches, and what may change how code runs. */
export function endsBlock(decoded: Decoded): boolean {
  const { ends, repeats } = decoded.row.options;
  // A repeated instruction may stay where it is for another go.
  return ends === true || (repeats === true && decoded.repeat !== "none");
}
