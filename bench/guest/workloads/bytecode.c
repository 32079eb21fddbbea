/* SPDX-License-Identifier: Apache-2.0 */
/* An interpreter of a stack machine; its program adds up the lengths of Collatz sequences. */
#include "compute.h"

#define LAST_START 40
#define STACK_ENTRIES 8

enum operation { PUSH, LOAD, STORE, ADD, MULTIPLY, HALVE, ODD, SAME, JUMP, JUMP_IF, END };
enum variable { N, START, STEPS, VARIABLES };

struct instruction {
    uint8_t operation;
    uint8_t operand;
};

enum label { NEXT_START = 2, NEXT_STEP = 4, UP = 19, DONE = 26, LAST = 35 };

static const struct instruction program[] = {
    {PUSH, 1}, {STORE, START},
    [NEXT_START] = {LOAD, START}, {STORE, N},
    [NEXT_STEP] = {LOAD, N}, {PUSH, 1}, {SAME, 0}, {JUMP_IF, DONE},
    {LOAD, STEPS}, {PUSH, 1}, {ADD, 0}, {STORE, STEPS},
    {LOAD, N}, {ODD, 0}, {JUMP_IF, UP},
    {LOAD, N}, {HALVE, 0}, {STORE, N}, {JUMP, NEXT_STEP},
    [UP] = {LOAD, N}, {PUSH, 3}, {MULTIPLY, 0}, {PUSH, 1}, {ADD, 0}, {STORE, N}, {JUMP, NEXT_STEP},
    [DONE] = {LOAD, START}, {PUSH, 1}, {ADD, 0}, {STORE, START},
    {LOAD, START}, {PUSH, LAST_START}, {SAME, 0}, {JUMP_IF, LAST}, {JUMP, NEXT_START},
    [LAST] = {END, 0},
};

uint64_t bytecode_round(void)
{
    uint64_t variables[VARIABLES] = {0}, stack[STACK_ENTRIES], *top = stack;
    for (const struct instruction *at = program;;) {
        const struct instruction now = *at++;
        switch (now.operation) {
        case PUSH:
            *top++ = now.operand;
            break;
        case LOAD:
            *top++ = variables[now.operand];
            break;
        case STORE:
            variables[now.operand] = *--top;
            break;
        case ADD:
            top--;
            top[-1] += top[0];
            break;
        case MULTIPLY:
            top--;
            top[-1] *= top[0];
            break;
        case HALVE:
            top[-1] >>= 1;
            break;
        case ODD:
            top[-1] &= 1;
            break;
        case SAME:
            top--;
            top[-1] = top[-1] == top[0];
            break;
        case JUMP:
            at = program + now.operand;
            break;
        case JUMP_IF:
            if (*--top)
                at = program + now.operand;
            break;
        default:
            return variables[STEPS];
        }
    }
}
