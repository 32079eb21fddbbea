/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FUNCTIONS_H
#define FUNCTIONS_H

#include <stdint.h>

#define MOST_RESULTS 100000

union result {
    uint64_t words[2];
    double narrow;
    long double wide;
};

/* `count` results of one function. Returns its name, or NULL if there are not so many functions. */
const char *evaluate_function(unsigned index, union result *results, uint64_t count);

#endif
