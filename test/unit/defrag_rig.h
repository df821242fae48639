/*
 * defrag_rig.h - eight pages in reversed order, and rounds of the defragmenter that move them.
 */
#ifndef MM_TEST_DEFRAG_RIG_H
#define MM_TEST_DEFRAG_RIG_H

#include "engine_rig.h"

#define MOVER OTHER
#define SEED  100u

/* Pages 0..7, each in the slot before that of the page before it. */
static inline void put_eight(struct rig *rig)
{
    uint32_t run_shift = rig->engine->run_shift;

    rig->engine->run_shift = 0; /* slots as they come */
    for (page_number page = 8; page > 0; page--)
        rig_put_in_slot(rig, page - 1, SEED + page - 1);
    rig->engine->run_shift = run_shift;
}

/* They are in slots 8..1, a run of eight is free for them, and a round moves so many. */
static inline void begin_batches(struct rig *rig, uint32_t batch)
{
    rig_begin(rig, &(struct rig_config){.pages = 16,
                                        .slots = 32,
                                        .write_batch = 1,
                                        .slot_reservation = 8,
                                        .defrag_rounds = 2,
                                        .defrag_batch = batch});
    put_eight(rig);
    for (page_number page = 0; page < 8; page++)
        assert_int_equal(rig_slot(rig, page), 8 - page);
}

static inline void begin_eight(struct rig *rig)
{
    begin_batches(rig, 8);
}

/* One round. Did it move anything? */
static inline bool move(struct rig *rig)
{
    return defrag_round(rig->engine, rig_thread(rig, MOVER));
}

#endif
