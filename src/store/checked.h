/*
 * checked.h - a store that knows what it was given: a checksum and a generation for every slot.
 * Implements contract/store.h on top of any other store.
 */
#ifndef MM_STORE_CHECKED_H
#define MM_STORE_CHECKED_H

#include "contract/store.h"

/*
 * A read fails with -EBADMSG, and pages_done says which page it was, when a page is not what was
 * last written to its slot (torn, stale, misdirected, lost, flipped), or when the slot has no
 * content (contract/store.h). Errors of the store below are passed on as they are. What lies in
 * the buffers of a failed read is worth nothing.
 */

/* 0 or -ENOMEM. `below` stays its owner's and must outlive this store. 16 bytes a slot. */
int checked_create(const struct store *below, struct store *ret_store);

/* How many writes the slot has seen begin, failed ones too. */
uint64_t checked_generation(const struct store *store, slot_number slot);

#endif
