/*
 * slot_map.c - the page file as a picture: a dot for each slot, 512 a row (PPM, the binary one).
 *
 * The colour of a slot is where in memory its page is, from red at the beginning over green and
 * blue to violet at the end: what is in order is a smooth strip, what is scattered is noise. Free
 * slots are black, what lies behind the last slot is grey.
 */
#include <inttypes.h>

#include "report/outcome.h"

#define ROW_SLOTS 512u
#define SECTORS   5u /* of the six of the colour circle: the end does not look like the beginning */

struct dot {
    unsigned char red, green, blue;
};

/* Full colours only; `place` is 0 to 1. */
static struct dot dot_of(double place)
{
    const unsigned at = (unsigned)(place * (SECTORS * 256 - 1));
    const unsigned char up = at % 256, down = 255 - up;
    const struct dot sectors[SECTORS] = {
        {255, up, 0}, {down, 255, 0}, {0, 255, up}, {0, down, 255}, {up, 0, 255}};

    return sectors[at / 256];
}

void report_slot_map(const struct outcome *outcome, const struct memory *memory, FILE *file)
{
    const uint64_t all = outcome->fragmentation.slots;
    uint64_t addresses[ROW_SLOTS];

    fprintf(file, "P6\n%u %" PRIu64 "\n255\n", ROW_SLOTS, (all + ROW_SLOTS - 1) / ROW_SLOTS);
    for (uint64_t first = 1; first <= all; first += ROW_SLOTS) {
        const size_t slots = mm_slots(memory->manager, first, ROW_SLOTS, addresses);
        struct dot row[ROW_SLOTS];

        for (size_t i = 0; i < ROW_SLOTS; i++) {
            const double page = (double)((addresses[i] - memory->base) / MM_PAGE_BYTES);
            row[i] = i >= slots                     ? (struct dot){128, 128, 128}
                     : addresses[i] == MM_SLOT_FREE ? (struct dot){0, 0, 0}
                                                    : dot_of(page / (double)memory->pages);
        }
        fwrite(row, sizeof(row[0]), ROW_SLOTS, file);
    }
}
