/*
 * run.c - `memman run`: make a manager, let the threads loose, check everything, report.
 *
 * The order matters: refusals come before any work; the counters are read when the run is over and
 * before the checks look at every page; the report comes after the checks, also when interrupted.
 */
#include "run.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "crash.h"
#include "help.h"
#include "numbers.h"
#include "progress.h"
#include "report/file.h"
#include "report/outcome.h"
#include "report/page.h"
#include "report/trace.h"
#include "report/whole.h"
#include "stop.h"
#include "users.h"

/* How often the main thread looks: four times a second, and exactly at the end of the time. */
#define LOOK_MILLISECONDS 250u

struct run {
    struct options options;
    struct workload workload;
    struct memory memory;
    struct oracle oracle;
    struct users users;
    struct outcome outcome;
    struct complaints broken;
    char command[4096]; /* repeats the run */
    struct timeline timeline;
    struct samples samples; /* for the page, if there is to be one */
    int count;              /* the command as it was given */
    char *const *words;
    FILE *json, *slot_map, *trace;
};

static bool page_is_wanted(const struct run *run)
{
    return run->options.value[OPTION_REPORT].present;
}

/* ---- before -------------------------------------------------------------------------------- */

static enum exit_code manager_create(struct run *run)
{
    struct mm_options engine;
    struct mm_detail detail = {""};

    options_engine(&run->options, &engine);
    const int error = mm_create(&engine, &run->memory.manager, &detail);
    if (error) {
        line_complain("%s", detail.text[0] ? detail.text : mm_error_text(error));
        return error == MM_ERROR_OPTION ? EXIT_USAGE : EXIT_REFUSED;
    }
    if (detail.text[0] && !run->options.value[OPTION_QUIET].present) {
        fprintf(stderr, "memman: note: %s\n", detail.text);
    }
    options_resolve(&run->options, mm_options_of(run->memory.manager));
    return EXIT_GOOD;
}

/* The store would not let the page file grow to what is asked for. */
static enum exit_code growth_complain(const struct run *run, const struct mm_commit_info *info)
{
    char now[NUMBER_TEXT_BYTES], memory[NUMBER_TEXT_BYTES], most[NUMBER_TEXT_BYTES];

    fprintf(stderr,
            "memman: --pagefile ..%s: has %s and cannot grow, as --memory %s needs: %s; give less "
            "--memory or another --store\n",
            size_print(info->slots_max * MM_PAGE_BYTES, most),
            size_print(info->slots * MM_PAGE_BYTES, now),
            size_print(run->memory.pages * MM_PAGE_BYTES, memory), strerror(info->growth_error));
    return EXIT_REFUSED;
}

static enum exit_code slot_map_prepare(struct run *run)
{
    if (run->options.value[OPTION_SLOT_MAP].present &&
        run->options.value[OPTION_PAGEFILE].number < MM_PAGE_BYTES) {
        usage_complain("--slot-map", "there is no page file to draw; give a --pagefile");
        return EXIT_USAGE;
    }
    return report_open(&run->options, OPTION_SLOT_MAP, &run->slot_map);
}

/* The page file is too small for the memory: the sum, and what would do. */
static enum exit_code commit_complain(const struct run *run)
{
    const struct option_value *pagefile = &run->options.value[OPTION_PAGEFILE];
    struct mm_commit_info info;
    char memory[NUMBER_TEXT_BYTES], size[OPTION_VALUE_BYTES], enough[OPTION_VALUE_BYTES];

    mm_commit_info(run->memory.manager, &info);
    const uint64_t reserve = info.slots_max > 0 ? info.reserve_paged : 0;
    const uint64_t need = info.charge + run->memory.pages + info.reserve_paged;
    const uint64_t have = info.limit + info.reserve + (info.slots_max - info.slots);
    if (need <= have && info.growth_error != 0) {
        return growth_complain(run, &info);
    }
    const uint64_t missing = need > have ? need - have : 1;
    const uint64_t most = info.slots_max * MM_PAGE_BYTES + missing * MM_PAGE_BYTES;
    option_value_print(&run->options, OPTION_PAGEFILE, size);
    range_print(pagefile->number == pagefile->number_max ? most : pagefile->number, most, enough);
    fprintf(stderr,
            "memman: --pagefile %s: too small for --memory %s: %" PRIu64 " pages > %" PRIu64
            " frames + %" PRIu64 " slots - %" PRIu64 " reserve; --pagefile %s would do\n",
            size, size_print(run->memory.pages * MM_PAGE_BYTES, memory), run->memory.pages,
            info.frames, info.slots_max, reserve, enough);
    return EXIT_USAGE;
}

static enum exit_code memory_commit(struct run *run)
{
    const struct mm_options *engine = mm_options_of(run->memory.manager);
    struct memory *memory = &run->memory;

    memory->plain = engine->machine == MM_MACHINE_LINUX;
    memory->pages = engine->memory_bytes / MM_PAGE_BYTES;
    const uint64_t bytes = memory->pages * MM_PAGE_BYTES;
    int error = mm_reserve(memory->manager, bytes, &memory->base);
    if (!error) {
        error = mm_commit(memory->manager, memory->base, bytes, MM_READ_WRITE);
    }
    mm_detach(memory->manager); /* an idle user is one more to flush */
    if (error == MM_ERROR_COMMIT_LIMIT) {
        return commit_complain(run);
    }
    if (error) {
        fprintf(stderr, "memman: --memory %" PRIu64 ": %s\n", bytes, mm_error_text(error));
        return EXIT_REFUSED;
    }
    return EXIT_GOOD;
}

static enum exit_code workload_prepare(struct run *run)
{
    const struct mm_options *engine = mm_options_of(run->memory.manager);
    const struct workload_scene scene = {
        .pages = run->memory.pages,
        .frames = (engine->frames_bytes - engine->store_frames_bytes) / MM_PAGE_BYTES,
        .seed = run->options.value[OPTION_SEED].number,
        .threads = (uint32_t)run->options.value[OPTION_THREADS].number};
    struct workload_refusal refusal;

    if (!workload_fit(&run->workload, &scene, &refusal)) {
        usage_complain("--workload", "%s", refusal.text);
        return EXIT_USAGE;
    }
    workload_print(&run->workload, run->outcome.workload);
    run->options.value[OPTION_WORKLOAD].text = run->outcome.workload;
    return EXIT_GOOD;
}

static enum exit_code oracle_prepare(struct run *run)
{
    if (!oracle_init(&run->oracle, &run->memory, run->options.value[OPTION_VERIFY].number != 0)) {
        fprintf(stderr,
                "memman: --verify full: the system has no memory for %" PRIu64
                " pages to compare with; give less --memory, or --verify off\n",
                run->memory.pages);
        return EXIT_REFUSED;
    }
    return EXIT_GOOD;
}

static enum exit_code page_prepare(struct run *run)
{
    if (!page_is_wanted(run)) {
        return EXIT_GOOD;
    }
    return samples_init(&run->samples, run->memory.manager, &run->users) ? EXIT_GOOD : EXIT_REFUSED;
}

/* ---- meanwhile ----------------------------------------------------------------------------- */

static void users_watch(struct run *run)
{
    const struct option_value *seconds = &run->options.value[OPTION_SECONDS];
    const double accesses_all = (double)run->users.accesses_max * run->users.count;
    const uint64_t begin = clock_ns(CLOCK_MONOTONIC);
    struct progress progress;

    progress_begin(&progress, run->options.value[OPTION_QUIET].present);
    while (!users_done(&run->users)) {
        const double elapsed = (double)(clock_ns(CLOCK_MONOTONIC) - begin) / 1e9;
        const uint64_t accesses = users_accesses(&run->users);
        unsigned wait = LOOK_MILLISECONDS;
        double share = (double)accesses / accesses_all;

        if (seconds->given) {
            const double left = seconds->real - elapsed;
            share = elapsed / seconds->real;
            if (left <= 0) {
                stop_request();
            } else if (left * 1000 < wait) {
                wait = (unsigned)ceil(left * 1000);
            }
        }
        progress_show(&progress, share < 1 ? share : 1, accesses);
        if (run->trace) {
            timeline_look(&run->timeline, run->memory.manager);
            wait = timeline_wait(&run->timeline) < wait ? timeline_wait(&run->timeline) : wait;
        }
        if (page_is_wanted(run)) {
            samples_look(&run->samples);
            wait = samples_wait(&run->samples) < wait ? samples_wait(&run->samples) : wait;
        }
        stop_wait(wait);
    }
    progress_erase(&progress);
}

static struct users_load load_of(const struct run *run)
{
    const struct option_value *value = run->options.value;

    return (struct users_load){
        .workload = &run->workload,
        .seed = value[OPTION_SEED].number,
        .accesses_max = value[OPTION_SECONDS].given ? UINT64_MAX : value[OPTION_ACCESSES].number,
        .write_ratio = value[OPTION_WRITE_RATIO].real,
        .threads = (uint32_t)value[OPTION_THREADS].number,
        .latency = value[OPTION_LATENCY].number != 0,
    };
}

static enum exit_code users_run(struct run *run)
{
    const struct users_load load = load_of(run);
    struct outcome *outcome = &run->outcome;

    if (!users_start(&run->users, &run->oracle, &load)) {
        return EXIT_REFUSED;
    }
    stop_signals_unblock();
    if (page_is_wanted(run)) {
        samples_begin(&run->samples);
    }
    const uint64_t workers_begin = mm_worker_cpu_ns(run->memory.manager);
    const uint64_t begin = clock_ns(CLOCK_MONOTONIC);
    timeline_begin(&run->timeline);
    users_go(&run->users);
    users_watch(run);
    outcome->seconds = (double)(clock_ns(CLOCK_MONOTONIC) - begin) / 1e9;
    outcome->cpu_workers = (double)(mm_worker_cpu_ns(run->memory.manager) - workers_begin) / 1e9;
    users_join(&run->users);
    if (page_is_wanted(run)) {
        samples_end(&run->samples);
    }
    outcome->accesses = users_accesses(&run->users);
    for (uint32_t i = 0; i < run->users.count; i++) {
        outcome->cpu_users += (double)run->users.user[i].cpu_ns / 1e9;
    }
    return EXIT_GOOD;
}

/* ---- after --------------------------------------------------------------------------------- */

static void latencies_collect(struct run *run)
{
    struct outcome *outcome = &run->outcome;
    struct histogram *all = calloc(1, sizeof(*all));
    struct histogram_summary summary = {0};

    if (all) {
        for (uint32_t i = 0; i < run->users.count; i++) {
            histogram_add(all, &run->users.user[i].latency);
        }
        histogram_summarize(all, &summary);
        free(all);
    }
    outcome->latency[0] =
        (struct mm_latency){"access",    summary.count, summary.mean, summary.p50,
                            summary.p90, summary.p99,   summary.p999, summary.max};
    const size_t count =
        mm_latencies(run->memory.manager, outcome->latency + 1, OUTCOME_LATENCIES - 1);
    outcome->latencies = 1 + (count < OUTCOME_LATENCIES - 1 ? count : OUTCOME_LATENCIES - 1);
}

static void outcome_collect(struct run *run)
{
    struct outcome *outcome = &run->outcome;
    mm *manager = run->memory.manager;

    outcome->options = &run->options;
    outcome->wrong = &run->oracle.complaints;
    outcome->broken = &run->broken;
    mm_pages(manager, &outcome->pages);
    mm_commit_info(manager, &outcome->commit);
    mm_fragmentation(manager, &outcome->fragmentation);
    const size_t counters = mm_counters(manager, outcome->counter, OUTCOME_COUNTERS);
    outcome->counters = counters < OUTCOME_COUNTERS ? counters : OUTCOME_COUNTERS;
    const size_t locks = mm_locks(manager, outcome->lock, OUTCOME_LOCKS);
    outcome->locks = locks < OUTCOME_LOCKS ? locks : OUTCOME_LOCKS;
    const size_t list_locks = mm_list_locks(manager, outcome->list_lock, OUTCOME_LOCKS);
    outcome->list_locks = list_locks < OUTCOME_LOCKS ? list_locks : OUTCOME_LOCKS;
    const size_t phases = mm_phases(manager, outcome->phase, OUTCOME_PHASES);
    outcome->phases = phases < OUTCOME_PHASES ? phases : OUTCOME_PHASES;
    latencies_collect(run);
}

/* The page says what other memories would have made of the same accesses. */
static void curves_collect(struct run *run)
{
    const struct users_load load = load_of(run);

    if (page_is_wanted(run)) {
        run_curves_make(&run->outcome.curves, &load, run->outcome.accesses);
    }
}

static void violation_take(void *context, const char *text)
{
    complaints_add(context, "%s", text);
}

static void outcome_check(struct run *run)
{
    struct outcome *outcome = &run->outcome;

    oracle_check_pages(&run->oracle, &outcome->checked);
    mm_audit(run->memory.manager, violation_take, &run->broken, &outcome->audit);
    outcome->interrupted = stop_interrupted();
    outcome->exit_code =
        run->oracle.complaints.count > 0 || outcome->audit.violations > 0 ? EXIT_WRONG : EXIT_GOOD;
    if (outcome->exit_code != EXIT_GOOD) {
        complaints_print(&run->oracle.complaints);
        complaints_print(&run->broken);
        fprintf(stderr, "memman: repeat with: %s\n", run->command);
    }
}

static enum exit_code page_write(struct run *run, enum exit_code code)
{
    const struct page_command command = {"run", run->count, run->words, run->command};
    struct whole_file whole;
    const enum exit_code begun =
        whole_begin("report", run->options.value[OPTION_REPORT].text, &whole);

    if (begun != EXIT_GOOD) {
        return code == EXIT_GOOD ? begun : code;
    }
    report_page(&run->outcome, &run->samples, &run->memory, &command, whole.file);
    return whole_end(&whole, code);
}

static enum exit_code report_write(struct run *run)
{
    const struct outcome *outcome = &run->outcome;
    enum exit_code code = outcome->exit_code;

    if (run->json != stdout) {
        if (run->options.value[OPTION_QUIET].present) {
            report_line(outcome, stdout);
        } else {
            report_text(outcome, stdout);
        }
        code = report_close(stdout, "standard output", code);
    }
    if (run->json) {
        report_json(outcome, run->json);
        code = report_close(run->json, "--json", code);
        run->json = NULL;
    }
    if (run->slot_map) {
        report_slot_map(outcome, &run->memory, run->slot_map);
        code = report_close(run->slot_map, "--slot-map", code);
        run->slot_map = NULL;
    }
    if (run->trace) {
        report_trace(&run->timeline, run->memory.manager, run->trace);
        code = report_close(run->trace, "--trace", code);
        run->trace = NULL;
    }
    if (page_is_wanted(run)) {
        code = page_write(run, code);
    }
    return code;
}

/* ---- all of it ----------------------------------------------------------------------------- */

/* With a manager; each step frees what it took. */
static enum exit_code run_measure(struct run *run)
{
    enum exit_code code = memory_commit(run);

    if (code == EXIT_GOOD) {
        code = slot_map_prepare(run);
    }
    if (code == EXIT_GOOD) {
        code = report_open(&run->options, OPTION_TRACE, &run->trace);
    }
    if (code == EXIT_GOOD) {
        code = workload_prepare(run);
    }
    if (code == EXIT_GOOD) {
        code = page_prepare(run);
    }
    if (code == EXIT_GOOD) {
        code = oracle_prepare(run);
    }
    if (code != EXIT_GOOD) {
        return code;
    }
    options_print_command(&run->options, run->command, sizeof(run->command));
    crash_prepare(run->command);
    code = users_run(run);
    if (code == EXIT_GOOD) {
        mm_freeze(run->memory.manager);
        timeline_end(&run->timeline); /* what the workers did until now is counted, too */
        outcome_collect(run);
        curves_collect(run);
        outcome_check(run);
        code = report_write(run);
        run_curves_free(&run->outcome.curves);
        users_free(&run->users);
    }
    oracle_free(&run->oracle);
    return code;
}

static enum exit_code run_prepared(struct run *run)
{
    enum exit_code code = whole_try("report", run->options.value[OPTION_REPORT].text);

    if (code == EXIT_GOOD) {
        code = report_open(&run->options, OPTION_JSON, &run->json);
    }
    if (code != EXIT_GOOD) {
        return code;
    }
    complaints_init(&run->broken);
    code = run_frames_find(&run->options, &run->workload, &run->outcome.frames);
    if (code == EXIT_GOOD) {
        stop_signals_block();
        stop_signals_catch();
        code = manager_create(run);
    }
    if (code == EXIT_GOOD) {
        code = run_measure(run);
        workload_release(&run->workload);
        mm_destroy(run->memory.manager);
    }
    if (run->json && run->json != stdout) {
        fclose(run->json);
    }
    if (run->slot_map) {
        fclose(run->slot_map);
    }
    if (run->trace) {
        fclose(run->trace);
    }
    timeline_free(&run->timeline);
    samples_free(&run->samples);
    return code;
}

/* There is none where the workload says what it writes. */
static bool write_ratio_settle(struct run *run)
{
    struct option_value *value = run->options.value;

    if (workload_has_writes(&run->workload)) {
        if (value[OPTION_WRITE_RATIO].given) {
            usage_complain("--write-ratio",
                           "cannot go with --workload %s, which says itself what it writes",
                           value[OPTION_WORKLOAD].text);
            return false;
        }
        value[OPTION_WRITE_RATIO].present = false;
    }
    return true;
}

enum exit_code run_command(int count, char *const words[])
{
    static struct run run; /* large, and there is one */
    struct workload_refusal refusal;

    if (!options_parse(&run.options, count, words)) {
        return EXIT_USAGE;
    }
    if (run.options.help) {
        return help_print(stdout);
    }
    if (!workload_parse(run.options.value[OPTION_WORKLOAD].text, &run.workload, &refusal)) {
        usage_complain("--workload", "%s", refusal.text);
        return EXIT_USAGE;
    }
    run.count = count;
    run.words = words;
    if (!write_ratio_settle(&run)) {
        return EXIT_USAGE;
    }
    return run_prepared(&run);
}
