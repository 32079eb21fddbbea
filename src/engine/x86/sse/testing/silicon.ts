import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** One instruction with its inputs, or its outputs: a view of silicon.c's record. */
export class SiliconRecord {
  static readonly BYTES = 1056;
  readonly view: DataView;
  readonly bytes: Uint8Array;

  constructor(buffer: ArrayBuffer, offset: number) {
    this.view = new DataView(buffer, offset, SiliconRecord.BYTES);
    this.bytes = new Uint8Array(buffer, offset, SiliconRecord.BYTES);
  }

  get code(): Uint8Array {
    return this.bytes.subarray(1, 1 + (this.bytes[0] as number));
  }

  set code(code: ArrayLike<number>) {
    this.bytes[0] = code.length;
    this.bytes.set(code, 1);
  }

  /** Vector of the exception raised, or -1. */
  get trap(): number {
    return this.view.getUint32(16, true) - 1;
  }

  get flags(): number {
    return this.view.getUint32(24, true);
  }

  set flags(value: number) {
    this.view.setBigUint64(24, BigInt(value), true);
  }

  general(index: number): bigint {
    return this.view.getBigUint64(32 + index * 8, true);
  }

  setGeneral(index: number, value: bigint): void {
    this.view.setBigUint64(32 + index * 8, value, true);
  }

  get controlWord(): number {
    return this.view.getUint16(160, true);
  }

  get statusWord(): number {
    return this.view.getUint16(162, true);
  }

  /** Bit i: physical register i is not empty. */
  get tags(): number {
    return this.bytes[164] as number;
  }

  setX87(controlWord: number, statusWord: number, tags: number): void {
    this.view.setUint16(160, controlWord, true);
    this.view.setUint16(162, statusWord, true);
    this.bytes[164] = tags;
  }

  get mxcsr(): number {
    return this.view.getUint32(184, true);
  }

  set mxcsr(value: number) {
    this.view.setUint32(184, value, true);
  }

  /** 16 bytes of ST(index), which is MMindex while TOP is 0. */
  st(index: number): Uint8Array {
    return this.bytes.subarray(192 + index * 16, 208 + index * 16);
  }

  xmm(index: number): Uint8Array {
    return this.bytes.subarray(320 + index * 16, 336 + index * 16);
  }

  /** 128 bytes at RSI and RDI, aligned to 64. */
  get memory(): Uint8Array {
    return this.bytes.subarray(672, 800);
  }

  /** Bits 255:128 of YMM register `index`. */
  upper(index: number): Uint8Array {
    return this.bytes.subarray(800 + index * 16, 816 + index * 16);
  }
}

/** A batch of records, all zero but for control words that mask everything. */
export function siliconRecords(count: number): SiliconRecord[] {
  const buffer = new ArrayBuffer(count * SiliconRecord.BYTES);
  return Array.from({ length: count }, (_, k) => {
    const record = new SiliconRecord(buffer, k * SiliconRecord.BYTES);
    record.setX87(0x37f, 0, 0);
    record.mxcsr = 0x1f80;
    return record;
  });
}

/** What the host CPU can do, in Linux's words. */
export const HOST_FLAGS: ReadonlySet<string> = new Set(
  existsSync("/proc/cpuinfo")
    ? /^flags\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1]?.trim().split(" ")
    : [],
);

/** The host CPU as an oracle; undefined where there is no x86-64 with a C compiler. */
export function openSilicon():
  | { run(records: readonly SiliconRecord[]): SiliconRecord[]; close(): void }
  | undefined {
  if (process.arch !== "x64" || process.platform !== "linux") return undefined;
  const directory = mkdtempSync(join(tmpdir(), "silicon-"));
  const program = join(directory, "silicon");
  const source = join(import.meta.dirname, "silicon.c");
  const close = (): void => rmSync(directory, { recursive: true });
  const compiled = spawnSync("gcc", ["-O1", "-o", program, source], { encoding: "utf8" });
  if (compiled.error !== undefined) {
    close();
    return undefined;
  }
  if (compiled.status !== 0) throw new Error(`silicon.c: ${compiled.stderr}`);
  return {
    run(records) {
      const input = new Uint8Array(records.length * SiliconRecord.BYTES);
      records.forEach((record, k) => {
        input.set(record.bytes, k * SiliconRecord.BYTES);
      });
      const result = spawnSync(program, { input, maxBuffer: 2 * input.length + 4096 });
      if (result.status !== 0 || result.stdout.length !== input.length)
        throw new Error(
          `silicon: status ${result.status}, signal ${result.signal}, ${result.stdout.length} bytes`,
        );
      const buffer = new Uint8Array(result.stdout).buffer;
      return records.map((_, k) => new SiliconRecord(buffer, k * SiliconRecord.BYTES));
    },
    close,
  };
}
