/* SPDX-License-Identifier: Apache-2.0 */
/* Fast Fourier transform of 1024 complex doubles (Cooley and Tukey, radix 2, in place), there and back. */
#include "compute.h"

#define POINTS 1024
#define HALF (POINTS / 2)

struct complex {
    double real, imaginary;
};

static struct complex signal[POINTS], roots[HALF];

/* By halving angles: only square roots are needed. */
void prepare_fft(void)
{
    roots[0] = (struct complex){1, 0};
    roots[HALF / 2] = (struct complex){0, -1};
    for (int step = HALF / 2; step > 1; step /= 2) {
        struct complex turn = roots[step];
        double cosine = __builtin_sqrt((1 + turn.real) / 2);
        struct complex half = {cosine, turn.imaginary / (2 * cosine)};
        for (int k = 0; k < HALF; k += step)
            roots[k + step / 2] = (struct complex){
                roots[k].real * half.real - roots[k].imaginary * half.imaginary,
                roots[k].real * half.imaginary + roots[k].imaginary * half.real,
            };
    }
}

static void transform(void)
{
    for (unsigned k = 1, mirrored = 0; k < POINTS; k++) {
        unsigned bit = HALF;
        for (; mirrored & bit; bit >>= 1)
            mirrored ^= bit;
        mirrored |= bit;
        if (k < mirrored) {
            struct complex value = signal[k];
            signal[k] = signal[mirrored];
            signal[mirrored] = value;
        }
    }
    for (int size = 1; size < POINTS; size *= 2)
        for (int start = 0; start < POINTS; start += 2 * size)
            for (int k = 0; k < size; k++) {
                struct complex root = roots[k * (HALF / size)];
                struct complex *a = &signal[start + k], *b = a + size;
                double real = b->real * root.real - b->imaginary * root.imaginary;
                double imaginary = b->real * root.imaginary + b->imaginary * root.real;
                b->real = a->real - real;
                b->imaginary = a->imaginary - imaginary;
                a->real += real;
                a->imaginary += imaginary;
            }
}

/* The transform of the conjugate is the conjugate of the inverse. */
uint64_t fft_round(void)
{
    uint64_t state = 19;
    union {
        double value;
        uint64_t bits;
    } sum = {0.0};
    for (int k = 0; k < POINTS; k++)
        signal[k] = (struct complex){(double)next_random(&state) / 2147483648.0, 0};
    double first = signal[1].real;
    transform();
    for (int k = 0; k < POINTS; k++) {
        sum.value = sum.value * 0.5 + signal[k].real - signal[k].imaginary;
        signal[k].imaginary = -signal[k].imaginary;
    }
    transform();
    double error = signal[1].real / POINTS - first;
    return error > -1e-9 && error < 1e-9 ? sum.bits : 0;
}
