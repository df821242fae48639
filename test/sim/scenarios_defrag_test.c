/*
 * scenarios_defrag_test.c - pages whose slots are being moved, against everything that can happen to
 * them meanwhile.
 */
#include "scenario.h"

/* Two pages in the wrong order; a reserved run is free for them. */
#define STRAYS     .scattered = true, .slot_reservation = 2, .start = {IN_SLOT, IN_SLOT}
#define ON_STANDBY .scattered = true, .slot_reservation = 2, .start = {STANDBY, STANDBY}
/* Two pages that share no block, each alone in a run: the one that was written first moves. */
#define ALONE                                                                                      \
    .scattered = true, .slot_reservation = 2, .pages = 3, .slots = 4, .alone = true,               \
    .start = {IN_SLOT, UNTOUCHED, IN_SLOT}

static const struct scenario scenarios[] = {
    /* ---- one page is used ---- */
    {"defrag_against_read", STRAYS, .fibers = {{{DEFRAG}}, {{READ, 0}}},
     .sees = {SEE(DEFRAGMENTED), SEE(DEFRAG_ABORTED), SEE(FAULT_HARD)}},
    {"defrag_against_read_of_both", STRAYS, .read_cluster = 2,
     .fibers = {{{DEFRAG}}, {{READ, 0}, {READ, 1}}},
     .sees = {SEE(DEFRAGMENTED), SEE(DEFRAG_ABORTED), SEE(FAULT_HARD)}},
    {"defrag_against_write", STRAYS, .fibers = {{{DEFRAG}}, {{WRITE, 0}}},
     .sees = {SEE(DEFRAGMENTED), SEE(DEFRAG_ABORTED), SEE(SLOT_GIVEN_BACK)}},
    {"defrag_against_the_way_in_and_out", STRAYS,
     .fibers = {{{DEFRAG}}, {{READ, 0}, {TRIM, 0}, {REPURPOSE}, {READ, 0}}},
     .sees = {SEE(DEFRAGMENTED), SEE(DEFRAG_ABORTED), SEE(REPURPOSED)}},
    {"defrag_against_write_and_write_out", STRAYS, .slots = 6,
     .fibers = {{{DEFRAG}}, {{WRITE, 0}, {TRIM, 0}, {WRITE_OUT}}},
     .sees = {SEE(DEFRAGMENTED), SEE(DEFRAG_ABORTED), SEE(WRITTEN)}},
    {"defrag_against_an_unwatched_page", STRAYS, .unwatched = true,
     .fibers = {{{DEFRAG}}, {{READ, 0}, {TRIM, 0}, {WRITE_OUT}}},
     .sees = {SEE(DEFRAGMENTED), SEE(DEFRAG_ABORTED), SEE(UNCHANGED), SEE(WRITTEN)}},
    {"defrag_against_two_writes_out", .scattered = true, .slot_reservation = 2, .slots = 4,
     .start = {IN_SLOT, IN_SLOT, MODIFIED},
     .fibers = {{{DEFRAG}}, {{WRITE, 0}, {TRIM, 0}, {WRITE_OUT}}, {{WRITE_OUT}}}, .preemptions = 1,
     .sees = {SEE(DEFRAG_ABORTED), SEE(WRITTEN)}},
    {"defrag_against_collided_reads", STRAYS, .fibers = {{{DEFRAG}}, {{READ, 0}}, {{READ, 0}}},
     .preemptions = 1, .sees = {SEE(DEFRAG_ABORTED), SEE(FAULT_COLLIDED)}},
    {"defrag_against_pin", STRAYS, .fibers = {{{DEFRAG}}, {{PIN_WRITE, 1}, {UNPIN, 1}}},
     .sees = {SEE(DEFRAGMENTED), SEE(DEFRAG_ABORTED), SEE(SLOT_GIVEN_BACK)}},

    /* ---- the page goes, or its rights change ---- */
    {"defrag_against_decommit", STRAYS, .fibers = {{{DEFRAG}}, {{DECOMMIT, 0}}},
     .sees = {SEE(DEFRAGMENTED), SEE(DEFRAG_ABORTED)}},
    {"defrag_against_decommit_and_a_new_life", STRAYS, .slots = 4,
     .fibers = {{{DEFRAG}}, {{DECOMMIT, 0}, {COMMIT, 0}, {WRITE, 0}, {TRIM, 0}, {WRITE_OUT}}},
     .sees = {SEE(DEFRAGMENTED), SEE(DEFRAG_ABORTED), SEE(WRITTEN)}},
    {"defrag_against_release", STRAYS, .fibers = {{{DEFRAG}}, {{RELEASE}}},
     .sees = {SEE(DEFRAGMENTED), SEE(DEFRAG_ABORTED)}},
    {"defrag_against_protect", STRAYS, .fibers = {{{DEFRAG}}, {{PROTECT_READ, 0}, {WRITE, 0}}},
     .sees = {SEE(DEFRAGMENTED), SEE(FAULT_ACCESS_VIOLATION)}},
    {"defrag_of_a_protected_page", STRAYS, .fibers = {{{PROTECT_READ, 0}, {DEFRAG}}, {{WRITE, 0}}},
     .sees = {SEE(DEFRAGMENTED), SEE(FAULT_ACCESS_VIOLATION)}},

    /* ---- frames have the slots ---- */
    {"defrag_of_standby_against_read", ON_STANDBY, .fibers = {{{DEFRAG}}, {{READ, 0}}},
     .sees = {SEE(DEFRAGMENTED), SEE(RESCUE_STANDBY)}},
    {"defrag_of_standby_against_write", ON_STANDBY, .fibers = {{{DEFRAG}}, {{WRITE, 0}}},
     .sees = {SEE(DEFRAGMENTED), SEE(DEFRAG_ABORTED), SEE(SLOT_GIVEN_BACK)}},
    {"defrag_of_standby_against_repurpose", ON_STANDBY,
     .fibers = {{{DEFRAG}}, {{REPURPOSE}, {REPURPOSE}, {READ, 0}}},
     .sees = {SEE(DEFRAGMENTED), SEE(REPURPOSED), SEE(FAULT_HARD)}},
    {"defrag_of_standby_against_decommit", ON_STANDBY, .fibers = {{{DEFRAG}}, {{DECOMMIT, 1}}},
     .sees = {SEE(DEFRAGMENTED), SEE(DEFRAG_ABORTED)}},

    /* ---- runs are emptied ---- */
    {"a_run_is_emptied_against_write", ALONE, .fibers = {{{DEFRAG}, {DEFRAG}}, {{WRITE, 2}}},
     .sees = {SEE(DEFRAG_EMPTIED), SEE(DEFRAG_ABORTED), SEE(SLOT_GIVEN_BACK)}},
    {"a_run_is_emptied_against_write_out", ALONE,
     .fibers = {{{DEFRAG}, {DEFRAG}}, {{WRITE, 2}, {TRIM, 2}, {WRITE_OUT}}},
     .sees = {SEE(DEFRAG_EMPTIED), SEE(DEFRAG_ABORTED), SEE(WRITTEN)}},

    /* ---- others of the same kind, the end, and errors ---- */
    {"defrag_against_defrag", STRAYS, .fibers = {{{DEFRAG}}, {{DEFRAG}}},
     .sees = {SEE(DEFRAGMENTED)}},
    {"two_defragmenters_at_one_page", .scattered = true, .slot_reservation = 2, .alone = true,
     .start = {IN_SLOT, UNTOUCHED, IN_SLOT, UNTOUCHED, IN_SLOT},
     .fibers = {{{DEFRAG}, {DEFRAG}}, {{DEFRAG}}},
     .sees = {SEE(DEFRAGMENTED), SEE(DEFRAG_ABORTED)}},
    {"two_defragmenters_and_a_write", STRAYS, .fibers = {{{DEFRAG}}, {{DEFRAG}}, {{WRITE, 0}}},
     .preemptions = 1, .sees = {SEE(DEFRAGMENTED), SEE(DEFRAG_ABORTED)}},
    {"defragmenters_are_stopped", STRAYS, .workers = {[WORKER_DEFRAG] = 1},
     .fibers = {{{STOP}}, {{READ, 0}}}, .sees = {SEE(DEFRAGMENTED), SEE(DEFRAG_ABORTED)}},
    {"defrag_fails_to_write", STRAYS, .writes_fail = 1, .fibers = {{{DEFRAG}}, {{READ, 0}}},
     .sees = {SEE(IO_ERRORS), SEE(DEFRAG_ABORTED), SEE(FAULT_HARD)}},
    {"defrag_fails_to_write_against_write", STRAYS, .writes_fail = 1,
     .fibers = {{{DEFRAG}}, {{WRITE, 0}}},
     .sees = {SEE(IO_ERRORS), SEE(DEFRAG_ABORTED), SEE(SLOT_GIVEN_BACK)}},
    {"defrag_fails_to_read", STRAYS, .reads_fail = 1, .fibers = {{{DEFRAG}}, {{WRITE, 1}}},
     .sees = {SEE(IO_ERRORS), SEE(DEFRAGMENTED), SEE(FAULT_IN_PAGE_ERROR)}},
    {"defrag_fails_to_read_a_page", STRAYS, .reads_fail = 2, .fibers = {{{DEFRAG}}, {{READ, 0}}},
     .sees = {SEE(IO_ERRORS), SEE(DEFRAGMENTED), SEE(FAULT_IN_PAGE_ERROR)}},
};

int main(void)
{
    return scenarios_main("defrag", scenarios, ARRAY_COUNT(scenarios));
}
