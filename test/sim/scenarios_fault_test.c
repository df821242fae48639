/*
 * scenarios_fault_test.c - faults against faults, trims and writes of the same page.
 */
#include "scenario.h"

static const struct scenario scenarios[] = {
    {"read_fault_against_read_fault", .start = {UNTOUCHED}, .fibers = {{{READ, 0}}, {{READ, 0}}}},
    {"first_write_against_trim", .start = {CLEAN}, .fibers = {{{WRITE, 0}}, {{TRIM, 0}}},
     .sees = {SEE(FAULT_WRITE_PROTECT), SEE_MOVE(TRIM_CLEAN), SEE_MOVE(TRIM_DIRTY)}},
    {"read_against_repurpose", .start = {STANDBY}, .fibers = {{{READ, 0}}, {{REPURPOSE}}},
     .sees = {SEE(RESCUE_STANDBY), SEE(FAULT_HARD), SEE_MOVE(REPURPOSE)}},
};

int main(void)
{
    return scenarios_main("faults", scenarios, ARRAY_COUNT(scenarios));
}
