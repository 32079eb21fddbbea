/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cell's end of an Ethernet wire: a driver of the 82540EM with one ring each way and an interrupt for
 * what arrives. With "ping" on the command line it asks five times, else it answers.
 *
 * Registers, descriptors and bits are those of Intel's PCI/PCI-X Family of Gigabit Ethernet Controllers
 * Software Developer's Manual, chapters 3 and 13.
 */
#include "inmate.h"

#define VECTOR 32

enum nic_register {
    CTRL = 0x0000,
    STATUS = 0x0008,
    ICR = 0x00c0,
    IMS = 0x00d0,
    RCTL = 0x0100,
    TCTL = 0x0400,
    RDBAL = 0x2800,
    RDLEN = 0x2808,
    RDT = 0x2818,
    TDBAL = 0x3800,
    TDLEN = 0x3808,
    TDT = 0x3818,
    RAL0 = 0x5400,
    RAH0 = 0x5404,
};

#define CTRL_SET_LINK_UP 0x00000040u
#define STATUS_LINK_UP 0x00000002u
#define RECEIVER_TIMER 0x00000080u /* ICR, IMS: a packet is in memory */
#define RCTL_ENABLE 0x00000002u
#define RCTL_BROADCAST 0x00008000u
#define RCTL_STRIP_CRC 0x04000000u
#define TCTL_ENABLE 0x00000002u
#define TCTL_PAD_SHORT 0x00000008u
#define TX_END_OF_PACKET 0x01
#define TX_INSERT_CRC 0x02
#define TX_REPORT_STATUS 0x08
#define DONE 0x01

#define DESCRIPTORS 8
#define BUFFER_BYTES 2048

struct rx_descriptor {
    uint64_t buffer;
    uint16_t length;
    uint16_t checksum;
    uint8_t status;
    uint8_t errors;
    uint16_t special;
};

struct tx_descriptor {
    uint64_t buffer;
    uint16_t length;
    uint8_t checksum_offset;
    uint8_t command;
    uint8_t status;
    uint8_t checksum_start;
    uint16_t special;
};

/* EtherType for local experiments (IEEE 802, 9.2.4), in network order. */
#define ETHERTYPE 0xb588
#define ADDRESS_BYTES 6

struct packet {
    uint8_t to[ADDRESS_BYTES];
    uint8_t from[ADDRESS_BYTES];
    uint16_t type;
    uint16_t is_answer;
    uint32_t number;
};

static char *registers;
static volatile struct rx_descriptor *rx;
static volatile struct tx_descriptor *tx;
static unsigned next_rx, next_tx;
static uint8_t own[ADDRESS_BYTES];
static const uint8_t everybody[ADDRESS_BYTES] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static uint32_t get(enum nic_register at)
{
    return mmio_read32(registers + at);
}

static void set(enum nic_register at, uint32_t value)
{
    mmio_write32(registers + at, value);
}

/* Reading the causes takes them back. What has arrived is found in the ring. */
static void on_interrupt(uint8_t vector)
{
    (void)vector;
    get(ICR);
}

/* The device reads and writes memory by the addresses that the cell itself uses. */
static uint64_t ring(enum nic_register base, enum nic_register length)
{
    uint64_t address = (uint64_t)heap_allocate(16 * DESCRIPTORS, 128);

    memset((void *)address, 0, 16 * DESCRIPTORS);
    set(base, (uint32_t)address);
    set(base + 4, (uint32_t)(address >> 32));
    set(length, 16 * DESCRIPTORS);
    return address;
}

static bool open_nic(void)
{
    int bdf = pci_find_device(0x8086, 0x100e, 0);

    if (bdf < 0)
        return false;
    pci_write((uint16_t)bdf, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_BUS_MASTER, 2);
    uint64_t address = pci_bar_address((uint16_t)bdf, 0);
    memory_map(address, 0x20000, MEMORY_UNCACHED);
    registers = (char *)address;

    rx = (volatile struct rx_descriptor *)ring(RDBAL, RDLEN);
    for (unsigned index = 0; index < DESCRIPTORS; index++)
        rx[index].buffer = (uint64_t)heap_allocate(BUFFER_BYTES, 16);
    tx = (volatile struct tx_descriptor *)ring(TDBAL, TDLEN);
    for (unsigned index = 0; index < DESCRIPTORS; index++)
        tx[index].buffer = (uint64_t)heap_allocate(sizeof(struct packet), 16);

    uint32_t low = get(RAL0), high = get(RAH0);
    memcpy(own, &low, 4);
    memcpy(own + 4, &high, 2);

    interrupts_init();
    interrupt_set_handler(VECTOR, on_interrupt);
    pci_enable_msi((uint16_t)bdf, VECTOR);
    set(CTRL, get(CTRL) | CTRL_SET_LINK_UP);
    set(IMS, RECEIVER_TIMER);
    set(RCTL, RCTL_ENABLE | RCTL_BROADCAST | RCTL_STRIP_CRC);
    /* one descriptor stays with the driver, so that a full ring is not an empty one */
    set(RDT, DESCRIPTORS - 1);
    set(TCTL, TCTL_ENABLE | TCTL_PAD_SHORT);
    return true;
}

static void send(const uint8_t *to, bool is_answer, uint32_t number)
{
    volatile struct tx_descriptor *descriptor = &tx[next_tx];
    struct packet *packet = (struct packet *)descriptor->buffer;

    memcpy(packet->to, to, ADDRESS_BYTES);
    memcpy(packet->from, own, ADDRESS_BYTES);
    packet->type = ETHERTYPE;
    packet->is_answer = is_answer;
    packet->number = number;
    descriptor->length = sizeof *packet;
    descriptor->status = 0;
    descriptor->command = TX_END_OF_PACKET | TX_INSERT_CRC | TX_REPORT_STATUS;
    next_tx = (next_tx + 1) % DESCRIPTORS;
    set(TDT, next_tx);
    while (!(descriptor->status & DONE))
        cpu_relax();
}

/* Waits for a packet of ours. */
static struct packet receive(void)
{
    for (;;) {
        volatile struct rx_descriptor *descriptor = &rx[next_rx];

        /* looked at with interrupts off: one that comes in between ends the wait at once */
        while (!(descriptor->status & DONE))
            cpu_wait_for_interrupt();
        struct packet packet = *(struct packet *)descriptor->buffer;
        descriptor->status = 0;
        set(RDT, next_rx);
        next_rx = (next_rx + 1) % DESCRIPTORS;
        if (packet.type == ETHERTYPE)
            return packet;
    }
}

static void print_address(const char *text, const uint8_t *address)
{
    printf("%s %02x:%02x:%02x:%02x:%02x:%02x", text, address[0], address[1], address[2], address[3],
           address[4], address[5]);
}

static void ping(void)
{
    const uint8_t *to = everybody;
    struct packet answer;

    for (uint32_t number = 1; number <= 5; number++) {
        uint64_t start = time_ns();
        send(to, false, number);
        do
            answer = receive();
        while (!answer.is_answer || answer.number != number);
        uint64_t took = time_ns() - start;
        print_address("Answer from", answer.from);
        printf(" to packet %u after %u ns\n", number, (unsigned)took);
        to = answer.from;
        delay_us(1000);
    }
}

void inmate_main(void)
{
    if (!open_nic()) {
        printf("There is no Ethernet controller\n");
        comm_set_state(CELL_FAILED);
        return;
    }
    while (!(get(STATUS) & STATUS_LINK_UP))
        cpu_relax();
    print_address("Link is up, this is", own);
    printf("\n");

    if (cmdline_boolean("ping", false)) {
        ping();
        return;
    }
    for (;;) {
        struct packet question = receive();
        if (!question.is_answer)
            send(question.from, true, question.number);
    }
}
