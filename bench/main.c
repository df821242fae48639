/*
 * main.c - memman-bench: each row of the design's table of numbers, both sides in one run.
 *
 * memman-bench [--repeats N] [--row PART] [--strict] [--json FILE] [--commit ID]: medians of N
 * repetitions (default 9), the range in brackets; --row takes only rows with PART in their name;
 * --strict ends with 1 if a bound that must hold was missed; --json adds a line for each row.
 * memman-bench slots [--store NAME] [--slots N] [--seed N]: what slots.c prints.
 * memman-bench scaling | author [...]: what scaling.c does.
 */
#include "measure.h"

#include "memman.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int count, char **arguments)
{
    unsigned repeats = 9;
    bool strict = false;
    const char *json = NULL, *commit = "unknown";
    if (count > 1 && strcmp(arguments[1], "slots") == 0) {
        return bench_slots(count - 2, arguments + 2);
    }
    if (count > 1 &&
        (strcmp(arguments[1], "scaling") == 0 || strcmp(arguments[1], "author") == 0)) {
        return bench_scaling(arguments[1], count - 2, arguments + 2);
    }
    for (int i = 1; i < count; i++) {
        if (strcmp(arguments[i], "--strict") == 0) {
            strict = true;
        } else if (strcmp(arguments[i], "--repeats") == 0 && i + 1 < count &&
                   atoi(arguments[i + 1]) > 0 && atoi(arguments[i + 1]) <= REPEATS_MAX) {
            repeats = (unsigned)atoi(arguments[++i]);
        } else if (strcmp(arguments[i], "--row") == 0 && i + 1 < count) {
            rows_select(arguments[++i]);
        } else if (strcmp(arguments[i], "--json") == 0 && i + 1 < count) {
            json = arguments[++i];
        } else if (strcmp(arguments[i], "--commit") == 0 && i + 1 < count) {
            commit = arguments[++i];
        } else {
            fprintf(stderr,
                    "memman-bench: '%s' is not slots, scaling, author, --strict, --row "
                    "PART-OF-NAME, --json FILE, --commit ID or --repeats 1..%d\n",
                    arguments[i], REPEATS_MAX);
            return 2;
        }
    }
    if (json != NULL && !rows_json(json, commit)) {
        return 3;
    }
    printf(
        "MemoryManager %s, medians of %u repetitions; the ratio is the median of paired ratios\n",
        MM_VERSION, repeats);
    bench_say_build();
    bench_soft(repeats);
    bench_linux(repeats);
    return strict && rows_missed() > 0 ? 1 : 0;
}
