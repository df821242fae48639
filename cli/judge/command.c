/*
 * command.c - `memman compare TRACE...`: reads each trace, judges every policy at every size of it.
 *
 * No run of the engine is needed for this, and none is made: the references are known, and what
 * each policy would have made of them is a matter of counting.
 */
#include "judge/command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "judge/judging.h"
#include "numbers.h"
#include "options.h"
#include "report/page_template.h"
#include "report/whole.h"
#include "settings.h"
#include "trace/page_map.h"
#include "trace/reading.h"

#define BATCH            4096u
#define POLICIES_DEFAULT "fifo,clock,segfifo,mglru,clock2q,2q,arc,lru,opt"
#define SIZES_DEFAULT    "10%,25%,50%"
#define SIZES_OF_CURVES                                                                            \
    "5%,10%,15%,20%,25%,30%,35%,40%,45%,50%,55%,60%,65%,70%,75%,80%,85%,90%,95%,100%"
#define SAMPLE_DEFAULT 8192u
#define COST_MAX       1e9

struct request {
    struct trace_options reading; /* first: trace/reading.h */
    struct judging judging;
    const char *policies; /* as given */
    char *words[3];       /* what policies, sizes and costs were cut from */
    const char *csv, *json, *report;
    struct page_command command;
};

/* ---- the command line ----------------------------------------------------------------------- */

/* The next of some words with commas between; NULL behind the last. */
static char *word_cut(char **rest)
{
    char *word = *rest;
    char *comma = word ? strchr(word, ',') : NULL;

    *rest = comma ? comma + 1 : NULL;
    if (comma) {
        *comma = '\0';
    }
    return word;
}

/* A copy to cut, kept until the end. */
static char *words_keep(char **ret_kept, const char *value)
{
    free(*ret_kept);
    *ret_kept = strdup(value);
    return *ret_kept;
}

static void policy_complain(const char *word)
{
    const char *names[POLICIES_MAX];
    char list[256] = "", shown[96];
    unsigned count = 0;

    for (; judged_policies[count].name != NULL; count++) {
        names[count] = judged_policies[count].name;
        const size_t used = strlen(list);
        snprintf(list + used, sizeof(list) - used, "%s%s", count > 0 ? ", " : "", names[count]);
    }
    snprintf(shown, sizeof(shown), "--policy %.64s", word);
    const char *nearest = name_nearest(word, names, count);
    if (nearest) {
        usage_complain(shown, "no such policy; did you mean %s?", nearest);
    } else {
        usage_complain(shown, "no such policy; there are %s", list);
    }
}

/* Twice is once. */
static void policy_add(struct judging *judging, const struct judged_policy *policy)
{
    for (unsigned i = 0; i < judging->policies; i++) {
        if (judging->policy[i] == policy) {
            return;
        }
    }
    judging->policy[judging->policies++] = policy;
}

/* False, after one line: there is none of that name. */
static bool policies_take(struct request *request)
{
    char *rest = words_keep(&request->words[0], request->policies), *word;

    while ((word = word_cut(&rest)) != NULL) {
        const struct judged_policy *policy = judged_policy_find(word);
        if (policy == NULL) {
            policy_complain(word);
            return false;
        }
        policy_add(&request->judging, policy);
    }
    return true;
}

static bool size_take(const char *word, struct judged_size *ret_size)
{
    const size_t length = strlen(word);
    char number[NUMBER_TEXT_BYTES];

    *ret_size = (struct judged_size){.text = word};
    if (length == 0 || word[length - 1] != '%') {
        return size_parse(word, &ret_size->bytes) && ret_size->bytes > 0;
    }
    if (length > sizeof(number)) {
        return false;
    }
    memcpy(number, word, length - 1);
    number[length - 1] = '\0';
    return real_parse(number, &ret_size->percent) && ret_size->percent > 0 &&
           ret_size->percent <= 100;
}

static bool sizes_set(void *target, const char *value)
{
    struct request *request = target;
    struct judging *judging = &request->judging;

    judging->slowdown = 0;
    judging->sizes = 0;
    if (frames_are_auto(value)) {
        return slowdown_parse(value, &judging->slowdown);
    }
    char *rest = words_keep(&request->words[1], value), *word;
    while ((word = word_cut(&rest)) != NULL) {
        if (judging->sizes == SIZES_MAX || !size_take(word, &judging->size[judging->sizes++])) {
            return false;
        }
    }
    return judging->sizes > 0;
}

static bool costs_set(void *target, const char *value)
{
    struct request *request = target;
    struct judged_costs *costs = &request->judging.costs;
    double *const cost[] = {&costs->hard, &costs->soft, &costs->written, &costs->access};
    char *rest = words_keep(&request->words[2], value);

    for (unsigned i = 0; i < ARRAY_COUNT(cost) && (i < 3 || rest != NULL); i++) {
        const char *word = word_cut(&rest);
        if (word == NULL || !real_parse(word, cost[i]) || *cost[i] > COST_MAX) {
            return false;
        }
    }
    return rest == NULL;
}

static bool curve_set(void *target, const char *value)
{
    (void)value;
    ((struct request *)target)->judging.curves = true;
    return true;
}

static bool sample_set(void *target, const char *value)
{
    uint64_t pages;

    if (!number_parse(value, &pages) || pages == 0 || pages > PAGES_MAX) {
        return false;
    }
    ((struct request *)target)->judging.sample = (uint32_t)pages;
    return true;
}

static bool policies_set(void *target, const char *value)
{
    ((struct request *)target)->policies = value;
    return true;
}

static bool machine_set(void *target, const char *value)
{
    const bool on_linux = strcmp(value, "linux") == 0;

    ((struct request *)target)->judging.unaccessed = on_linux;
    return on_linux || strcmp(value, "soft") == 0;
}

static bool standby_set(void *target, const char *value)
{
    uint64_t percent;

    if (!number_parse(value, &percent) || percent == 0 || percent > 90) {
        return false;
    }
    ((struct request *)target)->judging.standby_percent = (uint32_t)percent;
    return true;
}

static bool csv_set(void *target, const char *value)
{
    ((struct request *)target)->csv = value;
    return true;
}

static bool json_set(void *target, const char *value)
{
    ((struct request *)target)->json = value;
    return true;
}

static bool report_set(void *target, const char *value)
{
    struct request *request = target;

    request->report = value;
    request->judging.curves = true;
    return true;
}

static const struct setting judge_settings[] = {
    READING_SETTINGS,
    {"policy", 0, "names with commas between", policies_set},
    {"frames", 0,
     "sizes above 0 or shares of the trace's pages, as in 10%,64M, 64 at most; or auto:SLOWDOWN, "
     "from 1",
     sizes_set},
    {"costs", 0,
     "microseconds of a hard fault, a soft fault, a page written, and an access: 40,0.3,5.3,0.001",
     costs_set},
    {"curve", 0, NULL, curve_set},
    {"sample", 0, "a number of pages, above 0", sample_set},
    {"machine", 0, "soft or linux", machine_set},
    {"standby", 0, "a number of percent, from 1 to 90", standby_set},
    {"csv", 0, "a file", csv_set},
    {"json", 0, "a file", json_set},
    {"report", 0, "a file", report_set},
};

bool judge_command_wanted(int count, char *const words[])
{
    return count > 0 && (words[0][0] != '-' || words[0][1] == '\0');
}

static bool request_take(struct request *request, int *count, char *words[])
{
    const struct settings settings = {"compare TRACE", judge_settings, ARRAY_COUNT(judge_settings),
                                      request};

    if (!settings_take(&settings, count, words, false) || !policies_take(request)) {
        return false;
    }
    if (request->judging.sample > 0 && !request->judging.curves) {
        line_complain("compare: --sample is for --curve; a table counts all pages");
        return false;
    }
    if (request->judging.sample == 0) {
        request->judging.sample = SAMPLE_DEFAULT;
    }
    if (request->judging.slowdown > 0 && request->judging.curves) {
        line_complain("compare: --frames auto finds one size; --%s is of many, give one of them",
                      request->report ? "report" : "curve");
        return false;
    }
    if (request->judging.sizes == 0 && request->judging.slowdown == 0) {
        sizes_set(request, request->judging.curves ? SIZES_OF_CURVES : SIZES_DEFAULT);
    }
    if (*count == 0) {
        line_complain("compare: no trace; give a file, or - for standard input");
        return false;
    }
    if (request->csv && request->json && strcmp(request->csv, "-") == 0 &&
        strcmp(request->json, "-") == 0) {
        line_complain("compare: --csv and --json cannot both be standard output");
        return false;
    }
    if (request->judging.curves) {
        policy_add(&request->judging, judged_policy_find("lru"));
    }
    policy_add(&request->judging, judged_policy_find("opt"));
    return true;
}

/* ---- one trace ------------------------------------------------------------------------------ */

/* False: no memory for all of them. */
static bool references_take(struct trace *trace, struct page_map *map,
                            struct references *ret_references)
{
    struct trace_reference batch[BATCH];
    size_t count;
    uint64_t page;

    do {
        count = trace_read(trace, batch, BATCH);
        for (size_t i = 0; i < count; i++) {
            if (!page_map_add(map, batch[i].page, &page) ||
                !references_add(ret_references, page, batch[i].write)) {
                return false;
            }
        }
    } while (count == BATCH);
    uint32_t *ranks = page_map_ranks(map);
    if (ranks == NULL) {
        return false;
    }
    references_renumber(ret_references, ranks);
    free(ranks);
    return true;
}

static enum exit_code references_read(struct trace *trace, const char *path,
                                      struct references *ret_references)
{
    struct page_map map = {.count = 0};
    const bool taken = references_take(trace, &map, ret_references);

    page_map_free(&map);
    if (!taken) {
        line_complain("%.512s: no memory for all its references; give a shorter one", path);
        references_free(ret_references);
        return EXIT_REFUSED;
    }
    if (trace_failure(trace) == NULL && ret_references->count > 0) {
        return EXIT_GOOD;
    }
    if (trace_failure(trace) != NULL) {
        line_complain("%s", trace_failure(trace));
    } else {
        line_complain("%.512s: has no references; there is nothing to judge", path);
    }
    references_free(ret_references);
    return EXIT_USAGE;
}

/* One at least, and no more than would ever be used. */
static uint32_t frames_of(const struct judged_size *size, const struct judged_trace *trace)
{
    double frames = size->percent > 0 ? trace->pages * size->percent / 100
                                      : (double)(size->bytes / trace->header.page_bytes);

    return frames < 1 ? 1 : frames > trace->pages ? trace->pages : (uint32_t)frames;
}

static bool policies_judge(const struct judging *judging, const struct references *references,
                           struct judged_trace *trace)
{
    if (judging->curves) {
        return curves_judge(judging, references, trace);
    }
    if (judging->slowdown > 0) {
        return enough_judge(judging, references, trace);
    }
    for (unsigned size = 0; size < judging->sizes; size++) {
        const struct judge_setup setup = {.frames = trace->frames[size],
                                          .unaccessed = judging->unaccessed,
                                          .standby_percent = judging->standby_percent};
        for (unsigned i = 0; i < judging->policies; i++) {
            if (!judge(judging->policy[i], references, &setup, &trace->verdict[size][i])) {
                return false;
            }
        }
    }
    return true;
}

/* "..., window 64" of the recorder's filter (docs/trace-format.md). */
static uint32_t window_of(const struct trace_header *header)
{
    const char *window = strstr(header->filter, "window ");
    uint64_t pages;

    return window && number_parse(window + strlen("window "), &pages) && pages < UINT32_MAX
               ? (uint32_t)pages
               : 0;
}

static enum exit_code trace_judge(struct request *request, const char *path)
{
    struct judging *judging = &request->judging;
    struct judged_trace *judged = &judging->trace[judging->traces];
    struct references references = {0};
    struct trace_message message;
    struct trace *trace = trace_open(path, &request->reading, &message);

    if (trace == NULL) {
        line_complain("%s", message.text);
        return EXIT_USAGE;
    }
    enum exit_code code = references_read(trace, path, &references);
    judged->path = path;
    judged->header = *trace_header(trace);
    judged->window = window_of(&judged->header);
    judged->accesses = MAX_OF(trace_accesses(trace), references.count);
    trace_close(trace);
    if (code == EXIT_GOOD) {
        judged->references = references.count;
        judged->pages = references.pages;
        for (unsigned size = 0; size < judging->sizes; size++) {
            judged->frames[size] = frames_of(&judging->size[size], judged);
        }
        if (!policies_judge(judging, &references, judged)) {
            line_complain("%.512s: no memory to judge it; give fewer or shorter traces", path);
            code = EXIT_REFUSED;
        }
        judging->traces += code == EXIT_GOOD;
    }
    references_free(&references);
    return code;
}

/* ---- the page ------------------------------------------------------------------------------- */

static enum exit_code page_write(const struct request *request)
{
    struct whole_file whole;
    const enum exit_code code = whole_begin("report", request->report, &whole);

    if (code != EXIT_GOOD) {
        return code;
    }
    judging_page(&request->judging, &request->command, whole.file);
    return whole_end(&whole, EXIT_GOOD);
}

/* ---- the whole ------------------------------------------------------------------------------ */

/* Before any work. NULL, and a line: it cannot be written. */
static FILE *report_make(const char *option, const char *path)
{
    FILE *file = strcmp(path, "-") == 0 ? stdout : fopen(path, "w");

    if (file == NULL) {
        line_complain("--%s %.512s: cannot be written (%s); give another file", option, path,
                      strerror(errno));
    }
    return file;
}

/* A report that did not arrive is a refusal. */
static enum exit_code report_end(FILE *file, const char *name, enum exit_code code)
{
    if (file != NULL && (file == stdout ? fflush(file) : fclose(file)) != 0) {
        line_complain("%.512s: the report could not be written (%s)", name, strerror(errno));
        return code == EXIT_GOOD ? EXIT_REFUSED : code;
    }
    return code;
}

static const struct reports {
    void (*text)(const struct judging *judging, FILE *file);
    void (*csv)(const struct judging *judging, FILE *file);
} table_reports = {judging_print, judging_print_csv},
  curve_reports = {curves_print, curves_print_csv},
  enough_reports = {enough_print, enough_print_csv};

static const struct reports *reports_of(const struct judging *judging)
{
    return judging->curves         ? &curve_reports
           : judging->slowdown > 0 ? &enough_reports
                                   : &table_reports;
}

static enum exit_code traces_judge(struct request *request, int count, char *const paths[],
                                   FILE *csv, FILE *json)
{
    struct judging *judging = &request->judging;

    judging->trace = calloc((size_t)count, sizeof(judging->trace[0]));
    if (judging->trace == NULL) {
        line_complain("compare: no memory for %d traces; give fewer", count);
        return EXIT_REFUSED;
    }
    for (int i = 0; i < count; i++) {
        const enum exit_code code = trace_judge(request, paths[i]);
        if (code != EXIT_GOOD) {
            return code;
        }
    }
    if (csv != stdout && json != stdout) {
        reports_of(judging)->text(judging, stdout);
    }
    if (csv != NULL) {
        reports_of(judging)->csv(judging, csv);
    }
    if (json != NULL) {
        judging_print_json(judging, json);
    }
    return request->report != NULL ? page_write(request) : EXIT_GOOD;
}

static enum exit_code request_run(struct request *request, int count, char *const paths[])
{
    if (whole_try("report", request->report) != EXIT_GOOD) {
        return EXIT_REFUSED;
    }
    FILE *csv = request->csv ? report_make("csv", request->csv) : NULL;
    FILE *json =
        request->json && (csv || !request->csv) ? report_make("json", request->json) : NULL;
    enum exit_code code = EXIT_REFUSED;

    if ((csv || !request->csv) && (json || !request->json)) {
        code = traces_judge(request, count, paths, csv, json);
    }
    code = report_end(csv, request->csv, code);
    code = report_end(json, request->json, code);
    return csv == stdout || json == stdout ? code : report_end(stdout, "standard output", code);
}

enum exit_code judge_command(int count, char *words[])
{
    struct request request = {.reading = TRACE_OPTIONS_DEFAULT,
                              .policies = POLICIES_DEFAULT,
                              .judging = {.costs = JUDGED_COSTS_DEFAULT}};
    char **given = calloc((size_t)count + 1, sizeof(*given)); /* words[] lose the options */
    enum exit_code code = EXIT_USAGE;

    if (given == NULL) {
        line_complain("compare: no memory for its words; give fewer");
        return EXIT_REFUSED;
    }
    memcpy(given, words, (size_t)count * sizeof(*given));
    request.command = (struct page_command){"compare", count, given, NULL};
    if (request_take(&request, &count, words)) {
        code = request_run(&request, count, words);
    }
    for (unsigned i = 0; i < request.judging.traces; i++) {
        curves_free(&request.judging.trace[i]);
    }
    free(request.judging.trace);
    for (unsigned i = 0; i < ARRAY_COUNT(request.words); i++) {
        free(request.words[i]);
    }
    free(given);
    return code;
}

void judge_help_print(FILE *file)
{
    for (const struct judged_policy *policy = judged_policies; policy->name != NULL; policy++) {
        fprintf(file, "  %-12s %s\n", policy->name, policy->caption);
    }
}
