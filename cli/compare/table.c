/*
 * table.c - a comparison for readers: a row for each configuration, time as ratios with intervals.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compare/comparison.h"
#include "numbers.h"
#include "report/json_reader.h"

#define NAME_WIDTH 24

/* ---- head ---------------------------------------------------------------------------------- */

/* What the first configuration has, as one would write it. */
static void config_text(const struct comparison *comparison, enum option option,
                        char ret_text[OPTION_VALUE_BYTES])
{
    char key[OPTION_KEY_BYTES];
    const char *value;
    size_t length;

    option_key_print(option, key);
    ret_text[0] = '\0';
    if (!json_find(comparison->config[0], key, &value, &length)) {
        return;
    }
    const bool quoted = *value == '"';
    snprintf(ret_text, OPTION_VALUE_BYTES, "%.*s", (int)length - 2 * quoted, value + quoted);
    if (option_table[option].kind == OPTION_SIZE ||
        option_table[option].kind == OPTION_FRAMES_SIZE ||
        option_table[option].kind == OPTION_RANGE) {
        char size[NUMBER_TEXT_BYTES];
        snprintf(ret_text, OPTION_VALUE_BYTES, "%s", size_print(strtoull(value, NULL, 10), size));
    }
}

/* "262,144 accesses a thread" or "2 s" */
static void length_print(const struct options *options, FILE *file)
{
    const struct option_value *seconds = &options->value[OPTION_SECONDS];
    char number[NUMBER_TEXT_BYTES];

    if (seconds->given) {
        fprintf(file, "%s s", real_print(seconds->real, number));
    } else {
        fprintf(file, "%s accesses a thread",
                number_print(options->value[OPTION_ACCESSES].number, number));
    }
}

static void head_print(const struct comparison *comparison, FILE *file)
{
    const uint64_t seed = comparison->options.value[OPTION_SEED].number;
    struct options first = comparison->options;
    char value[OPTION_COUNT][OPTION_VALUE_BYTES];

    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        config_text(comparison, (enum option)i, value[i]);
    }
    fprintf(file, "MemoryManager " MM_VERSION "  %u configurations, %u rounds of ",
            comparison->plan.configurations, comparison->rounds);
    plan_apply(&comparison->plan.configuration[0], &first);
    length_print(&first, file);
    fputs(comparison->interrupted ? "  (interrupted)\n" : "\n", file);
    fprintf(file, "%s machine, memory %s, frames %s, page file %s (%s), verify %s, latency %s\n",
            value[OPTION_MACHINE], value[OPTION_MEMORY], value[OPTION_FRAMES],
            value[OPTION_PAGEFILE], value[OPTION_STORE], value[OPTION_VERIFY],
            value[OPTION_LATENCY]);
    fprintf(file, "%s thread%s, workload %s, write ratio %s, seeds %llu to %llu\n",
            value[OPTION_THREADS], strcmp(value[OPTION_THREADS], "1") == 0 ? "" : "s",
            value[OPTION_WORKLOAD],
            strcmp(value[OPTION_WRITE_RATIO], "null") == 0 ? "its own" : value[OPTION_WRITE_RATIO],
            (unsigned long long)seed, (unsigned long long)(seed + comparison->rounds - 1));
#ifdef MM_CHECKED
    fputs("This build has the expensive checks: they are part of every figure.\n", file);
#endif
}

/* ---- rows ---------------------------------------------------------------------------------- */

#define RATIO_BYTES 64

/* 0.98, 12.3, 456 */
static int digits_of(double ratio)
{
    return ratio < 9.995 ? 2 : ratio < 99.95 ? 1 : 0;
}

static const char *ratio_print(const struct finding *finding, char ret_text[RATIO_BYTES])
{
    const struct interval *ratio = &finding->ratio;
    char limits[RATIO_BYTES / 2];

    if (!finding->compared) {
        return strcpy(ret_text, "");
    }
    if (ratio->confidence > 0) {
        snprintf(limits, sizeof(limits), "%.*f, %.*f", digits_of(ratio->low), ratio->low,
                 digits_of(ratio->high), ratio->high);
    } else {
        strcpy(limits, "?");
    }
    snprintf(ret_text, RATIO_BYTES, "%5.*f [%s]%s", digits_of(ratio->median), ratio->median, limits,
             interval_excludes(ratio, 1) ? "" : " ~");
    return ret_text;
}

static const char *time_print(const struct finding *finding, char ret_text[RATIO_BYTES])
{
    snprintf(ret_text, RATIO_BYTES, "%.*f us", finding->median < 9995 ? 3 : 1,
             finding->median / 1e3);
    return ret_text;
}

static void row_print(const struct comparison *comparison, unsigned number, FILE *file)
{
    static const enum measure counts[] = {MEASURE_HARD, MEASURE_TRANSITION, MEASURE_PAGES_WRITTEN,
                                          MEASURE_IOS};
    const struct finding *finding = comparison->finding[number];
    const char *name = comparison->plan.configuration[number].name;
    char wall[RATIO_BYTES], cpu[RATIO_BYTES];

    if (number == 0) {
        time_print(&finding[MEASURE_WALL], wall);
        time_print(&finding[MEASURE_CPU], cpu);
    } else {
        ratio_print(&finding[MEASURE_WALL], wall);
        ratio_print(&finding[MEASURE_CPU], cpu);
    }
    if (strlen(name) > NAME_WIDTH) { /* a line of its own */
        fprintf(file, "%s\n", name);
        name = "";
    }
    fprintf(file, "%-*s  %-20s %-20s", NAME_WIDTH, name, wall, cpu);
    for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        const double count = finding[counts[i]].median * 1000;
        fprintf(file, "%8.*f", count < 999.95 ? 1 : 0, count);
    }
    fputc('\n', file);
}

/* ---- how to read it ------------------------------------------------------------------------ */

static void legend_print(const struct comparison *comparison, FILE *file)
{
    const struct interval *ratio = &comparison->finding[0][MEASURE_WALL].ratio;

    fprintf(file,
            "\nTime is wall time and CPU time of all threads for an access: of the first row in\n"
            "us, of the others as a ratio to it, the median of %u pairs. Above 1 is slower.\n",
            comparison->rounds);
    if (ratio->confidence > 0) {
        fprintf(
            file,
            "[A, B] holds the true median with %.1f %% confidence. ~ it holds 1: no difference\n"
            "was shown. Of twenty rows without a difference one is expected to lack its ~.\n",
            ratio->confidence * 100);
    } else {
        fprintf(file,
                "[?] fewer than %u rounds have no 95 %% interval. ~ no difference was shown.\n",
                INTERVAL_VALUES_MIN);
    }
    for (unsigned i = 0; i < comparison->plan.configurations; i++) {
        if (comparison->also[i][0] != '\0') {
            fprintf(file, "%s has other defaults too:%s\n", comparison->plan.configuration[i].name,
                    comparison->also[i]);
        }
    }
    if (comparison->left_out[0] != '\0') {
        fprintf(file, "Left out, the same as given here: %s\n", comparison->left_out);
    }
}

void comparison_print(const struct comparison *comparison, FILE *file)
{
    if (!comparison->options.value[OPTION_QUIET].given) {
        head_print(comparison, file);
        fputc('\n', file);
    }
    fprintf(file, "%-*s  %-20s %-20s%*s\n", NAME_WIDTH, "", "wall time", "CPU time", 32,
            "for 1000 accesses");
    fprintf(file, "%-*s  %-20s %-20s%8s%8s%8s%8s\n", NAME_WIDTH, "", "an access", "an access",
            "hard", "soft", "written", "I/Os");
    for (unsigned i = 0; i < comparison->plan.configurations; i++) {
        row_print(comparison, i, file);
    }
    if (!comparison->options.value[OPTION_QUIET].given) {
        legend_print(comparison, file);
    }
}
