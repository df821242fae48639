/*
 * moves.h - which legal moves of a frame and of a PTE the worlds made, and which none of them did.
 *
 * A move that no test makes is one that no test looks at: the table of states and the table of PTE
 * forms are counted against what the worlds really did.
 */
#ifndef MM_SIM_MOVES_H
#define MM_SIM_MOVES_H

#include "sim/sim.h"

#include <stdio.h>

/* For each row of move_table and of pte_move_table: how many worlds made the move. */
struct moves_sum {
    uint64_t frames[WHY_COUNT], ptes[PTE_MOVE_COUNT];
};

/* A world begins: nothing has moved yet. */
void moves_begin(void);
void moves_take(const struct engine *engine, struct moves_made *ret_made);
void moves_add(struct moves_sum *sum, const struct moves_made *made);
/* One line. */
void moves_print(const struct moves_sum *sum);
/* Two members of a JSON object, each with a comma behind it. */
void moves_json(const struct moves_sum *sum, FILE *file);

#endif
