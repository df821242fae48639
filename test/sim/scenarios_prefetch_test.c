/*
 * scenarios_prefetch_test.c - pages that are being read ahead, or lie unused, against everything that
 * can happen to them meanwhile.
 */
#include "scenario.h"

/* Of eight frames six are free: room for more than two pages. */
#define ROOM    .frames = 8
#define ABSENT  ROOM, .start = {IN_SLOT, IN_SLOT}
#define UNUSED  ROOM, .start = {AHEAD, AHEAD}
#define GUESSED ABSENT, .guess_by = GUESS_NEIGHBOURS

static const struct scenario scenarios[] = {
    /* ---- while they are read ---- */
    {"prefetch_against_read", ABSENT, .fibers = {{{READ_AHEAD}}, {{READ, 0}}},
     .sees = {SEE(PREFETCHED), SEE(PREFETCH_USED), SEE(PREFETCH_LATE), SEE(FAULT_HARD)}},
    {"prefetch_against_read_of_both", ABSENT, .read_cluster = 2,
     .fibers = {{{READ_AHEAD}}, {{READ, 0}, {READ, 1}}},
     .sees = {SEE(PREFETCHED), SEE(PREFETCH_USED), SEE(PREFETCH_LATE), SEE(FAULT_HARD)}},
    {"prefetch_against_collided_reads", ABSENT,
     .fibers = {{{READ_AHEAD}}, {{READ, 0}}, {{READ, 0}}}, .preemptions = 1,
     .sees = {SEE(PREFETCHED), SEE(PREFETCH_USED), SEE(PREFETCH_LATE), SEE(FAULT_COLLIDED)}},
    {"prefetch_against_write", ABSENT, .fibers = {{{READ_AHEAD}}, {{WRITE, 1}}},
     .sees = {SEE(PREFETCHED), SEE(PREFETCH_USED), SEE(PREFETCH_LATE), SEE(SLOT_GIVEN_BACK)}},
    {"prefetch_against_pin", ABSENT, .fibers = {{{READ_AHEAD}}, {{PIN_WRITE, 1}, {UNPIN, 1}}},
     .sees = {SEE(PREFETCHED), SEE(PREFETCH_USED), SEE(PREFETCH_LATE)}},
    {"prefetch_against_the_way_in_and_out", ABSENT,
     .fibers = {{{READ_AHEAD}}, {{READ, 0}, {TRIM, 0}, {REPURPOSE}, {READ, 0}}},
     .sees = {SEE(PREFETCHED), SEE(PREFETCH_USED), SEE(REPURPOSED)}},
    {"prefetch_against_decommit", ABSENT, .fibers = {{{READ_AHEAD}}, {{DECOMMIT, 0}}},
     .sees = {SEE(PREFETCHED), SEE(PREFETCH_WASTED), SEE_MOVE(READ_DISMISS)}},
    {"prefetch_against_decommit_and_a_new_life", ABSENT,
     .fibers = {{{READ_AHEAD}}, {{DECOMMIT, 0}, {COMMIT, 0}, {WRITE, 0}, {TRIM, 0}, {WRITE_OUT}}},
     .sees = {SEE(PREFETCHED), SEE(PREFETCH_WASTED), SEE_MOVE(READ_DISMISS)}},
    {"prefetch_against_release", ABSENT, .fibers = {{{READ_AHEAD}}, {{RELEASE}}},
     .sees = {SEE(PREFETCHED), SEE(PREFETCH_WASTED), SEE_MOVE(READ_DISMISS)}},
    {"prefetch_against_protect", ABSENT,
     .fibers = {{{READ_AHEAD}}, {{PROTECT_READ, 0}, {WRITE, 0}}},
     .sees = {SEE(PREFETCHED), SEE(FAULT_ACCESS_VIOLATION), SEE_MOVE(READ_DISMISS)}},
    {"prefetch_against_prefetch", ABSENT, .fibers = {{{READ_AHEAD}}, {{READ_AHEAD}}},
     .sees = {SEE(PREFETCHED)}},
    {"two_prefetchers_and_a_write", ABSENT,
     .fibers = {{{READ_AHEAD}}, {{READ_AHEAD, 1}}, {{WRITE, 1}}}, .preemptions = 1,
     .sees = {SEE(PREFETCHED), SEE(PREFETCH_USED), SEE(PREFETCH_LATE)}},
    {"prefetch_against_defrag", ROOM, .scattered = true, .slot_reservation = 2,
     .start = {IN_SLOT, IN_SLOT}, .fibers = {{{READ_AHEAD}}, {{DEFRAG}}},
     .sees = {SEE(PREFETCHED), SEE(DEFRAGMENTED), SEE(DEFRAG_ABORTED)}},
    {"prefetch_fails", ABSENT, .reads_fail = 1, .fibers = {{{READ_AHEAD}}, {{READ, 0}}},
     .sees = {SEE(IO_ERRORS), SEE_MOVE(READ_FAIL), SEE(PREFETCH_LATE), SEE(FAULT_IN_PAGE_ERROR)}},
    {"prefetch_fails_against_decommit", ABSENT, .reads_fail = 1,
     .fibers = {{{READ_AHEAD}}, {{DECOMMIT, 1}}}, .sees = {SEE(IO_ERRORS), SEE_MOVE(READ_FAIL)}},

    /* ---- while they lie unused ---- */
    {"unused_against_two_reads", UNUSED, .fibers = {{{READ, 0}}, {{READ, 0}}},
     .sees = {SEE(PREFETCH_USED)}},
    {"unused_against_reads_that_map_around", UNUSED, .fault_around = 2,
     .fibers = {{{READ, 0}}, {{WRITE, 1}}}, .sees = {SEE(PREFETCH_USED), SEE(RESCUE_AROUND)}},
    {"unused_against_repurpose", UNUSED, .fibers = {{{READ, 0}}, {{REPURPOSE}}},
     .sees = {SEE(PREFETCH_USED), SEE(PREFETCH_WASTED), SEE(FAULT_HARD)}},
    {"unused_against_decommit", UNUSED, .fibers = {{{READ, 0}}, {{DECOMMIT, 0}}},
     .sees = {SEE(PREFETCH_USED), SEE(PREFETCH_WASTED), SEE(FAULT_ACCESS_VIOLATION)}},
    {"unused_against_protect", UNUSED, .fibers = {{{WRITE, 0}}, {{PROTECT_READ, 0}}},
     .sees = {SEE(PREFETCH_USED), SEE(FAULT_ACCESS_VIOLATION)}},
    {"unused_against_prefetch", ROOM, .start = {AHEAD, IN_SLOT},
     .fibers = {{{READ_AHEAD}}, {{READ, 0}, {READ, 1}}},
     .sees = {SEE(PREFETCH_USED), SEE(PREFETCH_LATE)}},
    {"a_touch_asks_for_more", ROOM, .prefetch = 2, .start = {AHEAD, IN_SLOT},
     .workers = {[WORKER_PREFETCH] = 1}, .fibers = {{{READ, 0}, {READ, 1}}},
     .sees = {SEE(PREFETCHED), SEE(PREFETCH_USED), SEE(PREFETCH_LATE)}},

    /* ---- a fault reads the neighbour too ---- */
    {"guess_against_read", GUESSED, .fibers = {{{READ, 0}}, {{READ, 1}}},
     .sees = {SEE(PREFETCHED), SEE(PREFETCH_USED), SEE(PREFETCH_LATE), SEE(FAULT_HARD)}},
    {"guess_against_decommit_and_a_new_life", GUESSED,
     .fibers = {{{READ, 0}}, {{DECOMMIT, 1}, {COMMIT, 1}, {WRITE, 1}, {TRIM, 1}, {WRITE_OUT}}},
     .sees = {SEE(PREFETCHED), SEE(PREFETCH_WASTED), SEE_MOVE(READ_DISMISS)}},
    {"guess_against_protect", GUESSED, .fibers = {{{READ, 0}}, {{PROTECT_READ, 1}, {READ, 1}}},
     .sees = {SEE(PREFETCHED), SEE(PREFETCH_USED), SEE_MOVE(READ_DISMISS)}},
    {"guess_against_repurpose", GUESSED, .fibers = {{{READ, 0}, {READ, 1}}, {{REPURPOSE}}},
     .sees = {SEE(PREFETCHED), SEE(PREFETCH_USED), SEE(PREFETCH_WASTED)}},
    {"guess_fails_against_read", GUESSED, .reads_fail = 1, .fibers = {{{READ, 0}}, {{READ, 1}}},
     .sees = {SEE(IO_ERRORS), SEE(PREFETCHED), SEE_MOVE(READ_FAIL)}},

    /* ---- others need the frames, and the end ---- */
    {"prefetch_against_the_last_frames", .frames = 5, .pages = 6,
     .start = {IN_SLOT, ACTIVE, UNTOUCHED, UNTOUCHED, UNTOUCHED, UNTOUCHED},
     .fibers = {{{READ_AHEAD}}, {{WRITE, 2}, {WRITE, 3}, {WRITE, 4}, {WRITE, 5}}},
     .sees = {SEE(PREFETCHED), SEE(PREFETCH_WASTED), SEE(TRIM_BY_WAITER)}},
    {"prefetchers_are_stopped", ABSENT, .workers = {[WORKER_PREFETCH] = 1},
     .fibers = {{{ASK_AHEAD}, {STOP}}, {{READ, 0}}},
     .sees = {SEE(PREFETCHED), SEE(PREFETCH_USED), SEE(FAULT_HARD)}},
};

int main(void)
{
    return scenarios_main("prefetch", scenarios, ARRAY_COUNT(scenarios));
}
