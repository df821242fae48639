/*
 * trace.c - looks at the page lists while a run goes on, and writes all that threads kept of it.
 */
#include "report/trace.h"

#include <inttypes.h>
#include <stdlib.h>

#include "clock.h"

#define LOOK_NS      10000000u
#define LOOK_SHARE   100 /* a look takes at most a hundredth of the time */
#define SPANS_OF_ALL ((uint64_t)256 * 1024 * 1024 / 24)
#define SPANS_MOST   65536u
#define PROCESS      1 /* there is one in the timeline; the numbers of its threads begin with 1 */

struct timeline_look {
    uint64_t when_ns;
    struct mm_pages pages;
};

uint32_t trace_spans(uint64_t threads)
{
    const uint64_t share = SPANS_OF_ALL / threads;

    return share < SPANS_MOST ? (uint32_t)share : SPANS_MOST;
}

/* ---- while it runs ------------------------------------------------------------------------- */

void timeline_begin(struct timeline *timeline)
{
    *timeline = (struct timeline){.begin_ns = clock_ns(CLOCK_MONOTONIC)};
}

/* Without memory the lists have their last look here. */
static struct timeline_look *look_add(struct timeline *timeline)
{
    if (timeline->looks == timeline->room) {
        const size_t room = timeline->room > 0 ? 2 * timeline->room : 256;
        struct timeline_look *more = realloc(timeline->look, room * sizeof(*more));
        if (more == NULL) {
            return NULL;
        }
        timeline->look = more;
        timeline->room = room;
    }
    return &timeline->look[timeline->looks++];
}

void timeline_look(struct timeline *timeline, const mm *manager)
{
    const uint64_t begin = clock_ns(CLOCK_MONOTONIC);
    struct timeline_look *look = begin < timeline->next_ns ? NULL : look_add(timeline);

    if (look == NULL) {
        return;
    }
    mm_pages(manager, &look->pages);
    look->when_ns = begin;
    const uint64_t pause = (clock_ns(CLOCK_MONOTONIC) - begin) * LOOK_SHARE;
    timeline->next_ns = begin + (pause > LOOK_NS ? pause : LOOK_NS);
}

unsigned timeline_wait(const struct timeline *timeline)
{
    const uint64_t now = clock_ns(CLOCK_MONOTONIC);

    return now < timeline->next_ns ? (unsigned)((timeline->next_ns - now) / 1000000) + 1 : 0;
}

void timeline_end(struct timeline *timeline)
{
    timeline->end_ns = clock_ns(CLOCK_MONOTONIC);
}

void timeline_free(struct timeline *timeline)
{
    free(timeline->look);
}

/* ---- after --------------------------------------------------------------------------------- */

/* Microseconds with their three digits, from the begin of the run. */
static void time_print(FILE *file, const char *key, uint64_t ns)
{
    fprintf(file, ", \"%s\": %" PRIu64 ".%03" PRIu64, key, ns / 1000, ns % 1000);
}

static void thread_name_print(uint32_t thread, const struct mm_span_thread *found, FILE *file)
{
    fprintf(file,
            ",\n{\"ph\": \"M\", \"name\": \"thread_name\", \"pid\": %d, \"tid\": %" PRIu32
            ", \"args\": {\"name\": \"%s %" PRIu32,
            PROCESS, thread + 1, found->name, thread + 1);
    if (found->kept < found->all) {
        fprintf(file, ": the last %" PRIu64 " spans of %" PRIu64, found->kept, found->all);
    }
    fputs("\"}}", file);
}

static void span_print(const struct timeline *timeline, uint32_t thread, const struct mm_span *span,
                       FILE *file)
{
    if (span->begin_ns < timeline->begin_ns || span->begin_ns > timeline->end_ns) {
        return; /* before the users begin, or while everything is checked */
    }
    fprintf(file,
            ",\n{\"ph\": \"X\", \"name\": \"%s\", \"cat\": \"%s\", \"pid\": %d, \"tid\": %" PRIu32,
            span->name, span->group, PROCESS, thread + 1);
    time_print(file, "ts", span->begin_ns - timeline->begin_ns);
    time_print(file, "dur", span->end_ns - span->begin_ns);
    fprintf(file, ", \"args\": {\"%s\": %" PRIu64 "}}", span->amount_name, span->amount);
}

static void looks_print(const struct timeline *timeline, FILE *file)
{
    for (size_t i = 0; i < timeline->looks; i++) {
        const struct mm_pages *pages = &timeline->look[i].pages;

        fprintf(file, ",\n{\"ph\": \"C\", \"name\": \"frames\", \"pid\": %d", PROCESS);
        time_print(file, "ts", timeline->look[i].when_ns - timeline->begin_ns);
        fprintf(file,
                ", \"args\": {\"active\": %" PRIu64 ", \"transition\": %" PRIu64
                ", \"modified\": %" PRIu64 ", \"standby\": %" PRIu64 ", \"free\": %" PRIu64
                ", \"zeroed\": %" PRIu64 ", \"bad\": %" PRIu64 "}}",
                pages->active, pages->transition, pages->modified, pages->standby, pages->free,
                pages->zeroed, pages->bad);
    }
}

void report_trace(const struct timeline *timeline, const mm *manager, FILE *file)
{
    const uint32_t threads = mm_span_threads(manager);
    static struct mm_span spans[SPANS_MOST]; /* large, and there is one report */

    fprintf(
        file,
        "{\"displayTimeUnit\": \"ns\", \"traceEvents\": [\n"
        "{\"ph\": \"M\", \"name\": \"process_name\", \"pid\": %d, \"args\": {\"name\": \"memman " MM_VERSION
        "\"}}",
        PROCESS);
    for (uint32_t thread = 0; thread < threads; thread++) {
        struct mm_span_thread found;
        const size_t count = mm_spans(manager, thread, spans, SPANS_MOST, &found);

        if (count > 0) {
            thread_name_print(thread, &found, file);
        }
        for (size_t i = 0; i < count; i++) {
            span_print(timeline, thread, &spans[i], file);
        }
    }
    looks_print(timeline, file);
    fputs("\n]}\n", file);
}
