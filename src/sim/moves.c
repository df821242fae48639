/*
 * moves.c - which legal moves of a frame and of a PTE the worlds made, and which none of them did.
 *
 * Frames: the engine counts each move, by thread. PTEs: the check of each store keeps a bit for
 * each change of form, for the process; a process runs one world at a time.
 */
#include "sim/moves.h"

#include <inttypes.h>

_Static_assert(WHY_COUNT <= 64 && PTE_MOVE_COUNT <= 64, "a bit for each move");

void moves_begin(void)
{
    pte_moves_made = 0;
}

void moves_take(const struct engine *engine, struct moves_made *ret_made)
{
    *ret_made = (struct moves_made){0};
    for (uint32_t thread = 0; thread < engine->config.threads; thread++)
        for (unsigned why = 0; why < WHY_COUNT; why++)
            ret_made->frames |= (uint64_t)(engine->threads[thread].moves[why] != 0) << why;
    for (unsigned row = 0; row < PTE_MOVE_COUNT; row++) {
        uint64_t bit = pte_move_bit(pte_move_table[row].from, pte_move_table[row].to);

        ret_made->ptes |= (uint64_t)((pte_moves_made & bit) != 0) << row;
    }
}

static void add_bits(uint64_t *counts, unsigned rows, uint64_t bits)
{
    for (unsigned row = 0; row < rows; row++)
        counts[row] += bits >> row & 1;
}

void moves_add(struct moves_sum *sum, const struct moves_made *made)
{
    add_bits(sum->frames, WHY_COUNT, made->frames);
    add_bits(sum->ptes, PTE_MOVE_COUNT, made->ptes);
}

/* Both tables as one: name and count of a row, frames first; false past the end. */
static bool move_at(const struct moves_sum *sum, unsigned row, const char **ret_name,
                    uint64_t *ret_worlds)
{
    if (row >= WHY_COUNT + PTE_MOVE_COUNT)
        return false;
    *ret_name = row < WHY_COUNT ? move_table[row].why : pte_move_table[row - WHY_COUNT].name;
    *ret_worlds = row < WHY_COUNT ? sum->frames[row] : sum->ptes[row - WHY_COUNT];
    return true;
}

void moves_print(const struct moves_sum *sum)
{
    const char *name;
    uint64_t worlds;
    unsigned made = 0;

    for (unsigned row = 0; move_at(sum, row, &name, &worlds); row++)
        made += worlds != 0;
    printf("%u of %u legal moves of frames and PTEs were made", made, WHY_COUNT + PTE_MOVE_COUNT);
    for (unsigned row = 0, shown = 0; move_at(sum, row, &name, &worlds); row++) {
        if (worlds == 0)
            printf("%s%s", shown++ == 0 ? "; never: " : ", ", name);
    }
    putchar('\n');
}

void moves_json(const struct moves_sum *sum, FILE *file)
{
    const char *name;
    uint64_t worlds;

    fputs("  \"moves\": {", file);
    for (unsigned row = 0; move_at(sum, row, &name, &worlds); row++)
        fprintf(file, "%s\"%s\": %" PRIu64, row == 0 ? "" : ", ", name, worlds);
    fputs("},\n  \"moves_never_made\": [", file);
    for (unsigned row = 0, shown = 0; move_at(sum, row, &name, &worlds); row++) {
        if (worlds == 0)
            fprintf(file, "%s\"%s\"", shown++ == 0 ? "" : ", ", name);
    }
    fputs("],\n", file);
}
