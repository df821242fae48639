/*
 * compact.h - the numbers of our own format; docs/trace-format.md describes it.
 *
 * A token is a number of at most 66 bits, seven bits a byte, the lowest first. The first few are
 * commands; any other is a reference: how far its page is from the last one of its thread.
 */
#ifndef MM_TRACE_COMPACT_H
#define MM_TRACE_COMPACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COMPACT_MAGIC       "memman-trace 1\n"
#define COMPACT_TOKEN_BYTES 10 /* the longest */

enum compact_command {
    COMPACT_END,    /* references and accesses follow, then the checksum */
    COMPACT_THREAD, /* its number follows: the references from here on are its */
    COMPACT_COMMANDS = 4
};

/* What the header says is for people, terminals and JSON: printable ASCII, '?' for all else. */
static inline void compact_clean(char *text)
{
    for (; *text != '\0'; text++) {
        *text = *text < ' ' || *text > '~' ? '?' : *text;
    }
}

__extension__ typedef unsigned __int128 compact_token;

static inline compact_token compact_reference(uint64_t page, uint64_t last_page, bool write)
{
    const uint64_t delta = page - last_page;
    const uint64_t zigzag = delta << 1 ^ (uint64_t)((int64_t)delta >> 63);

    return ((compact_token)zigzag << 1 | write) + COMPACT_COMMANDS;
}

/* How many bytes it takes. */
static inline size_t compact_put(unsigned char bytes[COMPACT_TOKEN_BYTES], compact_token token)
{
    size_t count = 0;

    while (token > 127) {
        bytes[count++] = (unsigned char)(token | 128);
        token >>= 7;
    }
    bytes[count++] = (unsigned char)token;
    return count;
}

/* The same back; 0: there is no whole token in so many bytes. */
static inline size_t compact_get(const unsigned char *bytes, size_t count, compact_token *ret_token)
{
    compact_token token = 0;

    for (size_t at = 0; at < count && at < COMPACT_TOKEN_BYTES; at++) {
        token |= (compact_token)(bytes[at] & 127) << 7 * at;
        if (bytes[at] < 128) {
            *ret_token = token;
            return at + 1;
        }
    }
    return 0;
}

#endif
