/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * PCI configuration space through ports 0xcf8 and 0xcfc, and message-signalled interrupts.
 *
 * A device is named by its bdf: bus in bits 15:8, device in bits 7:3, function in bits 2:0.
 * 64-bit inmates only.
 */
#ifndef INMATE_PCI_H
#define INMATE_PCI_H

#include <stdbool.h>
#include <stdint.h>

#define PCI_VENDOR_ID 0x00
#define PCI_DEVICE_ID 0x02
#define PCI_COMMAND 0x04
#define PCI_STATUS 0x06
#define PCI_BAR(n) (0x10 + 4 * (n))
#define PCI_CAPABILITIES 0x34

#define PCI_COMMAND_MEMORY 0x0002u
#define PCI_COMMAND_BUS_MASTER 0x0004u

#define PCI_CAPABILITY_MSI 0x05
#define PCI_CAPABILITY_VENDOR 0x09
#define PCI_CAPABILITY_MSIX 0x11

/** printf format and arguments of a bdf. */
#define PCI_BDF_FORMAT "%02x:%02x.%x"
#define PCI_BDF_ARGUMENTS(bdf) (unsigned)(bdf) >> 8, ((unsigned)(bdf) >> 3) & 0x1f, (unsigned)(bdf) & 7

/** Reads 1, 2 or 4 bytes at a naturally aligned offset (0 to 255). */
uint32_t pci_read(uint16_t bdf, unsigned offset, unsigned size);
void pci_write(uint16_t bdf, unsigned offset, uint32_t value, unsigned size);

/**
 * Looks for a device from `first` on, over all buses.
 * @return its bdf, or -1
 */
int pci_find_device(uint16_t vendor, uint16_t device, uint16_t first);

/** Offset of a capability in configuration space, or 0 if the device lacks it. */
unsigned pci_find_capability(uint16_t bdf, uint8_t id);

/** Guest-physical address of a memory BAR, 32 or 64 bit. */
uint64_t pci_bar_address(uint16_t bdf, unsigned bar);

/** Directs the device's MSI (one vector) to the calling CPU; false if it has no MSI. */
bool pci_enable_msi(uint16_t bdf, uint8_t vector);

/**
 * Directs one MSI-X vector of the device to the calling CPU and enables MSI-X; false if it has none.
 * The table's BAR must have its address, and memory decoding must be on.
 */
bool pci_enable_msix(uint16_t bdf, unsigned index, uint8_t vector);

#endif
