/* SPDX-License-Identifier: Apache-2.0 */
#include "inmate/pci.h"
#include "inmate/apic.h"
#include "inmate/cpu.h"
#include "inmate/memory.h"
#include "inmate/mmio.h"

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA 0xcfc
#define CONFIG_ENABLE 0x80000000u

#define STATUS_CAPABILITIES 0x10u

#define MSI_CONTROL 2
#define MSI_CONTROL_64_BIT 0x80u
#define MSI_CONTROL_ENABLE 0x01u
#define MSI_CONTROL_VECTORS 0x70u
#define MSI_ADDRESS 4

#define MSIX_CONTROL 2
#define MSIX_CONTROL_ENABLE 0x8000u
#define MSIX_CONTROL_MASK_ALL 0x4000u
#define MSIX_CONTROL_TABLE_SIZE 0x07ffu
#define MSIX_TABLE 4
#define MSIX_ENTRY_SIZE 16

/* Interrupt message to a CPU: physical destination, fixed delivery. */
#define MESSAGE_ADDRESS(apic_id) (0xfee00000u | (apic_id) << 12)

static void select_register(uint16_t bdf, unsigned offset)
{
    port_write32(CONFIG_ADDRESS, CONFIG_ENABLE | (uint32_t)bdf << 8 | (offset & 0xfc));
}

uint32_t pci_read(uint16_t bdf, unsigned offset, unsigned size)
{
    uint16_t port = CONFIG_DATA + (offset & 3);

    select_register(bdf, offset);
    return size == 1 ? port_read8(port) : size == 2 ? port_read16(port) : port_read32(port);
}

void pci_write(uint16_t bdf, unsigned offset, uint32_t value, unsigned size)
{
    uint16_t port = CONFIG_DATA + (offset & 3);

    select_register(bdf, offset);
    if (size == 1)
        port_write8(port, (uint8_t)value);
    else if (size == 2)
        port_write16(port, (uint16_t)value);
    else
        port_write32(port, value);
}

int pci_find_device(uint16_t vendor, uint16_t device, uint16_t first)
{
    for (uint32_t bdf = first; bdf <= 0xffff; bdf++)
        if (pci_read((uint16_t)bdf, PCI_VENDOR_ID, 4) == ((uint32_t)device << 16 | vendor))
            return (int)bdf;
    return -1;
}

unsigned pci_find_capability(uint16_t bdf, uint8_t id)
{
    if (!(pci_read(bdf, PCI_STATUS, 2) & STATUS_CAPABILITIES))
        return 0;

    unsigned offset = pci_read(bdf, PCI_CAPABILITIES, 1) & 0xfc;
    /* 48 capabilities fit behind the header: a longer list is a loop in a broken device. */
    for (unsigned seen = 0; offset >= 0x40 && seen < 48; seen++) {
        if (pci_read(bdf, offset, 1) == id)
            return offset;
        offset = pci_read(bdf, offset + 1, 1) & 0xfc;
    }
    return 0;
}

uint64_t pci_bar_address(uint16_t bdf, unsigned bar)
{
    uint32_t low = pci_read(bdf, PCI_BAR(bar), 4);
    uint64_t address = low & ~0xfu;

    if ((low & 0x6) == 0x4) /* 64 bit: the next BAR holds the upper half */
        address |= (uint64_t)pci_read(bdf, PCI_BAR(bar + 1), 4) << 32;
    return address;
}

bool pci_enable_msi(uint16_t bdf, uint8_t vector)
{
    unsigned capability = pci_find_capability(bdf, PCI_CAPABILITY_MSI);
    if (!capability)
        return false;

    uint32_t control = pci_read(bdf, capability + MSI_CONTROL, 2);
    unsigned data = capability + MSI_ADDRESS + 4;
    pci_write(bdf, capability + MSI_ADDRESS, MESSAGE_ADDRESS(apic_id()), 4);
    if (control & MSI_CONTROL_64_BIT) {
        pci_write(bdf, data, 0, 4);
        data += 4;
    }
    pci_write(bdf, data, vector, 2);
    pci_write(bdf, capability + MSI_CONTROL, (control & ~MSI_CONTROL_VECTORS) | MSI_CONTROL_ENABLE, 2);
    return true;
}

bool pci_enable_msix(uint16_t bdf, unsigned index, uint8_t vector)
{
    unsigned capability = pci_find_capability(bdf, PCI_CAPABILITY_MSIX);
    if (!capability)
        return false;

    uint32_t control = pci_read(bdf, capability + MSIX_CONTROL, 2);
    if (index > (control & MSIX_CONTROL_TABLE_SIZE))
        return false;

    uint32_t table = pci_read(bdf, capability + MSIX_TABLE, 4);
    uint64_t address = pci_bar_address(bdf, table & 7) + (table & ~7u) + index * MSIX_ENTRY_SIZE;
    char *entry = (char *)address;

    memory_map(address, MSIX_ENTRY_SIZE, MEMORY_UNCACHED);
    pci_write(bdf, capability + MSIX_CONTROL, control | MSIX_CONTROL_ENABLE | MSIX_CONTROL_MASK_ALL, 2);
    mmio_write32(entry, MESSAGE_ADDRESS(apic_id()));
    mmio_write32(entry + 4, 0);
    mmio_write32(entry + 8, vector);
    mmio_write32(entry + 12, 0); /* unmasked */
    pci_write(bdf, capability + MSIX_CONTROL, (control | MSIX_CONTROL_ENABLE) & ~MSIX_CONTROL_MASK_ALL, 2);
    return true;
}
