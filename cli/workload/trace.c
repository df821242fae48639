/*
 * trace.c - what a real program touched.
 *
 *   trace:FILE,threads=merged|apart   a file of any format that `memman trace` reads. merged: all
 *                                     references in their order; each thread plays all of them,
 *                                     from its own, evenly spread place. apart: thread i plays
 *                                     those of the trace's i-th thread; of more user threads than
 *                                     the trace has some play the same, of fewer not all are played
 *
 * The pages that the trace touches lie one behind the other, in the order of their addresses.
 */
#include "workload/replay.h"

#include <stdlib.h>
#include <string.h>

#include "trace/page_map.h"
#include "trace/trace.h"

#define BATCH 4096u

enum { THREADS_MERGED, THREADS_APART };

/* Pages by the number in which they came, and what is needed to put them into order. */
struct loading {
    struct replay *replay;
    struct page_map pages;
    uint16_t *thread; /* of each reference */
    size_t thread_room;
};

static bool thread_keep(struct loading *loading, uint32_t thread)
{
    const struct replay *replay = loading->replay;

    if (loading->thread_room < replay->room) {
        uint16_t *grown = reallocarray(loading->thread, replay->room, sizeof(*grown));
        if (grown == NULL) {
            return false;
        }
        loading->thread = grown;
        loading->thread_room = replay->room;
    }
    loading->thread[replay->count - 1] = (uint16_t)thread;
    return true;
}

static bool reference_keep(struct loading *loading, const struct trace_reference *reference)
{
    uint64_t number;

    return page_map_add(&loading->pages, reference->page, &number) && number <= UINT32_MAX >> 1 &&
           replay_add(loading->replay, number, reference->write) &&
           thread_keep(loading, reference->thread);
}

static bool references_read(struct trace *trace, const char *path, struct loading *loading,
                            struct workload_refusal *ret_refusal)
{
    struct trace_reference references[BATCH];
    size_t count;

    do {
        count = trace_read(trace, references, BATCH);
        for (size_t i = 0; i < count; i++) {
            if (!reference_keep(loading, &references[i])) {
                return workload_refuse(ret_refusal,
                                       "%s: no memory for it, or more than %zu references; cut it "
                                       "with memman trace convert -n",
                                       path, REPLAY_COUNT_MAX);
            }
        }
    } while (count == BATCH);
    if (trace_failure(trace) != NULL) {
        return workload_refuse(ret_refusal, "%s", trace_failure(trace));
    }
    if (loading->replay->count == 0) {
        return workload_refuse(ret_refusal, "%s: has no references", path);
    }
    return true;
}

/* ---- pages in the order of their addresses -------------------------------------------------- */

static bool pages_order(struct loading *loading)
{
    struct replay *replay = loading->replay;
    uint32_t *rank = page_map_ranks(&loading->pages);

    for (size_t i = 0; rank != NULL && i < replay->count; i++) {
        replay->access[i] = rank[replay->access[i] >> 1] << 1 | (replay->access[i] & 1);
    }
    replay->pages = loading->pages.count;
    const bool good = rank != NULL;
    free(rank);
    return good;
}

/* ---- threads -------------------------------------------------------------------------------- */

/* Counting sort by thread; the order within a thread stays. */
static bool threads_part(struct loading *loading)
{
    struct replay *replay = loading->replay;
    size_t *at = calloc(TRACE_THREADS_MAX + 1, sizeof(*at));
    uint32_t *sorted = malloc(replay->count * sizeof(*sorted));
    size_t *ends = malloc(TRACE_THREADS_MAX * sizeof(*ends));

    if (at == NULL || sorted == NULL || ends == NULL) {
        free(at);
        free(sorted);
        free(ends);
        return false;
    }
    for (size_t i = 0; i < replay->count; i++) {
        at[loading->thread[i] + 1]++;
    }
    replay->parts = 0;
    for (uint32_t thread = 0; thread < TRACE_THREADS_MAX; thread++) {
        const bool used = at[thread + 1] > 0;
        at[thread + 1] += at[thread];
        if (used) {
            ends[replay->parts++] = at[thread + 1];
        }
    }
    for (size_t i = 0; i < replay->count; i++) {
        sorted[at[loading->thread[i]]++] = replay->access[i];
    }
    free(at);
    free(replay->access);
    free(replay->part_end);
    replay->access = sorted;
    replay->room = replay->count;
    replay->part_end = ends;
    return true;
}

/* ---- the family ----------------------------------------------------------------------------- */

static bool trace_keep(struct workload *workload, const struct workload_scene *scene,
                       struct loading *loading, struct workload_refusal *ret_refusal)
{
    struct replay *replay = loading->replay;

    if (!pages_order(loading) || !replay_end(replay)) {
        return workload_refuse(ret_refusal, "%s: no memory for it", workload->path);
    }
    if (workload->value[0].number == THREADS_APART && !threads_part(loading)) {
        return workload_refuse(ret_refusal, "%s: no memory for it", workload->path);
    }
    return replay->pages <= scene->pages ||
           workload_refuse(ret_refusal,
                           "%s: it touches %llu pages, the memory has only %llu; give a larger "
                           "--memory",
                           workload->path, (unsigned long long)replay->pages,
                           (unsigned long long)scene->pages);
}

static bool trace_fit(struct workload *workload, const struct workload_scene *scene,
                      struct workload_refusal *ret_refusal)
{
    struct loading loading = {.replay = calloc(1, sizeof(struct replay))};
    struct trace_message message;
    struct trace *trace = NULL;
    bool good = false;

    if (loading.replay == NULL) {
        return workload_refuse(ret_refusal, "%s: no memory for it", workload->path);
    }
    trace = trace_open(workload->path, NULL, &message);
    if (trace == NULL) {
        workload_refuse(ret_refusal, "%s", message.text);
    } else {
        good = references_read(trace, workload->path, &loading, ret_refusal) &&
               trace_keep(workload, scene, &loading, ret_refusal);
    }
    trace_close(trace);
    page_map_free(&loading.pages);
    free(loading.thread);
    if (good) {
        workload->replay = loading.replay;
    } else {
        replay_free(loading.replay);
    }
    return good;
}

const struct workload_family workload_trace = {.name = "trace",
                                               .key = {{.name = "threads",
                                                        .kind = WORKLOAD_CHOICE,
                                                        .wanted = "merged or apart",
                                                        .choices = {"merged", "apart"}}},
                                               .path = true,
                                               .writes = true,
                                               .fit = trace_fit,
                                               .begin = replay_begin,
                                               .next = replay_next};
