/*
 * run_frames.h - how many frames a run needs (--frames auto), by judging what its threads will do.
 */
#ifndef MM_CLI_JUDGE_RUN_FRAMES_H
#define MM_CLI_JUDGE_RUN_FRAMES_H

#include "exit.h"
#include "judge/judging.h"
#include "options.h"
#include "workload/workload.h"

/* How they were found; with a `slowdown` of 0 they were given. */
struct run_frames {
    double slowdown; /* asked for */
    char policy[32];
    uint32_t standby_percent;
    uint64_t accesses_all;
    uint64_t accesses; /* of them those that were judged: the first */
    uint32_t pages;    /* that they touch */
    struct judged_costs costs;
    struct judged_enough enough;
};

/*
 * Where the options say so: finds the frames and gives them to the options. The workload must not
 * be fitted, and is not afterwards. Else one line to stderr that says why it cannot be.
 */
enum exit_code run_frames_find(struct options *options, const struct workload *workload,
                               struct run_frames *ret_frames);
/* For the text and for JSON; nothing where they were given. */
void run_frames_print(const struct run_frames *frames, FILE *file);
void run_frames_print_json(const struct run_frames *frames, struct json_writer *json);

#endif
