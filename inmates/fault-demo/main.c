/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bug that every newcomer to bare metal writes once: floating point without enabling SSE.
 *
 * The compiler turns the sine below into SSE instructions. A CPU raises #UD on them until CR4.OSFXSR is
 * set; this inmate has no interrupt table, so the CPU cannot deliver #UD, nor the #DF that follows:
 * a triple fault. The hypervisor parks the CPU and reports its registers.
 *
 * Command line: enable-sse  do it right, and print one turn of the sine
 */
#include "inmate.h"

#define SAMPLES 16
#define AMPLITUDE 1000

#define PI 3.14159265358979323846

/* Taylor series up to x^13; error below 3e-5 for |x| <= pi. */
static double sine(double x)
{
    double square = x * x, term = x, sum = x;

    for (int n = 2; n <= 12; n += 2) {
        term *= -square / (n * (n + 1));
        sum += term;
    }
    return sum;
}

static int sample(int index)
{
    double angle = 2 * PI * index / SAMPLES;

    return (int)(AMPLITUDE * sine(angle > PI ? angle - 2 * PI : angle));
}

void inmate_main(void)
{
    if (cmdline_boolean("enable-sse", false) && !inmate_enable_sse())
        printf("This CPU has no SSE2\n");

    printf("Generator set points, one turn in %d samples of 1/%d:\n", SAMPLES, AMPLITUDE);
    for (int index = 0; index < SAMPLES; index++)
        printf("sin %2d/%d turn = %5d\n", index, SAMPLES, sample(index));
}
