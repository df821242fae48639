/*
 * trace.h - the life of one page or one frame in a simulated world, move by move.
 *
 * Looks at every step and prints what became different since the last one; costs nothing where no
 * trace was asked for.
 */
#ifndef MM_SIM_TRACE_H
#define MM_SIM_TRACE_H

#include "contract/world.h"
#include "engine/pte.h"

#include <stdio.h>

struct sim;

struct trace {
    FILE *file;
    bool of_frame; /* else of a page */
    uint32_t number;
    /* What was there at the last look. */
    bool begun;
    pte_word entry;
    uint64_t word, moves;
    uint32_t page, slot;
};

void trace_look(struct trace *trace, struct sim *sim);

#endif
