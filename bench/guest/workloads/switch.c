/* SPDX-License-Identifier: Apache-2.0 */
/* A dense switch over what random bytes ask for: hardly two turns take the same way. */
#include "compute.h"

#define TURNS 12000

uint64_t switch_round(void)
{
    uint64_t state = 13, a = 1, b = 2, c = 3;
    for (int k = 0; k < TURNS; k++) {
        uint32_t now = next_random(&state);
        switch (now & 31) {
        case 0: a += b; break;
        case 1: b -= c; break;
        case 2: c ^= a; break;
        case 3: a <<= 3; a |= 1; break;
        case 4: b >>= 5; break;
        case 5: c = ~c; break;
        case 6: a *= 7; break;
        case 7: b += now; break;
        case 8: c -= now; break;
        case 9: a = a > b ? a - b : b; break;
        case 10: b = b > c ? b - c : c; break;
        case 11: c = c > a ? c - a : a; break;
        case 12: a ^= b >> 9; break;
        case 13: b ^= c << 7; break;
        case 14: c += a >> 11; break;
        case 15: a -= now >> 8; break;
        case 16: if (a & 1) b++; break;
        case 17: if (b & 2) c++; break;
        case 18: if (c & 4) a++; break;
        case 19: a = (a & ~0xffull) | (b & 0xff); break;
        case 20: b = (b & ~0xff00ull) | (c & 0xff00); break;
        case 21: c = (uint32_t)c; break;
        case 22: a = (uint64_t)(int64_t)(int16_t)b + c; break;
        case 23: b = a; break;
        case 24: c = b; break;
        case 25: a = c; break;
        case 26: a = a << 17 | a >> 47; break;
        case 27: b = b << 29 | b >> 35; break;
        case 28: c *= 0x10001; break;
        case 29: a += 0x9e3779b9; break;
        case 30: b -= 0x7f4a7c15; break;
        default: c += a + b; break;
        }
    }
    return a ^ b * 3 ^ c * 5;
}
