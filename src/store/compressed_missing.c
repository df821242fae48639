/*
 * compressed_missing.c - the compressed store of a build without liblz4: there is none.
 */
#include "store/compressed.h"

#include <errno.h>

int compressed_create(const struct store *below, uint64_t budget_bytes, struct store *ret_store)
{
    (void)below;
    (void)budget_bytes;
    (void)ret_store;
    return -ENOSYS;
}

struct arena *compressed_arena(const struct store *store)
{
    (void)store;
    return NULL;
}

bool compressed_look(const struct store *store, slot_number slot, void *ret_page)
{
    (void)store;
    (void)slot;
    (void)ret_page;
    return false;
}

bool compressed_exists(void)
{
    return false;
}
