/* SPDX-License-Identifier: Apache-2.0 */
/* Exponentials, logarithms and powers as a mathematical library makes them: bits of doubles, and series. */
#include "compute.h"

#define VALUES 1500

union number {
    double value;
    uint64_t bits;
};

static const double ln2_high = 0x1.62e42feep-1, ln2_low = 0x1.a39ef35793c76p-33;
static const double sqrt_half = 0.70710678118654752440;

/* e to the x: 2 to the k times a series of the rest, which is at most half of ln 2. */
static double exponential(double x)
{
    int64_t k = (int64_t)(x / (ln2_high + ln2_low) + (x < 0 ? -0.5 : 0.5));
    double rest = x - (double)k * ln2_high - (double)k * ln2_low;
    double sum = 1.0;
    for (int term = 13; term > 0; term--)
        sum = 1.0 + sum * rest / term;
    union number scale = {.bits = (uint64_t)(1023 + k) << 52};
    return sum * scale.value;
}

/* Of positive numbers: exponent and mantissa, and the series of the inverse hyperbolic tangent. */
static double logarithm(double x)
{
    union number parts = {.value = x};
    int64_t exponent = (int64_t)(parts.bits >> 52) - 1022;
    parts.bits = (parts.bits & 0x000fffffffffffff) | 0x3fe0000000000000;
    if (parts.value < sqrt_half) {
        parts.value *= 2;
        exponent--;
    }
    double ratio = (parts.value - 1) / (parts.value + 1), square = ratio * ratio;
    double sum = 1.0 / 21;
    sum = sum * square + 1.0 / 19;
    sum = sum * square + 1.0 / 17;
    sum = sum * square + 1.0 / 15;
    sum = sum * square + 1.0 / 13;
    sum = sum * square + 1.0 / 11;
    sum = sum * square + 1.0 / 9;
    sum = sum * square + 1.0 / 7;
    sum = sum * square + 1.0 / 5;
    sum = sum * square + 1.0 / 3;
    sum = sum * square + 1.0;
    return (double)exponent * ln2_high + (2 * ratio * sum + (double)exponent * ln2_low);
}

static double power(double base, double exponent)
{
    return exponential(exponent * logarithm(base));
}

uint64_t functions_round(void)
{
    union number sum = {0.0};
    for (int k = 0; k < VALUES; k++) {
        double x = 0.01 * (k + 1);
        double back = logarithm(exponential(x)) - x;
        if (back < -1e-12 || back > 1e-12)
            return 0;
        sum.value = sum.value * 0.5 + power(x, 1.0 / (k % 7 + 1)) + back;
    }
    return sum.bits;
}
