/*
 * masim.c - phases from a file, in the format of masim, the memory access simulator of DAMON.
 *
 *   masim:FILE,rate=1000   rate= accesses of each thread are a millisecond; behind the last phase
 *                          comes the first
 *
 * Paragraphs with an empty line between; lines that begin with '#' say nothing. The first has a
 * region a line: name, bytes, and a file that is not looked at. Each other is a phase: its name,
 * its milliseconds, then a pattern a line: region, 1 (random) or 0 (a stride after the other, round
 * and round), bytes of the stride, how likely it is beside the others, and ro, wo or rw (default).
 * rw reads, then writes the same place. Each thread has places of its own in all regions, which
 * begin at a page each.
 */
#include "workload/family.h"

#include <stdlib.h>
#include <string.h>

#include "numbers.h"
#include "trace/input.h"

#define PAGE_BYTES   (WORKLOAD_WORDS * 8)
#define NAME_BYTES   64
#define PHASES_MAX   1000
#define PATTERNS_MAX 10000
#define FIELDS_MAX   5

enum { READ_WRITE, READ_ONLY, WRITE_ONLY };

struct masim {
    struct masim_region {
        char name[NAME_BYTES];
        uint64_t bytes, page; /* where it begins */
    } region[WORKLOAD_REGIONS_MAX];
    struct masim_phase {
        uint64_t milliseconds, weights; /* of all its patterns */
        unsigned first, count;
    } phase[PHASES_MAX];
    struct masim_pattern {
        unsigned region;
        bool random;
        uint64_t stride, weight;
        unsigned mode;
    } pattern[PATTERNS_MAX];
    unsigned regions, phases, patterns;
    uint64_t pages, milliseconds; /* of all */
};

/* What is being read, and what the line may be. */
enum expected { REGION, PHASE_NAME, PHASE_TIME, PATTERN };

struct reading {
    struct masim *masim;
    enum expected expected;
    const char *wrong; /* with the last line */
};

/* ---- lines ---------------------------------------------------------------------------------- */

/* Cuts a line at its commas, without the spaces around; how many fields there are. */
static unsigned fields_cut(char *line, char *ret_field[FIELDS_MAX])
{
    unsigned count = 0;

    for (char *field; count < FIELDS_MAX && (field = strsep(&line, ",")) != NULL; count++) {
        field += strspn(field, " \t");
        for (size_t end = strlen(field);
             end > 0 && (field[end - 1] == ' ' || field[end - 1] == '\t'); end--) {
            field[end - 1] = '\0';
        }
        ret_field[count] = field;
    }
    return line == NULL ? count : FIELDS_MAX + 1;
}

static bool region_take(struct reading *reading, char *line)
{
    struct masim *masim = reading->masim;
    struct masim_region *region = &masim->region[masim->regions];
    char *field[FIELDS_MAX];
    const unsigned count = fields_cut(line, field);

    reading->wrong = "there are more than 64 regions";
    if (masim->regions == WORKLOAD_REGIONS_MAX) {
        return false;
    }
    reading->wrong = "a region is NAME, BYTES or NAME, BYTES, FILE";
    if ((count != 2 && count != 3) || field[0][0] == '\0' || strlen(field[0]) >= NAME_BYTES ||
        !size_parse(field[1], &region->bytes) || region->bytes == 0 ||
        region->bytes > (uint64_t)1 << 46) {
        return false;
    }
    strcpy(region->name, field[0]);
    region->page = masim->pages;
    masim->pages += (region->bytes + PAGE_BYTES - 1) / PAGE_BYTES;
    masim->regions++;
    return true;
}

static bool time_take(struct reading *reading, char *line)
{
    struct masim *masim = reading->masim;
    struct masim_phase *phase = &masim->phase[masim->phases];

    reading->wrong = "there are more than 1000 phases";
    if (masim->phases == PHASES_MAX) {
        return false;
    }
    reading->wrong = "the second line of a phase is its time, 1 to 1000000000 milliseconds";
    if (!number_parse(line, &phase->milliseconds) || phase->milliseconds == 0 ||
        phase->milliseconds > 1000000000) {
        return false;
    }
    phase->first = masim->patterns;
    masim->milliseconds += phase->milliseconds;
    masim->phases++;
    return true;
}

static bool region_find(const struct masim *masim, const char *name, unsigned *ret_region)
{
    for (unsigned i = 0; i < masim->regions; i++) {
        if (strcmp(masim->region[i].name, name) == 0) {
            *ret_region = i;
            return true;
        }
    }
    return false;
}

static bool mode_parse(const char *text, unsigned *ret_mode)
{
    static const char *const names[] = {"rw", "ro", "wo"};

    for (unsigned i = 0; i < 3; i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret_mode = i;
            return true;
        }
    }
    return false;
}

static bool pattern_take(struct reading *reading, char *line)
{
    struct masim *masim = reading->masim;
    struct masim_pattern *pattern = &masim->pattern[masim->patterns];
    struct masim_phase *phase = &masim->phase[masim->phases - 1];
    char *field[FIELDS_MAX];
    const unsigned count = fields_cut(line, field);
    uint64_t random = 0;

    reading->wrong = "there are more than 10000 patterns";
    if (masim->patterns == PATTERNS_MAX) {
        return false;
    }
    reading->wrong = "a pattern is REGION, 0|1, STRIDE, WEIGHT or REGION, 0|1, STRIDE, WEIGHT, "
                     "ro|wo|rw";
    if ((count != 4 && count != 5) || !number_parse(field[1], &random) || random > 1 ||
        !number_parse(field[2], &pattern->stride) || pattern->stride == 0 ||
        !number_parse(field[3], &pattern->weight) || pattern->weight > WEIGHT_MAX ||
        (count == 5 && !mode_parse(field[4], &pattern->mode))) {
        return false;
    }
    reading->wrong = "there is no such region";
    if (!region_find(masim, field[0], &pattern->region)) {
        return false;
    }
    pattern->random = random == 1;
    phase->weights += pattern->weight;
    phase->count++;
    masim->patterns++;
    return true;
}

/* An empty line, or the end: the paragraph is whole. */
static bool paragraph_end(struct reading *reading)
{
    const struct masim *masim = reading->masim;

    if (reading->expected == REGION) {
        reading->expected = masim->regions > 0 ? PHASE_NAME : REGION;
        return true;
    }
    reading->wrong = "the phase ends before its time and a pattern that has a weight";
    if (reading->expected == PHASE_TIME ||
        (reading->expected == PATTERN && masim->phase[masim->phases - 1].weights == 0)) {
        return false;
    }
    reading->expected = PHASE_NAME;
    return true;
}

static bool line_take(struct reading *reading, char *line)
{
    if (line[0] == '#') {
        return true;
    }
    if (line[strspn(line, " \t")] == '\0') {
        return paragraph_end(reading);
    }
    switch (reading->expected) {
    case REGION:
        return region_take(reading, line);
    case PHASE_NAME:
        reading->expected = PHASE_TIME;
        return true;
    case PHASE_TIME:
        reading->expected = PATTERN;
        return time_take(reading, line);
    default:
        return pattern_take(reading, line);
    }
}

static bool file_read(struct input *input, struct masim *masim,
                      struct workload_refusal *ret_refusal)
{
    struct reading reading = {.masim = masim};
    enum input_line taken;
    char *line;
    size_t length;

    while ((taken = input_take_line(input, &line, &length)) == INPUT_LINE) {
        reading.wrong = "has a zero byte in it";
        if (strlen(line) != length || !line_take(&reading, line)) {
            return workload_refuse(ret_refusal, "%s:%llu: %s", input->name,
                                   (unsigned long long)input->line, reading.wrong);
        }
    }
    if (input->failure[0] != '\0') {
        return workload_refuse(ret_refusal, "%s", input->failure);
    }
    if (taken == INPUT_LINE_LONG) {
        return workload_refuse(ret_refusal, "%s:%llu: is longer than %u bytes", input->name,
                               (unsigned long long)input->line, INPUT_LINE_BYTES);
    }
    if (!paragraph_end(&reading) || masim->phases == 0) {
        return workload_refuse(ret_refusal, "%s: %s", input->name,
                               masim->phases == 0 ? "has no phase" : reading.wrong);
    }
    return true;
}

/* ---- the family ----------------------------------------------------------------------------- */

static bool masim_fit(struct workload *workload, const struct workload_scene *scene,
                      struct workload_refusal *ret_refusal)
{
    struct trace_message message;
    struct input input;
    bool good;

    workload->masim = calloc(1, sizeof(*workload->masim));
    if (workload->masim == NULL) {
        return workload_refuse(ret_refusal, "%s: no memory for it", workload->path);
    }
    good = input_open(&input, workload->path, &message);
    if (!good) {
        workload_refuse(ret_refusal, "%s", message.text);
    } else {
        good = file_read(&input, workload->masim, ret_refusal);
        input_close(&input);
    }
    if (good && workload->masim->pages > scene->pages) {
        good = workload_refuse(ret_refusal,
                               "%s: its regions have %llu pages, the memory has only %llu; give a "
                               "larger --memory",
                               workload->path, (unsigned long long)workload->masim->pages,
                               (unsigned long long)scene->pages);
    }
    if (!good) {
        free(workload->masim);
        workload->masim = NULL;
    }
    return good;
}

static const struct masim_phase *phase_of(const struct masim *masim, uint64_t millisecond)
{
    const struct masim_phase *phase = masim->phase;

    for (millisecond %= masim->milliseconds; millisecond >= phase->milliseconds; phase++) {
        millisecond -= phase->milliseconds;
    }
    return phase;
}

static const struct masim_pattern *pattern_draw(struct workload_strand *strand,
                                                const struct masim_phase *phase)
{
    const struct masim_pattern *pattern = &strand->workload->masim->pattern[phase->first];
    uint64_t drawn = random_below(&strand->random, phase->weights);

    for (; drawn >= pattern->weight; pattern++) {
        drawn -= pattern->weight;
    }
    return pattern;
}

static void masim_next(struct workload_strand *strand, struct workload_access *ret_access)
{
    const struct workload *workload = strand->workload;
    const struct masim *masim = workload->masim;
    const uint64_t millisecond = strand->place++ / workload->value[0].number;

    if (strand->masim.write_back) {
        strand->masim.write_back = false;
        ret_access->page = strand->masim.page;
        ret_access->write = true;
        return;
    }
    const struct masim_pattern *pattern = pattern_draw(strand, phase_of(masim, millisecond));
    const struct masim_region *region = &masim->region[pattern->region];
    uint64_t *at = &strand->masim.at[pattern->region], byte;
    if (pattern->random) {
        byte = random_below(&strand->random, region->bytes);
    } else {
        byte = *at;
        *at = pattern->stride < region->bytes - byte ? byte + pattern->stride : 0;
    }
    ret_access->page = region->page + byte / PAGE_BYTES;
    ret_access->write = pattern->mode == WRITE_ONLY;
    strand->masim.page = ret_access->page;
    strand->masim.write_back = pattern->mode == READ_WRITE;
}

const struct workload_family workload_masim = {.name = "masim",
                                               .key = {{.name = "rate",
                                                        .kind = WORKLOAD_NUMBER,
                                                        .wanted = "a number of accesses from 1",
                                                        .number = 1000}},
                                               .path = true,
                                               .writes = true,
                                               .fit = masim_fit,
                                               .next = masim_next};
