/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cell's side of hello-ivshmem: answers each interrupt from the root cell with a message in shared
 * memory and an interrupt back. Runs with both versions of the device.
 */
#include "inmate.h"

#define VECTOR 32
#define ROOT 0

/* States of this end: what the other one knows of it before the first message. */
#define READY 1

static const char message[] = "Hello From IVSHMEM ";

static volatile unsigned requests;

static void on_interrupt(uint8_t vector)
{
    (void)vector;
    requests++;
}

void inmate_main(void)
{
    struct ivshmem link;
    unsigned answered = 0;

    if (!ivshmem_open(&link, 0)) {
        printf("There is no shared-memory device\n");
        comm_set_state(CELL_FAILED);
        return;
    }
    printf("Shared memory, version %u, device " PCI_BDF_FORMAT ", end %u of %u\n", link.version,
           PCI_BDF_ARGUMENTS(link.bdf), link.id, link.peers);

    interrupts_init();
    for (uint32_t index = 0; index < link.vectors; index++)
        interrupt_set_handler((uint8_t)(VECTOR + index), on_interrupt);
    ivshmem_enable_interrupts(&link, VECTOR);
    ivshmem_set_state(&link, READY);
    printf("Wait IRQ\n");

    for (;;) {
        while (answered == requests)
            cpu_wait_for_interrupt();
        answered = requests;
        memcpy(ivshmem_output(&link, link.id), message, sizeof message);
        printf("IRQ received, message written, send IRQ\n");
        ivshmem_ring(&link, ROOT, 0);
    }
}
