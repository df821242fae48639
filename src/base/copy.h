/*
 * copy.h - copying bytes that another thread may be changing at the same time.
 *
 * A page may be rescued and written while its content is on the way to the page file; the copy is
 * then thrown away, but it has to be made. The processor does not mind. ThreadSanitizer does, so
 * under it the bytes move by relaxed atomics, which says exactly what is meant.
 *
 * An aligned copy of eight bytes is always one atomic load and one atomic store: never torn.
 */
#ifndef MM_BASE_COPY_H
#define MM_BASE_COPY_H

#include "base/types.h"

#include <string.h>

#if defined(__SANITIZE_THREAD__)
#define UNDER_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_THREAD_SANITIZER 1
#endif
#endif
#ifndef UNDER_THREAD_SANITIZER
#define UNDER_THREAD_SANITIZER 0
#endif

/* Memory has no declared type here (it is the user's), so it may be accessed as words. */
typedef uint64_t __attribute__((may_alias)) shared_word;

static inline bool word_aligned(const void *at)
{
    return ((uintptr_t)at & (sizeof(shared_word) - 1)) == 0;
}

static inline uint64_t load_word(const void *aligned)
{
    return __atomic_load_n((const shared_word *)aligned, __ATOMIC_RELAXED);
}

static inline void store_word(void *aligned, uint64_t word)
{
    __atomic_store_n((shared_word *)aligned, word, __ATOMIC_RELAXED);
}

static inline void copy_byte_atomically(unsigned char *target, const unsigned char *source)
{
    __atomic_store_n(target, __atomic_load_n(source, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
}

static inline void copy_atomically(unsigned char *target, const unsigned char *source, size_t count)
{
    while (count > 0) {
        size_t step = 1;

        if (count >= sizeof(shared_word) && word_aligned(target) && word_aligned(source)) {
            store_word(target, load_word(source));
            step = sizeof(shared_word);
        } else {
            copy_byte_atomically(target, source);
        }
        target += step;
        source += step;
        count -= step;
    }
}

/* The buffers do not overlap. */
static inline void copy_shared(void *target, const void *source, size_t count)
{
    if (UNDER_THREAD_SANITIZER)
        copy_atomically(target, source, count);
    else if (count == sizeof(shared_word) && word_aligned(target) && word_aligned(source))
        store_word(target, load_word(source));
    else
        memcpy(target, source, count);
}

/* Are `count` bytes the same? `target` is nobody else's, `source` may be changing. */
static inline bool same_shared(const void *target, const void *source, size_t count)
{
    const unsigned char *a = target, *b = source;

    if (!UNDER_THREAD_SANITIZER)
        return memcmp(target, source, count) == 0;
    for (size_t i = 0; i < count; i++) {
        if (a[i] != __atomic_load_n(&b[i], __ATOMIC_RELAXED))
            return false;
    }
    return true;
}

#endif
