/*
 * page_map.h - pages in the order in which they were first seen: each gets the next number, from 0.
 */
#ifndef MM_TRACE_PAGE_MAP_H
#define MM_TRACE_PAGE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct page_map {
    struct page_place {
        uint64_t page;
        uint64_t number_plus_1; /* 0: nobody is here */
    } * places;                 /* a power of two of them, at least twice as many as pages */
    size_t places_count;
    size_t count; /* pages */
};

/* An empty map is all zero. */
/* The page's number, a new one where it has none yet; false: no memory. */
bool page_map_add(struct page_map *map, uint64_t page, uint64_t *ret_number);
/*
 * Of each number the rank of its page among all, in the order of addresses. The caller frees it. NULL:
 * no memory.
 */
uint32_t *page_map_ranks(const struct page_map *map);
void page_map_free(struct page_map *map);

#endif
