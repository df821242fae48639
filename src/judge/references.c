/*
 * references.c - a trace made ready for judging.
 */
#include "judge/references.h"

#include <stdlib.h>

#include "base/random.h"

#define ROOM_START ((uint64_t)1 << 16)

static bool references_grow(struct references *references)
{
    uint64_t room = references->room > 0 ? references->room * 2 : ROOM_START;
    uint32_t *grown = realloc(references->reference, room * sizeof(grown[0]));
    if (grown == NULL) {
        return false;
    }
    references->reference = grown;
    references->room = room;
    return true;
}

bool references_add(struct references *references, uint64_t page, bool write)
{
    if (page > references->pages || page >= PAGES_MAX || references->count == REFERENCES_MAX ||
        (references->count == references->room && !references_grow(references))) {
        return false;
    }
    references->pages += page == references->pages;
    references->reference[references->count++] = (uint32_t)page << 1 | write;
    return true;
}

void references_renumber(struct references *references, const uint32_t *numbers)
{
    for (uint64_t i = 0; i < references->count; i++) {
        uint32_t reference = references->reference[i];
        references->reference[i] =
            numbers[reference_page(reference)] << 1 | reference_writes(reference);
    }
}

uint32_t *references_next_uses(const struct references *references)
{
    uint32_t *next = malloc(MAX_OF(references->count, 1) * sizeof(next[0]));
    uint32_t *last = malloc(MAX_OF(references->pages, 1) * sizeof(last[0]));
    if (next == NULL || last == NULL) {
        free(next);
        free(last);
        return NULL;
    }
    for (uint32_t page = 0; page < references->pages; page++) {
        last[page] = USE_NEVER;
    }
    for (uint64_t i = references->count; i-- > 0;) {
        uint32_t page = reference_page(references->reference[i]);
        next[i] = last[page];
        last[page] = (uint32_t)i;
    }
    free(last);
    return next;
}

/* Of each page its number in a sample, PAGE_NONE where it is in none: one of each share of them. */
static uint32_t *sample_draw(const struct references *references, uint32_t pages)
{
    uint32_t *numbers = malloc(MAX_OF(references->pages, 1) * sizeof(numbers[0]));
    struct random_generator generator;
    if (numbers == NULL) {
        return NULL;
    }
    for (uint32_t page = 0; page < references->pages; page++) {
        numbers[page] = PAGE_NONE;
    }
    random_seed(&generator, references->pages, pages);
    for (uint64_t number = 0; number < pages; number++) {
        uint64_t first = number * references->pages / pages;
        uint64_t end = (number + 1) * references->pages / pages;
        numbers[first + random_below(&generator, end - first)] = (uint32_t)number;
    }
    return numbers;
}

bool references_sample(const struct references *references, uint32_t pages,
                       struct references *ret_sample)
{
    uint32_t *numbers = sample_draw(references, MIN_OF(pages, references->pages));
    bool whole = numbers != NULL;
    *ret_sample = (struct references){.pages = MIN_OF(pages, references->pages)};
    for (uint64_t i = 0; i < references->count && whole; i++) {
        uint32_t number = numbers[reference_page(references->reference[i])];
        whole = number == PAGE_NONE ||
                references_add(ret_sample, number, reference_writes(references->reference[i]));
    }
    free(numbers);
    if (!whole) {
        references_free(ret_sample);
    }
    return whole;
}

void references_free(struct references *references)
{
    free(references->reference);
    *references = (struct references){0};
}
