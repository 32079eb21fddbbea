/* SPDX-License-Identifier: Apache-2.0 */
#include "inmate/comm.h"
#include "inmate/cpu.h"
#include "inmate/mmio.h"
#include "inmate/string.h"

#define ABSENT 0xff

/* Byte offsets of the fields in one layout of the region. The state is at 8 in all of them. */
struct layout {
    uint8_t message, reply;
    uint8_t flags, console;
    uint8_t pci_mmconfig_base, pm_timer_port, cpu_count, tsc_khz, apic_khz;
};

#define STATE 8
#define SIGNATURE "JHCOMM"
#define REVISION 6

#ifdef BOOT_RESET_VECTOR
/* Jailhouse v0.6, v0.7: cells of the time that start at the reset vector */
static const struct layout layout_unsigned = {0, 4, ABSENT, ABSENT, ABSENT, 16, 18, ABSENT, ABSENT};
#else
/* Jailhouse v0.8 */
static const struct layout layout_unsigned = {0, 4, ABSENT, ABSENT, 16, 24, 26, 28, 32};
#endif

static const struct layout layout_of_revision[] = {
    {12, 16, ABSENT, ABSENT, 24, 32, 34, 36, 40}, /* v0.9 */
    {12, 16, 20, 24, 56, 64, 66, 68, 72},         /* v0.10, v0.11 */
    {12, 16, 20, 24, 56, 64, 66, 68, 72},         /* v0.12 and later: the same fields, packed */
};

#define FLAG_CONSOLE_HYPERCALL_ALLOWED 0x1u
#define FLAG_CONSOLE_HYPERCALL_WANTED 0x2u

/* Offsets in the console description. */
#define CONSOLE_ADDRESS 0
#define CONSOLE_TYPE 12
#define CONSOLE_FLAGS 14
#define CONSOLE_DIVIDER 16

struct cell_facts cell_facts;

static const struct layout *layout;

static inline void *field(unsigned offset)
{
    return (void *)(COMM_REGION + offset);
}

static uint16_t read16(unsigned offset)
{
    return offset == ABSENT ? 0 : mmio_read16(field(offset));
}

static uint32_t read32(unsigned offset)
{
    return offset == ABSENT ? 0 : mmio_read32(field(offset));
}

static uint64_t read64(unsigned offset)
{
    return offset == ABSENT ? 0 : mmio_read32(field(offset)) | (uint64_t)mmio_read32(field(offset + 4)) << 32;
}

static const struct layout *find_layout(void)
{
    if (memcmp(field(0), SIGNATURE, sizeof SIGNATURE - 1) != 0)
        return &layout_unsigned;

    unsigned revision = read16(REVISION);
    if (revision >= sizeof layout_of_revision / sizeof layout_of_revision[0]) {
        comm_set_state(CELL_COMM_MISMATCH);
        cpu_stop();
    }
    return &layout_of_revision[revision];
}

void comm_init(void)
{
    layout = find_layout();

    uint32_t flags = read32(layout->flags);
    cell_facts = (struct cell_facts){
        .pci_mmconfig_base = read64(layout->pci_mmconfig_base),
        .pm_timer_port = read16(layout->pm_timer_port),
        .cpu_count = read16(layout->cpu_count),
        .tsc_khz = read32(layout->tsc_khz),
        .apic_khz = read32(layout->apic_khz),
        .console_hypercall_allowed = (flags & FLAG_CONSOLE_HYPERCALL_ALLOWED) != 0,
        .console_hypercall_wanted = (flags & FLAG_CONSOLE_HYPERCALL_WANTED) != 0,
        /* Older regions do not describe the console; inmates of their time used COM1. */
        .console = {.address = 0x3f8, .type = CONSOLE_8250},
    };
    if (layout->console != ABSENT)
        cell_facts.console = (struct console_description){
            .address = read64(layout->console + CONSOLE_ADDRESS),
            .type = read16(layout->console + CONSOLE_TYPE),
            .flags = read16(layout->console + CONSOLE_FLAGS),
            .divider = read32(layout->console + CONSOLE_DIVIDER),
        };
}

void comm_set_state(enum cell_state state)
{
    mmio_write32(field(STATE), state);
}

enum comm_message comm_message(void)
{
    return (enum comm_message)read32(layout->message);
}

void comm_reply(enum comm_reply reply)
{
    /* x86 keeps the order of these two stores, and so does the compiler: both are volatile. */
    mmio_write32(field(layout->message), COMM_NO_MESSAGE);
    mmio_write32(field(layout->reply), reply);
}

bool comm_shutdown_requested(void)
{
    switch (comm_message()) {
    case COMM_NO_MESSAGE:
        return false;
    case COMM_SHUTDOWN_REQUEST:
        return true;
    case COMM_RECONFIG_COMPLETED:
        comm_reply(COMM_MESSAGE_RECEIVED);
        return false;
    default:
        comm_reply(COMM_UNKNOWN_MESSAGE);
        return false;
    }
}

void comm_shut_down(void)
{
    comm_set_state(CELL_SHUT_DOWN);
    comm_reply(COMM_REQUEST_APPROVED);
    cpu_stop();
}
