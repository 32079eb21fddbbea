/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Shared memory and doorbells between cells: the virtual PCI device "ivshmem" in both its versions.
 *
 * | version | hypervisor        | shared memory                                               | peers   |
 * |---------|-------------------|-------------------------------------------------------------|---------|
 * | 1       | v0.6 to v0.11     | one region that both ends write                             | 2       |
 * | 2       | v0.12 and later   | state table, common section, one output section for each end | 2 to 64 |
 *
 * An interrupt to an end that has not enabled its interrupts is lost: let it say by its state that
 * it is ready. 64-bit inmates only. To be used by one CPU; interrupts go to the one that enables them.
 */
#ifndef INMATE_IVSHMEM_H
#define INMATE_IVSHMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** A device, ready for use. */
struct ivshmem {
    uint16_t bdf;
    uint8_t version;    /**< 1 or 2 */
    uint16_t protocol;  /**< what this end speaks: a number that the configuration gives */
    uint32_t id;        /**< number of this end */
    uint32_t peers;     /**< ends that the link can have, this one included */
    uint32_t vectors;   /**< interrupts that the device can send to this end, 0 if none */
    char *registers;

    const volatile uint32_t *states; /**< state of each end; version 1: null */
    size_t states_size;              /**< bytes */
    void *common;                    /**< memory that all ends may write; version 1: all there is */
    size_t common_size;
    char *outputs;                   /**< see ivshmem_output() */
    size_t output_size;              /**< of each */
};

/**
 * Finds the next device from bdf `first` on, places its registers, and maps registers and memory.
 * For all devices: begin with 0, go on with device->bdf + 1.
 *
 * @return false if there is none
 */
bool ivshmem_open(struct ivshmem *device, uint16_t first);

/**
 * Memory that one end writes and the others only read. Version 2: its output section. Version 1,
 * by agreement: the half of the region with the number of the end.
 */
void *ivshmem_output(const struct ivshmem *device, uint32_t peer);

/**
 * Interrupt n of the device becomes vector `first_vector` + n of the calling CPU, for all n below
 * device->vectors. Set the handlers before.
 *
 * @return false if the device has no interrupts
 */
bool ivshmem_enable_interrupts(const struct ivshmem *device, uint8_t first_vector);

/**
 * Version 2: each interrupt switches further ones off, until ivshmem_rearm(). What comes meanwhile
 * is lost, so look for work after it. Version 1 has no such mode: false.
 */
bool ivshmem_set_one_shot(const struct ivshmem *device, bool on);
void ivshmem_rearm(const struct ivshmem *device);

/** Interrupts an end. Version 1 has one other end, and one vector: both arguments are ignored. */
void ivshmem_ring(const struct ivshmem *device, uint32_t peer, uint16_t vector);

/** Tells the state of this end; the others get interrupt 0 (version 2: if it is another than before). */
void ivshmem_set_state(const struct ivshmem *device, uint32_t state);

/** What an end told last; 0 if it is not there. Version 1: of the other end, whatever `peer` is. */
uint32_t ivshmem_state(const struct ivshmem *device, uint32_t peer);

#endif
