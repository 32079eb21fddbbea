/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arguments and results of a mathematical library, the same on the host and in an inmate. Results are
 * 16 bytes each: a double and zeros, or the 10 bytes of a long double and zeros.
 */
#include "functions.h"
#include <stddef.h>

double sin(double), cos(double), tan(double), exp(double), log(double), sqrt(double), pow(double, double);
long double sinl(long double), cosl(long double), tanl(long double), expl(long double), logl(long double),
    sqrtl(long double), atanl(long double), fmodl(long double, long double), rintl(long double);

enum range { ANGLE, EXPONENT, POSITIVE, POWER };

struct function {
    const char *name;
    enum range range;
    double (*one)(double);
    double (*two)(double, double);
    long double (*one_long)(long double);
    long double (*two_long)(long double, long double);
};

static const struct function functions[] = {
    {"sin", ANGLE, .one = sin},
    {"cos", ANGLE, .one = cos},
    {"tan", ANGLE, .one = tan},
    {"exp", EXPONENT, .one = exp},
    {"log", POSITIVE, .one = log},
    {"pow", POWER, .two = pow},
    {"sqrt", POSITIVE, .one = sqrt},
    {"sinl", ANGLE, .one_long = sinl},
    {"cosl", ANGLE, .one_long = cosl},
    {"tanl", ANGLE, .one_long = tanl},
    {"sqrtl", POSITIVE, .one_long = sqrtl},
    {"rintl", EXPONENT, .one_long = rintl},
    {"fmodl", POWER, .two_long = fmodl},
    {"expl", EXPONENT, .one_long = expl},
    {"logl", POSITIVE, .one_long = logl},
    {"atanl", ANGLE, .one_long = atanl},
};

/* splitmix64 (public domain) */
static uint64_t next(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15u;

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* One argument in four is any bit pattern, NaNs and denormals included; the others are in a usual range. */
static double argument(uint64_t *state, enum range range, int second)
{
    union {
        uint64_t bits;
        double value;
    } any = {next(state)};
    uint64_t choice = next(state);
    double unit = (double)(int64_t)any.bits * 0x1p-63;

    if (choice % 4 == 0)
        return any.value;
    switch (range) {
    case ANGLE:
        return unit * (choice & 4 ? 4.0 : choice & 8 ? 1e3 : 1e9);
    case EXPONENT:
        return unit * (choice & 4 ? 1.0 : 745.0);
    case POSITIVE:
        if (choice & 4)
            return 1.0 + unit * 0.5;
        any.bits &= INT64_MAX;
        return any.value;
    case POWER:
        return second ? unit * 40.0 : unit * (choice & 4 ? 2.0 : 1e3);
    }
    return any.value;
}

/* More digits than a double has. */
static long double longer(uint64_t *state, double value)
{
    union {
        long double value;
        uint64_t bits;
    } x = {value};

    if (value != 0 && value - value == 0)
        x.bits |= next(state) & 0x7ff;
    return x.value;
}

static void evaluate(const struct function *f, uint64_t *state, union result *result)
{
    double a = argument(state, f->range, 0);

    result->words[0] = result->words[1] = 0;
    if (f->one) {
        result->narrow = f->one(a);
    } else if (f->two) {
        result->narrow = f->two(a, argument(state, f->range, 1));
    } else if (f->one_long) {
        result->wide = f->one_long(longer(state, a));
    } else {
        long double x = longer(state, a);
        result->wide = f->two_long(x, longer(state, argument(state, f->range, 1)));
    }
    /* what a store of 80 bits leaves behind them is not part of the number */
    if (f->one_long || f->two_long)
        result->words[1] &= 0xffff;
}

const char *evaluate_function(unsigned index, union result *results, uint64_t count)
{
    uint64_t state = index;

    if (index >= sizeof functions / sizeof *functions)
        return NULL;
    for (uint64_t k = 0; k < count; k++)
        evaluate(&functions[index], &state, results++);
    return functions[index].name;
}
