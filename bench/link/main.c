/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Doorbells and messages between two cells, or a cell and a program at root. The caller prints "begin"
 * after some rounds that are not measured, and "end ROUNDS NANOSECONDS ERRORS"; NANOSECONDS is the virtual
 * time from the stores to the doorbell to the first instructions of the handlers, of all rounds.
 *
 * Command line:
 *   rounds=N      the caller: rings N times and waits each time until it is rung
 *   warm=N        rounds before these
 *   peer=N        end of the link that is rung
 *   batch=N       messages before each ring of the caller; 0: doorbells alone
 *   size=N        bytes of a message
 */
#include "inmate.h"

#define VECTOR 32
#define DOORBELL 1 /* interrupt 0 is the news of a state */
#define READY 1
#define SLOTS 16
#define MAX_SIZE 65536

/* At the start of each output section: what belongs to the benchmark itself. The channels follow. */
struct output {
    volatile uint64_t rung_at;    /* TSC before the doorbell */
    volatile uint64_t answer_ns;  /* sum of times to the handler, of the one that is rung first */
    volatile uint64_t errors;
    uint8_t reserved[40];
    uint8_t channels[];
};

static struct ivshmem link;
static uint32_t peer, batch, size;
static struct output *own, *other;
static struct channel_receiver receiver;
static uint8_t *message;
static volatile unsigned rung;

static void receive_all(void)
{
    static uint8_t expected;
    uint32_t length;

    if (!receiver.area && channel_open(&receiver, other->channels, link.output_size - sizeof *other, "m") !=
                              CHANNEL_MESSAGE)
        return;
    for (;;) {
        enum channel_result result = channel_receive(&receiver, message, &length);
        if (result == CHANNEL_EMPTY)
            break;
        if (result != CHANNEL_MESSAGE || length != size || message[0] != expected || message[size - 1] != expected)
            own->errors++;
        expected++;
    }
    own->errors += receiver.lost;
    receiver.lost = 0;
}

static void ring(void)
{
    own->rung_at = tsc_read();
    ivshmem_ring(&link, peer, DOORBELL);
}

static void on_interrupt(uint8_t vector)
{
    uint64_t now = tsc_read();

    (void)vector;
    own->answer_ns += tsc_to_ns(now - other->rung_at);
    rung++;
}

static void on_news(uint8_t vector)
{
    (void)vector;
}

static void wait_for_ring(void)
{
    while (!rung)
        cpu_wait_for_interrupt();
    rung = 0;
}

static void call(uint64_t warm, uint64_t rounds)
{
    struct channel_description description = {"m", SLOTS, size};
    struct channel_sender sender;
    uint8_t number = 0;
    uint64_t before = 0;

    if (!channels_create(own->channels, link.output_size - sizeof *own, &description, 1, &sender)) {
        printf("The section is too small\n");
        return;
    }
    ivshmem_set_state(&link, READY);
    while (ivshmem_state(&link, peer) != READY)
        cpu_relax();
    for (uint64_t round = 0; round < warm + rounds; round++) {
        if (round == warm) {
            before = other->answer_ns;
            printf("begin\n");
        }
        for (uint32_t i = 0; i < batch; i++) {
            message[0] = message[size - 1] = number++;
            channel_send(&sender, message, size);
        }
        ring();
        wait_for_ring();
    }
    printf("end %lu %lu %lu\n", rounds, other->answer_ns - before, other->errors);
}

void inmate_main(void)
{
    uint64_t rounds = (uint64_t)cmdline_integer("rounds", 0);

    peer = (uint32_t)cmdline_integer("peer", 0);
    batch = (uint32_t)cmdline_integer("batch", 0);
    size = (uint32_t)cmdline_integer("size", 8);
    message = heap_allocate(MAX_SIZE, 8);
    if (!ivshmem_open(&link, 0)) {
        printf("There is no shared-memory device\n");
        return;
    }
    own = ivshmem_output(&link, link.id);
    other = ivshmem_output(&link, peer);
    interrupts_init();
    interrupt_set_handler(VECTOR, on_news);
    interrupt_set_handler(VECTOR + DOORBELL, on_interrupt);
    ivshmem_enable_interrupts(&link, VECTOR);
    if (rounds) {
        call((uint64_t)cmdline_integer("warm", 0), rounds);
        return;
    }
    ivshmem_set_state(&link, READY);
    for (;;) {
        wait_for_ring();
        if (batch)
            receive_all();
        ring();
    }
}
