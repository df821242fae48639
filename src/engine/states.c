/*
 * states.c - the state table as data, for the checks and for whoever prints it.
 */
#include "engine/states.h"

const struct state_row state_table[STATE_COUNT] = {
#define X(name, value, meaning, list) {#name, meaning, list, PFN_##name},
    PFN_STATES(X)
#undef X
};

const struct move_row move_table[WHY_COUNT] = {
#define X(why, from, to, meaning, locks) {#why, meaning, locks, PFN_##from, PFN_##to},
    PFN_MOVES(X)
#undef X
};

const char *state_name(unsigned value)
{
    for (unsigned i = 0; i < STATE_COUNT; i++) {
        if (state_table[i].value == value) {
            return state_table[i].name;
        }
    }
    return "?";
}
