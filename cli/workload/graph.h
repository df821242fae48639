/*
 * graph.h - a Kronecker graph, and two algorithms on it that say what they touch.
 *
 * Edges are drawn as Graph500 does (A 0.57, B 0.19, C 0.19), each stands at both of its vertices,
 * and the vertices are in an order without rule. As a program would have it in memory:
 *
 *   offset[vertices + 1] of 8 bytes, target[edges] of 4, behind them for a search parent[vertices]
 *   and queue[vertices] of 4, for ranks old[vertices] and new[vertices] of 8
 */
#ifndef MM_CLI_WORKLOAD_GRAPH_H
#define MM_CLI_WORKLOAD_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct graph {
    uint32_t vertices;
    uint64_t edges;   /* of both directions */
    uint64_t *offset; /* vertices + 1: where the targets of each begin */
    uint32_t *target;
};

/* 2^scale vertices, `factor` times as many edges drawn. False: no memory, and nothing is left. */
bool graph_make(struct graph *ret_graph, unsigned scale, uint64_t factor, uint64_t seed);
void graph_free(struct graph *graph);
/* All bytes of an algorithm on so many vertices and edges. */
uint64_t graph_bytes(uint64_t vertices, uint64_t edges);

/* Bytes at this address, which is a place in the memory above, are read or written. */
struct graph_watcher {
    bool (*touch)(void *context, uint64_t address, bool write); /* false: stop */
    void *context;
};

#define GRAPH_NOBODY UINT32_MAX

/*
 * Breadth first from vertex 0, then from the first that was not reached, and so on: each vertex
 * once. `parent` (its own for those where a search began) and `queue` (in the order in which they
 * were reached) have room for all. False: stopped.
 */
bool graph_search(const struct graph *graph, uint32_t *parent, uint32_t *queue,
                  const struct graph_watcher *watcher);
/* Two rounds of PageRank, from old[] to new[] and back: each vertex sums up its neighbours. */
bool graph_rank(const struct graph *graph, const struct graph_watcher *watcher);

#endif
