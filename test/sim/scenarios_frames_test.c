/*
 * scenarios_frames_test.c - the last free frame: who gets it, who waits, who is woken; workers.
 */
#include "scenario.h"

/* With these, whoever waits is served: nobody else trims and writes while all users wait. */
#define SERVED .workers = {[WORKER_TRIM] = 1, [WORKER_WRITE] = 1}

static const struct scenario scenarios[] = {
    {"two_first_touches_one_frame", .pages = 2, .frames = 1, .slots = 4, SERVED, .preemptions = 1,
     .fibers = {{{WRITE, 0}}, {{WRITE, 1}}}, .sees = {SEE(FRAME_WAITS), SEE(REPURPOSED)}},
    {"two_first_touches_one_frame_cached", .pages = 2, .frames = 1, .slots = 4, .frame_cache = 1,
     SERVED, .preemptions = 1, .fibers = {{{WRITE, 0}, {LEAVE}}, {{READ, 1}, {LEAVE}}},
     .sees = {SEE(FRAME_WAITS)}},
    {"a_waiter_and_a_rescuer_of_one_frame", .pages = 2, .frames = 1, .slots = 4,
     .start = {MODIFIED, UNTOUCHED}, .fibers = {{{WRITE, 1}}, {{READ, 0}}}, SERVED,
     .preemptions = 1, .sees = {SEE(FRAME_WAITS), SEE(RESCUE_MODIFIED), SEE(FAULT_HARD)}},
    {"one_page_and_one_frame_without_a_page_file", .pages = 1, .frames = 1, .no_slots = true,
     SERVED, .preemptions = 1, .fibers = {{{WRITE, 0}}, {{WRITE, 0}}},
     .sees = {SEE(FRAME_WAITS), SEE(FAULT_DEMAND_ZERO)}},
    {"a_wait_ends_when_somebody_else_reads_the_page", .pages = 1, .frames = 1, .slots = 4,
     .start = {STANDBY}, .fibers = {{{READ, 0}}, {{REPURPOSE}, {READ, 0}, {TRIM, 0}}},
     .sees = {SEE(FRAME_WAITS), SEE(FAULT_HARD)}},
    {"a_wait_ends_when_somebody_else_touches_the_page", .pages = 1, .frames = 1, .slots = 4,
     .start = {UNTOUCHED}, .fibers = {{{READ, 0}}, {{WRITE, 0}}},
     .sees = {SEE(FRAME_WAITS), SEE(FAULT_DEMAND_ZERO)}},
    {"a_wait_ends_with_a_decommit", .pages = 2, .frames = 1, .slots = 4,
     .start = {ACTIVE, UNTOUCHED}, .fibers = {{{DECOMMIT, 0}}, {{WRITE, 1}}}, SERVED,
     .preemptions = 1, .sees = {SEE(FRAME_WAITS), SEE(DELETED)}},
    {"a_wait_ends_with_a_failed_read", .pages = 2, .frames = 1, .slots = 4,
     .start = {IN_SLOT, UNTOUCHED}, .reads_fail = 1, .fibers = {{{READ, 0}}, {{WRITE, 1}}}, SERVED,
     .preemptions = 1, .sees = {SEE(FRAME_WAITS), SEE(FAULT_IN_PAGE_ERROR)}},
    {"a_failed_write_while_somebody_waits", .pages = 2, .frames = 1, .slots = 4,
     .start = {ACTIVE, UNTOUCHED}, .writes_fail = 1, .fibers = {{{WRITE, 1}}}, SERVED,
     .preemptions = 1, .sees = {SEE(IO_ERRORS), SEE(FRAME_WAITS)}},
    {"fault_against_fault_for_the_last_frame", .pages = 3, .frames = 2,
     .start = {STANDBY, UNTOUCHED, UNTOUCHED}, .fibers = {{{READ, 1}}, {{READ, 2}}},
     .sees = {SEE(REPURPOSED), SEE(FAULT_DEMAND_ZERO)}},
    {"a_stolen_frame", .pages = 2, .frames = 2, .frame_cache = 1, .start = {IN_SLOT, UNTOUCHED},
     .reads_fail = 1, .fibers = {{{READ, 0}}, {{WRITE, 1}}}, .sees = {SEE(FAULT_IN_PAGE_ERROR)}},
    {"leave_against_steal", .pages = 3, .frames = 3, .frame_cache = 2,
     .start = {STANDBY, STANDBY, UNTOUCHED},
     .fibers = {{{DECOMMIT, 0}, {WRITE, 1}, {LEAVE}}, {{WRITE, 2}, {LEAVE}}},
     .sees = {SEE(DELETED)}},

    /* ---- lists in two colours: each user at another one, the only frame in one of them ---- */
    {"two_first_touches_one_frame_two_colours", .pages = 2, .frames = 1, .slots = 4, .colours = 2,
     SERVED, .preemptions = 1, .fibers = {{{WRITE, 0}}, {{WRITE, 1}}},
     .sees = {SEE(FRAME_WAITS), SEE(REPURPOSED)}},
    {"a_waiter_and_a_rescuer_of_one_frame_two_colours", .pages = 2, .frames = 1, .slots = 4,
     .start = {MODIFIED, UNTOUCHED}, .region_ptes = 1, .colours = 2,
     .fibers = {{{WRITE, 1}}, {{READ, 0}}}, SERVED, .preemptions = 1,
     .sees = {SEE(FRAME_WAITS), SEE(RESCUE_MODIFIED), SEE(FAULT_HARD)}},
    {"faults_look_after_the_balance", .pages = 4, .frames = 4, .slots = 4, .colours = 2,
     .start = {ACTIVE, ACTIVE, ACTIVE, UNTOUCHED}, .region_ptes = 1, .balances = true,
     .preemptions = 1, .fibers = {{{WRITE, 3}}, {{READ, 0}}},
     .sees = {SEE(FAULT_DEMAND_ZERO), SEE(TRIM_AHEAD)}},
    {"rescue_against_repurpose_two_colours", .start = {STANDBY, STANDBY, STANDBY}, .frames = 3,
     .region_ptes = 1, .colours = 2, .fibers = {{{REPURPOSE}, {REPURPOSE}}, {{READ, 1}, {TRIM, 1}}},
     .sees = {SEE(REPURPOSED), SEE(RESCUE_STANDBY), SEE_MOVE(TRIM_CLEAN)}},
    {"two_neighbours_leave_two_colours", .start = {STANDBY, STANDBY, STANDBY}, .region_ptes = 1,
     .colours = 2, .fibers = {{{READ, 0}}, {{READ, 1}}},
     .sees = {SEE(UNLINK_SHARED), SEE(UNLINK_EXCLUSIVE)}},

    /* ---- frames out of service ---- */
    {"retire_against_first_touch", .pages = 1, .frames = 2, .fibers = {{{RETIRE}}, {{WRITE, 0}}},
     .sees = {SEE_MOVE(RETIRE_ZEROED), SEE(FAULT_DEMAND_ZERO)}},
    {"retire_against_rescue", .start = {STANDBY}, .frames = 2,
     .fibers = {{{RETIRE}}, {{WRITE, 0}}, {{REPURPOSE}}},
     .sees = {SEE_MOVE(RETIRE_ZEROED), SEE(RESCUE_STANDBY)}},
    {"retire_of_a_standby_frame_against_its_rescue", .start = {STANDBY, STANDBY}, .frames = 2,
     .fibers = {{{RETIRE}}, {{READ, 0}}},
     .sees = {SEE_MOVE(RETIRE), SEE(RESCUE_STANDBY), SEE(FAULT_HARD)}},
    {"retire_against_retire", .frames = 2, .fibers = {{{RETIRE}}, {{RETIRE}}},
     .sees = {SEE_MOVE(RETIRE_ZEROED)}},
    {"retire_against_commit", .start = {RESERVED, RESERVED}, .frames = 2,
     .fibers = {{{RETIRE}}, {{COMMIT, 0}, {WRITE, 0}}},
     .sees = {SEE_MOVE(RETIRE_ZEROED), SEE(FAULT_DEMAND_ZERO)}},

    /* ---- zeroing ---- */
    {"zeroing_against_page_in", .frames = 10, .slots = 16,
     .start = {IN_SLOT, IN_SLOT, IN_SLOT, IN_SLOT, IN_SLOT, IN_SLOT, IN_SLOT, IN_SLOT},
     .fibers = {{{ZERO_FRAMES}}, {{READ, 0}}},
     .sees = {SEE_MOVE(READ_START), SEE_MOVE(READ_START_ZEROED), SEE_MOVE(ZERO)}},
    {"zeroing_against_retire", .frames = 10, .slots = 16,
     .start = {IN_SLOT, IN_SLOT, IN_SLOT, IN_SLOT, IN_SLOT, IN_SLOT, IN_SLOT, IN_SLOT},
     .fibers = {{{ZERO_FRAMES}}, {{RETIRE}}}, .sees = {SEE_MOVE(RETIRE), SEE_MOVE(RETIRE_ZEROED)}},
    {"zeroing_against_zeroing", .frames = 10, .slots = 16,
     .start = {IN_SLOT, IN_SLOT, IN_SLOT, IN_SLOT, IN_SLOT, IN_SLOT, IN_SLOT, IN_SLOT},
     .fibers = {{{ZERO_FRAMES}}, {{ZERO_FRAMES}}}, .sees = {SEE_MOVE(ZERO)}},

    /* ---- workers ---- */
    {"workers_stop_while_a_page_is_written", .pages = 4,
     .start = {ACTIVE, ACTIVE, ACTIVE, UNTOUCHED}, SERVED, .preemptions = 1,
     .fibers = {{{STOP}}, {{WRITE, 3}}}, .sees = {SEE_MOVE(TRIM), SEE_MOVE(WRITE_START)}},
    {"workers_stop_while_a_page_is_read", .start = {IN_SLOT}, SERVED,
     .fibers = {{{STOP}}, {{READ, 0}}}, .sees = {SEE(FAULT_HARD)}},
    {"workers_stop_before_they_begin", .start = {MODIFIED}, SERVED, .fibers = {{{STOP}}}},
};

int main(void)
{
    return scenarios_main("frames", scenarios, ARRAY_COUNT(scenarios));
}
