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

void page_map_free(struct page_map *map)
{
    free(map->places);
    *map = (struct page_map){.count = 0};
}
