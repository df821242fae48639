/*
 * comparison.h - a comparison and all that came out of it, for its two reports.
 */
#ifndef MM_CLI_COMPARE_COMPARISON_H
#define MM_CLI_COMPARE_COMPARISON_H

#include <stdio.h>

#include "compare/measures.h"
#include "compare/plan.h"

#define ALSO_BYTES 256

struct comparison {
    struct options options; /* as given */
    struct plan plan;
    unsigned rounds_wanted, rounds; /* rounds that were whole */
    bool interrupted;

    /* Of each configuration. */
    char *config[CONFIGURATIONS_MAX];          /* resolved, as JSON; of its first run */
    char also[CONFIGURATIONS_MAX][ALSO_BYTES]; /* what else the manager chose otherwise */
    struct sample *sample[CONFIGURATIONS_MAX]; /* of each round */
    struct finding finding[CONFIGURATIONS_MAX][MEASURE_COUNT];

    /* Of --ablate: what changes nothing as things are. */
    char left_out[NAME_BYTES];
};

void comparison_print(const struct comparison *comparison, FILE *file);
void comparison_print_json(const struct comparison *comparison, FILE *file);

#endif
