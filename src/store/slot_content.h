/*
 * slot_content.h - what a store that vouches for its slots knows of one: whether it has content, and
 * how many writes it has seen begin, failed ones too. One word.
 *
 * A slot is readable only between a write that succeeded and whatever comes next. Who owns a slot
 * is the engine's business, so no two threads change a word at once; a reader that compares the word
 * before and after finds out if that promise was broken.
 */
#ifndef MM_STORE_SLOT_CONTENT_H
#define MM_STORE_SLOT_CONTENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* In the low bits of the word; the count is above them. */
enum slot_content { CONTENT_NONE, CONTENT_COMING, CONTENT_KNOWN };
#define CONTENT_BITS 2
#define CONTENT_MASK (((uint64_t)1 << CONTENT_BITS) - 1)

static inline uint64_t content_writes(uint64_t word)
{
    return word >> CONTENT_BITS;
}

static inline bool content_is_known(uint64_t word)
{
    return (word & CONTENT_MASK) == CONTENT_KNOWN;
}

/* A write begins; which one it is of this slot. */
static inline uint64_t content_write_begin(_Atomic uint64_t *word)
{
    uint64_t writes = content_writes(atomic_load_explicit(word, memory_order_relaxed)) + 1;

    atomic_store_explicit(word, writes << CONTENT_BITS | CONTENT_COMING, memory_order_relaxed);
    return writes;
}

/* The write succeeded. A slot that was forgotten since it began stays so. */
static inline void content_write_end(_Atomic uint64_t *word)
{
    uint64_t now = atomic_load_explicit(word, memory_order_relaxed);

    if ((now & CONTENT_MASK) == CONTENT_COMING)
        atomic_store_explicit(word, (now & ~CONTENT_MASK) | CONTENT_KNOWN, memory_order_release);
}

static inline void content_forget(_Atomic uint64_t *word)
{
    uint64_t now = atomic_load_explicit(word, memory_order_relaxed);

    atomic_store_explicit(word, (now & ~CONTENT_MASK) | CONTENT_NONE, memory_order_release);
}

#endif
