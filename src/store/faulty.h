/*
 * faulty.h - a store that goes wrong by seed, and knows exactly what it did.
 * Implements contract/store.h on top of any other store.
 *
 * Everything below may be called from any thread, while I/O is under way.
 */
#ifndef MM_STORE_FAULTY_H
#define MM_STORE_FAULTY_H

#include "contract/store.h"

/*
 * What can go wrong; per request, and in one page of its run where it is pages that suffer.
 * X(id, name)
 *
 * Said by the result: errors (-EIO), full (-ENOSPC, writes), short (-EIO after the first pages).
 * Not said, and the page stored is gone until its slot is written again: torn (some sectors of
 * 512 bytes are old), lost (all is old), misdirected (lost, and another slot has the page
 * instead), flip-stored (bits of one byte).
 * Not said, and the next read is right again: stale (what the slot held before), flip-read.
 * Harmless to a correct caller: slow, reordered.
 * Said by the result, and always again: bad-slot. So many slots of a million, by seed, refuse every
 * write (-EIO) until the store is healed; each one that is refused counts.
 */
#define FAULTY_CLASSES(X)                                                                          \
    X(FAULTY_READ_ERROR, "read-error")                                                             \
    X(FAULTY_WRITE_ERROR, "write-error")                                                           \
    X(FAULTY_FULL, "full")                                                                         \
    X(FAULTY_SHORT, "short")                                                                       \
    X(FAULTY_TORN, "torn")                                                                         \
    X(FAULTY_LOST, "lost")                                                                         \
    X(FAULTY_MISDIRECTED, "misdirected")                                                           \
    X(FAULTY_FLIP_STORED, "flip-stored")                                                           \
    X(FAULTY_STALE, "stale")                                                                       \
    X(FAULTY_FLIP_READ, "flip-read")                                                               \
    X(FAULTY_SLOW, "slow")                                                                         \
    X(FAULTY_REORDERED, "reordered")                                                               \
    X(FAULTY_BAD, "bad-slot")

#define FAULTY_ENUMERATOR(id, name) id,
enum faulty_class { FAULTY_CLASSES(FAULTY_ENUMERATOR) FAULTY_CLASS_COUNT };
#undef FAULTY_ENUMERATOR

#define FAULTY_SECTOR  512u
#define FAULTY_MILLION 1000000u

/* What the account says of a slot. */
enum faulty_slot_state {
    FAULTY_SLOT_EMPTY,    /* no content: never written, discarded, or the last write failed */
    FAULTY_SLOT_COMING,   /* a write is under way */
    FAULTY_SLOT_INTACT,   /* holds what was last written */
    FAULTY_SLOT_DESTROYED /* holds something else, although the write was called a success */
};

/*
 * 0 or -ENOMEM. `below` stays its owner's and must outlive this store. No fault until told; two
 * bytes and two pages of memory a slot, the pages as the slot is written.
 */
int faulty_create(const struct store *below, uint64_t seed, struct store *ret_store);

const char *faulty_class_name(enum faulty_class class);
void faulty_set_rate(struct store *store, enum faulty_class class, uint32_t per_million);
/* How often the store refuses to grow (-ENOSPC), and how often it did. */
void faulty_set_growth(struct store *store, uint32_t per_million);
uint64_t faulty_count_growths(const struct store *store);
/* How long a slow request is late, at most; 1 ms if never told. */
void faulty_set_slow(struct store *store, uint64_t slow_ns);
/* The n-th request from now with this operation fails with -EIO (1 is the next), or every one from
 * it on. 0: none any more. */
void faulty_fail_nth(struct store *store, enum store_operation operation, uint64_t n, bool forever);
/* No more faults. What is destroyed stays so until it is written again. */
void faulty_heal(struct store *store);

/* How many faults of the class took effect: a tear between equal pages is none. */
uint64_t faulty_count(const struct store *store, enum faulty_class class);
/* Of those that ended half way, how many were reads. */
uint64_t faulty_count_short_reads(const struct store *store);
enum faulty_slot_state faulty_slot_state(const struct store *store, slot_number slot);
/* The same without the lock, for one who looks while nobody moves. */
enum faulty_slot_state faulty_slot_look(const struct store *store, slot_number slot);
/* The slot's only copy is gone although success was reported. */
bool faulty_slot_destroyed(const struct store *store, slot_number slot);

#endif
