/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The x87 unit: masses under gravity as a compiler for 32-bit processors does it, doubles in memory and
 * 80 bits on the stack; and sines by a polynomial in long doubles.
 */
#include "compute.h"

#ifdef __x86_64__

#define BODIES 5
#define STEPS 100
#define STEP 0.01

#define VALUES 2000
#define ANGLE 0.0137L

struct body {
    double x, y, z, vx, vy, vz, mass;
};

static const struct body start[BODIES] = {
    {0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 40.0},
    {4.8, -1.2, -0.1, 0.6, 2.8, -0.03, 0.04},
    {8.3, 4.1, -0.4, -1.0, 1.8, 0.01, 0.01},
    {12.9, -15.1, -0.2, 1.1, 0.9, -0.01, 0.002},
    {15.4, -25.9, 0.2, 1.0, 0.6, -0.03, 0.002},
};

/* What a loader does elsewhere: everything masked, 64 bits, to nearest. */
void prepare_x87(void)
{
    asm volatile("fninit");
}

__attribute__((target("fpmath=387"))) static void advance(struct body *bodies)
{
    for (int i = 0; i < BODIES; i++) {
        struct body *a = &bodies[i];
        for (int j = i + 1; j < BODIES; j++) {
            struct body *b = &bodies[j];
            double dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
            double squared = dx * dx + dy * dy + dz * dz;
            double pull = STEP / (squared * __builtin_sqrt(squared));
            a->vx -= dx * b->mass * pull;
            a->vy -= dy * b->mass * pull;
            a->vz -= dz * b->mass * pull;
            b->vx += dx * a->mass * pull;
            b->vy += dy * a->mass * pull;
            b->vz += dz * a->mass * pull;
        }
    }
    for (int i = 0; i < BODIES; i++) {
        bodies[i].x += STEP * bodies[i].vx;
        bodies[i].y += STEP * bodies[i].vy;
        bodies[i].z += STEP * bodies[i].vz;
    }
}

uint64_t x87_nbody_round(void)
{
    struct body bodies[BODIES];
    uint64_t sum = 0;

    for (int i = 0; i < BODIES; i++)
        bodies[i] = start[i];
    for (int k = 0; k < STEPS; k++)
        advance(bodies);
    for (int i = 0; i < BODIES; i++) {
        union {
            double value;
            uint64_t bits;
        } x = {bodies[i].x}, z = {bodies[i].z};
        sum = sum * 31 + x.bits + z.bits;
    }
    return sum;
}

/* Taylor's series to the 15th power after taking off multiples of pi. */
static long double sine(long double x)
{
    const long double pi = 3.14159265358979323846264L;
    int64_t turns = (int64_t)(x / pi + (x < 0 ? -0.5L : 0.5L));
    long double y = x - (long double)turns * pi;
    long double square = y * y;
    long double sum = -1.0L / 1307674368000;
    sum = sum * square + 1.0L / 6227020800;
    sum = sum * square - 1.0L / 39916800;
    sum = sum * square + 1.0L / 362880;
    sum = sum * square - 1.0L / 5040;
    sum = sum * square + 1.0L / 120;
    sum = sum * square - 1.0L / 6;
    sum = (sum * square + 1.0L) * y;
    return turns & 1 ? -sum : sum;
}

uint64_t x87_sine_round(void)
{
    union {
        long double value;
        uint64_t bits;
    } sum = {0.0L};

    for (int k = 0; k < VALUES; k++)
        sum.value += sine((long double)(k - VALUES / 2) * ANGLE + 0.25L);
    return sum.bits;
}

#endif
