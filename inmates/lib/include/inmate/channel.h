/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Messages through shared memory: named channels, each a ring of slots that one side writes and
 * any number of others read. docs/channels.md describes the layout and its rules; Gaoler's library
 * for TypeScript speaks the same.
 *
 * A writer never waits: who reads too slowly loses the oldest messages, and is told how many.
 * A reader believes nothing that it reads: whatever the other side writes into the memory, it gets
 * a message of a possible length, or is told that there is garbage.
 *
 * Nothing here rings a doorbell: do so after channel_send() if the other side waits for interrupts.
 * 64-bit inmates only. One channel may be used by one CPU at a time.
 */
#ifndef INMATE_CHANNEL_H
#define INMATE_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHANNEL_MAGIC 0x4e484347u /**< "GCHN" */
#define CHANNEL_VERSION 1
#define CHANNEL_NAME_SIZE 32
#define CHANNEL_MAX_COUNT 64
#define CHANNEL_MAX_SLOTS 65536u
#define CHANNEL_MAX_WRITTEN (UINT64_C(1) << 52) /**< a larger count of messages cannot be right */

/** At the start of an area. */
struct channel_area {
    uint32_t magic;    /**< CHANNEL_MAGIC once the area is complete */
    uint16_t version;  /**< CHANNEL_VERSION */
    uint16_t count;    /**< channels, 1 to CHANNEL_MAX_COUNT */
    uint32_t epoch;    /**< another number each time the writer lays the area out */
    uint32_t size;     /**< bytes of the area that are used */
    uint8_t reserved[48];
};

/** `count` of them follow the struct channel_area. */
struct channel_entry {
    char name[CHANNEL_NAME_SIZE]; /**< ended by a NUL, padded with NULs */
    uint32_t offset;              /**< of the first slot from the start of the area, multiple of 8 */
    uint32_t slots;               /**< 1 to CHANNEL_MAX_SLOTS */
    uint32_t message_size;        /**< most bytes of one message */
    uint32_t reserved;
    uint64_t written;             /**< messages since the area was laid out */
    uint64_t reserved2;
};

/** Message n stands in slot n modulo `slots`. Slots are CHANNEL_SLOT_SIZE(message_size) bytes apart. */
struct channel_slot {
    uint64_t stamp;    /**< 2n + 1 while message n is being written, 2n + 2 once it is complete */
    uint32_t length;   /**< bytes of the message */
    uint32_t reserved;
    uint8_t message[];
};

#define CHANNEL_SLOT_SIZE(message_size) (sizeof(struct channel_slot) + (((size_t)(message_size) + 7) & ~(size_t)7))

/** What a writer wants. */
struct channel_description {
    const char *name;      /**< 1 to CHANNEL_NAME_SIZE - 1 characters */
    uint32_t slots;
    uint32_t message_size;
};

/** The writing end of one channel. */
struct channel_sender {
    struct channel_entry *entry;
    uint8_t *ring;
    uint32_t slots, message_size;
    uint64_t written; /**< its own count: that in memory may be overwritten by others */
};

/**
 * Lays out an area, and so tells readers of an earlier one that the writer has started again.
 *
 * @param area aligned to 8 bytes, in memory that the cell may write and no other channel uses
 * @param senders gets `count` of them, in the order of the descriptions
 * @return false, and nothing written, if the channels do not fit or a description is impossible
 */
bool channels_create(void *area, size_t size, const struct channel_description *channels, unsigned count,
                     struct channel_sender *senders);

/** @return false, and nothing sent, if the message is longer than the channel's message_size */
bool channel_send(struct channel_sender *sender, const void *message, uint32_t length);

/** The reading end of one channel. */
struct channel_receiver {
    const struct channel_area *area;
    size_t area_size;
    char name[CHANNEL_NAME_SIZE];
    const struct channel_entry *entry;
    const uint8_t *ring;
    uint32_t slots, message_size, epoch;
    uint64_t next;     /**< number of the next message */
    uint64_t lost;     /**< messages that were overwritten before they were read, since it was opened */
    uint64_t garbage;  /**< times that CHANNEL_GARBAGE was returned */
};

enum channel_result {
    CHANNEL_EMPTY,   /**< nothing new */
    CHANNEL_MESSAGE,
    CHANNEL_GARBAGE, /**< what is written there breaks the rules; the reader goes on behind it */
    CHANNEL_CLOSED,  /**< the writer is laying the area out again, or has: call channel_open() again */
};

/**
 * Begins with the oldest message that is still there.
 *
 * @param size bytes from `area` on that the cell may read
 * @return CHANNEL_MESSAGE: opened. CHANNEL_EMPTY: there is no area yet.
 *         CHANNEL_GARBAGE: there is an area and it cannot be right, or it has no such channel.
 */
enum channel_result channel_open(struct channel_receiver *receiver, const void *area, size_t size,
                                 const char *name);

/**
 * Takes the next message.
 *
 * @param message has room for receiver->message_size bytes
 * @param length gets the message's length
 */
enum channel_result channel_receive(struct channel_receiver *receiver, void *message, uint32_t *length);

/** Takes the newest message. Those that it passes over do not count as lost. Otherwise as channel_receive(). */
enum channel_result channel_receive_newest(struct channel_receiver *receiver, void *message, uint32_t *length);

#endif
