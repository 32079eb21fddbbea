/* SPDX-License-Identifier: Apache-2.0 */
/* Product of two matrices of 64-bit integers, by rows and columns. */
#include "compute.h"

#define SIZE 40

static int64_t a[SIZE][SIZE], b[SIZE][SIZE], product[SIZE][SIZE];

uint64_t matrix_round(void)
{
    for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE; j++) {
            a[i][j] = i * 7 + j * 3 + 1;
            b[i][j] = i * 5 - j * 11 + 2;
        }
    for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE; j++) {
            int64_t sum = 0;
            for (int k = 0; k < SIZE; k++)
                sum += a[i][k] * b[k][j];
            product[i][j] = sum;
        }
    uint64_t checksum = 0;
    for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE; j++)
            checksum = checksum * 31 + (uint64_t)product[i][j];
    return checksum;
}
