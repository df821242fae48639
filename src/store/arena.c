/*
 * arena.c - chunks of any length in a memory of fixed size, each a chain of cells.
 *
 * Nothing is ever moved and no room is ever lost between chunks: whatever cells are free make a
 * chunk. The links lie beside the cells, so that a chain is followed in a small table and its bytes
 * can be fetched without waiting for one another. A chunk costs half a cell more than its bytes on
 * average, and the links a thirty-second part.
 *
 * Taking walks as many links as the chunk needs, under the lock; giving back walks its own chain
 * before and hangs it in front with one store.
 */
#include "store/arena.h"

#include "base/mutant.h"
#include "store/spin.h"

#include <string.h>

static uint32_t cells_for(uint32_t count)
{
    return (count + ARENA_CELL_BYTES - 1) / ARENA_CELL_BYTES;
}

static unsigned char *cell_at(const struct arena *arena, uint32_t cell)
{
    return arena->cells + (size_t)cell * ARENA_CELL_BYTES;
}

void arena_init(struct arena *arena, uint32_t cell_count, unsigned char *cells, uint32_t *next)
{
    *arena = (struct arena){
        .cells = cells, .next = next, .cell_count = cell_count, .free_first = ARENA_NO_CELL};
}

/* A chain of so many cells, or ARENA_NO_CELL. */
static uint32_t take(struct arena *arena, uint32_t wanted)
{
    uint32_t first = ARENA_NO_CELL;

    spin_acquire(&arena->locked);
    if (wanted <= arena->free_count + (arena->cell_count - arena->untouched)) {
        for (uint32_t i = 0; i < wanted; i++) {
            uint32_t cell = arena->free_first;

            if (cell != ARENA_NO_CELL) {
                arena->free_first = arena->next[cell];
                arena->free_count--;
            } else {
                cell = arena->untouched++;
            }
            arena->next[cell] = first;
            first = cell;
        }
    }
    spin_release(&arena->locked);
    return first;
}

uint32_t arena_keep(struct arena *arena, const void *bytes, uint32_t count)
{
    uint32_t kept = count - MUTANT(ARENA_LOSES_LAST_BYTE);
    uint32_t first = take(arena, cells_for(kept));

    for (uint32_t cell = first, at = 0; cell != ARENA_NO_CELL; cell = arena->next[cell]) {
        uint32_t length = MIN_OF(ARENA_CELL_BYTES, kept - at);

        memcpy(cell_at(arena, cell), (const unsigned char *)bytes + at, length);
        at += length;
    }
    return first;
}

void arena_fetch(const struct arena *arena, uint32_t first, uint32_t count, void *ret_bytes)
{
    uint32_t cell = first;

    for (uint32_t at = 0; at < count && cell != ARENA_NO_CELL; cell = arena->next[cell]) {
        uint32_t length = MIN_OF(ARENA_CELL_BYTES, count - at);

        memcpy((unsigned char *)ret_bytes + at, cell_at(arena, cell), length);
        at += length;
    }
}

void arena_free(struct arena *arena, uint32_t first, uint32_t count)
{
    uint32_t cells = cells_for(count), last = first;

    for (uint32_t i = 1; i < cells; i++)
        last = arena->next[last];
    spin_acquire(&arena->locked);
    arena->next[last] = arena->free_first;
    arena->free_first = first;
    arena->free_count += cells;
    spin_release(&arena->locked);
}

uint64_t arena_used_bytes(struct arena *arena)
{
    spin_acquire(&arena->locked);
    uint64_t cells = arena->untouched - arena->free_count;
    spin_release(&arena->locked);
    return cells * ARENA_CELL_COST;
}
