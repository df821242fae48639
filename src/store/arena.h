/*
 * arena.h - chunks of any length in a memory of fixed size, each a chain of cells.
 */
#ifndef MM_STORE_ARENA_H
#define MM_STORE_ARENA_H

#include "base/types.h"

#define ARENA_CELL_BYTES 128u
#define ARENA_NO_CELL    UINT32_MAX

/* What one cell costs, its place in the table of links included. */
#define ARENA_CELL_COST (ARENA_CELL_BYTES + sizeof(uint32_t))

struct arena {
    unsigned char *cells; /* a cell belongs to whoever took its chain */
    uint32_t *next;       /* the cell after this one, in its chain or among the free */
    uint32_t cell_count;
    _Atomic uint32_t locked; /* guards the rest */
    uint32_t free_first;     /* cells that were given back */
    uint32_t free_count;
    uint32_t untouched; /* this cell and those after it were never used */
};

/* Cells that a budget pays for. */
static inline uint32_t arena_cells(uint64_t budget_bytes)
{
    return (uint32_t)MIN_OF(budget_bytes / ARENA_CELL_COST, (uint64_t)ARENA_NO_CELL - 1);
}

/* Bytes of `cells` and of `next`, both zeroed and aligned to a cache line, for arena_init(). */
void arena_init(struct arena *arena, uint32_t cell_count, unsigned char *cells, uint32_t *next);

/* Keep a copy. The first cell of its chain, or ARENA_NO_CELL: there is no room. */
uint32_t arena_keep(struct arena *arena, const void *bytes, uint32_t count);
/* Copy `count` bytes of a chain. */
void arena_fetch(const struct arena *arena, uint32_t first, uint32_t count, void *ret_bytes);
/* The chain that holds `count` bytes is free again. */
void arena_free(struct arena *arena, uint32_t first, uint32_t count);

/* Bytes of the budget that are in use. */
uint64_t arena_used_bytes(struct arena *arena);

#endif
