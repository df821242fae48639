/*
 * plan.h - what is compared: the configurations, each the options that it has other than the first.
 *
 * From --vary every combination of the values, in the order they were written, the first of each as
 * the first configuration. From --ablate the options as they are, the same once more, and for
 * each mechanism one configuration with that one off - or on, where it is off as it is.
 */
#ifndef MM_CLI_COMPARE_PLAN_H
#define MM_CLI_COMPARE_PLAN_H

#include "options.h"

#define CONFIGURATIONS_MAX 64u
#define VARIED_MAX         8u
#define NAME_BYTES         512u

struct setting {
    enum option option;
    const char *text; /* its value, as on the command line */
};

struct configuration {
    char name[NAME_BYTES]; /* for readers: "--trim-batch 1" */
    struct setting setting[VARIED_MAX];
    unsigned settings;
};

/* An option and the values it takes in turn. */
struct varied {
    enum option option;
    char *text[CONFIGURATIONS_MAX]; /* in `words` */
    unsigned values;
    char *words;
};

struct plan {
    bool ablate;
    uint64_t ablated; /* bits of the mechanisms that --ablate=... names; 0: all */
    struct varied varied[VARIED_MAX];
    unsigned varied_count;
    struct configuration configuration[CONFIGURATIONS_MAX];
    unsigned configurations;
};

/* "NAME=VALUE,VALUE..."; a comma in a value is written twice. One line and false if it is not. */
bool plan_vary(struct plan *plan, const char *word);
/* "NAME,NAME..." or NULL for every mechanism. The same. */
bool plan_ablate(struct plan *plan, const char *names);

/* False, after one line with `shown`: the frames are to be found, which is not for comparisons. */
bool plan_frames_check(const struct options *options, const char *shown);

/* One line and false where it cannot be made. */
bool plan_make_varied(struct plan *plan);
/* What is off or on as it is stands in `report`, that of a run as given. The same. */
bool plan_make_ablation(struct plan *plan, const char *report);
void plan_free(struct plan *plan);

/* The options of one configuration; false, and one line, where a value is not possible. */
bool plan_apply(const struct configuration *configuration, struct options *options);

#endif
