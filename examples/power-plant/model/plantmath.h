/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The few functions of mathematics that the plant needs, for programs without a C library.
 *
 * Built with -DUSE_LIBM they are those of the libm that is linked instead.
 */
#ifndef PLANTMATH_H
#define PLANTMATH_H

#define PI 3.14159265358979323846

/** Radians; within 1 ulp for |x| <= 1e5. */
double plant_sin(double x);
double plant_cos(double x);

/** Angle of the point (x, y), from -PI to PI; within 1e-15 rad. 0 for the origin. */
double plant_atan2(double y, double x);

/** For x >= 0, correctly rounded. */
double plant_sqrt(double x);

/** The same angle from -PI to PI, for one that left it by less than a turn. */
double wrap_angle(double angle);

static inline double clamp(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

#endif
