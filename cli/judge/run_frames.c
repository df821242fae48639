/*
 * run_frames.c - how many frames a run needs.
 *
 * What the threads will touch is known from the seed. The engine's policy is judged on it in the
 * model of src/judge, as `memman compare TRACE --frames auto` does, an access of each thread in
 * turn; a run has them in an order of its own, so it may need a little more or less.
 */
#include "judge/run_frames.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "judge/load.h"
#include "numbers.h"

/* Judged some fifteen times: a few seconds for so many. */
#define ACCESSES_MAX 16000000u

/* ---- the run that there will be ------------------------------------------------------------- */

/* The smallest manager that there is says what the machine and its policy will be. */
static enum exit_code machine_ask(const struct options *options, bool *ret_linux,
                                  struct run_frames *frames)
{
    struct mm_options wanted, engine;
    struct mm_detail detail = {""};
    mm *manager;

    options_engine(options, &wanted);
    mm_options_init(&engine);
    engine.machine = wanted.machine;
    engine.faults = wanted.faults;
    engine.policy = wanted.policy;
    engine.standby_percent = wanted.standby_percent;
    engine.memory_bytes = engine.frames_bytes = MM_PAGE_BYTES;
    engine.pagefile_bytes = engine.pagefile_max_bytes = 0;
    const int error = mm_create(&engine, &manager, &detail);
    if (error) {
        line_complain("%s", detail.text[0] ? detail.text : mm_error_text(error));
        return error == MM_ERROR_OPTION ? EXIT_USAGE : EXIT_REFUSED;
    }
    *ret_linux = mm_options_of(manager)->machine == MM_MACHINE_LINUX;
    frames->standby_percent = mm_options_of(manager)->standby_percent;
    snprintf(frames->policy, sizeof(frames->policy), "%s", mm_options_of(manager)->policy);
    mm_destroy(manager);
    return EXIT_GOOD;
}

static struct users_load load_of(const struct options *options, const struct workload *workload)
{
    const struct option_value *value = options->value;

    return (struct users_load){.workload = workload,
                               .seed = value[OPTION_SEED].number,
                               .accesses_max = value[OPTION_ACCESSES].number,
                               .write_ratio = value[OPTION_WRITE_RATIO].real,
                               .threads = (uint32_t)value[OPTION_THREADS].number};
}

static enum exit_code references_make(const struct options *options,
                                      const struct workload *workload, struct run_frames *frames,
                                      struct references *ret_references)
{
    struct workload fitted = *workload;
    const struct users_load load = load_of(options, &fitted);
    const uint64_t memory = options->value[OPTION_MEMORY].number;
    const struct workload_scene scene = {.pages = (memory + MM_PAGE_BYTES - 1) / MM_PAGE_BYTES,
                                         .frames = WORKLOAD_FRAMES_OPEN,
                                         .seed = load.seed,
                                         .threads = load.threads};
    struct workload_refusal refusal;

    if (!workload_fit(&fitted, &scene, &refusal)) {
        usage_complain("--workload", "%s", refusal.text);
        return EXIT_USAGE;
    }
    frames->accesses_all = load.accesses_max * load.threads;
    frames->accesses = MIN_OF(frames->accesses_all, ACCESSES_MAX);
    const bool whole = load_references(&load, frames->accesses, ret_references);
    workload_release(&fitted);
    if (!whole) {
        usage_complain("--frames auto", "no memory for %" PRIu64 " accesses; give less --accesses",
                       frames->accesses);
        return EXIT_REFUSED;
    }
    frames->pages = ret_references->pages;
    return EXIT_GOOD;
}

/* The engine's own, not the paper's of the same name. */
static const struct judged_policy *policy_find(const char *name)
{
    char engines[40];

    snprintf(engines, sizeof(engines), "run:%s", name);
    const struct judged_policy *policy = judged_policy_find(engines);
    return policy != NULL ? policy : judged_policy_find(name);
}

/* ---- found ---------------------------------------------------------------------------------- */

static enum exit_code enough_find(struct run_frames *frames, bool on_linux,
                                  const struct references *references)
{
    const struct judging judging = {.policy = {policy_find(frames->policy)},
                                    .policies = 1,
                                    .unaccessed = on_linux,
                                    .standby_percent = frames->standby_percent,
                                    .costs = frames->costs,
                                    .slowdown = frames->slowdown};
    struct judged_trace *trace = calloc(1, sizeof(*trace)); /* large */
    bool found = false;

    if (trace != NULL) {
        trace->accesses = trace->references = references->count;
        trace->pages = references->pages;
        found = enough_judge(&judging, references, trace);
        frames->enough = trace->enough[0];
        free(trace);
    }
    if (!found) {
        usage_complain("--frames auto",
                       "no memory to judge %" PRIu64 " accesses; give less "
                       "--accesses",
                       references->count);
    }
    return found ? EXIT_GOOD : EXIT_REFUSED;
}

static bool run_is_known(const struct options *options)
{
    if (options->value[OPTION_SECONDS].given) {
        usage_complain("--frames auto",
                       "cannot go with --seconds: what the load does must be known before; give "
                       "--accesses");
        return false;
    }
    if (strncmp(options->value[OPTION_STORE].text, "compressed", strlen("compressed")) == 0) {
        usage_complain("--frames auto",
                       "cannot go with --store compressed, which takes frames for itself; give a "
                       "size, or another store");
        return false;
    }
    return true;
}

enum exit_code run_frames_find(struct options *options, const struct workload *workload,
                               struct run_frames *ret_frames)
{
    struct option_value *value = &options->value[OPTION_FRAMES];
    struct references references = {0};
    bool on_linux = false;

    *ret_frames = (struct run_frames){.slowdown = value->real, .costs = JUDGED_COSTS_DEFAULT};
    if (!(value->real > 0)) {
        return EXIT_GOOD;
    }
    if (!run_is_known(options)) {
        return EXIT_USAGE;
    }
    enum exit_code code = machine_ask(options, &on_linux, ret_frames);
    if (code == EXIT_GOOD) {
        code = references_make(options, workload, ret_frames, &references);
    }
    if (code == EXIT_GOOD) {
        code = enough_find(ret_frames, on_linux, &references);
        references_free(&references);
    }
    if (code == EXIT_GOOD) {
        *value =
            (struct option_value){.given = true,
                                  .present = true,
                                  .number = (uint64_t)ret_frames->enough.frames * MM_PAGE_BYTES};
    }
    return code;
}

/* ---- reports -------------------------------------------------------------------------------- */

void run_frames_print(const struct run_frames *frames, FILE *file)
{
    const struct judged_costs *costs = &frames->costs;
    const struct judged_enough *enough = &frames->enough;
    char number[NUMBER_TEXT_BYTES], pages[NUMBER_TEXT_BYTES], hard[NUMBER_TEXT_BYTES];

    if (!(frames->slowdown > 0)) {
        return;
    }
    fprintf(file,
            "Frames found: %s, with which it takes at most %g times as long as with any number\n",
            number_print(enough->frames, number), frames->slowdown);
    fprintf(file, "  by %s judged on %s%s accesses to %s pages: %.4f times, %s hard faults",
            frames->policy, frames->accesses < frames->accesses_all ? "the first " : "",
            number_print(frames->accesses, number), number_print(frames->pages, pages),
            enough->slowdown, number_print(enough->verdict.hard, hard));
    if (isfinite(enough->slowdown_less)) {
        fprintf(file, "; with a frame less %.4f times", enough->slowdown_less);
    }
    fprintf(file,
            "\n  cost: access %g us, hard fault %g us, soft fault and first touch %g us, page "
            "written %g us\n",
            costs->access, costs->hard, costs->soft, costs->written);
}

void run_frames_print_json(const struct run_frames *frames, struct json_writer *json)
{
    if (!(frames->slowdown > 0)) {
        return;
    }
    json_begin(json, "frames_auto", '{');
    json_real(json, "slowdown_asked", frames->slowdown);
    json_real(json, "slowdown", frames->enough.slowdown);
    json_real(json, "slowdown_one_less", frames->enough.slowdown_less);
    json_string(json, "policy", frames->policy);
    json_number(json, "accesses", frames->accesses);
    json_number(json, "pages", frames->pages);
    json_number(json, "hard", frames->enough.verdict.hard);
    json_end(json, '}');
}
