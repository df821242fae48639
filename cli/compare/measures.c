/*
 * measures.c - figures out of a report, and what rounds of them say.
 */
#include "compare/measures.h"

#include <stdio.h>
#include <string.h>

#include "report/json_reader.h"

const char *const measure_keys[MEASURE_COUNT] = {
#define X(id, key, values, factor) key,
    MEASURES(X)
#undef X
};

static const struct {
    const char *values;
    double factor;
} sources[MEASURE_COUNT] = {
#define X(id, key, values, factor) {values, factor},
    MEASURES(X)
#undef X
};

#define PATH_BYTES 64

/* A star is every element of an array. */
static bool path_sum(const char *report, const char *path, double *sum)
{
    const char *star = strchr(path, '*');
    double value;
    unsigned found = 0;

    if (star == NULL) {
        if (!json_find_real(report, path, &value)) {
            return false;
        }
        *sum += value;
        return true;
    }
    for (;; found++) {
        char element[2 * PATH_BYTES];

        snprintf(element, sizeof(element), "%.*s%u%s", (int)(star - path), path, found, star + 1);
        if (!json_find_real(report, element, &value)) {
            return found > 0;
        }
        *sum += value;
    }
}

static bool paths_sum(const char *report, const char *paths, double *ret_sum)
{
    double sum = 0;

    while (*paths != '\0') {
        const size_t length = strcspn(paths, " ");
        char path[PATH_BYTES];

        snprintf(path, sizeof(path), "%.*s", (int)length, paths);
        if (!path_sum(report, path, &sum)) {
            return false;
        }
        paths += length + (paths[length] == ' ');
    }
    *ret_sum = sum;
    return true;
}

bool sample_read(const char *report, struct sample *ret_sample)
{
    double accesses;

    if (!json_find_real(report, "accesses", &accesses) || accesses < 1) {
        return false;
    }
    for (unsigned i = 0; i < MEASURE_COUNT; i++) {
        double sum;

        if (!paths_sum(report, sources[i].values, &sum)) {
            return false;
        }
        ret_sample->value[i] = sum * sources[i].factor / accesses;
    }
    return true;
}

void finding_make(const struct sample first[], const struct sample own[], unsigned rounds,
                  enum measure measure, double room[], struct finding *ret_finding)
{
    struct interval absolute;

    for (unsigned i = 0; i < rounds; i++) {
        room[i] = own[i].value[measure];
    }
    interval_find(room, rounds, &absolute);
    *ret_finding = (struct finding){.median = absolute.median, .compared = true};
    for (unsigned i = 0; i < rounds; i++) {
        ret_finding->compared = ret_finding->compared && first[i].value[measure] > 0;
        room[i] = own[i].value[measure] / first[i].value[measure];
    }
    if (ret_finding->compared) {
        interval_find(room, rounds, &ret_finding->ratio);
    }
}
