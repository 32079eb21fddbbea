/* SPDX-License-Identifier: Apache-2.0 */
#include "inmate/ivshmem.h"
#include "inmate/memory.h"
#include "inmate/mmio.h"
#include "inmate/pci.h"

#define VENDOR_DEVICE_1 0x11101af4u
#define VENDOR_DEVICE_2 0x4106110au

#define PROTOCOL 0x09
#define MSIX_CONTROL 2
#define MSIX_CONTROL_TABLE_SIZE 0x07ffu

/* Version 1: where the memory is, in configuration space. */
#define MEMORY_ADDRESS 0x40
#define MEMORY_SIZE 0x48

/* Version 2: the same from the start of the vendor's capability. */
#define CAPABILITY_PRIVILEGED_CONTROL 3
#define CAPABILITY_STATES_SIZE 4
#define CAPABILITY_COMMON_SIZE 8
#define CAPABILITY_OUTPUT_SIZE 16
#define CAPABILITY_ADDRESS 24

#define ONE_SHOT 0x01

enum registers_1 { POSITION = 0x08, DOORBELL_1 = 0x0c, LOCAL_STATE = 0x10, REMOTE_STATE = 0x14 };
enum registers_2 { ID = 0x00, MAX_PEERS = 0x04, INTERRUPT_CONTROL = 0x08, DOORBELL_2 = 0x0c, STATE = 0x10 };

/*
 * Registers are placed one device after the other from here on: above all memory that a cell can have
 * below 4 GiB, and above the APICs.
 */
#define REGISTERS_START 0xff000000u
static uint32_t next_registers = REGISTERS_START;

static uint32_t read_register(const struct ivshmem *device, unsigned offset)
{
    return mmio_read32(device->registers + offset);
}

static void write_register(const struct ivshmem *device, unsigned offset, uint32_t value)
{
    mmio_write32(device->registers + offset, value);
}

static uint64_t read_config64(uint16_t bdf, unsigned offset)
{
    return pci_read(bdf, offset, 4) | (uint64_t)pci_read(bdf, offset + 4, 4) << 32;
}

/* Gives a BAR an address, if the device has it. 64-bit ones end up below 4 GiB, too. */
static void place_bar(uint16_t bdf, unsigned bar)
{
    pci_write(bdf, PCI_BAR(bar), 0xffffffff, 4);
    uint32_t writable = pci_read(bdf, PCI_BAR(bar), 4) & ~0xfu;
    if (!writable)
        return;

    uint32_t size = ~writable + 1;
    next_registers = (next_registers + size - 1) & ~(size - 1);
    pci_write(bdf, PCI_BAR(bar), next_registers, 4);
    next_registers += size;
}

static bool find_device(struct ivshmem *device, uint32_t first)
{
    for (uint32_t bdf = first; bdf <= 0xffff; bdf++) {
        uint32_t id = pci_read((uint16_t)bdf, PCI_VENDOR_ID, 4);
        if (id != VENDOR_DEVICE_1 && id != VENDOR_DEVICE_2)
            continue;
        *device = (struct ivshmem){.bdf = (uint16_t)bdf, .version = id == VENDOR_DEVICE_1 ? 1 : 2};
        return true;
    }
    return false;
}

static void map_memory_1(struct ivshmem *device)
{
    uint64_t address = read_config64(device->bdf, MEMORY_ADDRESS);

    device->common = (void *)address;
    device->common_size = read_config64(device->bdf, MEMORY_SIZE);
    memory_map(address, device->common_size, MEMORY_CACHED);
    device->outputs = device->common;
    device->output_size = device->common_size / 16 * 8;
    device->id = read_register(device, POSITION);
    device->peers = 2;
}

static void map_memory_2(struct ivshmem *device)
{
    unsigned capability = pci_find_capability(device->bdf, PCI_CAPABILITY_VENDOR);
    uint64_t address = read_config64(device->bdf, capability + CAPABILITY_ADDRESS);

    device->id = read_register(device, ID);
    device->peers = read_register(device, MAX_PEERS);
    device->states_size = pci_read(device->bdf, capability + CAPABILITY_STATES_SIZE, 4);
    device->common_size = read_config64(device->bdf, capability + CAPABILITY_COMMON_SIZE);
    device->output_size = read_config64(device->bdf, capability + CAPABILITY_OUTPUT_SIZE);
    device->states = (const volatile uint32_t *)address;
    device->common = (char *)address + device->states_size;
    device->outputs = (char *)device->common + device->common_size;
    memory_map(address, device->states_size + device->common_size + device->peers * device->output_size,
               MEMORY_CACHED);
}

bool ivshmem_open(struct ivshmem *device, uint16_t first)
{
    if (!find_device(device, first))
        return false;

    uint16_t bdf = device->bdf;
    place_bar(bdf, 0);
    place_bar(bdf, device->version == 1 ? 4 : 1);
    pci_write(bdf, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_BUS_MASTER, 2);

    uint64_t registers = pci_bar_address(bdf, 0);
    device->registers = (char *)registers;
    memory_map(registers, 0x100, MEMORY_UNCACHED);

    device->protocol = (uint16_t)(pci_read(bdf, PROTOCOL, 1) | pci_read(bdf, PROTOCOL + 1, 1) << 8);
    unsigned msix = pci_find_capability(bdf, PCI_CAPABILITY_MSIX);
    if (msix)
        device->vectors = (pci_read(bdf, msix + MSIX_CONTROL, 2) & MSIX_CONTROL_TABLE_SIZE) + 1;
    if (device->version == 1)
        map_memory_1(device);
    else
        map_memory_2(device);
    return true;
}

void *ivshmem_output(const struct ivshmem *device, uint32_t peer)
{
    return device->outputs + peer * device->output_size;
}

bool ivshmem_enable_interrupts(const struct ivshmem *device, uint8_t first_vector)
{
    for (uint32_t index = 0; index < device->vectors; index++)
        if (!pci_enable_msix(device->bdf, index, (uint8_t)(first_vector + index)))
            return false;
    ivshmem_rearm(device);
    return device->vectors > 0;
}

bool ivshmem_set_one_shot(const struct ivshmem *device, bool on)
{
    if (device->version == 1)
        return false;
    unsigned capability = pci_find_capability(device->bdf, PCI_CAPABILITY_VENDOR);
    pci_write(device->bdf, capability + CAPABILITY_PRIVILEGED_CONTROL, on ? ONE_SHOT : 0, 1);
    return true;
}

void ivshmem_rearm(const struct ivshmem *device)
{
    if (device->version == 2)
        write_register(device, INTERRUPT_CONTROL, 1);
}

void ivshmem_ring(const struct ivshmem *device, uint32_t peer, uint16_t vector)
{
    if (device->version == 1)
        write_register(device, DOORBELL_1, 1);
    else
        write_register(device, DOORBELL_2, peer << 16 | vector);
}

void ivshmem_set_state(const struct ivshmem *device, uint32_t state)
{
    write_register(device, device->version == 1 ? (unsigned)LOCAL_STATE : (unsigned)STATE, state);
}

uint32_t ivshmem_state(const struct ivshmem *device, uint32_t peer)
{
    return device->version == 1 ? read_register(device, REMOTE_STATE) : device->states[peer];
}
