/*
 * graphs.c - what graph algorithms touch on a Kronecker graph.
 *
 *   bfs:scale=,edges=16        breadth-first search through all of it
 *   pagerank:scale=,edges=16   PageRank, which reads the ranks of all neighbours of all vertices
 *
 * 2^scale vertices (default: as many as fit, at most 2^16), edges= times as many edges. The
 * algorithm runs once before the load begins; what it touched is played again and again, each
 * thread from its own, evenly spread place. Several accesses to the same page one after the other
 * are one.
 */
#include "workload/graph.h"
#include "workload/replay.h"

#include <stdlib.h>

#define PAGE_BYTES        (WORKLOAD_WORDS * 8)
#define SCALE_MAX         22
#define SCALE_MAX_DEFAULT 16
#define EDGES_MAX         1000

enum { GRAPH_SCALE, GRAPH_EDGES };

static uint64_t graph_pages(const struct workload *workload, uint64_t scale)
{
    const uint64_t edges = 2 * workload->value[GRAPH_EDGES].number << scale;

    return (graph_bytes((uint64_t)1 << scale, edges) + PAGE_BYTES - 1) / PAGE_BYTES;
}

static bool scale_settle(struct workload *workload, const struct workload_scene *scene,
                         struct workload_refusal *ret_refusal)
{
    uint64_t *scale = &workload->value[GRAPH_SCALE].number;

    if (*scale == 0) {
        *scale = SCALE_MAX_DEFAULT;
        while (*scale > 1 && graph_pages(workload, *scale) > scene->pages) {
            --*scale;
        }
    }
    return graph_pages(workload, *scale) <= scene->pages ||
           workload_refuse(ret_refusal,
                           "scale=%llu: the graph has %llu pages, the memory has only %llu; give "
                           "less, or a larger --memory",
                           (unsigned long long)*scale,
                           (unsigned long long)graph_pages(workload, *scale),
                           (unsigned long long)scene->pages);
}

/* Accesses to the page that was touched last are one with that; it writes if one of them does. */
static bool page_keep(void *context, uint64_t address, bool write)
{
    struct replay *replay = context;
    const uint64_t page = address / PAGE_BYTES;

    if (replay->count > 0) {
        uint32_t *last = &replay->access[replay->count - 1];
        if (*last >> 1 == page) {
            *last |= write;
            return true;
        }
    }
    return replay_add(replay, page, write);
}

static bool search_run(const struct graph *graph, const struct graph_watcher *watcher)
{
    uint32_t *parent = malloc(graph->vertices * sizeof(*parent));
    uint32_t *queue = malloc(graph->vertices * sizeof(*queue));
    const bool good =
        parent != NULL && queue != NULL && graph_search(graph, parent, queue, watcher);

    free(parent);
    free(queue);
    return good;
}

static bool graph_play(struct workload *workload, const struct workload_scene *scene,
                       struct replay *replay)
{
    const struct graph_watcher watcher = {page_keep, replay};
    struct graph graph;
    bool good;

    if (2 * workload->value[GRAPH_EDGES].number << workload->value[GRAPH_SCALE].number >
            REPLAY_COUNT_MAX ||
        !graph_make(&graph, (unsigned)workload->value[GRAPH_SCALE].number,
                    workload->value[GRAPH_EDGES].number, random_hash(scene->seed))) {
        return false;
    }
    good = workload->family == &workload_bfs ? search_run(&graph, &watcher)
                                             : graph_rank(&graph, &watcher);
    graph_free(&graph);
    return good && replay_end(replay);
}

static bool graph_fit(struct workload *workload, const struct workload_scene *scene,
                      struct workload_refusal *ret_refusal)
{
    struct replay *replay;

    if (!scale_settle(workload, scene, ret_refusal)) {
        return false;
    }
    replay = calloc(1, sizeof(*replay));
    if (replay == NULL || !graph_play(workload, scene, replay)) {
        replay_free(replay);
        return workload_refuse(ret_refusal,
                               "scale=%llu: no memory for the graph, or more than %zu accesses; "
                               "give less",
                               (unsigned long long)workload->value[GRAPH_SCALE].number,
                               REPLAY_COUNT_MAX);
    }
    workload->replay = replay;
    return true;
}

#define GRAPH_FAMILY(name_)                                                                        \
    {                                                                                              \
        .name = (name_),                                                                           \
        .key = {[GRAPH_SCALE] = {.name = "scale",                                                  \
                                 .kind = WORKLOAD_NUMBER,                                          \
                                 .wanted = "a number from 1 to 22",                                \
                                 .number_max = SCALE_MAX},                                         \
                [GRAPH_EDGES] = {.name = "edges",                                                  \
                                 .kind = WORKLOAD_NUMBER,                                          \
                                 .wanted = "a number from 1 to 1000",                              \
                                 .number = 16,                                                     \
                                 .number_max = EDGES_MAX}},                                        \
        .writes = true, .fit = graph_fit, .begin = replay_begin, .next = replay_next               \
    }

const struct workload_family workload_bfs = GRAPH_FAMILY("bfs");
const struct workload_family workload_pagerank = GRAPH_FAMILY("pagerank");
