/*
 * page.c - what one run has to say, for its page.
 */
#include "report/page.h"

#include <inttypes.h>

#define CELLS_MAX 65536u /* of the picture of the page file */

/* ---- the page file ------------------------------------------------------------------------- */

/* Twelve bits as two digits: 0 is free, the others are where in memory the page is. */
static void cell_print(FILE *file, unsigned value)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    fputc(digits[value >> 6 & 63], file);
    fputc(digits[value & 63], file);
}

static unsigned cell_of(const struct memory *memory, uint64_t address)
{
    const double page = (double)((address - memory->base) / MM_PAGE_BYTES);

    return 1 + (unsigned)(page / (double)memory->pages * 4095);
}

/* A cell is a few slots side by side where there are many; of them it shows the first in use. */
static void cells_print(const struct memory *memory, uint64_t slots, uint64_t per_cell, FILE *file)
{
    uint64_t addresses[512];
    unsigned value = 0;

    for (uint64_t first = 1, looked; first <= slots; first += looked) {
        looked =
            mm_slots(memory->manager, first, sizeof(addresses) / sizeof(addresses[0]), addresses);
        for (uint64_t i = 0; i < looked; i++) {
            if (value == 0 && addresses[i] != MM_SLOT_FREE) {
                value = cell_of(memory, addresses[i]);
            }
            if ((first + i) % per_cell == 0 || first + i == slots) {
                cell_print(file, value);
                value = 0;
            }
        }
        if (looked == 0) {
            return;
        }
    }
}

static void slots_print(const struct outcome *outcome, const struct memory *memory, FILE *file)
{
    const uint64_t slots = outcome->fragmentation.slots;
    const uint64_t per_cell = slots / CELLS_MAX + (slots % CELLS_MAX > 0);

    fprintf(file,
            "{\"slots\": %" PRIu64 ", \"per_cell\": %" PRIu64 ", \"memory_bytes\": %" PRIu64
            ", \"cells\": \"",
            slots, per_cell, memory->pages * MM_PAGE_BYTES);
    cells_print(memory, slots, per_cell, file);
    fputs("\"}\n", file);
}

/* ---- the parts ----------------------------------------------------------------------------- */

struct page {
    const struct outcome *outcome;
    const struct samples *samples;
    const struct memory *memory;
    const struct page_command *command;
};

static void text_print(const void *context, FILE *file)
{
    report_text(((const struct page *)context)->outcome, file);
}

static void about_print(const void *context, FILE *file)
{
    const struct page *page = context;

    page_about_print(page->command, file);
}

static void report_print(const void *context, FILE *file)
{
    report_json(((const struct page *)context)->outcome, file);
}

static void samples_part_print(const void *context, FILE *file)
{
    samples_print(((const struct page *)context)->samples, file);
}

static void slots_part_print(const void *context, FILE *file)
{
    const struct page *page = context;

    slots_print(page->outcome, page->memory, file);
}

void report_page(const struct outcome *outcome, const struct samples *samples,
                 const struct memory *memory, const struct page_command *command, FILE *file)
{
    static const struct page_part parts[] = {
        {"text", text_print, true},         {"about", about_print, false},
        {"report", report_print, false},    {"samples", samples_part_print, false},
        {"slots", slots_part_print, false}, {NULL, NULL, false}};
    const struct page page = {outcome, samples, memory, command};

    page_fill(run_page, parts, &page, file);
}
