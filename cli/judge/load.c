/*
 * load.c - what the threads of a run touch, as references.
 */
#include "judge/load.h"

#include <stdlib.h>

#include "trace/page_map.h"

static bool access_take(struct workload_stream *stream, struct page_map *map,
                        struct references *references)
{
    struct workload_access access;
    uint64_t page;

    workload_stream_next(stream, &access);
    return page_map_add(map, access.page, &page) && references_add(references, page, access.write);
}

static bool pages_order(const struct page_map *map, struct references *references)
{
    uint32_t *ranks = page_map_ranks(map);

    if (ranks == NULL) {
        return false;
    }
    references_renumber(references, ranks);
    free(ranks);
    return true;
}

bool load_references(const struct users_load *load, uint64_t accesses,
                     struct references *ret_references)
{
    struct workload_stream *stream = calloc(load->threads, sizeof(*stream));
    struct page_map map = {.count = 0};
    bool whole = stream != NULL;

    *ret_references = (struct references){0};
    for (uint32_t i = 0; i < load->threads && whole; i++) {
        workload_stream_init(&stream[i], load->workload, load->seed, i, load->write_ratio);
    }
    for (uint64_t i = 0; i < accesses && whole; i++) {
        whole = access_take(&stream[i % load->threads], &map, ret_references);
    }
    whole = whole && pages_order(&map, ret_references);
    page_map_free(&map);
    free(stream);
    if (!whole) {
        references_free(ret_references);
    }
    return whole;
}
