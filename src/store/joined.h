/*
 * joined.h - several stores as one. Implements contract/store.h on top of others.
 */
#ifndef MM_STORE_JOINED_H
#define MM_STORE_JOINED_H

#include "contract/store.h"

#define JOINED_PARTS_MAX 8u

/*
 * The slots that the parts have ready are usable from the start, part after part. `slots` are there
 * at most: it grows by what the parts can grow, and by parts that are added. 0 or -ENOMEM. The
 * parts stay their owner's and must outlive this store; each must have so many queues.
 */
int joined_create(const struct store *parts, uint32_t count, uint32_t slots, uint32_t queues,
                  struct store *ret_store);
/*
 * One part more. What it has ready is used as soon as the store grows. While requests are in
 * flight, by one thread at a time. 0, or -ENOSPC: there are JOINED_PARTS_MAX already.
 */
int joined_add(struct store *store, const struct store *part);
/* Nothing can be added any more. */
bool joined_is_full(const struct store *store);
/* Which part has the slot, and as which of its own; for one who looks while nobody moves. */
uint32_t joined_part(const struct store *store, slot_number slot, slot_number *ret_slot);

#endif
