/*
 * slots.c - which page-file slots are in use: a bitmap in parts, each with a lock of its own.
 *
 * Slots are numbered from 1; a slot belongs to the writer while it is being written, then to the
 * frame whose content it holds, then to the page-file PTE (docs/races.md, R13). A batch gets neighbouring
 * slots as far as there are any, so that it can be written with few I/Os.
 */
#include "base/bitmap.h"
#include "base/mutant.h"
#include "engine/engine.h"

static inline uint64_t *area_bits(struct engine *engine, const struct slot_area *area)
{
    return engine->slot_bits + (area->first - 1) / BITMAP_WORD_BITS;
}

static inline struct slot_area *slot_area_of(struct engine *engine, slot_number slot)
{
    uint32_t per_area = engine->slot_areas[0].count;
    return &engine->slot_areas[(slot - 1) / per_area];
}

void slots_init(struct engine *engine)
{
    slot_number slots = engine->config.slots, first = 1;
    uint32_t areas = engine->slot_area_count;
    uint32_t per_area = (slots / areas + BITMAP_WORD_BITS) / BITMAP_WORD_BITS * BITMAP_WORD_BITS;
    uint32_t used = 0;
    while (first <= slots) {
        struct slot_area *area = &engine->slot_areas[used++];
        area->first = first;
        area->count = MIN_OF(per_area, slots - first + 1);
        area->free = area->count;
        first += area->count;
    }
    engine->slot_area_count = used;
}

/* Take what one area has, in runs. */
static uint32_t take_from_area(struct engine *engine, struct thread *self, struct slot_area *area,
                               uint32_t count, slot_number *ret_slots)
{
    uint64_t *bits = area_bits(engine, area);
    uint32_t taken = 0;
    lock_acquire(self, &area->lock, RANK_SLOTS);
    uint32_t from = engine->config.slots_next_fit ? area->hint : 0;
    bool wrapped = from == 0;
    while (taken < count && PFN_FIELD(area, free) > 0) {
        uint32_t first = 0;
        uint32_t run = bitmap_find_zeros(bits, area->count, from, count - taken, &first);
        if (run == 0) {
            if (wrapped || MUTANT(SLOT_SEARCH_ENDS_EARLY)) {
                break;
            }
            wrapped = true;
            from = 0;
            continue;
        }
        bitmap_set_run(bits, first, run - (run > 1 && MUTANT(SLOT_GIVEN_TWICE)));
        for (uint32_t i = 0; i < run; i++) {
            ret_slots[taken++] = area->first + first + i;
        }
        PFN_SET_FIELD(area, free, PFN_FIELD(area, free) - run);
        from = area->hint = first + run;
    }
    lock_release(self, &area->lock, RANK_SLOTS);
    return taken;
}

uint32_t slots_take(struct engine *engine, struct thread *self, uint32_t count,
                    slot_number *ret_slots)
{
    uint32_t taken = 0, areas = engine->slot_area_count;
    for (uint32_t i = 0; i < areas && taken < count; i++) {
        struct slot_area *area = &engine->slot_areas[(self->number + i) % areas];
        if (PFN_FIELD(area, free) > 0) {
            taken += take_from_area(engine, self, area, count - taken, ret_slots + taken);
        }
    }
    return taken;
}

void slots_give_back(struct engine *engine, struct thread *self, slot_number slot)
{
    MUST(slot != SLOT_NONE);
    MUST(slot <= engine->config.slots);
    struct slot_area *area = slot_area_of(engine, slot);
    uint64_t *bits = area_bits(engine, area);
    uint32_t bit = slot - area->first;
    lock_acquire(self, &area->lock, RANK_SLOTS);
    MUST(bitmap_test(bits, bit)); /* given back twice */
    bitmap_clear(bits, bit);
    PFN_SET_FIELD(area, free, PFN_FIELD(area, free) + !MUTANT(SLOT_GIVEN_BACK_UNCOUNTED));
    lock_release(self, &area->lock, RANK_SLOTS);
}

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
