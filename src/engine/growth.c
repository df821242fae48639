/*
 * growth.c - the page file grows: ahead of need, and where a commit would be refused for want of it.
 *
 * Commits are what makes it grow, faults never wait for it: what is committed has its place. At
 * nine tenths of the commit limit a worker extends the page file by a step; a commit that does not
 * fit takes the turn itself, or waits for whoever has it, and is tried again. One at a time: the
 * turn is taken and given back under the space lock, and held without any lock, because the store
 * may wait for a device. Usable first, charged then: the store has the slots, the areas have them,
 * and only then the commit limit rises, so frames + slots - reserve >= charge at every instant.
 *
 * A store that refuses leaves everything as it was. It is not asked for as much or more again for a
 * second; for less it is, so what a step has no room for may still do for the commit at hand.
 */
#include "base/mutant.h"
#include "base/probe.h"
#include "engine/engine.h"

#define BACK_OFF_NS 1000000000u

/* ---- sums ---- */

uint64_t growth_reserve(const struct engine *engine, slot_number slots)
{
    return slots == 0 || MUTANT(COMMIT_KEEPS_NO_RESERVE) ? 0
                                                         : engine_reserve(engine->config.frames);
}

void growth_init(struct engine *engine)
{
    slot_number ready = engine_slots(engine);
    atomic_store(&engine->commit_limit,
                 (uint64_t)engine->config.frames + ready - growth_reserve(engine, ready));
}

/* By how much the commit limit rises with so many slots; less than nothing where they are few. */
static int64_t rise_with(struct engine *engine, slot_number slots)
{
    slot_number ready = engine_slots(engine);
    return (int64_t)slots - (int64_t)ready -
           (int64_t)(growth_reserve(engine, slots) - growth_reserve(engine, ready));
}

static bool backing_off(struct engine *engine)
{
    return PFN_FIELD(engine, growth_retry_ns) != 0 && !MUTANT(GROWTH_ASKS_AGAIN) &&
           world_now_ns() < PFN_FIELD(engine, growth_retry_ns);
}

/*
 * The slots to grow to so that the limit rises by `missing` at least: a step if that is more, as
 * much as is missing if a step was refused. SLOT_NONE: the page file cannot help. Space lock held.
 */
static slot_number find_target(struct engine *engine, uint64_t missing)
{
    uint64_t ready = engine_slots(engine), most = engine->config.slots;
    uint64_t refused = backing_off(engine) ? PFN_FIELD(engine, growth_refused) : UINT64_MAX;
    uint64_t reserve = growth_reserve(engine, engine->config.slots);
    uint64_t least = ready + missing + reserve - growth_reserve(engine, (slot_number)ready);
    uint64_t step = ready + MAX_OF(engine->config.growth_step, ready / 8);
    step = MIN_OF(MAX_OF(step, least), most);
    uint64_t target = step < refused ? step : least;
    return least <= most && target < refused ? (slot_number)target : SLOT_NONE;
}

/* ---- the turn ---- */

static void raise_limit(struct engine *engine, int64_t rise)
{
    PFN_SET_FIELD(engine, commit_limit, PFN_FIELD(engine, commit_limit) + (uint64_t)rise);
}

/* The store has the slots. Space lock held. */
static void use_slots(struct engine *engine, struct thread *self, slot_number slots)
{
    int64_t rise = rise_with(engine, slots);
    slots_extend(engine, self, slots);
    if (!MUTANT(GROWTH_CHARGES_FIRST)) {
        raise_limit(engine, rise);
    }
}

/* The caller has the turn, and no lock; it has neither afterwards. */
static void grow(struct engine *engine, struct thread *self, slot_number slots)
{
    lock_check_none_held(self);
    if (MUTANT(GROWTH_CHARGES_FIRST)) {
        raise_limit(engine, rise_with(engine, slots));
    }
    int error = store_grow(&engine->store, slots);
    bool grown = error == 0 || MUTANT(GROWTH_FAILED_IS_DONE);
    PROBE(grow, self->number, slots, error);
    count_one(self, grown ? COUNT_PAGEFILE_EXTENDED : COUNT_PAGEFILE_REFUSED);
    lock_acquire_sleeping(self, &engine->space_lock, RANK_SPACE);
    if (grown) {
        use_slots(engine, self, slots);
    } else {
        PFN_SET_FIELD(engine, growth_error, -error);
        PFN_SET_FIELD(engine, growth_refused, slots);
        PFN_SET_FIELD(engine, growth_retry_ns, world_now_ns() + BACK_OFF_NS);
    }
    PFN_SET_FIELD(engine, growing, false);
    atomic_fetch_add_explicit(&engine->growth_sequence, 1, memory_order_seq_cst);
    lock_release_sleeping(self, &engine->space_lock, RANK_SPACE);
    if (!MUTANT(GROWTH_WAKES_NOBODY)) {
        world_wake(&engine->growth_sequence, UINT32_MAX);
    }
    balance_call(engine); /* a writer that saw no page file sees one now */
}

/* Space lock held. */
static bool take_turn(struct engine *engine)
{
    bool mine = !PFN_FIELD(engine, growing) || MUTANT(GROWTH_TWICE_AT_ONCE);
    PFN_SET_FIELD(engine, growing, true);
    return mine;
}

/* ---- where a commit was refused ---- */

bool growth_make_room(struct engine *engine, uint32_t thread, page_number first, page_number count)
{
    struct thread *self = &engine->threads[thread];
    for (;;) {
        lock_acquire_sleeping(self, &engine->space_lock, RANK_SPACE);
        uint64_t missing = space_missing(engine, first, count);
        uint32_t seen = atomic_load_explicit(&engine->growth_sequence, memory_order_seq_cst);
        slot_number target = missing == 0 ? SLOT_NONE : find_target(engine, missing);
        bool mine = target != SLOT_NONE && take_turn(engine);
        lock_release_sleeping(self, &engine->space_lock, RANK_SPACE);
        if (target == SLOT_NONE) {
            return missing == 0;
        }
        if (mine) {
            grow(engine, self, target);
        } else {
            world_wait(&engine->growth_sequence, seen, UINT64_MAX);
        }
    }
}

/* ---- on request ---- */

bool growth_fits(struct engine *engine, slot_number slots)
{
    slot_number ready = engine_slots(engine);
    if (slots > engine->config.slots - ready) {
        return false;
    }
    /* The reserve of a first page file may be more than a small one brings. */
    int64_t limit = (int64_t)engine_commit_limit(engine) + rise_with(engine, ready + slots);
    return (int64_t)PFN_FIELD(engine, charge) <= limit || MUTANT(GROWTH_FORGETS_RESERVE);
}

bool growth_add(struct engine *engine, uint32_t thread, slot_number slots)
{
    struct thread *self = &engine->threads[thread];
    for (;;) {
        lock_acquire_sleeping(self, &engine->space_lock, RANK_SPACE);
        slot_number ready = engine_slots(engine), target = ready + slots;
        uint32_t seen = atomic_load_explicit(&engine->growth_sequence, memory_order_seq_cst);
        bool possible = growth_fits(engine, slots);
        bool mine = possible && take_turn(engine);
        lock_release_sleeping(self, &engine->space_lock, RANK_SPACE);
        if (!possible) {
            return false;
        }
        if (mine) {
            grow(engine, self, target);
            return engine_slots(engine) >= target;
        }
        world_wait(&engine->growth_sequence, seen, UINT64_MAX);
    }
}

/* ---- ahead of need ---- */

bool growth_needed(struct engine *engine)
{
    uint64_t charge = PFN_FIELD(engine, charge), limit = engine_commit_limit(engine);
    return engine_slots(engine) < engine->config.slots && charge * 10 >= limit * 9 &&
           !PFN_FIELD(engine, growing) && rise_with(engine, engine->config.slots) > 0 &&
           !backing_off(engine);
}

void growth_call(struct engine *engine)
{
    if (growth_needed(engine) && !MUTANT(GROWTH_IS_NOT_CALLED)) {
        balance_kick(engine, WORKER_GROW);
    }
}

bool growth_round(struct engine *engine, struct thread *self)
{
    lock_acquire_sleeping(self, &engine->space_lock, RANK_SPACE);
    slot_number target = growth_needed(engine) ? find_target(engine, 1) : SLOT_NONE;
    bool mine = target != SLOT_NONE && take_turn(engine);
    lock_release_sleeping(self, &engine->space_lock, RANK_SPACE);
    if (mine) {
        grow(engine, self, target);
    }
    return mine;
}
