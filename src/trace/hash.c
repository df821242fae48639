/*
 * hash.c - the only place of this ring that compiles xxHash in.
 */
#include "trace/hash.h"

#define XXH_NO_INLINE_HINTS 1 /* -Og, of the build that counts branches, cannot follow them */
#define XXH_INLINE_ALL
#include <xxhash.h>

struct hash *hash_new(void)
{
    XXH3_state_t *state = XXH3_createState();

    if (state != NULL) {
        XXH3_64bits_reset(state);
    }
    return (struct hash *)state;
}

void hash_add(struct hash *hash, const void *bytes, size_t count)
{
    XXH3_64bits_update((XXH3_state_t *)hash, bytes, count);
}

uint64_t hash_sum(const struct hash *hash)
{
    return XXH3_64bits_digest((const XXH3_state_t *)hash);
}

void hash_free(struct hash *hash)
{
    XXH3_freeState((XXH3_state_t *)hash);
}
