/*
 * bitmap.h - a fixed number of bits in an array of words; whoever changes it holds its lock.
 *
 * The searches skip full words, so that a nearly full page file is searched 64 slots a step. Words
 * are read and changed as a whole: who only wants to look needs no lock, and sees each word as it
 * was at some moment, not all of them at the same.
 */
#ifndef MM_BASE_BITMAP_H
#define MM_BASE_BITMAP_H

#include "base/types.h"

#define BITMAP_WORD_BITS   64u
#define BITMAP_WORDS(bits) (((size_t)(bits) + BITMAP_WORD_BITS - 1) / BITMAP_WORD_BITS)

static inline uint64_t bitmap_word(const uint64_t *words, size_t word)
{
    return __atomic_load_n(&words[word], __ATOMIC_RELAXED);
}

static inline bool bitmap_test(const uint64_t *words, uint32_t bit)
{
    return (bitmap_word(words, bit / BITMAP_WORD_BITS) >> (bit % BITMAP_WORD_BITS)) & 1;
}

static inline void bitmap_set(uint64_t *words, uint32_t bit)
{
    uint64_t *word = &words[bit / BITMAP_WORD_BITS];

    __atomic_store_n(word, *word | 1ull << (bit % BITMAP_WORD_BITS), __ATOMIC_RELAXED);
}

static inline void bitmap_clear(uint64_t *words, uint32_t bit)
{
    uint64_t *word = &words[bit / BITMAP_WORD_BITS];

    __atomic_store_n(word, *word & ~(1ull << (bit % BITMAP_WORD_BITS)), __ATOMIC_RELAXED);
}

static inline void bitmap_set_run(uint64_t *words, uint32_t first, uint32_t count)
{
    for (uint32_t bit = first; bit < first + count; bit++)
        bitmap_set(words, bit);
}

static inline void bitmap_clear_run(uint64_t *words, uint32_t first, uint32_t count)
{
    for (uint32_t bit = first; bit < first + count; bit++)
        bitmap_clear(words, bit);
}

/* The first bit at or after `from` that equals `value`; `bits` if there is none. */
static inline uint32_t bitmap_find(const uint64_t *words, uint32_t bits, uint32_t from, bool value)
{
    uint64_t flip = value ? 0 : UINT64_MAX;
    uint32_t word = from / BITMAP_WORD_BITS;
    uint64_t left;

    if (from >= bits)
        return bits;
    left = (bitmap_word(words, word) ^ flip) & (UINT64_MAX << (from % BITMAP_WORD_BITS));
    while (left == 0) {
        if (++word >= BITMAP_WORDS(bits))
            return bits;
        left = bitmap_word(words, word) ^ flip;
    }
    return MIN_OF(word * BITMAP_WORD_BITS + (uint32_t)__builtin_ctzll(left), bits);
}

/*
 * The first run of zeros at or after `from`, cut to `count_max` bits. Returns its length, 0 if
 * there is none; it may be shorter than `count_max`, and is then followed by a one or the end.
 */
static inline uint32_t bitmap_find_zeros(const uint64_t *words, uint32_t bits, uint32_t from,
                                         uint32_t count_max, uint32_t *ret_first)
{
    uint32_t first = bitmap_find(words, bits, from, false);
    uint32_t end;

    if (first >= bits || count_max == 0)
        return 0;
    end = bits - first > count_max ? first + count_max : bits;
    *ret_first = first;
    return bitmap_find(words, end, first, true) - first;
}

/* How many bits are one. */
static inline uint32_t bitmap_count(const uint64_t *words, uint32_t bits)
{
    uint32_t whole = bits / BITMAP_WORD_BITS, rest = bits % BITMAP_WORD_BITS;
    uint32_t count = 0;

    for (uint32_t word = 0; word < whole; word++)
        count += (uint32_t)__builtin_popcountll(bitmap_word(words, word));
    if (rest != 0)
        count += (uint32_t)__builtin_popcountll(bitmap_word(words, whole) & ((1ull << rest) - 1));
    return count;
}

#endif
