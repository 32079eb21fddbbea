/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMPUTE_H
#define COMPUTE_H

#include "../workload.h"

/* One round each; about a hundred thousand to a million instructions. */
uint64_t integer_loop_round(void);
uint64_t crc32_round(void);
uint64_t sha256_round(void);
uint64_t matrix_round(void);
uint64_t sort_round(void);
uint64_t records_round(void);
uint64_t bytecode_round(void);
uint64_t switch_round(void);
uint64_t fib_round(void);
uint64_t indirect_round(void);
uint64_t text_round(void);
uint64_t nbody_round(void);
uint64_t linpack_round(void);
uint64_t fft_round(void);
uint64_t sine_round(void);
uint64_t functions_round(void);
uint64_t filter_round(void);
uint64_t mandelbrot_round(void);
uint64_t transform_round(void);
uint64_t copy_words_round(void);
uint64_t sieve_round(void);
uint64_t random_round(void);
uint64_t chase_round(void);
uint64_t pages_round(void);
uint64_t copy_string_round(void);
uint64_t string_fill_round(void);
uint64_t string_structs_round(void);
uint64_t string_scan_round(void);
uint64_t string_compare_round(void);
uint64_t x87_nbody_round(void);
uint64_t x87_sine_round(void);

void prepare_fft(void);
void prepare_copy(void);
void prepare_random(void);
void prepare_chase(void);
void prepare_pages_walk(void);
void prepare_strings(void);
void prepare_x87(void);

/* Numbers that look like chance: Knuth's 64-bit multiplier. */
static inline uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* The compiler must take memory for changed: it may neither merge nor vectorise around it. */
#define BARRIER() asm volatile("" ::: "memory")

#endif
