/**
 * Error codes of hypercalls and management requests, under their POSIX names.
 * `ETIMEDOUT` is never returned to a guest: it is the answer to a management
 * request that was given up because the cell did not reply in the time the
 * caller allowed (the original would wait for ever).
 */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  EIO: 5,
  E2BIG: 7,
  ENOMEM: 12,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  EINVAL: 22,
  ERANGE: 34,
  ENOSYS: 38,
  ETIMEDOUT: 110,
} as const;

export type Errno = keyof typeof ERRNO;

/** A request that was refused: the code, and in words what was wrong and which rule it broke. */
export interface Refusal {
  readonly ok: false;
  readonly errno: Errno;
  readonly reason: string;
}

export type Result<T = void> = { readonly ok: true; readonly value: T } | Refusal;

export function success(): Result;
export function success<T>(value: T): Result<T>;
export function success<T>(value?: T): Result<T | undefined> {
  return { ok: true, value };
}

export function refuse(errno: Errno, reason: string): Refusal {
  return { ok: false, errno, reason };
}

/** 64-bit and page numbers in messages. */
export function hex(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}
