/* SPDX-License-Identifier: Apache-2.0 */
#include "bus.h"
#include "inmate.h"
#include "inmate/channel.h"
#include "inmate/ivshmem.h"

#define CHANNEL "signals"
/* A reader in the root cell looks now and then only: the last quarter of a second waits for it. */
#define SLOTS 256
#define READY 1
#define LARGEST_RECORD 256
#define BELL_VECTOR 33

static struct ivshmem device;
static struct channel_sender sender;
static struct channel_receiver receivers[BUS_ENDS];
static uint32_t own_size;
/* Set at first: what was ordered before the interrupt was enabled made no sound. */
static volatile bool rung = true;

static void on_bell(uint8_t vector)
{
    (void)vector;
    rung = true;
}

bool bus_open(enum bus_end self, size_t record_size)
{
    struct channel_description channel = {CHANNEL, SLOTS, (uint32_t)record_size};

    if (!ivshmem_open(&device, 0)) {
        printf("There is no shared-memory device\n");
        return false;
    }
    if (device.version != 2 || device.id != (uint32_t)self || device.peers != BUS_ENDS) {
        printf("The shared-memory device " PCI_BDF_FORMAT " is end %u of %u, not end %d of %d\n",
               PCI_BDF_ARGUMENTS(device.bdf), device.id, device.peers, self, BUS_ENDS);
        return false;
    }
    if (!channels_create(ivshmem_output(&device, device.id), device.output_size, &channel, 1, &sender)) {
        printf("The output section of %zu bytes is too small\n", device.output_size);
        return false;
    }
    own_size = (uint32_t)record_size;
    interrupt_set_handler(BELL_VECTOR, on_bell);
    if (!ivshmem_enable_interrupts(&device, BELL_VECTOR)) {
        printf("The shared-memory device has no interrupts\n");
        return false;
    }
    ivshmem_set_state(&device, READY);
    printf("On the bus as end %u of %u\n", device.id, device.peers);
    return true;
}

void bus_publish(const void *record)
{
    channel_send(&sender, record, own_size);
}

void bus_latest(enum bus_end end, void *record, size_t record_size)
{
    struct channel_receiver *receiver = &receivers[end];
    uint8_t message[LARGEST_RECORD];
    uint32_t length;

    if (end == BUS_OPERATOR) {
        if (!rung)
            return;
        rung = false;
    }
    if (!receiver->entry &&
        channel_open(receiver, ivshmem_output(&device, end), device.output_size, CHANNEL) != CHANNEL_MESSAGE) {
        receiver->entry = NULL;
        return;
    }
    /* else the message might not fit below */
    if (receiver->message_size != record_size || record_size > sizeof message)
        return;
    switch (channel_receive_newest(receiver, message, &length)) {
    case CHANNEL_MESSAGE:
        if (length == record_size)
            memcpy(record, message, record_size);
        return;
    case CHANNEL_CLOSED:
        receiver->entry = NULL;
        /* there may be an order in the new area */
        rung = true;
        return;
    case CHANNEL_GARBAGE:
    case CHANNEL_EMPTY:
        return;
    }
}
