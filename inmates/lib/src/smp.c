/* SPDX-License-Identifier: Apache-2.0 */
#include "inmate/smp.h"
#include "inmate/apic.h"
#include "inmate/comm.h"
#include "inmate/cpu.h"
#include "inmate/interrupt.h"
#include "inmate/memory.h"
#include "inmate/sse.h"
#include "inmate/time.h"
#include "start.h"

#define STACK_SIZE 0x4000
#define MAILBOX_EMPTY 0xffffffffu

/* Times between INIT and start-up interrupts (Intel SDM volume 3, "MP initialization") */
#define AFTER_INIT_US 10000
#define AFTER_STARTUP_US 200
#define COME_UP_US 100000
#define POLL_US 10

static smp_entry *volatile secondary_entry;

unsigned smp_wait_for_cpus(uint64_t timeout_us)
{
    for (uint64_t waited = 0; smp_registered < cell_facts.cpu_count && waited < timeout_us; waited += POLL_US)
        delay_us(POLL_US);
    return smp_registered;
}

uint32_t smp_apic_id(unsigned index)
{
    return smp_apic_ids[index];
}

static bool wait_until_taken(uint64_t timeout_us)
{
    for (uint64_t waited = 0; smp_mailbox_target != MAILBOX_EMPTY; waited += POLL_US) {
        if (waited >= timeout_us)
            return false;
        delay_us(POLL_US);
    }
    return true;
}

bool smp_start(uint32_t target, smp_entry *entry)
{
    char *stack = heap_allocate(STACK_SIZE, 16);
    uint8_t vector = (uint8_t)((uintptr_t)boot16 >> 12);

    secondary_entry = entry;
    smp_mailbox_stack = stack + STACK_SIZE;
    smp_mailbox_target = target;

    apic_send_init(target);
    delay_us(AFTER_INIT_US);
    apic_send_startup(target, vector);
    if (wait_until_taken(AFTER_STARTUP_US))
        return true;
    apic_send_startup(target, vector); /* as the MP protocol has it; ignored by a CPU that runs */
    if (wait_until_taken(COME_UP_US))
        return true;
    smp_mailbox_target = MAILBOX_EMPTY;
    return false;
}

void smp_secondary_main(void)
{
    smp_entry *entry = secondary_entry;

#ifdef INMATE_SSE_AT_BOOT
    inmate_enable_sse();
#endif
    interrupts_init_secondary();
    apic_enable();
    entry();
    cpu_stop();
}
