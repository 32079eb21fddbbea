/* SPDX-License-Identifier: Apache-2.0 */
#include "plantmath.h"

#include <emmintrin.h>

double plant_sqrt(double x)
{
    __m128d value = _mm_set_sd(x);

    return _mm_cvtsd_f64(_mm_sqrt_sd(value, value));
}

double wrap_angle(double angle)
{
    return angle > PI ? angle - 2 * PI : angle < -PI ? angle + 2 * PI : angle;
}

#ifdef USE_LIBM

double sin(double x);
double cos(double x);
double atan2(double y, double x);

double plant_sin(double x)
{
    return sin(x);
}

double plant_cos(double x)
{
    return cos(x);
}

double plant_atan2(double y, double x)
{
    return atan2(y, x);
}

#else

/* A number as the sum of two, the second far smaller: an angle from -PI/4 to PI/4. */
struct reduced {
    double high, low;
    int quadrant;
};

/*
 * PI/2 in three parts. The first two have 33 significant bits, so that their products with a quadrant
 * number below 2^20 are exact (Cody and Waite's method).
 */
#define HALF_PI_1 0x1.921fb544p+0
#define HALF_PI_2 0x1.0b4611a6p-34
#define HALF_PI_3 0x1.3198a2e037073p-69

static struct reduced reduce(double x)
{
    double turns = x * (2 / PI);
    int n = (int)(turns < 0 ? turns - 0.5 : turns + 0.5);
    double first = x - n * HALF_PI_1;
    double part = n * HALF_PI_2;
    double second = first - part;
    double rest = ((first - second) - part) - n * HALF_PI_3;
    double high = second + rest;

    return (struct reduced){high, (second - high) + rest, n & 3};
}

/*
 * Taylor series around 0; the first term left out is below 2^-60 of the result. The leading terms are
 * added last, with what they rounded away, so that only their own rounding is seen.
 */
static double sine_kernel(double x, double low)
{
    double z = x * x;
    double series = -1 / 6.0 +
                    z * (1 / 120.0 +
                         z * (-1 / 5040.0 +
                              z * (1 / 362880.0 +
                                   z * (-1 / 39916800.0 +
                                        z * (1 / 6227020800.0 + z * (-1 / 1307674368000.0 +
                                                                     z / 355687428096000.0))))));

    return x + (z * x * series + low * (1 - z / 2));
}

static double cosine_kernel(double x, double low)
{
    double z = x * x;
    double series = 1 / 24.0 +
                    z * (-1 / 720.0 +
                         z * (1 / 40320.0 +
                              z * (-1 / 3628800.0 +
                                   z * (1 / 479001600.0 +
                                        z * (-1 / 87178291200.0 + z / 20922789888000.0)))));
    double half = z / 2;
    double head = 1 - half;

    return head + (((1 - head) - half) + (z * z * series - x * low));
}

static double sine_of(struct reduced r)
{
    double value = r.quadrant & 1 ? cosine_kernel(r.high, r.low) : sine_kernel(r.high, r.low);

    return r.quadrant & 2 ? -value : value;
}

double plant_sin(double x)
{
    return sine_of(reduce(x));
}

double plant_cos(double x)
{
    struct reduced r = reduce(x);

    r.quadrant = (r.quadrant + 1) & 3;
    return sine_of(r);
}

double plant_atan2(double y, double x)
{
    double radius = plant_sqrt(x * x + y * y);
    double ax = x < 0 ? -x : x, ay = y < 0 ? -y : y;
    double angle;

    if (radius == 0)
        return 0;
    /* At most 0.005 off in the first octant, then mirrored to where the point is. */
    angle = ay > ax ? PI / 2 - ax / ay * (PI / 4 + 0.273 * (1 - ax / ay))
                    : ay / ax * (PI / 4 + 0.273 * (1 - ay / ax));
    if (x < 0)
        angle = PI - angle;
    if (y < 0)
        angle = -angle;
    /* The sine of what is missing, as good as the angle itself: each step cubes the error. */
    for (int step = 0; step < 2; step++)
        angle += (y * plant_cos(angle) - x * plant_sin(angle)) / radius;
    return angle;
}

#endif
