/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Floating point. A CPU starts with SSE instructions disabled: each raises #UD until the software
 * says, in CR4, that it takes care of the SSE state.
 *
 * An inmate whose Makefile says `SSE := code` may use floating point and must call
 * inmate_enable_sse() first, on each CPU. With `SSE := boot` the library does it before any C code of
 * the inmate runs; prefer that, since the compiler is free to use SSE registers anywhere.
 */
#ifndef INMATE_SSE_H
#define INMATE_SSE_H

#include <stdbool.h>

/**
 * Enables x87 and SSE on the calling CPU, all floating-point exceptions masked, rounding to nearest.
 * From then on the library's interrupt entry saves and restores the x87 and SSE registers.
 *
 * @return false if the CPU has no SSE2
 */
bool inmate_enable_sse(void);

#endif
