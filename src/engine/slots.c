/*
 * slots.c - which page-file slots are in use, whose they are, and which a page should get.
 *
 * Slots are numbered from 1; a slot belongs to the writer while it is being written, then to the
 * frame whose content it holds, then to the page-file PTE (docs/races.md, R13). The bitmap is the
 * truth: a slot whose bit is clear can be had by anybody. It is in parts, each with a lock of its own;
 * a part may begin short of its slots, or with none, and gets them as the page file grows.
 *
 * Reservations are a hint on top: an aligned block of pages owns a run of as many slots, and page
 * p of the block goes to slot p of the run, so that neighbours in memory are neighbours in the page
 * file however late they were written. When no run is left, one with nothing in it is taken back;
 * at last single slots of others' runs are used, so a free slot is always found. What has no run
 * gets neighbouring slots as far as there are any, next-fit, long runs first.
 *
 * A slot that cannot be written is retired (suspects.c): its bit stays set, and nobody owns it.
 */
#include "base/bitmap.h"
#include "base/mutant.h"
#include "engine/engine.h"

#define RUN_LEAST     16 /* slots that a search wants in one piece at first, then half of it */
#define RESERVE_LOOKS 64 /* runs of each part that are looked at for an empty one */

/* ---- the bitmap ---- */

static inline uint64_t *area_bits(struct engine *engine, const struct slot_area *area)
{
    return engine->slot_bits + (area->first - 1) / BITMAP_WORD_BITS;
}

struct slot_area *slots_area(struct engine *engine, slot_number slot)
{
    MUST(slot != SLOT_NONE);
    MUST(slot <= engine->config.slots);
    return &engine->slot_areas[(slot - 1) / engine->slots_per_area];
}

/* How many of the area's slots there are if `ready` are usable in all. */
static uint32_t area_length(const struct engine *engine, const struct slot_area *area,
                            slot_number ready)
{
    return ready < area->first ? 0 : MIN_OF(engine->slots_per_area, ready - area->first + 1);
}

void slots_init(struct engine *engine)
{
    slot_number slots = engine->config.slots;
    uint32_t areas = engine->slot_area_count, used = 0;
    engine->slots_ready = MIN_OF(engine->store.slots_ready, slots);
    engine->slots_per_area = (slots / areas + SLOT_CLUSTER) / SLOT_CLUSTER * SLOT_CLUSTER;
    for (uint64_t first = 1; first <= slots; first += engine->slots_per_area) {
        struct slot_area *area = &engine->slot_areas[used++];
        area->first = (slot_number)first;
        area->count = area_length(engine, area, engine->slots_ready);
        area->free = area->count;
    }
    engine->slot_area_count = used;
    while (2u << engine->run_shift <= engine->config.slot_reservation) {
        engine->run_shift++;
    }
}

void slots_extend(struct engine *engine, struct thread *self, slot_number ready)
{
    for (uint32_t i = 0; i < engine->slot_area_count; i++) {
        struct slot_area *area = &engine->slot_areas[i];
        lock_acquire(self, &area->lock, RANK_SLOTS);
        uint32_t more = area_length(engine, area, ready) - area->count;
        area->count += more;
        area->given_back += more; /* there may be long runs again */
        PFN_SET_FIELD(area, free, PFN_FIELD(area, free) + more);
        lock_release(self, &area->lock, RANK_SLOTS);
    }
    PFN_SET_FIELD(engine, slots_ready, ready);
}

uint64_t slots_owner(const struct engine *engine, slot_number slot)
{
    return atomic_load_explicit((_Atomic uint64_t *)(uintptr_t)&engine->slot_owners[slot - 1],
                                memory_order_acquire) &
           ~SLOT_OWNER_MARKS;
}

/* ---- taking ---- */

/* What one call of slots_take() still has to find. */
struct wanted {
    const page_number *pages;
    slot_number *slots;
    uint32_t missing, next; /* no page before `next` misses a slot */
};

/* Area lock held; the slot is free. */
static void take_slot(struct engine *engine, struct slot_area *area, uint32_t bit, page_number page,
                      slot_number *ret_slot)
{
    _Atomic uint64_t *owner = &engine->slot_owners[area->first - 1 + bit];
    uint64_t before = atomic_load_explicit(owner, memory_order_relaxed);
    if (!MUTANT(SLOT_OWNER_IS_FORGOTTEN)) {
        atomic_store_explicit(
            owner,
            slot_owner_make(page, slot_owner_generation(before) + !MUTANT(SLOT_GENERATION_STANDS)),
            memory_order_release);
    }
    bitmap_set(area_bits(engine, area), bit);
    *ret_slot = area->first + bit;
}

/* The same for a run; the pages that miss a slot get them in order. */
static void take_run(struct engine *engine, struct slot_area *area, uint32_t first, uint32_t run,
                     struct wanted *wanted)
{
    for (uint32_t i = 0; i < run; i++) {
        while (wanted->slots[wanted->next] != SLOT_NONE) {
            wanted->next++;
        }
        take_slot(engine, area, first + i, wanted->pages[wanted->next],
                  &wanted->slots[wanted->next]);
    }
    if (run > 1 && MUTANT(SLOT_GIVEN_TWICE)) {
        bitmap_clear(area_bits(engine, area), first + run - 1);
    }
    wanted->missing -= run;
    PFN_SET_FIELD(area, free, PFN_FIELD(area, free) - run);
}

/* ---- reservations ---- */

static inline uint64_t run_mask(const struct engine *engine)
{
    return UINT64_MAX >> (BITMAP_WORD_BITS - (1u << engine->run_shift));
}

/* Area lock held: nothing is in the run, and all of it is there. */
static bool run_is_empty(struct engine *engine, const struct slot_area *area, uint32_t run)
{
    uint32_t bit = (run << engine->run_shift) - (area->first - 1);
    uint64_t word = area_bits(engine, area)[bit / BITMAP_WORD_BITS];
    return bit + (1u << engine->run_shift) <= area->count &&
           ((word >> bit % BITMAP_WORD_BITS) & run_mask(engine)) == 0;
}

/* Area lock held: the run has no owner from here on. */
static void run_disown(struct engine *engine, uint32_t run)
{
    uint32_t owner = engine->run_owners[run];
    if (owner != 0 && !MUTANT(RESERVATION_LEAKS)) {
        atomic_store_explicit(&engine->reservations[owner - 1], 0, memory_order_release);
    }
    engine->run_owners[run] = 0;
}

/* Area lock held, the run is empty. False: the block has got another run meanwhile. */
static bool run_own(struct engine *engine, uint32_t run, uint32_t block)
{
    uint32_t none = 0;
    if (!atomic_compare_exchange_strong_explicit(&engine->reservations[block], &none, run + 1,
                                                 memory_order_acq_rel, memory_order_acquire)) {
        return false;
    }
    run_disown(engine, run);
    engine->run_owners[run] = block + 1;
    return true;
}

/* This run, if it is empty and nobody's. */
static bool reserve_exactly(struct engine *engine, struct thread *self, uint32_t run,
                            uint32_t block)
{
    struct slot_area *area = slots_area(engine, (run << engine->run_shift) + 1);
    bool owned = false;
    if (PFN_FIELD(area, free) >= 1u << engine->run_shift) {
        lock_acquire(self, &area->lock, RANK_SLOTS);
        owned = engine->run_owners[run] == 0 && run_is_empty(engine, area, run) &&
                run_own(engine, run, block);
        lock_release(self, &area->lock, RANK_SLOTS);
    }
    return owned;
}

/* Some run of the area: one that is nobody's, else one whose owner has nothing in it. */
static bool reserve_any(struct engine *engine, struct thread *self, struct slot_area *area,
                        uint32_t block)
{
    uint32_t empty = UINT32_MAX, run = 0, first = (area->first - 1) >> engine->run_shift;
    bool owned = false;
    lock_acquire(self, &area->lock, RANK_SLOTS);
    uint32_t runs = area->count >> engine->run_shift;
    for (uint32_t i = 0; i < MIN_OF(runs, RESERVE_LOOKS); i++) {
        run = first + area->reserve_hand++ % runs;
        if (run_is_empty(engine, area, run)) {
            empty = run;
            if (engine->run_owners[run] == 0) {
                break;
            }
        }
    }
    if (empty != UINT32_MAX) {
        owned = run_own(engine, empty, block);
    }
    lock_release(self, &area->lock, RANK_SLOTS);
    return owned;
}

/*
 * A run for the block: where its number in memory would put it, so that a page file as large as
 * the memory is in order as a whole; else behind the run of the block before; else any.
 */
static void reserve_run(struct engine *engine, struct thread *self, uint32_t block)
{
    uint32_t runs = engine->config.slots >> engine->run_shift;
    uint32_t before =
        block > 0 ? atomic_load_explicit(&engine->reservations[block - 1], memory_order_relaxed)
                  : 0;
    bool owned = runs == 0 || reserve_exactly(engine, self, block % runs, block) ||
                 (before != 0 && before < runs && reserve_exactly(engine, self, before, block));
    for (uint32_t i = 0; i < engine->slot_area_count && !owned; i++) {
        struct slot_area *area = &engine->slot_areas[(self->number + i) % engine->slot_area_count];
        if (PFN_FIELD(area, free) >= 1u << engine->run_shift) {
            owned = reserve_any(engine, self, area, block);
        }
    }
}

/* Pages from..to-1 are of one block: those whose place in its run is free get it. */
static void take_reserved(struct engine *engine, struct thread *self, struct wanted *wanted,
                          uint32_t from, uint32_t to)
{
    uint32_t block = wanted->pages[from] >> engine->run_shift;
    _Atomic uint32_t *reservation = &engine->reservations[block];
    if (atomic_load_explicit(reservation, memory_order_acquire) == 0) {
        reserve_run(engine, self, block);
    }
    uint32_t run = atomic_load_explicit(reservation, memory_order_acquire);
    if (run == 0) {
        return;
    }
    slot_number first = ((run - 1) << engine->run_shift) + 1;
    struct slot_area *area = slots_area(engine, first);
    lock_acquire(self, &area->lock, RANK_SLOTS);
    /* Without the lock it may have been taken back. */
    for (uint32_t i = from; i < to && engine->run_owners[run - 1] == block + 1; i++) {
        uint32_t place = wanted->pages[i] & ((1u << engine->run_shift) - 1);
        uint32_t bit = first + place - area->first;
        if (!bitmap_test(area_bits(engine, area), bit) || MUTANT(RESERVED_SLOT_IS_NOT_ASKED)) {
            take_slot(engine, area, bit, wanted->pages[i], &wanted->slots[i]);
            PFN_SET_FIELD(area, free, PFN_FIELD(area, free) - 1);
            wanted->missing--;
        }
    }
    lock_release(self, &area->lock, RANK_SLOTS);
}

static void take_all_reserved(struct engine *engine, struct thread *self, struct wanted *wanted,
                              uint32_t count)
{
    uint32_t to = 0;
    for (uint32_t from = 0; from < count; from = to) {
        to = from + 1;
        while (to < count &&
               wanted->pages[to] >> engine->run_shift == wanted->pages[from] >> engine->run_shift) {
            to++;
        }
        if (wanted->pages[from] != PAGE_NONE) {
            take_reserved(engine, self, wanted, from, to);
        }
    }
}

void slots_unreserve(struct engine *engine, struct thread *self, page_number first,
                     page_number count)
{
    uint32_t length = 1u << engine->run_shift;
    uint32_t block = (first + length - 1) >> engine->run_shift;
    for (; length > 1 && ((block + 1) << engine->run_shift) <= first + count; block++) {
        uint32_t run = atomic_load_explicit(&engine->reservations[block], memory_order_acquire);
        if (run != 0) {
            struct slot_area *area = slots_area(engine, ((run - 1) << engine->run_shift) + 1);
            lock_acquire(self, &area->lock, RANK_SLOTS);
            if (engine->run_owners[run - 1] == block + 1) {
                run_disown(engine, run - 1);
            }
            lock_release(self, &area->lock, RANK_SLOTS);
        }
    }
}

/* ---- the search ---- */

/* Bits of a word that may be taken; those of others' runs only with `steal`. */
static uint64_t free_bits(struct engine *engine, const struct slot_area *area, uint32_t word,
                          bool steal)
{
    uint64_t bits = ~area_bits(engine, area)[word];
    uint32_t left = area->count - word * BITMAP_WORD_BITS, length = 1u << engine->run_shift;
    if (left < BITMAP_WORD_BITS) {
        bits &= (1ull << left) - 1;
    }
    uint32_t run = (area->first - 1 + word * BITMAP_WORD_BITS) >> engine->run_shift;
    for (uint32_t at = 0; length > 1 && !steal && bits != 0 && at < MIN_OF(left, BITMAP_WORD_BITS);
         at += length, run++) {
        if (engine->run_owners[run] != 0) {
            bits &= ~(run_mask(engine) << at);
        }
    }
    return bits;
}

/* How many bits from `at` on may be taken, at most `most`. */
static uint32_t measure_run(struct engine *engine, const struct slot_area *area, uint32_t at,
                            uint32_t most, bool steal)
{
    uint32_t first = at;
    while (at < area->count && at - first < most) {
        uint32_t in_word = at % BITMAP_WORD_BITS;
        uint64_t taken = ~(free_bits(engine, area, at / BITMAP_WORD_BITS, steal) >> in_word);
        uint32_t length = taken == 0 ? BITMAP_WORD_BITS : (uint32_t)__builtin_ctzll(taken);
        at += length;
        if (length < BITMAP_WORD_BITS - in_word) {
            break;
        }
    }
    return MIN_OF(at - first, most);
}

/* The first run of `least` to `most` bits at or after `from`; its length, 0: there is none. */
static uint32_t find_run(struct engine *engine, const struct slot_area *area, uint32_t from,
                         uint32_t least, uint32_t most, bool steal, uint32_t *ret_first)
{
    for (uint32_t at = from; at < area->count;) {
        uint64_t free =
            free_bits(engine, area, at / BITMAP_WORD_BITS, steal) >> at % BITMAP_WORD_BITS;
        if (free == 0) {
            at = (at / BITMAP_WORD_BITS + 1) * BITMAP_WORD_BITS;
            continue;
        }
        at += (uint32_t)__builtin_ctzll(free);
        uint32_t run = measure_run(engine, area, at, most, steal);
        if (run >= least) {
            *ret_first = at;
            return run;
        }
        at += run;
    }
    return 0;
}

/* Take what one area has from its hint or from its beginning on, in runs of at least `least`. */
static void take_from_area(struct engine *engine, struct thread *self, struct slot_area *area,
                           bool on, uint32_t least, bool steal, struct wanted *wanted)
{
    lock_acquire(self, &area->lock, RANK_SLOTS);
    uint32_t from = on ? area->hint : 0;
    /* A search that found no such run is not made again before much was given back. */
    bool barren = least > 1 && least >= area->barren_least &&
                  (int32_t)(area->given_back - area->barren_until) < 0;
    while (wanted->missing > 0 && PFN_FIELD(area, free) > 0 && !barren) {
        uint32_t first = 0, aim = MIN_OF(least, wanted->missing);
        uint32_t run = find_run(engine, area, from, aim, wanted->missing, steal, &first);
        if (run == 0) {
            if (!on && least > 1) {
                area->barren_least = aim;
                area->barren_until = area->given_back + SLOT_CLUSTER / 8;
            }
            break;
        }
        take_run(engine, area, first, run, wanted);
        from = area->hint = first + run;
    }
    lock_release(self, &area->lock, RANK_SLOTS);
}

/*
 * Take what all areas have, in runs of at least `least`. Next-fit goes on where the thread's last
 * search ended, through all areas, and comes to the beginning of that one last; were each search
 * to begin in the same area, that would be picked clean of every run as soon as it is long enough.
 * Who steals does just that: what is stolen puts pages out of order, so it shall be in few runs.
 */
static void take_from_areas(struct engine *engine, struct thread *self, uint32_t least, bool steal,
                            struct wanted *wanted)
{
    bool next_fit = engine->config.slots_next_fit && !steal;
    uint32_t begin = next_fit ? self->slot_area : steal ? 0 : self->number;
    uint32_t areas = engine->slot_area_count;
    uint32_t again = areas > 0 && next_fit && !MUTANT(SLOT_SEARCH_ENDS_EARLY);
    for (uint32_t i = 0; i < areas + again && wanted->missing > 0; i++) {
        uint32_t at = (begin + i) % areas, before = wanted->missing;
        struct slot_area *area = &engine->slot_areas[at];
        if (PFN_FIELD(area, free) > 0) {
            take_from_area(engine, self, area, next_fit && i == 0, least, steal, wanted);
        }
        if (next_fit && wanted->missing < before) {
            self->slot_area = at;
        }
    }
}

uint32_t slots_take(struct engine *engine, struct thread *self, uint32_t count,
                    const page_number *pages, slot_number *ret_slots)
{
    struct wanted wanted = {pages, ret_slots, count, 0};
    for (uint32_t i = 0; i < count; i++) {
        ret_slots[i] = SLOT_NONE;
    }
    if (engine->run_shift > 0) {
        take_all_reserved(engine, self, &wanted, count);
    }
    /* Long runs, shorter ones, any; then any of others' runs. */
    for (uint32_t least = engine->config.slots_next_fit ? RUN_LEAST : 1; least > 0; least /= 2) {
        take_from_areas(engine, self, least, false, &wanted);
    }
    if (engine->run_shift > 0 && !MUTANT(RESERVED_SLOTS_ARE_SACRED)) {
        take_from_areas(engine, self, 1, true, &wanted);
    }
    return count - wanted.missing;
}

/* ---- giving back ---- */

/*
 * Only what its page may not give back is marked as moving, so the owner who comes to do so finds
 * the mark already, or never.
 */
static bool leave_to_mover(struct engine *engine, struct thread *self, struct slot_area *area,
                           slot_number slot)
{
    _Atomic uint64_t *owner = &engine->slot_owners[slot - 1];
    lock_acquire(self, &area->lock, RANK_SLOTS);
    uint64_t word = atomic_load_explicit(owner, memory_order_relaxed);
    bool moving = (word & SLOT_OWNER_MOVING) != 0 && !MUTANT(MOVING_SLOT_IS_FREED);
    if (moving) {
        MUST((word & SLOT_OWNER_GIVEN_BACK) == 0); /* given back twice */
        atomic_store_explicit(owner, word | SLOT_OWNER_GIVEN_BACK, memory_order_release);
    }
    lock_release(self, &area->lock, RANK_SLOTS);
    return moving;
}

void slots_discard(struct engine *engine, slot_number slot)
{
    if (engine->store.ops->discard != NULL && !MUTANT(SLOT_FREED_UNSAID)) {
        engine->store.ops->discard(engine->store.self, slot, 1);
    }
}

void slots_free_locked(struct engine *engine, struct slot_area *area, slot_number slot)
{
    uint64_t *bits = area_bits(engine, area);
    uint32_t bit = slot - area->first;
    MUST(bitmap_test(bits, bit)); /* given back twice */
    bitmap_clear(bits, bit);
    area->given_back++;
    PFN_SET_FIELD(area, free, PFN_FIELD(area, free) + !MUTANT(SLOT_GIVEN_BACK_UNCOUNTED));
}

void slots_give_back(struct engine *engine, struct thread *self, slot_number slot)
{
    struct slot_area *area = slots_area(engine, slot);
    if (PFN_FIELD(area, moving) > 0 && leave_to_mover(engine, self, area, slot)) {
        return;
    }
    slots_discard(engine, slot);
    lock_acquire(self, &area->lock, RANK_SLOTS);
    slots_free_locked(engine, area, slot);
    lock_release(self, &area->lock, RANK_SLOTS);
}

/* ---- looking ---- */

uint64_t slots_free(const struct engine *engine)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < engine->slot_area_count; i++) {
        sum += PFN_FIELD(&engine->slot_areas[i], free);
    }
    return sum;
}

bool slots_in_use(const struct engine *engine, slot_number slot)
{
    return bitmap_test(engine->slot_bits, slot - 1);
}

/* ---- moves ---- */

slot_number slots_home(const struct engine *engine, page_number page)
{
    uint32_t run = 0;
    if (engine->run_shift > 0) {
        run = atomic_load_explicit(
            (_Atomic uint32_t *)(uintptr_t)&engine->reservations[page >> engine->run_shift],
            memory_order_acquire);
    }
    return run == 0
               ? SLOT_NONE
               : ((run - 1) << engine->run_shift) + 1 + (page & ((1u << engine->run_shift) - 1));
}

uint32_t slots_take_home(struct engine *engine, struct thread *self, uint32_t count,
                         const page_number *pages, slot_number *ret_slots)
{
    struct wanted wanted = {pages, ret_slots, count, 0};
    for (uint32_t i = 0; i < count; i++) {
        ret_slots[i] = SLOT_NONE;
    }
    take_all_reserved(engine, self, &wanted, count);
    return count - wanted.missing;
}

uint32_t slots_take_within(struct engine *engine, struct thread *self, slot_number first,
                           uint32_t room, uint32_t count, const page_number *pages,
                           slot_number *ret_slots)
{
    struct slot_area *area = slots_area(engine, first);
    uint32_t taken = 0;
    lock_acquire(self, &area->lock, RANK_SLOTS);
    for (uint32_t bit = first - area->first; bit < first - area->first + room && taken < count;
         bit++) {
        if (free_bits(engine, area, bit / BITMAP_WORD_BITS, false) >> bit % BITMAP_WORD_BITS & 1) {
            take_slot(engine, area, bit, pages[taken], &ret_slots[taken]);
            taken++;
        }
    }
    PFN_SET_FIELD(area, free, PFN_FIELD(area, free) - taken);
    lock_release(self, &area->lock, RANK_SLOTS);
    return taken;
}

void slots_look(struct engine *engine, struct thread *self, uint32_t word, uint32_t count,
                uint64_t *ret_bits)
{
    for (uint32_t end = word + count; word < end;) {
        struct slot_area *area = slots_area(engine, word * BITMAP_WORD_BITS + 1);
        uint32_t first = (area->first - 1) / BITMAP_WORD_BITS;
        lock_acquire(self, &area->lock, RANK_SLOTS);
        uint32_t part = MIN_OF(end, first + (uint32_t)BITMAP_WORDS(area->count));
        for (; word < part; word++) {
            uint32_t left = area->count - (word - first) * BITMAP_WORD_BITS;
            uint64_t there = left < BITMAP_WORD_BITS ? (1ull << left) - 1 : UINT64_MAX;
            *ret_bits++ = ~free_bits(engine, area, word - first, false) & there;
        }
        lock_release(self, &area->lock, RANK_SLOTS);
    }
}

uint32_t slots_free_within(struct engine *engine, struct thread *self, slot_number first,
                           uint32_t room, bool reserved_too)
{
    struct slot_area *area = slots_area(engine, first);
    uint32_t free = 0;
    lock_acquire(self, &area->lock, RANK_SLOTS);
    for (uint32_t bit = first - area->first, end = bit + room, count; bit < end; bit += count) {
        uint64_t bits = free_bits(engine, area, bit / BITMAP_WORD_BITS, reserved_too);
        count = MIN_OF(end - bit, BITMAP_WORD_BITS - bit % BITMAP_WORD_BITS);
        bits = bits >> bit % BITMAP_WORD_BITS & UINT64_MAX >> (BITMAP_WORD_BITS - count);
        free += (uint32_t)__builtin_popcountll(bits);
    }
    lock_release(self, &area->lock, RANK_SLOTS);
    return free;
}

bool slots_move_begin(struct engine *engine, struct thread *self, slot_number slot)
{
    struct slot_area *area = slots_area(engine, slot);
    _Atomic uint64_t *owner = &engine->slot_owners[slot - 1];
    lock_acquire(self, &area->lock, RANK_SLOTS);
    MUST(bitmap_test(area_bits(engine, area), slot - area->first));
    uint64_t word = atomic_load_explicit(owner, memory_order_relaxed);
    bool begun = (word & SLOT_OWNER_MOVING) == 0;
    if (begun) {
        atomic_store_explicit(owner, word | SLOT_OWNER_MOVING, memory_order_release);
        PFN_SET_FIELD(area, moving, PFN_FIELD(area, moving) + 1);
    }
    lock_release(self, &area->lock, RANK_SLOTS);
    return begun;
}

bool slots_is_moving(const struct engine *engine, slot_number slot)
{
    return (atomic_load_explicit(&engine->slot_owners[slot - 1], memory_order_acquire) &
            SLOT_OWNER_MOVING) != 0;
}

void slots_move_end(struct engine *engine, struct thread *self, slot_number slot, bool moved)
{
    struct slot_area *area = slots_area(engine, slot);
    _Atomic uint64_t *owner = &engine->slot_owners[slot - 1];
    lock_acquire(self, &area->lock, RANK_SLOTS);
    uint64_t word = atomic_load_explicit(owner, memory_order_relaxed);
    bool given_back = (word & SLOT_OWNER_GIVEN_BACK) != 0;
    MUST(word & SLOT_OWNER_MOVING);
    MUST(!moved || !given_back);
    if (!MUTANT(MOVING_MARK_LEAKS) || moved || given_back) {
        atomic_store_explicit(owner, word & ~SLOT_OWNER_MARKS, memory_order_release);
        PFN_SET_FIELD(area, moving, PFN_FIELD(area, moving) - 1);
    }
    lock_release(self, &area->lock, RANK_SLOTS);
    /* Neither page nor mover has a use for it; nobody else knows of it. */
    if (moved || (given_back && !MUTANT(MOVED_SLOT_GIVEN_BACK_IS_LOST))) {
        slots_give_back(engine, self, slot);
    }
}
