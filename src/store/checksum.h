/*
 * checksum.h - the checksum of a page: two pages with the same one are the same, but for one case in
 * 2^64. XXH3 (Yann Collet, xxHash); no protection against somebody who looks for such a case.
 */
#ifndef MM_STORE_CHECKSUM_H
#define MM_STORE_CHECKSUM_H

#include "base/copy.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static inline uint64_t page_checksum(const void *page)
{
    uint64_t copy[MM_PAGE_SIZE / sizeof(uint64_t)];

    /* The page may be changing, which only ThreadSanitizer minds (base/copy.h). */
    if (UNDER_THREAD_SANITIZER) {
        copy_shared(copy, page, MM_PAGE_SIZE);
        page = copy;
    }
    return XXH3_64bits(page, MM_PAGE_SIZE);
}

#endif
