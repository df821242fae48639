/*
 * suspects.c - slots whose writes fail: put aside, tried again, and at last retired.
 *
 * Each area remembers the slots that failed lately. What is put aside or retired has its bit set, so
 * nobody is given it; a retired slot lowers the commit limit (docs/decisions/0017).
 */
#include "base/mutant.h"
#include "base/probe.h"
#include "engine/engine.h"

/* Area lock held. */
static struct slot_suspect *find_suspect(struct slot_area *area, slot_number slot)
{
    for (uint32_t i = 0; i < SUSPECTS_MAX; i++) {
        if (area->suspects[i].slot == slot) {
            return &area->suspects[i];
        }
    }
    return NULL;
}

/* Area lock held: it may be tried again. */
static void end_aside(struct engine *engine, struct slot_area *area, struct slot_suspect *suspect)
{
    suspect->aside = false;
    slots_free_locked(engine, area, suspect->slot);
    atomic_fetch_sub_explicit(&engine->slots_aside, 1, memory_order_relaxed);
}

/* Area lock held. The oldest suspect makes room for a new one. */
static struct slot_suspect *add_suspect(struct engine *engine, struct slot_area *area,
                                        slot_number slot)
{
    uint32_t suspected = PFN_FIELD(area, suspected);
    struct slot_suspect *suspect = &area->suspects[suspected % SUSPECTS_MAX];
    if (suspect->aside) {
        end_aside(engine, area, suspect);
    }
    PFN_SET_FIELD(area, suspected, suspected + 1 == 0 ? SUSPECTS_MAX : suspected + 1);
    *suspect = (struct slot_suspect){.slot = slot, .witnesses = write_witnesses(engine)};
    return suspect;
}

/*
 * Area lock held. A slot is convicted by its second failure in a row, if some page was written in
 * between, in a round that began after the first: a device that takes nothing at all is no witness,
 * or it would cost the whole page file before it is well again. Till then it is put aside, so that
 * its page is tried elsewhere.
 */
static bool convict_or_put_aside(struct engine *engine, struct slot_area *area, slot_number slot)
{
    struct slot_suspect *suspect = find_suspect(area, slot);
    bool known = suspect != NULL || MUTANT(SLOT_RETIRED_AT_ONCE);
    if (suspect == NULL) {
        suspect = add_suspect(engine, area, slot);
    }
    if (known &&
        (suspect->witnesses != write_witnesses(engine) || MUTANT(SLOT_RETIRED_AT_ONCE) ||
         MUTANT(SLOT_RETIRED_BY_AN_OUTAGE)) &&
        !MUTANT(SLOT_NEVER_RETIRED)) {
        suspect->slot = SLOT_NONE;
        return true;
    }
    suspect->aside = true;
    atomic_fetch_add_explicit(&engine->slots_aside, 1, memory_order_relaxed);
    if (MUTANT(SUSPECT_IS_NOT_PUT_ASIDE)) {
        end_aside(engine, area, suspect);
    }
    return false;
}

/* Area lock held. Its bit stays set for ever, so nobody is given it. */
static void retire(struct engine *engine, struct thread *self, slot_number slot)
{
    atomic_store_explicit(&engine->slot_owners[slot - 1], SLOT_OWNER_RETIRED, memory_order_release);
    atomic_fetch_add_explicit(&engine->slots_retired, !MUTANT(SLOT_RETIRED_UNCOUNTED),
                              memory_order_seq_cst);
    count_one(self, COUNT_SLOT_RETIRED);
    PROBE(retire_slot, self->number, slot);
}

bool slots_give_back_failed(struct engine *engine, struct thread *self, slot_number slot, int error)
{
    enum store_blame blame =
        MUTANT(SLOT_BLAMED_FOR_EVERYTHING) ? STORE_MAYBE_THE_SLOT : store_blame(error);
    struct slot_area *area = slots_area(engine, slot);
    slots_discard(engine, slot);
    bool retired = false;
    lock_acquire(self, &area->lock, RANK_SLOTS);
    if (blame == STORE_NOT_THE_SLOT) {
        slots_free_locked(engine, area, slot);
    } else if (blame == STORE_THE_SLOT || convict_or_put_aside(engine, area, slot)) {
        retire(engine, self, slot);
        retired = true;
    }
    lock_release(self, &area->lock, RANK_SLOTS);
    return retired;
}

void slots_write_succeeded(struct engine *engine, struct thread *self, slot_number slot)
{
    struct slot_area *area = slots_area(engine, slot);
    if (LIKELY(PFN_FIELD(area, suspected) == 0) || MUTANT(SUSPICION_LASTS)) {
        return;
    }
    lock_acquire(self, &area->lock, RANK_SLOTS);
    struct slot_suspect *suspect = find_suspect(area, slot);
    if (suspect != NULL) {
        suspect->slot = SLOT_NONE;
    }
    lock_release(self, &area->lock, RANK_SLOTS);
}

void slots_try_suspects(struct engine *engine, struct thread *self, bool all)
{
    uint32_t witnesses = write_witnesses(engine);
    for (uint32_t a = 0; a < engine->slot_area_count && PFN_FIELD(engine, slots_aside) > 0; a++) {
        struct slot_area *area = &engine->slot_areas[a];
        if (PFN_FIELD(area, suspected) == 0) {
            continue;
        }
        lock_acquire(self, &area->lock, RANK_SLOTS);
        for (uint32_t i = 0; i < SUSPECTS_MAX; i++) {
            struct slot_suspect *suspect = &area->suspects[i];
            if (suspect->aside && (all || suspect->witnesses != witnesses)) {
                end_aside(engine, area, suspect);
            }
        }
        lock_release(self, &area->lock, RANK_SLOTS);
    }
}

bool slots_is_retired(const struct engine *engine, slot_number slot)
{
    return slots_in_use(engine, slot) && slots_owner(engine, slot) == SLOT_OWNER_RETIRED;
}
