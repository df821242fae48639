/*
 * references.c - a trace made ready for judging.
 */
#include "judge/references.h"

#include <stdlib.h>

#include "base/random.h"

static bool gathering_grow(struct gathering *gathering)
{
    uint64_t room = gathering->room > 0 ? gathering->room * 2 : 1 << 16;
    if (gathering->count == REFERENCES_MAX) {
        return false;
    }
    uint64_t *page = realloc(gathering->page, room * sizeof(page[0]));
    gathering->page = page != NULL ? page : gathering->page;
    bool *write = realloc(gathering->write, room * sizeof(write[0]));
    gathering->write = write != NULL ? write : gathering->write;
    gathering->room = page != NULL && write != NULL ? room : gathering->room;
    return gathering->room == room;
}

void gathering_add(struct gathering *gathering, uint64_t page, bool write)
{
    if (gathering->count == MIN_OF(gathering->room, REFERENCES_MAX) && !gathering->failed) {
        gathering->failed = !gathering_grow(gathering);
    }
    if (!gathering->failed) {
        gathering->page[gathering->count] = page;
        gathering->write[gathering->count++] = write;
    }
}

/* ---- numbers in address order ---- */

/* Open addressing. */
struct numbering {
    uint64_t places; /* a power of two */
    uint64_t *key;
    uint32_t *number; /* of the page, from 1; 0: an empty place */
};

static bool numbering_begin(struct numbering *numbering, uint64_t places)
{
    numbering->places = places;
    numbering->key = malloc(places * sizeof(numbering->key[0]));
    numbering->number = calloc(places, sizeof(numbering->number[0]));
    return numbering->key != NULL && numbering->number != NULL;
}

static void numbering_end(struct numbering *numbering)
{
    free(numbering->key);
    free(numbering->number);
}

static uint64_t numbering_place(const struct numbering *numbering, uint64_t page)
{
    uint64_t place = random_hash(page) & (numbering->places - 1);
    while (numbering->number[place] != 0 && numbering->key[place] != page) {
        place = (place + 1) & (numbering->places - 1);
    }
    return place;
}

static void numbering_add(struct numbering *numbering, uint64_t page, uint32_t number)
{
    uint64_t place = numbering_place(numbering, page);
    numbering->key[place] = page;
    numbering->number[place] = number;
}

static bool numbering_grow(struct numbering *numbering)
{
    struct numbering grown;
    bool begun = numbering_begin(&grown, numbering->places * 2);
    for (uint64_t i = 0; i < numbering->places && begun; i++) {
        if (numbering->number[i] != 0) {
            numbering_add(&grown, numbering->key[i], numbering->number[i]);
        }
    }
    struct numbering *given_up = begun ? numbering : &grown;
    numbering_end(given_up);
    if (begun) {
        *numbering = grown;
    }
    return begun;
}

/* Every page of the trace gets its place. False: no memory, or too many pages. */
static bool numbering_collect(struct numbering *numbering, const struct gathering *gathering,
                              uint32_t *ret_pages)
{
    uint32_t pages = 0;
    for (uint64_t i = 0; i < gathering->count; i++) {
        uint64_t page = gathering->page[i];
        if (numbering->number[numbering_place(numbering, page)] != 0) {
            continue;
        }
        if (pages == PAGES_MAX ||
            ((uint64_t)pages * 2 >= numbering->places && !numbering_grow(numbering))) {
            return false;
        }
        numbering_add(numbering, page, ++pages);
    }
    *ret_pages = pages;
    return true;
}

static int compare_pages(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* Numbers follow the order of the pages from here on. */
static void numbering_sort(struct numbering *numbering, struct references *references)
{
    uint32_t count = 0;
    for (uint64_t i = 0; i < numbering->places; i++) {
        if (numbering->number[i] != 0) {
            references->numbers[count++] = numbering->key[i];
        }
    }
    qsort(references->numbers, count, sizeof(references->numbers[0]), compare_pages);
    for (uint32_t i = 0; i < count; i++) {
        numbering_add(numbering, references->numbers[i], i + 1);
    }
}

static bool number_all(struct numbering *numbering, const struct gathering *gathering,
                       struct references *references)
{
    if (!numbering_begin(numbering, 1 << 12) ||
        !numbering_collect(numbering, gathering, &references->pages)) {
        return false;
    }
    references->count = gathering->count;
    references->numbers = malloc(MAX_OF(references->pages, 1) * sizeof(references->numbers[0]));
    references->reference = malloc(MAX_OF(references->count, 1) * sizeof(references->reference[0]));
    if (references->numbers == NULL || references->reference == NULL) {
        return false;
    }
    numbering_sort(numbering, references);
    for (uint64_t i = 0; i < gathering->count; i++) {
        uint64_t place = numbering_place(numbering, gathering->page[i]);
        references->reference[i] = (numbering->number[place] - 1) << 1 | gathering->write[i];
    }
    return true;
}

bool references_make(struct gathering *gathering, struct references *ret_references)
{
    struct references references = {0};
    struct numbering numbering = {0};
    bool made = !gathering->failed && number_all(&numbering, gathering, &references);
    numbering_end(&numbering);
    free(gathering->page);
    free(gathering->write);
    *gathering = (struct gathering){0};
    if (!made) {
        references_free(&references);
        return false;
    }
    *ret_references = references;
    return true;
}

void references_free(struct references *references)
{
    free(references->numbers);
    free(references->reference);
    *references = (struct references){0};
}
