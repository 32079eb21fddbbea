/* SPDX-License-Identifier: Apache-2.0 */
#include "compute.h"

const struct workload compute_workloads[] = {
    {"integer-loop", NULL, integer_loop_round},
    {"crc32", NULL, crc32_round},
    {"sha256", NULL, sha256_round},
    {"matrix", NULL, matrix_round},
    {"sort", NULL, sort_round},
    {"records", NULL, records_round},
    {"bytecode", NULL, bytecode_round},
    {"switch", NULL, switch_round},
    {"fib", NULL, fib_round},
    {"indirect-calls", NULL, indirect_round},
    {"text", NULL, text_round},
    {"nbody", NULL, nbody_round},
    {"linpack", NULL, linpack_round},
    {"fft", prepare_fft, fft_round},
    {"sine", NULL, sine_round},
    {"functions", NULL, functions_round},
    {"filter", NULL, filter_round},
    {"mandelbrot", NULL, mandelbrot_round},
    {"transform", NULL, transform_round},
    {"copy-64", prepare_copy, copy_words_round},
    {"sieve", NULL, sieve_round},
    {"random", prepare_random, random_round},
    {"pointer-chase", prepare_chase, chase_round},
    {"tlb-miss", prepare_pages_walk, pages_round},
#ifdef __x86_64__
    {"rep-movsb", prepare_copy, copy_string_round},
    {"rep-movsb-56", prepare_strings, string_structs_round},
    {"rep-stosq", prepare_strings, string_fill_round},
    {"repne-scasb", prepare_strings, string_scan_round},
    {"repe-cmpsb", prepare_strings, string_compare_round},
    {"x87-nbody", prepare_x87, x87_nbody_round},
    {"x87-sine", prepare_x87, x87_sine_round},
#endif
    {0},
};
