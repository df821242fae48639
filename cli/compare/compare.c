/*
 * compare.c - `memman compare`: the same work in several configurations, round after round.
 *
 * A round runs each configuration once, in an order drawn from the seed, with the seed of its
 * round: what is paired has the same accesses and the same minute of the machine. Before the first
 * round each configuration runs for one access, so that what is refused is refused at once, and
 * what the manager chooses for each is known.
 */
#include "compare/compare.h"

#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "compare/comparison.h"
#include "compare/process.h"
#include "help.h"
#include "numbers.h"
#include "progress.h"
#include "report/file.h"
#include "report/json_reader.h"
#include "stop.h"

#define ROUNDS_DEFAULT 9u

/* ---- the command line ---------------------------------------------------------------------- */

/* What is not compare's own is left for memman run's parser. */
struct words {
    int count, at;
    char *const *word;
    char **rest;
    int rest_count;
};

/* The word is --NAME or --NAME=VALUE. */
static bool is_option(const char *word, const char *name, const char **ret_value)
{
    const size_t length = strlen(name);

    if (strncmp(word, name, length) != 0 || (word[length] != '\0' && word[length] != '=')) {
        return false;
    }
    *ret_value = word[length] == '=' ? word + length + 1 : NULL;
    return true;
}

/* The value, from behind the equals sign or the next word; NULL, and one line, without. */
static const char *value_of(struct words *words, const char *value, const char *wanted)
{
    if (value == NULL && words->at + 1 < words->count) {
        value = words->word[++words->at];
    }
    if (value == NULL) {
        usage_complain(words->word[words->at], "needs a value: %s", wanted);
    }
    return value;
}

static bool rounds_take(struct comparison *comparison, const char *value)
{
    char shown[64];
    uint64_t rounds;

    if (value == NULL) {
        return false;
    }
    if (number_parse(value, &rounds) && rounds >= INTERVAL_VALUES_MIN &&
        rounds <= INTERVAL_VALUES_MAX) {
        comparison->rounds_wanted = (unsigned)rounds;
        return true;
    }
    snprintf(shown, sizeof(shown), "--rounds %s", value);
    usage_complain(shown, "must be a whole number from %u to %u; fewer have no 95 %% interval",
                   INTERVAL_VALUES_MIN, INTERVAL_VALUES_MAX);
    return false;
}

/* An option that nobody has, and that looks like one of compare's own. */
static bool nearly_own(const char *word)
{
    static const char *const own[] = {"ablate", "vary", "rounds"};
    const size_t length = strcspn(word, "=");
    char name[32];
    enum option option;

    if (strncmp(word, "--", 2) != 0 || length >= sizeof(name) ||
        option_find(word + 2, length - 2, &option)) {
        return false;
    }
    snprintf(name, sizeof(name), "%.*s", (int)length - 2, word + 2);
    const char *nearest = name_nearest(name, own, 3);
    if (nearest) {
        usage_complain(word, "no such option; did you mean --%s?", nearest);
    }
    return nearest != NULL;
}

/* Takes words[at] if it is compare's own. False: it is, and it is wrong. */
static bool word_take(struct comparison *comparison, struct words *words)
{
    const char *word = words->word[words->at], *value;

    if (is_option(word, "--ablate", &value)) {
        return plan_ablate(&comparison->plan, value);
    }
    if (is_option(word, "--vary", &value)) {
        value = value_of(words, value, "NAME=VALUE,VALUE...");
        return value != NULL && plan_vary(&comparison->plan, value);
    }
    if (is_option(word, "--rounds", &value)) {
        return rounds_take(comparison, value_of(words, value, "a whole number"));
    }
    words->rest[words->rest_count++] = words->word[words->at];
    return !nearly_own(word);
}

static bool plan_check(const struct comparison *comparison)
{
    const struct plan *plan = &comparison->plan;

    if (plan->ablate == (plan->varied_count > 0)) {
        line_complain("compare: %s",
                      plan->ablate
                          ? "--ablate and --vary cannot go together; give one of the two"
                          : "nothing to compare; give --ablate, or --vary NAME=VALUE,VALUE, "
                            "or a trace as the first word");
        return false;
    }
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        char shown[40];
        if (option_table[i].kind == OPTION_FILE && i != OPTION_JSON &&
            comparison->options.value[i].given) {
            snprintf(shown, sizeof(shown), "--%s", option_table[i].name);
            usage_complain(shown, "is of one run; give it to memman run");
            return false;
        }
    }
    if (!plan_frames_check(&comparison->options, "--frames auto")) {
        return false;
    }
    for (unsigned i = 0; i < plan->varied_count; i++) {
        const char *name = option_table[plan->varied[i].option].name;
        if (comparison->options.value[plan->varied[i].option].given) {
            usage_complain("--vary", "--%s is given too; which is it?", name);
            return false;
        }
    }
    return true;
}

static bool words_parse(struct comparison *comparison, int count, char *const word[])
{
    struct words words = {
        .count = count, .word = word, .rest = calloc((size_t)count + 1, sizeof(char *))};
    bool good = words.rest != NULL;

    comparison->rounds_wanted = ROUNDS_DEFAULT;
    for (; good && words.at < count; words.at++) {
        good = word_take(comparison, &words);
    }
    good = good && options_parse(&comparison->options, words.rest_count, words.rest);
    free(words.rest);
    return good && (comparison->options.help || plan_check(comparison));
}

/* ---- one run ------------------------------------------------------------------------------- */

static char report[PROCESS_REPORT_BYTES];

static void configuration_options(const struct comparison *comparison, unsigned number,
                                  struct options *ret_options)
{
    *ret_options = comparison->options;
    if (number < comparison->plan.configurations) {
        plan_apply(&comparison->plan.configuration[number], ret_options);
    }
}

static void watch_nothing(void *context)
{
    (void)context;
}

/* One access: what is refused, and what the manager chooses. The report is in `report`. */
static enum exit_code configuration_try(const struct comparison *comparison, unsigned number,
                                        bool quiet)
{
    const char *name = number < comparison->plan.configurations
                           ? comparison->plan.configuration[number].name
                           : "as given";
    struct options options;

    configuration_options(comparison, number, &options);
    options.value[OPTION_SECONDS].given = false;
    options.value[OPTION_ACCESSES].given = true;
    options.value[OPTION_ACCESSES].number = 1;
    options.value[OPTION_QUIET].given |= quiet;
    return process_run(&options, name, watch_nothing, NULL, report);
}

/* ---- before the first round ---------------------------------------------------------------- */

static bool setting_names(const struct configuration *configuration, enum option option)
{
    for (unsigned i = 0; i < configuration->settings; i++) {
        if (configuration->setting[i].option == option) {
            return true;
        }
    }
    return false;
}

/* What differs from the first configuration without being asked for, such as --fault-around 1. */
static void also_print(const struct comparison *comparison, unsigned number,
                       char ret_also[ALSO_BYTES])
{
    size_t used = 0;

    ret_also[0] = '\0';
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        char key[OPTION_KEY_BYTES];
        const char *first, *own;
        size_t first_length, own_length;

        option_key_print((enum option)i, key);
        if (setting_names(&comparison->plan.configuration[number], (enum option)i) ||
            !json_find(comparison->config[0], key, &first, &first_length) ||
            !json_find(comparison->config[number], key, &own, &own_length) ||
            (first_length == own_length && memcmp(first, own, own_length) == 0)) {
            continue;
        }
        const bool quoted = *own == '"';
        used += (size_t)snprintf(ret_also + used, ALSO_BYTES - used, " --%s %.*s",
                                 option_table[i].name, (int)own_length - 2 * quoted, own + quoted);
        used = used < ALSO_BYTES ? used : ALSO_BYTES - 1;
    }
}

/* Keeps the options of the last run, as they were resolved, for configuration `number`. */
static bool config_keep(struct comparison *comparison, unsigned number)
{
    const char *config;
    size_t length;

    if (!json_find(report, "config", &config, &length)) {
        line_complain("compare: the report of a run has no config");
        return false;
    }
    free(comparison->config[number]);
    comparison->config[number] = strndup(config, length);
    if (comparison->config[number] == NULL) {
        line_complain("compare: the system has no memory");
    }
    return comparison->config[number] != NULL;
}

/* Forget configuration `number`, with a word of it: as things are it is what was given. */
static void configuration_leave_out(struct comparison *comparison, unsigned number)
{
    struct plan *plan = &comparison->plan;
    const size_t used = strlen(comparison->left_out);

    snprintf(comparison->left_out + used, sizeof(comparison->left_out) - used, "%s%s",
             used > 0 ? ", " : "", plan->configuration[number].name);
    free(comparison->config[number]);
    comparison->config[number] = NULL;
    plan->configurations--;
    memmove(&plan->configuration[number], &plan->configuration[number + 1],
            (plan->configurations - number) * sizeof(plan->configuration[0]));
}

static enum exit_code configurations_try(struct comparison *comparison)
{
    const struct plan *plan = &comparison->plan;

    for (unsigned i = 0; i < plan->configurations && !stop_interrupted();) {
        const enum exit_code code = configuration_try(comparison, i, i > 0 || plan->ablate);

        if (code != EXIT_GOOD || stop_interrupted()) {
            return code;
        }
        if (!config_keep(comparison, i)) {
            return EXIT_REFUSED;
        }
        also_print(comparison, i, comparison->also[i]);
        if (plan->configuration[i].settings > 0 && plan->ablate &&
            strcmp(comparison->config[0], comparison->config[i]) == 0) {
            configuration_leave_out(comparison, i);
        } else {
            i++;
        }
    }
    return EXIT_GOOD;
}

static enum exit_code plan_prepare(struct comparison *comparison)
{
    struct plan *plan = &comparison->plan;

    if (!plan->ablate) {
        return plan_make_varied(plan) ? configurations_try(comparison) : EXIT_USAGE;
    }
    const enum exit_code code = configuration_try(comparison, 0, false);
    if (code != EXIT_GOOD || stop_interrupted()) {
        return code;
    }
    return plan_make_ablation(plan, report) ? configurations_try(comparison) : EXIT_USAGE;
}

/* ---- rounds -------------------------------------------------------------------------------- */

struct meter {
    struct progress progress;
    unsigned done, all; /* runs */
};

static void meter_show(void *context)
{
    struct meter *meter = context;

    progress_show_part(&meter->progress, meter->done, meter->all);
}

/* Every order is as likely as any other (Fisher and Yates). */
static void order_draw(uint64_t seed, unsigned round, unsigned count, unsigned ret_order[])
{
    struct random_generator random;

    random_seed(&random, seed, round);
    for (unsigned i = 0; i < count; i++) {
        ret_order[i] = i;
    }
    for (unsigned i = count; i > 1; i--) {
        const unsigned other = (unsigned)random_below(&random, i), last = ret_order[i - 1];
        ret_order[i - 1] = ret_order[other];
        ret_order[other] = last;
    }
}

static enum exit_code run_sample(struct comparison *comparison, unsigned number, unsigned round,
                                 struct meter *meter)
{
    const char *name = comparison->plan.configuration[number].name;
    struct options options;

    configuration_options(comparison, number, &options);
    options.value[OPTION_QUIET].given = true;
    options.value[OPTION_SEED].given = true;
    options.value[OPTION_SEED].number += round;
    const enum exit_code code = process_run(&options, name, meter_show, meter, report);
    if (stop_interrupted()) { /* cut short: it counts for nothing */
        return code;
    }
    if (code == EXIT_GOOD && !sample_read(report, &comparison->sample[number][round])) {
        line_complain("compare: %s: a run without an access, or a report that lacks a figure; "
                      "let it run longer",
                      name);
        return EXIT_REFUSED;
    }
    if (code == EXIT_GOOD && round == 0 && !config_keep(comparison, number)) {
        return EXIT_REFUSED;
    }
    if (code != EXIT_GOOD) {
        progress_erase(&meter->progress);
        line_complain("compare: %s: round %u of %u failed, nothing is compared", name, round + 1,
                      comparison->rounds_wanted);
    }
    return code;
}

static enum exit_code round_run(struct comparison *comparison, unsigned round, struct meter *meter)
{
    const unsigned count = comparison->plan.configurations;
    unsigned order[CONFIGURATIONS_MAX];

    order_draw(comparison->options.value[OPTION_SEED].number, round, count, order);
    for (unsigned place = 0; place < count; place++) {
        if (stop_interrupted()) {
            return EXIT_GOOD;
        }
        const enum exit_code code = run_sample(comparison, order[place], round, meter);
        if (code != EXIT_GOOD) {
            return code;
        }
        comparison->sample[order[place]][round].place = place + 1;
        meter->done++;
    }
    if (!stop_interrupted()) { /* its last run was cut short */
        comparison->rounds++;
    }
    return EXIT_GOOD;
}

static enum exit_code rounds_run(struct comparison *comparison)
{
    struct meter meter = {.all = comparison->plan.configurations * comparison->rounds_wanted};
    enum exit_code code = EXIT_GOOD;

    for (unsigned i = 0; i < comparison->plan.configurations; i++) {
        comparison->sample[i] = calloc(comparison->rounds_wanted, sizeof(struct sample));
        if (comparison->sample[i] == NULL) {
            line_complain("compare: the system has no memory");
            return EXIT_REFUSED;
        }
    }
    progress_begin(&meter.progress, comparison->options.value[OPTION_QUIET].given);
    for (unsigned round = 0;
         round < comparison->rounds_wanted && code == EXIT_GOOD && !stop_interrupted(); round++) {
        code = round_run(comparison, round, &meter);
    }
    progress_erase(&meter.progress);
    return code;
}

/* ---- after --------------------------------------------------------------------------------- */

static void findings_make(struct comparison *comparison)
{
    double room[INTERVAL_VALUES_MAX];

    for (unsigned i = 0; i < comparison->plan.configurations; i++) {
        for (unsigned measure = 0; measure < MEASURE_COUNT; measure++) {
            finding_make(comparison->sample[0], comparison->sample[i], comparison->rounds,
                         (enum measure)measure, room, &comparison->finding[i][measure]);
        }
    }
}

static enum exit_code comparison_report(struct comparison *comparison, FILE *json)
{
    enum exit_code code = EXIT_GOOD;

    if (comparison->rounds == 0) {
        line_complain("compare: stopped before one round was whole; nothing to report");
        return EXIT_GOOD;
    }
    findings_make(comparison);
    if (json != stdout) {
        comparison_print(comparison, stdout);
        code = report_close(stdout, "standard output", code);
    }
    if (json) {
        comparison_print_json(comparison, json);
    }
    return code;
}

static enum exit_code comparison_run(struct comparison *comparison)
{
    FILE *json = NULL;
    enum exit_code code = report_open(&comparison->options, OPTION_JSON, &json);

    if (code != EXIT_GOOD) {
        return code;
    }
    stop_signals_catch();
    code = plan_prepare(comparison);
    if (code == EXIT_GOOD && !stop_interrupted()) {
        code = rounds_run(comparison);
    }
    comparison->interrupted = stop_interrupted();
    if (code == EXIT_GOOD) {
        code = comparison_report(comparison, json);
    }
    return json ? report_close(json, "--json", code) : code;
}

enum exit_code compare_command(int count, char *const words[])
{
    static struct comparison comparison; /* large, and there is one */
    enum exit_code code = EXIT_USAGE;

    if (words_parse(&comparison, count, words)) {
        code = comparison.options.help ? help_print(stdout) : comparison_run(&comparison);
    }
    for (unsigned i = 0; i < CONFIGURATIONS_MAX; i++) {
        free(comparison.config[i]);
        free(comparison.sample[i]);
    }
    plan_free(&comparison.plan);
    return code;
}
