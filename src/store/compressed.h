/*
 * compressed.h - the compressed store: pages packed into memory, what does not fit into another
 * store. Implements contract/store.h on top of any other store.
 */
#ifndef MM_STORE_COMPRESSED_H
#define MM_STORE_COMPRESSED_H

#include "contract/store.h"

/*
 * 0, -ENOMEM, or -ENOSYS in a build without liblz4. Packed pages take at most the budget; 16 bytes
 * a slot and 27 KiB for each queue that is used come on top. `below` stays its owner's and must
 * outlive this store.
 */
int compressed_create(const struct store *below, uint64_t budget_bytes, struct store *ret_store);

/* Does this build have it? */
bool compressed_exists(void);

/* For tests and simulations, in a world where nothing moves: the page, if it is not below. */
bool compressed_look(const struct store *store, slot_number slot, void *ret_page);

struct arena;
/* Where packed pages are, for tests that look at it or damage it. */
struct arena *compressed_arena(const struct store *store);

#endif
