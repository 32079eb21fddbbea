/* SPDX-License-Identifier: Apache-2.0 */
/* A dense system of equations by Gauss with partial pivoting, column by column as LINPACK does. */
#include "compute.h"

#define SIZE 64

static double columns[SIZE][SIZE], right[SIZE];
static int pivots[SIZE];

static __attribute__((noinline)) void add_multiple(int count, double factor, const double *from, double *to)
{
    for (int k = 0; k < count; k++)
        to[k] += factor * from[k];
}

static double magnitude(double x)
{
    return x < 0 ? -x : x;
}

static void swap(double *a, double *b)
{
    double value = *a;
    *a = *b;
    *b = value;
}

static void factorise(void)
{
    for (int k = 0; k < SIZE - 1; k++) {
        double *column = columns[k];
        int pivot = k;
        for (int row = k + 1; row < SIZE; row++)
            if (magnitude(column[row]) > magnitude(column[pivot]))
                pivot = row;
        pivots[k] = pivot;
        swap(&column[pivot], &column[k]);
        for (int row = k + 1; row < SIZE; row++)
            column[row] /= -column[k];
        for (int j = k + 1; j < SIZE; j++) {
            swap(&columns[j][pivot], &columns[j][k]);
            add_multiple(SIZE - k - 1, columns[j][k], column + k + 1, columns[j] + k + 1);
        }
    }
}

static void solve(void)
{
    for (int k = 0; k < SIZE - 1; k++) {
        swap(&right[pivots[k]], &right[k]);
        add_multiple(SIZE - k - 1, right[k], columns[k] + k + 1, right + k + 1);
    }
    for (int k = SIZE - 1; k >= 0; k--) {
        right[k] /= columns[k][k];
        add_multiple(k, -right[k], columns[k], right);
    }
}

/* The right side is the sum of the columns, so that all unknowns are nearly 1. */
uint64_t linpack_round(void)
{
    uint64_t state = 17;
    union {
        double value;
        uint64_t bits;
    } sum = {0.0};
    for (int row = 0; row < SIZE; row++)
        right[row] = 0;
    for (int column = 0; column < SIZE; column++)
        for (int row = 0; row < SIZE; row++) {
            columns[column][row] = (double)next_random(&state) / 1073741824.0 - 1.0;
            right[row] += columns[column][row];
        }
    factorise();
    solve();
    for (int k = 0; k < SIZE; k++) {
        if (magnitude(right[k] - 1.0) > 1e-9)
            return 0;
        sum.value = sum.value * 0.75 + right[k];
    }
    return sum.bits;
}
