/*
 * page_map.c - a hash table with open addressing.
 */
#include "trace/page_map.h"

#include <stdlib.h>

#include "base/random.h"

#define PLACES_START 1024u

static struct page_place *place_find(const struct page_map *map, uint64_t page)
{
    size_t at = random_hash(page) & (map->places_count - 1);

    while (map->places[at].number_plus_1 != 0 && map->places[at].page != page) {
        at = (at + 1) & (map->places_count - 1);
    }
    return &map->places[at];
}

static bool map_grow(struct page_map *map)
{
    struct page_map grown = {.count = map->count};

    grown.places_count = map->places_count != 0 ? map->places_count * 2 : PLACES_START;
    grown.places = calloc(grown.places_count, sizeof(*grown.places));
    if (grown.places == NULL) {
        return false;
    }
    for (size_t at = 0; at < map->places_count; at++) {
        if (map->places[at].number_plus_1 != 0) {
            *place_find(&grown, map->places[at].page) = map->places[at];
        }
    }
    free(map->places);
    *map = grown;
    return true;
}

bool page_map_add(struct page_map *map, uint64_t page, uint64_t *ret_number)
{
    struct page_place *place;

    if (map->count * 2 >= map->places_count && !map_grow(map)) {
        return false;
    }
    place = place_find(map, page);
    if (place->number_plus_1 == 0) {
        *place = (struct page_place){page, ++map->count};
    }
    *ret_number = place->number_plus_1 - 1;
    return true;
}

static int place_compare(const void *one, const void *other)
{
    const uint64_t a = ((const struct page_place *)one)->page;
    const uint64_t b = ((const struct page_place *)other)->page;

    return (a > b) - (a < b);
}

uint32_t *page_map_ranks(const struct page_map *map)
{
    struct page_place *places = malloc((map->count + 1) * sizeof(*places));
    uint32_t *rank = malloc((map->count + 1) * sizeof(*rank));
    size_t found = 0;

    if (places == NULL || rank == NULL) {
        free(places);
        free(rank);
        return NULL;
    }
    for (size_t i = 0; i < map->places_count; i++) {
        if (map->places[i].number_plus_1 != 0) {
            places[found++] = map->places[i];
        }
    }
    qsort(places, found, sizeof(*places), place_compare);
    for (size_t i = 0; i < found; i++) {
        rank[places[i].number_plus_1 - 1] = (uint32_t)i;
    }
    free(places);
    return rank;
}

void page_map_free(struct page_map *map)
{
    free(map->places);
    *map = (struct page_map){.count = 0};
}
