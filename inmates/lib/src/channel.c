/* SPDX-License-Identifier: Apache-2.0 */
#include "inmate/channel.h"
#include "inmate/string.h"

/* Everything in shared memory is read once and then looked at: the other side may change it any time. */
#define READ_ONCE(field) __atomic_load_n(&(field), __ATOMIC_ACQUIRE)
#define PUBLISH(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELEASE)

#define WRITING(n) (2 * (n) + 1)
#define COMPLETE(n) (2 * (n) + 2)

static size_t directory_size(unsigned count)
{
    return sizeof(struct channel_area) + count * sizeof(struct channel_entry);
}

static bool is_possible(const struct channel_description *channel)
{
    size_t length = strlen(channel->name);

    return length > 0 && length < CHANNEL_NAME_SIZE && channel->slots > 0 && channel->slots <= CHANNEL_MAX_SLOTS;
}

bool channels_create(void *area, size_t size, const struct channel_description *channels, unsigned count,
                     struct channel_sender *senders)
{
    struct channel_area *header = area;
    struct channel_entry *entries = (struct channel_entry *)(header + 1);
    uint64_t end = directory_size(count);

    if (count == 0 || count > CHANNEL_MAX_COUNT)
        return false;
    for (unsigned i = 0; i < count; i++) {
        if (!is_possible(&channels[i]))
            return false;
        end += (uint64_t)channels[i].slots * CHANNEL_SLOT_SIZE(channels[i].message_size);
    }
    if (end > size || end > UINT32_MAX)
        return false;

    uint32_t epoch = READ_ONCE(header->epoch) + 1;
    PUBLISH(header->magic, 0);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    memset((uint8_t *)area + sizeof header->magic, 0, end - sizeof header->magic);

    size_t offset = directory_size(count);
    for (unsigned i = 0; i < count; i++) {
        memcpy(entries[i].name, channels[i].name, strlen(channels[i].name));
        entries[i].offset = (uint32_t)offset;
        entries[i].slots = channels[i].slots;
        entries[i].message_size = channels[i].message_size;
        senders[i] = (struct channel_sender){
            .entry = &entries[i],
            .ring = (uint8_t *)area + offset,
            .slots = channels[i].slots,
            .message_size = channels[i].message_size,
        };
        offset += channels[i].slots * CHANNEL_SLOT_SIZE(channels[i].message_size);
    }
    header->version = CHANNEL_VERSION;
    header->count = (uint16_t)count;
    header->epoch = epoch;
    header->size = (uint32_t)end;
    PUBLISH(header->magic, CHANNEL_MAGIC);
    return true;
}

bool channel_send(struct channel_sender *sender, const void *message, uint32_t length)
{
    uint64_t number = sender->written;
    struct channel_slot *slot =
        (struct channel_slot *)(sender->ring + number % sender->slots * CHANNEL_SLOT_SIZE(sender->message_size));

    if (length > sender->message_size)
        return false;
    PUBLISH(slot->stamp, WRITING(number));
    __atomic_thread_fence(__ATOMIC_RELEASE);
    slot->length = length;
    memcpy(slot->message, message, length);
    PUBLISH(slot->stamp, COMPLETE(number));
    sender->written = number + 1;
    PUBLISH(sender->entry->written, number + 1);
    return true;
}

static bool is_open(const struct channel_receiver *receiver)
{
    return READ_ONCE(receiver->area->magic) == CHANNEL_MAGIC && READ_ONCE(receiver->area->epoch) == receiver->epoch;
}

static bool has_name(const struct channel_entry *entry, const char *name)
{
    for (size_t i = 0; i < CHANNEL_NAME_SIZE; i++) {
        char character = READ_ONCE(entry->name[i]);
        if (character != name[i])
            return false;
        if (character == '\0')
            return true;
    }
    return false;
}

/* Takes over what the entry says, if all of it lies inside the area. */
static bool take_entry(struct channel_receiver *receiver, const struct channel_entry *entry)
{
    uint32_t offset = READ_ONCE(entry->offset), slots = READ_ONCE(entry->slots);
    uint32_t message_size = READ_ONCE(entry->message_size);

    if (offset % 8 != 0 || slots == 0 || slots > CHANNEL_MAX_SLOTS || offset > receiver->area_size ||
        (uint64_t)slots * CHANNEL_SLOT_SIZE(message_size) > receiver->area_size - offset)
        return false;
    receiver->entry = entry;
    receiver->ring = (const uint8_t *)receiver->area + offset;
    receiver->slots = slots;
    receiver->message_size = message_size;

    uint64_t written = READ_ONCE(entry->written);
    receiver->next = written > slots ? written - slots : 0;
    return written <= CHANNEL_MAX_WRITTEN;
}

enum channel_result channel_open(struct channel_receiver *receiver, const void *area, size_t size, const char *name)
{
    const struct channel_area *header = area;
    const struct channel_entry *entries = (const struct channel_entry *)(header + 1);

    *receiver = (struct channel_receiver){.area = header, .area_size = size};
    if (size < directory_size(0) || READ_ONCE(header->magic) != CHANNEL_MAGIC)
        return CHANNEL_EMPTY;
    receiver->epoch = READ_ONCE(header->epoch);

    unsigned count = READ_ONCE(header->count);
    if (READ_ONCE(header->version) != CHANNEL_VERSION || count == 0 || count > CHANNEL_MAX_COUNT ||
        directory_size(count) > size)
        return CHANNEL_GARBAGE;
    for (unsigned i = 0; i < count; i++)
        if (has_name(&entries[i], name)) {
            bool good = take_entry(receiver, &entries[i]);
            if (!is_open(receiver))
                return CHANNEL_EMPTY;
            return good ? CHANNEL_MESSAGE : CHANNEL_GARBAGE;
        }
    return is_open(receiver) ? CHANNEL_GARBAGE : CHANNEL_EMPTY;
}

static enum channel_result garbage(struct channel_receiver *receiver, uint64_t next)
{
    if (!is_open(receiver))
        return CHANNEL_CLOSED;
    receiver->next = next;
    receiver->garbage++;
    return CHANNEL_GARBAGE;
}

enum channel_result channel_receive(struct channel_receiver *receiver, void *message, uint32_t *length)
{
    if (!is_open(receiver))
        return CHANNEL_CLOSED;
    /* A writer that laps the reader while it copies lets it begin again: not more often than it has slots. */
    for (uint32_t tries = 0; tries <= receiver->slots; tries++) {
        uint64_t next = receiver->next, written = READ_ONCE(receiver->entry->written);

        if (written == next)
            return CHANNEL_EMPTY;
        if (written > CHANNEL_MAX_WRITTEN)
            return garbage(receiver, next);
        if (written < next)
            return garbage(receiver, written);
        if (written - next > receiver->slots) {
            receiver->lost += written - next - receiver->slots;
            receiver->next = next = written - receiver->slots;
        }

        uint64_t index = next % receiver->slots;
        const struct channel_slot *slot =
            (const struct channel_slot *)(receiver->ring + index * CHANNEL_SLOT_SIZE(receiver->message_size));
        uint64_t stamp = READ_ONCE(slot->stamp);
        if (stamp == COMPLETE(next)) {
            uint32_t bytes = READ_ONCE(slot->length);
            bool possible = bytes <= receiver->message_size;
            if (possible)
                memcpy(message, slot->message, bytes);
            __atomic_thread_fence(__ATOMIC_ACQUIRE);
            stamp = READ_ONCE(slot->stamp);
            if (stamp == COMPLETE(next)) {
                if (!possible)
                    return garbage(receiver, next + 1);
                receiver->next = next + 1;
                *length = bytes;
                return is_open(receiver) ? CHANNEL_MESSAGE : CHANNEL_CLOSED;
            }
        }
        /* Another stamp is right only if the writer has come round: then it is of a later message for this slot. */
        uint64_t number = (stamp - 1) / 2;
        if (stamp < WRITING(next + receiver->slots) || number % receiver->slots != index ||
            number > READ_ONCE(receiver->entry->written))
            return garbage(receiver, next + 1);
        receiver->lost++;
        receiver->next = next + 1;
    }
    return garbage(receiver, receiver->next);
}

enum channel_result channel_receive_newest(struct channel_receiver *receiver, void *message, uint32_t *length)
{
    uint64_t written = READ_ONCE(receiver->entry->written);

    if (written > receiver->next && written <= CHANNEL_MAX_WRITTEN)
        receiver->next = written - 1;
    return channel_receive(receiver, message, length);
}
