/*
 * samples_json.c - samples as JSON, for the page.
 */
#include "report/json_writer.h"
#include "report/samples.h"

/* What word `at` of the rows has more than in the row before, one number for each pair of rows. */
static void growth_print(struct json_writer *json, const struct samples *samples, const char *key,
                         size_t at)
{
    const struct series *series = &samples->series;

    json_line_begin(json, key);
    for (size_t row = 1; row < series->rows; row++) {
        json_line_number(json, series_row(series, row)[at] - series_row(series, row - 1)[at]);
    }
    json_line_end(json);
}

static void values_print(struct json_writer *json, const struct samples *samples, const char *key,
                         size_t at)
{
    const struct series *series = &samples->series;

    json_line_begin(json, key);
    for (size_t row = 0; row < series->rows; row++) {
        json_line_number(json, series_row(series, row)[at]);
    }
    json_line_end(json);
}

static uint64_t growth_in_all(const struct samples *samples, size_t at)
{
    const struct series *series = &samples->series;

    return series_row(series, series->rows - 1)[at] - series_row(series, 0)[at];
}

static void states_print(struct json_writer *json, const struct samples *samples)
{
    static const char *const names[SAMPLES_STATES] = {
        "active",    "transition", "modified",  "standby",   "free",
        "zeroed",    "bad",        "standby 0", "standby 1", "standby 2",
        "standby 3", "standby 4",  "standby 5", "standby 6", "standby 7"};

    json_begin(json, "states", '{');
    for (size_t i = 0; i < SAMPLES_STATES; i++) {
        values_print(json, samples, names[i], samples->at_states + i);
    }
    json_end(json, '}');
}

/* It counts what happened, and something did; a store also tells what it holds, which may shrink. */
static bool counter_grew(const struct samples *samples, size_t at)
{
    const struct series *series = &samples->series;

    for (size_t row = 1; row < series->rows; row++) {
        if (series_row(series, row)[at] < series_row(series, row - 1)[at]) {
            return false;
        }
    }
    return growth_in_all(samples, at) > 0;
}

static void counters_print(struct json_writer *json, const struct samples *samples)
{
    json_begin(json, "counters", '[');
    for (size_t i = 0; i < samples->counters; i++) {
        const struct mm_counter *counter = &samples->counter[i];

        if (!counter_grew(samples, samples->at_counters + i)) {
            continue;
        }
        json_begin(json, NULL, '{');
        json_string(json, "group", counter->group);
        json_string(json, "key", counter->key);
        json_string(json, "title", counter->title);
        growth_print(json, samples, "counts", samples->at_counters + i);
        json_end(json, '}');
    }
    json_end(json, ']');
}

/*
 * A table of counts that has a line for each pair of rows: words first to last of those at `at`.
 * Left out where all is zero.
 */
static void table_print(struct json_writer *json, const struct samples *samples, const char *key,
                        size_t at, size_t first, size_t last)
{
    const struct series *series = &samples->series;
    bool any = false;

    for (size_t i = first; i <= last && !any; i++) {
        any = growth_in_all(samples, at + i) > 0;
    }
    if (!any) {
        return;
    }
    json_begin(json, key, '[');
    for (size_t row = 1; row < series->rows; row++) {
        const uint64_t *now = series_row(series, row), *before = series_row(series, row - 1);

        json_line_begin(json, NULL);
        for (size_t i = at + first; i <= at + last; i++) {
            json_line_number(json, now[i] - before[i]);
        }
        json_line_end(json);
    }
    json_end(json, ']');
}

static bool class_is_used(const struct samples *samples, size_t number)
{
    bool used = false;

    for (size_t i = 0; i < samples->latencies && !used; i++) {
        used = growth_in_all(samples, samples->at_latencies + i * MM_LATENCY_CLASSES + number) > 0;
    }
    return used;
}

/* Only the classes from the first to the last that anything lies in. */
static void latencies_print(struct json_writer *json, const struct samples *samples)
{
    size_t first = 0, last = MM_LATENCY_CLASSES - 1;

    while (first < last && !class_is_used(samples, first)) {
        first++;
    }
    while (last > first && !class_is_used(samples, last)) {
        last--;
    }
    json_line_begin(json, "classes_ns");
    for (size_t i = first; i <= last + 1; i++) {
        json_line_number(json, histogram_class_begin((unsigned)i));
    }
    json_line_end(json);
    json_begin(json, "latencies", '{');
    for (size_t i = 0; i < samples->latencies; i++) {
        table_print(json, samples, samples->latency[i],
                    samples->at_latencies + i * MM_LATENCY_CLASSES, first, last);
    }
    json_end(json, '}');
}

static void heat_print(struct json_writer *json, const struct samples *samples)
{
    json_number(json, "memory_bytes", samples->memory_bytes);
    json_number(json, "stretch_bytes", samples->stretch_bytes);
    json_number(json, "stretches", samples->stretches);
    json_begin(json, "heat", '{');
    for (size_t i = 0; i < samples->heats; i++) {
        table_print(json, samples, samples->heat[i], samples->at_heat + i * samples->stretches, 0,
                    samples->stretches - 1);
    }
    json_end(json, '}');
}

void samples_print(const struct samples *samples, FILE *file)
{
    struct json_writer json = {.file = file};

    json_begin(&json, NULL, '{');
    values_print(&json, samples, "times_ns", 0);
    growth_print(&json, samples, "accesses", samples->at_accesses);
    states_print(&json, samples);
    counters_print(&json, samples);
    latencies_print(&json, samples);
    heat_print(&json, samples);
    json_end(&json, '}');
}
