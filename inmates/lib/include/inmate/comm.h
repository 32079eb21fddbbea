/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The communication region: the page at 0x100000 through which hypervisor and cell talk.
 *
 * The library reads the facts of the cell from it before inmate_main() runs, in whichever of the
 * published layouts it has: without signature (Jailhouse v0.6 to v0.8), or revision 0 (v0.9), 1
 * (v0.10, v0.11) or 2 (v0.12 and later). A revision it does not know makes it write the state
 * CELL_COMM_MISMATCH and halt, as the interface demands.
 */
#ifndef INMATE_COMM_H
#define INMATE_COMM_H

#include <stdbool.h>
#include <stdint.h>

/** Guest-physical address of the communication region. */
#define COMM_REGION 0x100000ul

/** What the cell says about itself; management reads it. */
enum cell_state {
    CELL_RUNNING = 0,
    CELL_RUNNING_LOCKED = 1, /**< running, and no other cell may be created or destroyed now */
    CELL_SHUT_DOWN = 2,
    CELL_FAILED = 3,
    CELL_COMM_MISMATCH = 4,
};

/** Messages from the hypervisor. */
enum comm_message {
    COMM_NO_MESSAGE = 0,
    COMM_SHUTDOWN_REQUEST = 1,
    COMM_RECONFIG_COMPLETED = 2,
};

/** Replies to the hypervisor. */
enum comm_reply {
    COMM_UNKNOWN_MESSAGE = 1,
    COMM_REQUEST_DENIED = 2,
    COMM_REQUEST_APPROVED = 3,
    COMM_MESSAGE_RECEIVED = 4,
};

/** The console a cell was given. */
struct console_description {
    uint64_t address;  /**< I/O port or guest-physical address */
    uint16_t type;     /**< CONSOLE_8250, or anything else: none that this library drives */
    uint16_t flags;    /**< CONSOLE_MMIO, CONSOLE_WIDE_REGISTERS */
    uint32_t divider;  /**< baud rate divisor, 0: leave the UART as it is set */
};

#define CONSOLE_8250 2u
#define CONSOLE_MMIO 0x1u           /**< registers in memory, else in port space */
#define CONSOLE_WIDE_REGISTERS 0x2u /**< registers 4 bytes apart and 32 bits wide, else 1 and 8 */

/** Facts of the cell, as the hypervisor wrote them. 0 stands for "not told". */
struct cell_facts {
    uint64_t pci_mmconfig_base;
    uint16_t pm_timer_port;
    uint16_t cpu_count;
    uint32_t tsc_khz;
    uint32_t apic_khz;               /**< input clock of the APIC timer before its divider */
    bool console_hypercall_allowed;
    bool console_hypercall_wanted;   /**< the cell's output should go to the hypervisor's console */
    struct console_description console;
};

extern struct cell_facts cell_facts;

/** Reads cell_facts. Called by the library before inmate_main(). */
void comm_init(void);

/** Tells management the cell's state. */
void comm_set_state(enum cell_state state);

/** The message that waits for a reply, if any. */
enum comm_message comm_message(void);

/** Takes the waiting message away and replies to it. */
void comm_reply(enum comm_reply reply);

/**
 * For inmates that only care about shutting down: true if the cell is asked to. Other messages are
 * answered here. Follow it by comm_shut_down(), or by comm_reply(COMM_REQUEST_DENIED).
 */
bool comm_shutdown_requested(void);

/** Approves the shutdown request, sets the state to shut down and halts the calling CPU. */
__attribute__((noreturn)) void comm_shut_down(void);

#endif
