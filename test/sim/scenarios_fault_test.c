/*
 * scenarios_fault_test.c - faults at once: on the same page, on neighbours, against a repurposer.
 */
#include "scenario.h"

static const struct scenario scenarios[] = {
    /* ---- first touch ---- */
    {"read_fault_against_read_fault", .start = {UNTOUCHED}, .fibers = {{{READ, 0}}, {{READ, 0}}},
     .sees = {SEE(FAULT_DEMAND_ZERO), SEE(FAULT_SPURIOUS)}},
    {"read_fault_against_write_fault", .start = {UNTOUCHED}, .fibers = {{{READ, 0}}, {{WRITE, 0}}},
     .sees = {SEE(FAULT_DEMAND_ZERO), SEE(FAULT_WRITE_PROTECT)}},
    {"write_fault_against_write_fault", .start = {UNTOUCHED},
     .fibers = {{{WRITE, 0}}, {{WRITE, 0}}}, .sees = {SEE(FAULT_DEMAND_ZERO)}},
    {"first_touches_of_neighbours", .pages = 2, .fibers = {{{WRITE, 0}}, {{READ, 1}}},
     .sees = {SEE(FAULT_DEMAND_ZERO)}},
    {"first_touches_with_frame_caches", .pages = 2, .frame_cache = 1,
     .fibers = {{{WRITE, 0}, {LEAVE}}, {{WRITE, 0}, {WRITE, 1}}}, .sees = {SEE(FAULT_DEMAND_ZERO)}},

    /* ---- first write to a clean page ---- */
    {"first_write_against_first_write", .start = {CLEAN}, .fibers = {{{WRITE, 0}}, {{WRITE, 0}}},
     .sees = {SEE(FAULT_WRITE_PROTECT), SEE(SLOT_GIVEN_BACK)}},
    {"first_write_against_read", .start = {CLEAN},
     .fibers = {{{WRITE, 0}, {READ, 0}}, {{READ, 0}, {READ, 0}}},
     .sees = {SEE(FAULT_WRITE_PROTECT)}},
    {"first_write_to_zeros_against_trim", .start = {ZEROS}, .fibers = {{{WRITE, 0}}, {{TRIM, 0}}},
     .sees = {SEE(FAULT_WRITE_PROTECT), SEE_MOVE(TRIM_CLEAN), SEE_MOVE(TRIM_DIRTY)}},
    {"first_write_against_trim", .start = {CLEAN}, .fibers = {{{WRITE, 0}}, {{TRIM, 0}}},
     .sees = {SEE(FAULT_WRITE_PROTECT), SEE_MOVE(TRIM_CLEAN), SEE_MOVE(TRIM_DIRTY)}},

    /* ---- page-in ---- */
    {"page_in_against_page_in", .start = {IN_SLOT}, .fibers = {{{READ, 0}}, {{READ, 0}}},
     .sees = {SEE(FAULT_HARD), SEE(FAULT_COLLIDED)}},
    {"page_in_against_page_in_for_writing", .start = {IN_SLOT},
     .fibers = {{{READ, 0}}, {{WRITE, 0}}},
     .sees = {SEE(FAULT_HARD), SEE(FAULT_COLLIDED), SEE(SLOT_GIVEN_BACK)}},
    {"page_in_for_writing_twice", .start = {IN_SLOT}, .fibers = {{{WRITE, 0}}, {{WRITE, 0}}},
     .sees = {SEE(FAULT_HARD), SEE(FAULT_COLLIDED)}},
    {"page_in_fails_for_both", .start = {IN_SLOT}, .reads_fail = 1,
     .fibers = {{{READ, 0}}, {{READ, 0}}},
     .sees = {SEE(FAULT_HARD), SEE(FAULT_COLLIDED), SEE(FAULT_IN_PAGE_ERROR)}},
    {"page_in_fails_twice", .start = {IN_SLOT}, .reads_fail = 2, .frame_cache = 1,
     .fibers = {{{READ, 0}, {READ, 0}}, {{WRITE, 0}}},
     .sees = {SEE(FAULT_COLLIDED), SEE(FAULT_IN_PAGE_ERROR)}},
    {"page_in_against_trim", .start = {IN_SLOT}, .fibers = {{{READ, 0}}, {{READ, 0}, {TRIM, 0}}},
     .sees = {SEE(FAULT_HARD), SEE(FAULT_TRANSITION)}},
    {"page_in_of_neighbours", .start = {IN_SLOT, IN_SLOT}, .fibers = {{{READ, 0}}, {{WRITE, 1}}},
     .sees = {SEE(FAULT_HARD)}},
    {"page_in_beside_a_first_touch", .pages = 2, .start = {IN_SLOT, UNTOUCHED},
     .fibers = {{{READ, 0}}, {{WRITE, 1}}}, .sees = {SEE(FAULT_HARD), SEE(FAULT_DEMAND_ZERO)}},
    {"three_page_ins_of_one_page", .start = {IN_SLOT}, .region_ptes = 1,
     .fibers = {{{READ, 0}}, {{WRITE, 0}}, {{READ, 0}}}, .sees = {SEE(FAULT_COLLIDED)}},

    /* ---- rescue ---- */
    {"rescue_against_rescue", .start = {STANDBY}, .fibers = {{{READ, 0}}, {{READ, 0}}},
     .sees = {SEE(RESCUE_STANDBY), SEE(FAULT_SPURIOUS)}},
    {"rescue_against_rescue_for_writing", .start = {STANDBY}, .fibers = {{{READ, 0}}, {{WRITE, 0}}},
     .sees = {SEE(RESCUE_STANDBY), SEE(FAULT_WRITE_PROTECT), SEE(SLOT_GIVEN_BACK)}},
    {"rescue_of_a_modified_page_twice", .start = {MODIFIED}, .fibers = {{{READ, 0}}, {{WRITE, 0}}},
     .sees = {SEE(RESCUE_MODIFIED)}},
    {"rescue_against_repurpose", .start = {STANDBY}, .fibers = {{{READ, 0}}, {{REPURPOSE}}},
     .sees = {SEE(RESCUE_STANDBY), SEE(FAULT_HARD), SEE_MOVE(REPURPOSE)}},
    {"rescue_for_writing_against_repurpose", .start = {STANDBY},
     .fibers = {{{WRITE, 0}}, {{REPURPOSE}}},
     .sees = {SEE(RESCUE_STANDBY), SEE(FAULT_HARD), SEE_MOVE(REPURPOSE)}},
    {"rescue_of_zeros_against_repurpose", .start = {STANDBY_ZEROS},
     .fibers = {{{WRITE, 0}}, {{REPURPOSE}}},
     .sees = {SEE(RESCUE_STANDBY), SEE(FAULT_DEMAND_ZERO), SEE_MOVE(REPURPOSE)}},
    {"rescue_against_a_taker_of_its_frame", .pages = 2, .frames = 1, .slots = 4,
     .start = {STANDBY, UNTOUCHED}, .workers = {[WORKER_TRIM] = 1, [WORKER_WRITE] = 1},
     .preemptions = 1, .fibers = {{{READ, 0}}, {{WRITE, 1}}},
     .sees = {SEE(RESCUE_STANDBY), SEE(FAULT_HARD), SEE_MOVE(REPURPOSE)}},
    {"rescues_of_neighbours_on_a_list", .start = {STANDBY, STANDBY, STANDBY}, .region_ptes = 1,
     .fibers = {{{READ, 0}}, {{READ, 1}}}, .sees = {SEE(UNLINK_SHARED), SEE(UNLINK_EXCLUSIVE)}},
    {"rescues_of_neighbours_on_a_plain_list", .start = {STANDBY, STANDBY, STANDBY},
     .region_ptes = 1, .list_lock_plain = true, .fibers = {{{READ, 1}}, {{READ, 2}}},
     .sees = {SEE(UNLINK_EXCLUSIVE)}},
    {"three_rescues_from_one_list", .start = {STANDBY, STANDBY, STANDBY}, .region_ptes = 1,
     .fibers = {{{READ, 0}}, {{READ, 1}}, {{READ, 2}}},
     .sees = {SEE(UNLINK_SHARED), SEE(UNLINK_EXCLUSIVE)}},
    {"rescue_beside_a_repurpose", .start = {STANDBY, STANDBY}, .region_ptes = 1,
     .fibers = {{{READ, 1}}, {{REPURPOSE}}}, .sees = {SEE(RESCUE_STANDBY), SEE_MOVE(REPURPOSE)}},

    /* ---- fault-around ---- */
    {"fault_around_against_fault_around", .start = {STANDBY, STANDBY}, .fault_around = 2,
     .fibers = {{{READ, 0}}, {{READ, 1}}}, .sees = {SEE(RESCUE_AROUND)}},
    {"fault_around_against_repurpose", .start = {STANDBY, STANDBY}, .fault_around = 2,
     .fibers = {{{READ, 1}}, {{REPURPOSE}}}, .sees = {SEE(RESCUE_AROUND), SEE_MOVE(REPURPOSE)}},
    {"fault_around_against_write_out", .start = {STANDBY, MODIFIED}, .fault_around = 2,
     .fibers = {{{READ, 0}}, {{WRITE_OUT}}, {{WRITE, 1}}},
     .sees = {SEE(RESCUE_AROUND), SEE(RESCUE_WRITING)}},
    {"fault_around_against_trim", .start = {STANDBY, CLEAN}, .fault_around = 2,
     .fibers = {{{READ, 0}}, {{TRIM, 1}}}, .sees = {SEE(RESCUE_AROUND), SEE_MOVE(TRIM_CLEAN)}},
    {"fault_around_against_decommit", .start = {STANDBY, MODIFIED}, .fault_around = 2,
     .fibers = {{{WRITE, 0}}, {{DECOMMIT, 1}}}, .sees = {SEE(RESCUE_AROUND), SEE(DELETED)}},
    {"fault_around_against_protect", .start = {STANDBY, STANDBY}, .fault_around = 2,
     .fibers = {{{WRITE, 0}, {WRITE, 1}}, {{PROTECT_READ, 1}}},
     .sees = {SEE(RESCUE_AROUND), SEE(FAULT_ACCESS_VIOLATION)}},
};

int main(void)
{
    return scenarios_main("faults", scenarios, ARRAY_COUNT(scenarios));
}
