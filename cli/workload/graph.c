/*
 * graph.c - a Kronecker graph, and two algorithms on it that say what they touch.
 */
#include "workload/graph.h"

#include <stdlib.h>
#include <string.h>

#include "workload/scatter.h"

/* Of an edge's next bit: both ends 0, only the second 1, only the first 1. */
#define SHARE_A 0.57
#define SHARE_B 0.19
#define SHARE_C 0.19

/* ---- make ----------------------------------------------------------------------------------- */

static void edge_draw(struct random_generator *random, unsigned scale, uint64_t *ret_from,
                      uint64_t *ret_to)
{
    uint64_t from = 0, to = 0;

    for (unsigned bit = 0; bit < scale; bit++) {
        const double drawn = random_fraction(random);
        from = from << 1 | (drawn >= SHARE_A + SHARE_B);
        to = to << 1 | ((drawn >= SHARE_A && drawn < SHARE_A + SHARE_B) ||
                        drawn >= SHARE_A + SHARE_B + SHARE_C);
    }
    *ret_from = from;
    *ret_to = to;
}

/* offset[v + 2] counts the targets of v, then offset[v + 1] says where its next one goes. */
static void targets_sort(struct graph *graph, const uint32_t (*edge)[2], uint64_t count)
{
    uint64_t *offset = graph->offset;

    for (uint64_t i = 0; i < count; i++) {
        offset[edge[i][0] + 2]++;
        offset[edge[i][1] + 2]++;
    }
    for (uint64_t v = 2; v < graph->vertices + 2ull; v++) {
        offset[v] += offset[v - 1];
    }
    for (uint64_t i = 0; i < count; i++) {
        graph->target[offset[edge[i][0] + 1]++] = edge[i][1];
        graph->target[offset[edge[i][1] + 1]++] = edge[i][0];
    }
}

bool graph_make(struct graph *ret_graph, unsigned scale, uint64_t factor, uint64_t seed)
{
    const uint64_t vertices = (uint64_t)1 << scale, count = factor << scale;
    struct graph graph = {.vertices = (uint32_t)vertices, .edges = 2 * count};
    uint32_t(*edge)[2] = calloc(count, sizeof(*edge));
    struct random_generator random;
    struct scatter scatter;

    graph.offset = calloc(vertices + 2, sizeof(*graph.offset));
    graph.target = calloc(graph.edges, sizeof(*graph.target));
    if (edge == NULL || graph.offset == NULL || graph.target == NULL) {
        free(edge);
        graph_free(&graph);
        return false;
    }
    random_seed(&random, seed, 0);
    scatter_init(&scatter, vertices, random_hash(seed));
    for (uint64_t i = 0; i < count; i++) {
        uint64_t from, to;
        edge_draw(&random, scale, &from, &to);
        edge[i][0] = (uint32_t)scatter_of(&scatter, from);
        edge[i][1] = (uint32_t)scatter_of(&scatter, to);
    }
    targets_sort(&graph, (const uint32_t(*)[2])edge, count);
    free(edge);
    *ret_graph = graph;
    return true;
}

void graph_free(struct graph *graph)
{
    free(graph->offset);
    free(graph->target);
    *graph = (struct graph){.vertices = 0};
}

/* ---- places --------------------------------------------------------------------------------- */

static uint64_t offset_at(uint64_t vertex)
{
    return 8 * vertex;
}

static uint64_t target_at(uint64_t vertices, uint64_t edge)
{
    return offset_at(vertices + 1) + 4 * edge;
}

/* Of the `which`-th array behind the edges, from 0. */
static uint64_t value_at(const struct graph *graph, unsigned which, unsigned bytes, uint64_t vertex)
{
    return target_at(graph->vertices, graph->edges) +
           bytes * (which * (uint64_t)graph->vertices + vertex);
}

uint64_t graph_bytes(uint64_t vertices, uint64_t edges)
{
    return target_at(vertices, edges) + 2 * 8 * vertices;
}

static bool touch(const struct graph_watcher *watcher, uint64_t address, bool write)
{
    return watcher->touch(watcher->context, address, write);
}

static bool touch_offsets(const struct graph_watcher *watcher, uint64_t vertex)
{
    return touch(watcher, offset_at(vertex), false) && touch(watcher, offset_at(vertex + 1), false);
}

/* ---- search --------------------------------------------------------------------------------- */

struct search {
    const struct graph *graph;
    const struct graph_watcher *watcher;
    uint32_t *parent, *queue, head, tail;
};

enum { SEARCH_PARENT, SEARCH_QUEUE };

/* From an edge or, where a search begins, from itself. */
static bool vertex_reach(struct search *search, uint32_t vertex, uint32_t from)
{
    const struct graph *graph = search->graph;

    if (!touch(search->watcher, value_at(graph, SEARCH_PARENT, 4, vertex), false)) {
        return false;
    }
    if (search->parent[vertex] != GRAPH_NOBODY) {
        return true;
    }
    search->parent[vertex] = from;
    search->queue[search->tail] = vertex;
    return touch(search->watcher, value_at(graph, SEARCH_PARENT, 4, vertex), true) &&
           touch(search->watcher, value_at(graph, SEARCH_QUEUE, 4, search->tail++), true);
}

static bool vertex_leave(struct search *search)
{
    const struct graph *graph = search->graph;
    const uint32_t vertex = search->queue[search->head];

    if (!touch(search->watcher, value_at(graph, SEARCH_QUEUE, 4, search->head++), false) ||
        !touch_offsets(search->watcher, vertex)) {
        return false;
    }
    for (uint64_t edge = graph->offset[vertex]; edge < graph->offset[vertex + 1]; edge++) {
        if (!touch(search->watcher, target_at(graph->vertices, edge), false) ||
            !vertex_reach(search, graph->target[edge], vertex)) {
            return false;
        }
    }
    return true;
}

bool graph_search(const struct graph *graph, uint32_t *parent, uint32_t *queue,
                  const struct graph_watcher *watcher)
{
    struct search search = {graph, watcher, parent, queue, 0, 0};

    memset(parent, 0xff, graph->vertices * sizeof(*parent));
    for (uint32_t vertex = 0; vertex < graph->vertices; vertex++) {
        if (!vertex_reach(&search, vertex, vertex)) {
            return false;
        }
        while (search.head < search.tail) {
            if (!vertex_leave(&search)) {
                return false;
            }
        }
    }
    return true;
}

/* ---- ranks ---------------------------------------------------------------------------------- */

static bool vertex_rank(const struct graph *graph, uint32_t vertex, unsigned from,
                        const struct graph_watcher *watcher)
{
    if (!touch_offsets(watcher, vertex)) {
        return false;
    }
    for (uint64_t edge = graph->offset[vertex]; edge < graph->offset[vertex + 1]; edge++) {
        if (!touch(watcher, target_at(graph->vertices, edge), false) ||
            !touch(watcher, value_at(graph, from, 8, graph->target[edge]), false)) {
            return false;
        }
    }
    return touch(watcher, value_at(graph, 1 - from, 8, vertex), true);
}

bool graph_rank(const struct graph *graph, const struct graph_watcher *watcher)
{
    for (unsigned round = 0; round < 2; round++) {
        for (uint32_t vertex = 0; vertex < graph->vertices; vertex++) {
            if (!vertex_rank(graph, vertex, round, watcher)) {
                return false;
            }
        }
    }
    return true;
}
