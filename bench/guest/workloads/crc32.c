/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32 of IEEE 802.3, a table of 256 entries, one byte at a time. */
#include "compute.h"

#define BYTES 65536
#define POLYNOMIAL 0xedb88320u

static uint32_t table[256];
static uint8_t data[BYTES];

static void fill(void)
{
    uint64_t state = 1;
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
        table[byte] = crc;
    }
    for (int k = 0; k < BYTES; k++)
        data[k] = (uint8_t)next_random(&state);
}

uint64_t crc32_round(void)
{
    if (table[1] == 0)
        fill();
    uint32_t crc = ~0u;
    for (int k = 0; k < BYTES; k++)
        crc = crc >> 8 ^ table[(crc ^ data[k]) & 0xff];
    return ~crc;
}
