/* SPDX-License-Identifier: Apache-2.0 */
/* Text, byte by byte: lengths, comparisons, and words that are looked up and counted. */
#include "compute.h"

#define PASSES 12
#define WORDS 32
#define WORD_BYTES 16

static const char prose[] =
    "The keeper of the keys walks the long wall twice a night. In every cell there is a lamp, and in "
    "the lamp a measure of oil: when it is low the keeper knows that the cell has worked. No cell may "
    "look into another. What one wants from the next it writes on a slate, rings, and waits; the keeper "
    "carries the slate and says nothing. A bell that nobody answers is written into the book, with the "
    "hour and the minute. At dawn the book is read aloud: 14 cells, 9 bells, 0 complaints.";

struct word {
    char text[WORD_BYTES];
    uint32_t count;
};

static struct word words[WORDS];

static __attribute__((noinline)) size_t length(const char *text)
{
    size_t bytes = 0;
    while (text[bytes]) {
        bytes++;
        BARRIER();
    }
    return bytes;
}

static __attribute__((noinline)) int compare(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return (uint8_t)*a - (uint8_t)*b;
}

static int is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static const char *read_word(const char *at, char *word)
{
    size_t bytes = 0;
    while (*at && !is_letter(*at))
        at++;
    for (; is_letter(*at); at++)
        if (bytes < WORD_BYTES - 1)
            word[bytes++] = *at >= 'A' && *at <= 'Z' ? (char)(*at + 32) : *at;
    word[bytes] = 0;
    return at;
}

static void count(const char *text)
{
    unsigned place = 0;
    while (place < WORDS && words[place].count && compare(words[place].text, text) != 0)
        place++;
    if (place == WORDS)
        return;
    for (size_t k = 0; (words[place].text[k] = text[k]); k++)
        BARRIER();
    words[place].count++;
}

uint64_t text_round(void)
{
    uint64_t sum = 0;
    for (unsigned k = 0; k < WORDS; k++)
        words[k].count = 0;
    for (int pass = 0; pass < PASSES; pass++) {
        char word[WORD_BYTES];
        for (const char *at = read_word(prose, word); word[0]; at = read_word(at, word))
            count(word);
        sum += length(prose + pass);
    }
    for (unsigned k = 0; k < WORDS; k++)
        sum = sum * 31 + words[k].count * length(words[k].text) + (uint8_t)words[k].text[0];
    return sum;
}
