/*
 * scenarios_growth_test.c - a page file that grows while memory is committed, used and taken down.
 *
 * Two frames, both in reserve: the commit limit is the number of slots, or two without any.
 */
#include "scenario.h"

#define GROWS(first) .frames = 2, .grows = true, .slots_first = (first)
#define SERVED       .workers = {[WORKER_TRIM] = 1, [WORKER_WRITE] = 1}
#define GROWER       .workers = {[WORKER_GROW] = 1}
#define SEE_GROWN    SEE(PAGEFILE_EXTENDED)
#define SEE_REFUSED  SEE(PAGEFILE_REFUSED)
#define TWO_AND_RESERVED                                                                           \
    {                                                                                              \
        ACTIVE, ACTIVE, RESERVED, RESERVED                                                         \
    }

static const struct scenario scenarios[] = {
    {"growth_against_growth", GROWS(2), .start = TWO_AND_RESERVED,
     .fibers = {{{COMMIT, 2}}, {{COMMIT, 3}}}, .sees = {SEE_GROWN}},
    {"growth_against_growth_and_use", GROWS(2), .start = TWO_AND_RESERVED, SERVED,
     .fibers = {{{COMMIT, 2}, {WRITE, 2}}, {{COMMIT, 3}}}, .preemptions = 1,
     .sees = {SEE_GROWN, SEE(WRITTEN), SEE(FAULT_DEMAND_ZERO)}},
    {"growth_of_three", GROWS(2), .start = {ACTIVE, ACTIVE, RESERVED, RESERVED, RESERVED},
     .fibers = {{{COMMIT, 2}}, {{COMMIT, 3}}, {{COMMIT, 4}}}, .preemptions = 1,
     .sees = {SEE_GROWN}},
    {"growth_for_one_page", GROWS(2), .start = TWO_AND_RESERVED,
     .fibers = {{{COMMIT, 2}}, {{COMMIT, 2}}}, .sees = {SEE_GROWN}},
    {"growth_against_write_out", GROWS(2), .start = {MODIFIED, ACTIVE, RESERVED},
     .fibers = {{{COMMIT, 2}}, {{WRITE_OUT}, {TRIM, 1}, {WRITE_OUT}}},
     .sees = {SEE_GROWN, SEE(WRITTEN)}},
    {"growth_against_decommit", GROWS(2), .start = TWO_AND_RESERVED,
     .fibers = {{{COMMIT, 2}}, {{DECOMMIT, 0}, {COMMIT, 0}}}, .sees = {SEE_GROWN}},
    {"growth_against_release", GROWS(2), .start = TWO_AND_RESERVED,
     .fibers = {{{COMMIT, 2}}, {{RELEASE}}}, .sees = {SEE_GROWN}},
    {"growth_against_retire", .frames = 3, .grows = true, .slots_first = 2,
     .start = {ACTIVE, ACTIVE, RESERVED}, SERVED, .preemptions = 1,
     .fibers = {{{COMMIT, 2}, {WRITE, 2}}, {{RETIRE}}}, .sees = {SEE_GROWN}},
    {"growth_against_shutdown", GROWS(2), .start = TWO_AND_RESERVED, GROWER,
     .fibers = {{{STOP}}, {{COMMIT, 2}}}, .sees = {SEE_GROWN}},
    {"growth_against_growth_and_shutdown", GROWS(2), .start = TWO_AND_RESERVED, GROWER,
     .fibers = {{{STOP}}, {{COMMIT, 2}}, {{COMMIT, 3}}}, .preemptions = 1, .sees = {SEE_GROWN}},

    /* ---- the first page file ---- */
    {"a_page_file_appears", GROWS(0), .start = {ACTIVE, ACTIVE, RESERVED}, SERVED,
     .fibers = {{{COMMIT, 2}, {WRITE, 2}}, {{READ, 0}}}, .preemptions = 1,
     .sees = {SEE_GROWN, SEE(WRITTEN), SEE(FAULT_DEMAND_ZERO)}},
    {"a_page_file_appears_for_two", GROWS(0), .start = TWO_AND_RESERVED,
     .fibers = {{{COMMIT, 2}}, {{COMMIT, 3}}}, .sees = {SEE_GROWN}},

    /* ---- refusals ---- */
    {"growth_is_refused", GROWS(2), .growths_fail = 1, .start = TWO_AND_RESERVED,
     .fibers = {{{COMMIT, 2}}, {{COMMIT, 3}}}, .sees = {SEE_REFUSED}},
    {"growth_is_refused_while_memory_is_used", GROWS(2), .growths_fail = 1,
     .start = {MODIFIED, ACTIVE, RESERVED}, .fibers = {{{COMMIT, 2}}, {{WRITE_OUT}, {READ, 0}}},
     .sees = {SEE_REFUSED, SEE(WRITTEN)}},
    {"growth_is_refused_to_the_worker", GROWS(2), .growths_fail = 1, .start = TWO_AND_RESERVED,
     GROWER, .fibers = {{{COMMIT, 2}}, {{STOP}}}, .sees = {SEE_REFUSED}},
};

int main(void)
{
    return scenarios_main("growth", scenarios, ARRAY_COUNT(scenarios));
}
