/*
 * scenarios_promises_test.c - scenarios that found planted bugs which nothing else did.
 */
#include "scenario.h"

static const struct scenario scenarios[] = {
    /* A frame that is not zeroed yet is cleared before anybody can write to it. */
    {"first_touches_with_free_frames", .pages = 4, .frames = 3,
     .start = {ACTIVE, ACTIVE, ACTIVE, UNTOUCHED},
     .fibers = {{{DECOMMIT, 1}, {WRITE, 3}}, {{DECOMMIT, 2}, {WRITE, 3}, {READ, 3}}},
     .sees = {SEE(FAULT_DEMAND_ZERO), SEE(ZEROED)}},
    /* Neighbours on a list are unlinked one after the other. */
    {"rescues_of_three_neighbours", .start = {STANDBY, STANDBY, STANDBY},
     .fibers = {{{READ, 0}}, {{READ, 1}}, {{READ, 2}}}, .sees = {SEE(RESCUE_STANDBY)}},
    /* An access that began before the flush is over before the frame is somebody else's. */
    {"write_against_page_out", .start = {ACTIVE},
     .fibers = {{{WRITE, 0}}, {{TRIM, 0}, {WRITE_OUT}, {REPURPOSE}}},
     .sees = {SEE_MOVE(WRITE_DONE), SEE_MOVE(REPURPOSE)}},
};

int main(void)
{
    return scenarios_main("promises", scenarios, ARRAY_COUNT(scenarios));
}
