/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the interrupt entry has floating-point state to keep. */
#ifndef SSE_STATE_H
#define SSE_STATE_H

#include <stdbool.h>

extern bool sse_in_use;

#endif
