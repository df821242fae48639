/*
 * slots.h - page-file slots: which are in use, whose they are, which are no good, which are being moved.
 */
#ifndef MM_ENGINE_SLOTS_H
#define MM_ENGINE_SLOTS_H

#include "base/types.h"
#include "engine/lock.h"

struct engine;
struct thread;

#define SLOT_CLUSTER    512 /* slots whose owners fill a page of the reverse map */
#define RESERVATION_MAX 64  /* slots in a reserved run: a word of the bitmap */
#define SUSPECTS_MAX    16  /* slots of an area that failed lately and are remembered */

/* A slot whose last write failed, and write_witnesses() at the first of its failures in a row. */
struct slot_suspect {
    slot_number slot; /* SLOT_NONE: unused */
    uint32_t witnesses;
    bool aside; /* nobody has the slot, and it is not free */
};

/* Part of the page-file bitmap with a lock of its own. A set bit: in use, put aside or retired. */
struct slot_area {
    CACHE_ALIGNED lock_word lock;
    uint32_t first, count; /* slots */
    uint32_t hint;         /* next-fit: where the last search ended */
    uint32_t reserve_hand; /* run that the next search for an empty one begins with */
    uint32_t given_back;   /* so far; wraps around */
    uint32_t barren_least; /* no run is so long, before given_back is barren_until */
    uint32_t barren_until;
    _Atomic uint32_t free;
    _Atomic uint32_t moving;    /* slots that are marked so; changed under the lock */
    _Atomic uint32_t suspected; /* so far; 0: none is to be looked for */
    struct slot_suspect suspects[SUSPECTS_MAX];
};

/* ---- slots.c ---- */
void slots_init(struct engine *engine);
/* Slots up to `ready` are usable, and free, from here on; the store has them. Space lock held. */
void slots_extend(struct engine *engine, struct thread *self, slot_number ready);
/*
 * A slot for each of the pages, which are in order of address (PAGE_NONE: for nobody): its place in
 * the run reserved for its block, else neighbours as far as possible. Returns how many got one; the
 * others get SLOT_NONE.
 */
uint32_t slots_take(struct engine *engine, struct thread *self, uint32_t count,
                    const page_number *pages, slot_number *ret_slots);
/* The pages are gone: runs reserved for blocks of nothing else are nobody's. */
void slots_unreserve(struct engine *engine, struct thread *self, page_number first,
                     page_number count);
/* One that is being moved is free only when its mover is done with it. */
void slots_give_back(struct engine *engine, struct thread *self, slot_number slot);
uint64_t slots_free(const struct engine *engine);
bool slots_in_use(const struct engine *engine, slot_number slot);
/*
 * Who took the slot last: the page, and a generation that grows each time the slot is taken. It is
 * true for as long as the slot is in use.
 */
uint64_t slots_owner(const struct engine *engine, slot_number slot);
#define SLOT_OWNER_MOVING     ((uint64_t)1 << 63) /* its content is being moved: not to be freed */
#define SLOT_OWNER_GIVEN_BACK ((uint64_t)1 << 62) /* meanwhile: the mover frees it */
#define SLOT_OWNER_MARKS      (SLOT_OWNER_MOVING | SLOT_OWNER_GIVEN_BACK)
#define SLOT_OWNER_RETIRED    (~SLOT_OWNER_MARKS) /* nobody's for ever */
static inline uint64_t slot_owner_make(page_number page, uint32_t generation)
{
    return ((uint64_t)generation << 32 & ~SLOT_OWNER_MARKS) | page;
}
static inline page_number slot_owner_page(uint64_t owner)
{
    return (page_number)owner;
}
static inline uint32_t slot_owner_generation(uint64_t owner)
{
    return (uint32_t)(owner >> 32);
}

/* ---- slots.c, for suspects.c ---- */
struct slot_area *slots_area(struct engine *engine, slot_number slot);
/* While the slot is still the caller's: a moment later it may be written by somebody else. */
void slots_discard(struct engine *engine, slot_number slot);
/* Area lock held: anybody may have it. */
void slots_free_locked(struct engine *engine, struct slot_area *area, slot_number slot);

/* ---- suspects.c ---- */
/*
 * As slots_give_back(), after its write failed. Where it may be the slot's fault, the slot is put
 * aside till slots_try_suspects(); where it is, it is retired: it stays in use for ever, without an
 * owner, and the commit limit falls. Returns whether it is retired.
 */
bool slots_give_back_failed(struct engine *engine, struct thread *self, slot_number slot,
                            int error);
/* The slot was written: what was held against it is forgotten. */
void slots_write_succeeded(struct engine *engine, struct thread *self, slot_number slot);
/* Slots put aside are free again: those that others were written after, or all of them. */
void slots_try_suspects(struct engine *engine, struct thread *self, bool all);
bool slots_is_retired(const struct engine *engine, slot_number slot);

/* ---- slots.c, for defrag.c and move.c ---- */
/* Where the page should be: its place in the run reserved for its block; SLOT_NONE: there is none. */
slot_number slots_home(const struct engine *engine, page_number page);
/* As slots_take(), but only such places. */
uint32_t slots_take_home(struct engine *engine, struct thread *self, uint32_t count,
                         const page_number *pages, slot_number *ret_slots);
/* Slots from `first` to the last of `room` that are free and not reserved, for pages in order. */
uint32_t slots_take_within(struct engine *engine, struct thread *self, slot_number first,
                           uint32_t room, uint32_t count, const page_number *pages,
                           slot_number *ret_slots);
/* How many of these slots slots_take_within() would find; or all that are free, reserved too. */
uint32_t slots_free_within(struct engine *engine, struct thread *self, slot_number first,
                           uint32_t room, bool reserved_too);
/* From slot 1 + 64 * `word` on, a bit for each slot that is in use or reserved. */
void slots_look(struct engine *engine, struct thread *self, uint32_t word, uint32_t count,
                uint64_t *ret_bits);
/*
 * The slot is read to be moved. Under a lock that keeps its page from giving it back; false: somebody
 * else moves it. To the end nobody frees it, and what is given back is freed then.
 */
bool slots_move_begin(struct engine *engine, struct thread *self, slot_number slot);
/* Under the lock that move_begin needs: nobody will begin. */
bool slots_is_moving(const struct engine *engine, slot_number slot);
/* `moved`: the slot is the caller's, else its page's as before. */
void slots_move_end(struct engine *engine, struct thread *self, slot_number slot, bool moved);

#endif
