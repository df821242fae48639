/*
 * samples.c - looks at a run while it goes on.
 */
#include "report/samples.h"

#include <string.h>

#include "clock.h"

#define ROWS        320u /* of a picture that is some 1000 dots wide */
#define INTERVAL_NS 1000000u
#define LOOK_SHARE  100u /* looks take at most a hundredth of a processor */
#define HEAT_BYTES  ((uint64_t)64 << 20)

uint32_t samples_stretches(uint64_t threads)
{
    const uint64_t share = HEAT_BYTES / (threads * SAMPLES_LATENCIES * sizeof(uint64_t));

    return share < SAMPLES_STRETCHES ? (uint32_t)share : SAMPLES_STRETCHES;
}

/* ---- what there is to be looked at ---------------------------------------------------------- */

static void counters_name(struct samples *samples)
{
    const size_t all = mm_counters(samples->manager, samples->counter, OUTCOME_COUNTERS);

    samples->counters = all < OUTCOME_COUNTERS ? all : OUTCOME_COUNTERS;
}

static void latencies_name(struct samples *samples)
{
    struct mm_latency found[SAMPLES_LATENCIES - 1];
    const size_t all = mm_latencies(samples->manager, found, SAMPLES_LATENCIES - 1);

    samples->latency[0] = "access";
    samples->latencies = 1 + (all < SAMPLES_LATENCIES - 1 ? all : SAMPLES_LATENCIES - 1);
    for (size_t i = 1; i < samples->latencies; i++) {
        samples->latency[i] = found[i - 1].name;
    }
}

static void heat_name(struct samples *samples)
{
    struct mm_heat heat;

    while (samples->heats < SAMPLES_LATENCIES &&
           mm_heat(samples->manager, samples->heats, &heat, NULL, 0)) {
        samples->heat[samples->heats++] = heat.kind;
        samples->stretch_bytes = heat.bytes;
        samples->stretches = heat.stretches;
    }
}

bool samples_init(struct samples *samples, const mm *manager, const struct users *users)
{
    *samples = (struct samples){.manager = manager, .users = users};
    samples->memory_bytes = mm_options_of(manager)->memory_bytes;
    counters_name(samples);
    latencies_name(samples);
    heat_name(samples);
    samples->at_accesses = 1;
    samples->at_states = samples->at_accesses + 1;
    samples->at_counters = samples->at_states + SAMPLES_STATES;
    samples->at_latencies = samples->at_counters + samples->counters;
    samples->at_heat = samples->at_latencies + samples->latencies * MM_LATENCY_CLASSES;
    if (!series_init(&samples->series, samples->at_heat + samples->heats * samples->stretches, ROWS,
                     INTERVAL_NS)) {
        line_complain("--report: the system has no memory for its samples; give less --memory");
        return false;
    }
    return true;
}

void samples_free(struct samples *samples)
{
    series_free(&samples->series);
}

/* ---- looking ------------------------------------------------------------------------------- */

static void states_look(const struct samples *samples, uint64_t state[SAMPLES_STATES])
{
    struct mm_pages pages;

    mm_pages(samples->manager, &pages);
    const uint64_t found[] = {pages.active, pages.transition, pages.modified, pages.standby,
                              pages.free,   pages.zeroed,     pages.bad};
    memcpy(state, found, sizeof(found));
    memcpy(state + sizeof(found) / sizeof(found[0]), pages.standby_by_priority,
           sizeof(pages.standby_by_priority));
}

static void latencies_look(const struct samples *samples, uint64_t *classes)
{
    memset(classes, 0, MM_LATENCY_CLASSES * sizeof(*classes));
    for (uint32_t i = 0; i < samples->users->count; i++) {
        histogram_add_classes(&samples->users->user[i].latency, classes);
    }
    for (size_t i = 1; i < samples->latencies; i++) {
        mm_latency_classes(samples->manager, i - 1, classes + i * MM_LATENCY_CLASSES);
    }
}

static void row_fill(struct samples *samples, uint64_t now_ns)
{
    uint64_t *row = series_add(&samples->series, now_ns);
    struct mm_counter counter[OUTCOME_COUNTERS];
    struct mm_heat heat;

    row[0] = now_ns - samples->begin_ns;
    row[samples->at_accesses] = users_accesses(samples->users);
    states_look(samples, row + samples->at_states);
    mm_counters(samples->manager, counter, samples->counters);
    for (size_t i = 0; i < samples->counters; i++) {
        row[samples->at_counters + i] = counter[i].value;
    }
    latencies_look(samples, row + samples->at_latencies);
    for (size_t i = 0; i < samples->heats; i++) {
        mm_heat(samples->manager, i, &heat, row + samples->at_heat + i * samples->stretches,
                samples->stretches);
    }
}

static void look(struct samples *samples)
{
    const uint64_t begin = clock_ns(CLOCK_MONOTONIC);

    const uint64_t cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    row_fill(samples, begin);
    const uint64_t rested = begin + (clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu) * LOOK_SHARE;
    if (samples->series.next_ns < rested) {
        samples->series.next_ns = rested;
    }
}

void samples_begin(struct samples *samples)
{
    samples->begin_ns = clock_ns(CLOCK_MONOTONIC);
    look(samples);
}

void samples_look(struct samples *samples)
{
    if (clock_ns(CLOCK_MONOTONIC) >= samples->series.next_ns) {
        look(samples);
    }
}

unsigned samples_wait(const struct samples *samples)
{
    const uint64_t now = clock_ns(CLOCK_MONOTONIC), next = samples->series.next_ns;

    return now < next ? (unsigned)((next - now) / 1000000) + 1 : 0;
}

void samples_end(struct samples *samples)
{
    look(samples);
}
