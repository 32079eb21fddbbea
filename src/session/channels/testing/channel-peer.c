/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The C side of the message layer as a native program, driven line by line:
 *
 *   create NAME:SLOTS:SIZE ...     lays out the area                      -> ok | refused
 *   send INDEX HEX                 message, as hexadecimal, - for empty   -> ok | refused
 *   open NAME                                                             -> empty | message | garbage
 *   receive                        -> empty | garbage | closed | message LOST HEX   (LOST since opening)
 *   newest                         the same for channel_receive_newest()
 *   area                           -> all bytes of the area, as hexadecimal
 *   set HEX                        replaces all bytes of the area         -> ok
 *   layout                         -> sizeof and offsets that the other side relies on
 */
#include "inmate/channel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AREA_SIZE 4096
#define LINE_SIZE (3 * AREA_SIZE)
#define MAX_CHANNELS 8

static _Alignas(8) unsigned char area[AREA_SIZE];
static struct channel_sender senders[MAX_CHANNELS];
static struct channel_receiver receiver;

struct sample {
    uint8_t flag;
    double speed;
    uint16_t small;
    uint64_t time;
    float phase[3];
    char name[5];
    int8_t last;
};

static size_t from_hex(const char *text, unsigned char *bytes)
{
    size_t length = 0;

    for (unsigned value; sscanf(text + 2 * length, "%2x", &value) == 1; length++)
        bytes[length] = (unsigned char)value;
    return length;
}

static void print_hex(const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        printf("%02x", ((const unsigned char *)bytes)[i]);
}

static void create(char *words)
{
    struct channel_description descriptions[MAX_CHANNELS];
    static char names[MAX_CHANNELS][64];
    unsigned count = 0;

    for (char *word = strtok(words, " "); word; word = strtok(NULL, " "), count++) {
        sscanf(word, "%63[^:]:%u:%u", names[count], &descriptions[count].slots, &descriptions[count].message_size);
        descriptions[count].name = names[count];
    }
    puts(channels_create(area, sizeof area, descriptions, count, senders) ? "ok" : "refused");
}

static void receive(enum channel_result (*how)(struct channel_receiver *, void *, uint32_t *))
{
    static const char *const names[] = {"empty", "message", "garbage", "closed"};
    unsigned char *message = malloc(receiver.message_size + 1);
    uint32_t length = 0;
    enum channel_result result = how(&receiver, message, &length);

    printf("%s", names[result]);
    if (result == CHANNEL_MESSAGE) {
        printf(" %llu ", (unsigned long long)receiver.lost);
        print_hex(message, length);
    }
    puts("");
    free(message);
}

int main(void)
{
    static char line[LINE_SIZE];
    static unsigned char bytes[LINE_SIZE];
    unsigned index;

    setvbuf(stdout, NULL, _IOLBF, 0);
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "create ", 7) == 0) {
            create(line + 7);
        } else if (sscanf(line, "send %u", &index) == 1) {
            size_t length = from_hex(strrchr(line, ' ') + 1, bytes);
            puts(channel_send(&senders[index], bytes, (uint32_t)length) ? "ok" : "refused");
        } else if (strncmp(line, "open ", 5) == 0) {
            enum channel_result result = channel_open(&receiver, area, sizeof area, line + 5);
            puts(result == CHANNEL_MESSAGE ? "message" : result == CHANNEL_EMPTY ? "empty" : "garbage");
        } else if (strcmp(line, "receive") == 0) {
            receive(channel_receive);
        } else if (strcmp(line, "newest") == 0) {
            receive(channel_receive_newest);
        } else if (strcmp(line, "area") == 0) {
            print_hex(area, sizeof area);
            puts("");
        } else if (strncmp(line, "set ", 4) == 0) {
            from_hex(line + 4, area);
            puts("ok");
        } else if (strcmp(line, "layout") == 0) {
            printf("%zu %zu %zu", sizeof(struct channel_area), sizeof(struct channel_entry), sizeof(struct channel_slot));
            printf(" %zu %zu %zu %zu %zu %zu %zu %zu\n", offsetof(struct sample, flag), offsetof(struct sample, speed),
                   offsetof(struct sample, small), offsetof(struct sample, time), offsetof(struct sample, phase),
                   offsetof(struct sample, name), offsetof(struct sample, last), sizeof(struct sample));
        } else {
            return 2;
        }
    }
    return 0;
}
