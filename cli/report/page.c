/*
 * page.c - fills the page (page.html and what meson puts into it) with what one run has to say.
 *
 * The page has marks, comments that say what comes in their place: the report as text, and what
 * its script reads, as JSON. Both are written so that nothing in them can end the element.
 */
#include "report/page.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "report/json_writer.h"
#include "report/page_template.h"

#define MARK      "<!--memman:"
#define MARK_END  "-->"
#define CELLS_MAX 65536u /* of the picture of the page file */

/* ---- the command --------------------------------------------------------------------------- */

static void word_print(FILE *file, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "@%+=:,./_-";

    if (*word != '\0' && word[strspn(word, plain)] == '\0') {
        fputs(word, file);
        return;
    }
    fputc('\'', file);
    for (; *word != '\0'; word++) {
        if (*word == '\'') {
            fputs("'\\''", file);
        } else {
            fputc(*word, file);
        }
    }
    fputc('\'', file);
}

/* As one would type it; the caller frees it. NULL without memory. */
static char *command_text(const struct page_command *command)
{
    char *text = NULL;
    size_t bytes;
    FILE *file = open_memstream(&text, &bytes);

    if (!file) {
        return NULL;
    }
    fputs("memman run", file);
    for (int i = 0; i < command->count; i++) {
        fputc(' ', file);
        word_print(file, command->words[i]);
    }
    fclose(file);
    return text;
}

static void about_print(const struct page_command *command, FILE *file)
{
    struct json_writer json = {.file = file};
    char *given = command_text(command), when[32];
    const time_t now = time(NULL);
    struct tm utc;

    strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S UTC", gmtime_r(&now, &utc));
    json_begin(&json, NULL, '{');
    json_string(&json, "given", given);
    json_string(&json, "repeat", command->repeat);
    json_string(&json, "when", when);
    json_end(&json, '}');
    free(given);
}

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

/* ---- the text ------------------------------------------------------------------------------ */

static void text_print(const struct outcome *outcome, FILE *file)
{
    char *text = NULL;
    size_t bytes;
    FILE *plain = open_memstream(&text, &bytes);

    if (!plain) {
        fputs("no memory for the report as text\n", file);
        return;
    }
    report_text(outcome, plain);
    fclose(plain);
    for (const char *at = text; at && *at != '\0'; at++) {
        if (*at == '<') {
            fputs("&lt;", file);
        } else if (*at == '&') {
            fputs("&amp;", file);
        } else {
            fputc(*at, file);
        }
    }
    free(text);
}

/* ---- all of it ----------------------------------------------------------------------------- */

struct page {
    const struct outcome *outcome;
    const struct samples *samples;
    const struct memory *memory;
    const struct page_command *command;
};

static void part_print(const struct page *page, const char *mark, FILE *file)
{
    if (strncmp(mark, "text", 4) == 0) {
        text_print(page->outcome, file);
    } else if (strncmp(mark, "about", 5) == 0) {
        about_print(page->command, file);
    } else if (strncmp(mark, "report", 6) == 0) {
        report_json(page->outcome, file);
    } else if (strncmp(mark, "samples", 7) == 0) {
        samples_print(page->samples, file);
    } else {
        slots_print(page->outcome, page->memory, file);
    }
}

void report_page(const struct outcome *outcome, const struct samples *samples,
                 const struct memory *memory, const struct page_command *command, FILE *file)
{
    const struct page page = {outcome, samples, memory, command};
    const char *at = page_template;

    for (const char *mark; (mark = strstr(at, MARK)) != NULL;) {
        fwrite(at, 1, (size_t)(mark - at), file);
        part_print(&page, mark + strlen(MARK), file);
        at = strstr(mark, MARK_END) + strlen(MARK_END);
    }
    fputs(at, file);
}
