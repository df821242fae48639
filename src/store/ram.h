/*
 * ram.h - the RAM store: page-file slots in an array of memory. Implements contract/store.h.
 */
#ifndef MM_STORE_RAM_H
#define MM_STORE_RAM_H

#include "contract/store.h"

/* 0 or -ENOMEM. Memory is taken as slots are written. Fills *ret_store. */
int ram_create(uint32_t slots, uint32_t queues, struct store *ret_store);
/* No slot was ever written, nothing is in flight: as just created, the latency apart. */
void ram_reset(struct store *store);
/* Only so many slots are usable until grow() makes more of them so. Before the first request. */
void ram_set_ready(struct store *store, uint32_t slots);
/* The bytes of a slot themselves, for one who looks while nobody moves. */
const void *ram_slot(const struct store *store, slot_number slot);

/*
 * Play a device: a request is done no earlier than this after it was submitted, and no later than
 * twice this. Before the first request.
 */
void ram_set_latency(struct store *store, uint64_t latency_ns);

#endif
