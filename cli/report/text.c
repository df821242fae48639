/*
 * text.c - the report for readers, in the words and the order a Windows user knows.
 *
 * As in RAMMap: KB with thousands separators, and a cell that is zero stays blank.
 */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "numbers.h"
#include "report/outcome.h"

#define BAR_WIDTH  30
#define NAME_WIDTH 34

static const char *cell(uint64_t number, char ret_text[NUMBER_TEXT_BYTES])
{
    if (number == 0) {
        ret_text[0] = '\0';
        return ret_text;
    }
    return number_print(number, ret_text);
}

/* Blank cells at the end leave no blanks. */
static void row_print(FILE *file, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void row_print(FILE *file, const char *format, ...)
{
    char row[256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(row, sizeof(row), format, arguments);
    va_end(arguments);
    size_t length = strlen(row);
    while (length > 0 && row[length - 1] == ' ') {
        length--;
    }
    fprintf(file, "%.*s\n", (int)length, row);
}

static double per_second(uint64_t count, double seconds)
{
    return seconds > 0 ? (double)count / seconds : 0;
}

static void rule_print(FILE *file, const char *title)
{
    fprintf(file, "\n%s\n", title);
}

/* ---- head ---------------------------------------------------------------------------------- */

static void head_print(const struct outcome *outcome, FILE *file)
{
    const struct options *options = outcome->options;
    char value[OPTION_COUNT][OPTION_VALUE_BYTES], number[NUMBER_TEXT_BYTES];

    for (unsigned option = 0; option < OPTION_COUNT; option++) {
        value[option][0] = '\0';
        if (options->value[option].present && option_table[option].kind != OPTION_FILE) {
            option_value_print(options, (enum option)option, value[option]);
        }
    }
    fprintf(file, "MemoryManager " MM_VERSION "  %s machine", value[OPTION_MACHINE]);
    if (options->value[OPTION_MACHINE].number == 0) {
        fprintf(file, " (faults by %s)", value[OPTION_FAULTS]);
    }
    fprintf(file, ", memory %s, frames %s, page file %s", value[OPTION_MEMORY],
            value[OPTION_FRAMES], value[OPTION_PAGEFILE]);
    if (options->value[OPTION_PAGEFILE].number_max > options->value[OPTION_PAGEFILE].number) {
        fprintf(file, ", now %s", size_print(outcome->commit.slots * MM_PAGE_BYTES, number));
    }
    fprintf(file, " (%s)\n", value[OPTION_STORE]);
    fprintf(file, "%s thread%s, workload %s, write ratio %s, seed %s\n", value[OPTION_THREADS],
            options->value[OPTION_THREADS].number == 1 ? "" : "s", value[OPTION_WORKLOAD],
            options->value[OPTION_WRITE_RATIO].present ? value[OPTION_WRITE_RATIO] : "its own",
            value[OPTION_SEED]);
    fprintf(file, "%s accesses", number_print(outcome->accesses, number));
    fprintf(file, " in %.3f s: %s a second%s\n", outcome->seconds,
            number_print((uint64_t)per_second(outcome->accesses, outcome->seconds), number),
            outcome->interrupted ? "  (interrupted)" : "");
    run_frames_print(&outcome->frames, file);
    fprintf(file, "CPU time: user threads %.3f s, workers %.3f s\n", outcome->cpu_users,
            outcome->cpu_workers);
}

/* ---- page lists ---------------------------------------------------------------------------- */

static void list_print(FILE *file, const char *name, uint64_t pages, uint64_t frames, bool barred)
{
    char count[NUMBER_TEXT_BYTES], kilobytes[NUMBER_TEXT_BYTES], bar[BAR_WIDTH + 1];
    const double share = frames > 0 ? (double)pages / (double)frames : 0;
    unsigned length = barred ? (unsigned)(share * BAR_WIDTH + 0.5) : 0;

    length = length > BAR_WIDTH ? BAR_WIDTH : length;
    memset(bar, '#', length);
    bar[length] = '\0';
    cell(pages, count);
    cell(pages * (MM_PAGE_BYTES / 1024), kilobytes);
    if (pages > 0) {
        row_print(file, "  %-16s%14s%16s%8.1f %%  %s", name, count, kilobytes, share * 100, bar);
    } else {
        row_print(file, "  %s", name);
    }
}

static void lists_print(const struct outcome *outcome, FILE *file)
{
    const struct mm_pages *pages = &outcome->pages;
    const uint64_t frames = pages->frames;

    rule_print(file, "Page Lists               Pages              KB");
    list_print(file, "Zeroed", pages->zeroed, frames, true);
    list_print(file, "Free", pages->free, frames, true);
    list_print(file, "Standby", pages->standby, frames, true);
    for (unsigned priority = 0; priority < 8; priority++) {
        const uint64_t count = pages->standby_by_priority[priority];
        char name[24];

        if (count > 0) {
            snprintf(name, sizeof(name), "  Priority %u", priority);
            list_print(file, name, count, frames, false);
        }
    }
    list_print(file, "Modified", pages->modified, frames, true);
    list_print(file, "Active", pages->active, frames, true);
    list_print(file, "Transition", pages->transition, frames, true);
    list_print(file, "Bad", pages->bad, frames, true);
    list_print(file, "Total", frames, frames, false);
}

static void commit_print(const struct outcome *outcome, FILE *file)
{
    const struct mm_commit_info *commit = &outcome->commit;
    const struct mm_pages *pages = &outcome->pages;
    const uint64_t available = pages->zeroed + pages->free + pages->standby;
    char text[NUMBER_TEXT_BYTES];

    rule_print(file, "Memory");
    fprintf(file, "  %-*s%16s\n", NAME_WIDTH, "Available Bytes",
            number_print(available * MM_PAGE_BYTES, text));
    fprintf(file, "  %-*s%16s\n", NAME_WIDTH, "Committed Bytes",
            number_print(commit->charge * MM_PAGE_BYTES, text));
    fprintf(file, "  %-*s%16s\n", NAME_WIDTH, "Commit Limit",
            number_print(commit->limit * MM_PAGE_BYTES, text));
    if (commit->limit > 0) {
        fprintf(file, "  %-*s%16.1f\n", NAME_WIDTH, "% Committed Bytes In Use",
                (double)commit->charge * 100 / (double)commit->limit);
    }
}

/* ---- counters ------------------------------------------------------------------------------ */

/* What Windows counts as well, in its order; its names end in /sec. */
static const char *const windows_titles[] = {
    "Demand Zero Faults", "Transition Faults",           "Page Reads", "Pages Input", "Page Writes",
    "Pages Output",       "Transition Pages RePurposed",
};
#define WINDOWS_TITLES (sizeof(windows_titles) / sizeof(windows_titles[0]))

static void counter_print(const struct outcome *outcome, FILE *file, const char *name,
                          const char *suffix, uint64_t count)
{
    char total[NUMBER_TEXT_BYTES], rate[NUMBER_TEXT_BYTES], full_name[96];

    snprintf(full_name, sizeof(full_name), "%s%s", name, suffix);
    row_print(file, "  %-*s%16s%16s", NAME_WIDTH, full_name, cell(count, total),
              cell((uint64_t)(per_second(count, outcome->seconds) + 0.5), rate));
}

/* Windows' sums: every kind of fault, and pages in plus pages out. */
static void counter_sums_print(const struct outcome *outcome, FILE *file)
{
    static const char *const faults[] = {"demand_zero", "transition", "hard", "collided",
                                         "write_protect"};
    uint64_t sum = 0;

    for (unsigned i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        sum += outcome_counter(outcome, "faults", faults[i]);
    }
    counter_print(outcome, file, "Page Faults", "/sec", sum);
    counter_print(outcome, file, "Pages", "/sec",
                  outcome_counter(outcome, "io", "pages_read") +
                      outcome_counter(outcome, "io", "pages_written"));
}

static const char *counter_title(const struct mm_counter *counter)
{
    return counter->title && counter->title[0] ? counter->title : counter->key;
}

static bool title_is_windows(const char *title)
{
    for (unsigned i = 0; i < WINDOWS_TITLES; i++) {
        if (strcmp(windows_titles[i], title) == 0) {
            return true;
        }
    }
    return false;
}

static bool counter_is_store(const struct mm_counter *counter)
{
    return strcmp(counter->group, "store") == 0;
}

static void counters_print(const struct outcome *outcome, FILE *file)
{
    rule_print(file, "Performance Counters                           Total      Per second");
    counter_sums_print(outcome, file);
    for (unsigned i = 0; i < WINDOWS_TITLES; i++) {
        for (size_t j = 0; j < outcome->counters; j++) {
            const struct mm_counter *counter = &outcome->counter[j];
            if (strcmp(counter_title(counter), windows_titles[i]) == 0) {
                counter_print(outcome, file, windows_titles[i], "/sec", counter->value);
            }
        }
    }
    rule_print(file, "Engine Counters                                Total      Per second");
    for (size_t i = 0; i < outcome->counters; i++) {
        const struct mm_counter *counter = &outcome->counter[i];
        if (!title_is_windows(counter_title(counter)) && !counter_is_store(counter)) {
            counter_print(outcome, file, counter_title(counter), "", counter->value);
        }
    }
}

/* Of the store itself; some are sizes and shares, so none has a rate. */
static void store_print(const struct outcome *outcome, FILE *file)
{
    bool any = false;

    for (size_t i = 0; i < outcome->counters; i++) {
        const struct mm_counter *counter = &outcome->counter[i];
        char total[NUMBER_TEXT_BYTES];

        if (!counter_is_store(counter)) {
            continue;
        }
        if (!any) {
            rule_print(file, "Store                                          Total");
            any = true;
        }
        row_print(file, "  %-*s%16s", NAME_WIDTH, counter_title(counter),
                  cell(counter->value, total));
    }
}

/* ---- fragmentation ------------------------------------------------------------------------- */

static void ratio_print(FILE *file, const char *name, double ratio, int digits)
{
    if (isnan(ratio)) {
        row_print(file, "  %s", name);
    } else {
        row_print(file, "  %-*s%16.*f", NAME_WIDTH, name, digits, ratio);
    }
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole > 0 ? (double)part * 100 / (double)whole : (double)NAN;
}

static void free_runs_print(const struct mm_fragmentation *found, FILE *file)
{
    const uint64_t free_slots = found->slots - found->slots_used;

    rule_print(file, "Free Runs of                      Runs           Slots");
    for (unsigned i = 0; i < MM_FREE_RUN_SIZES; i++) {
        char size[2 * NUMBER_TEXT_BYTES], number[2][NUMBER_TEXT_BYTES];

        number_print((uint64_t)1 << i, number[0]);
        if (i == 0) {
            snprintf(size, sizeof(size), "%s", number[0]);
        } else {
            snprintf(size, sizeof(size), "%s to %s", number[0],
                     number_print(((uint64_t)2 << i) - 1, number[1]));
        }
        if (found->free_runs_by_size[i] > 0) {
            row_print(file, "  %-20s%16s%16s%8.1f %%", size,
                      cell(found->free_runs_by_size[i], number[0]),
                      cell(found->free_slots_by_size[i], number[1]),
                      percent(found->free_slots_by_size[i], free_slots));
        }
    }
}

/* Where a page's neighbours are in the page file, and whether writes find room in one piece. */
static void fragmentation_print(const struct outcome *outcome, FILE *file)
{
    const struct mm_fragmentation *found = &outcome->fragmentation;

    if (found->slots == 0) {
        return;
    }
    rule_print(file, "Page File");
    ratio_print(file, "% Slots In Use", percent(found->slots_used, found->slots), 1);
    ratio_print(file, "Pages per Write", found->pages_per_write, 2);
    ratio_print(file, "Pages per Read", found->pages_per_read, 2);
    ratio_print(file, "Writes per Batch, Median", (double)found->batch_writes_p50, 0);
    ratio_print(file, "Writes per Batch, 99 %", (double)found->batch_writes_p99, 0);
    ratio_print(file, "Write Amplification", found->write_amplification, 2);
    ratio_print(file, "% Neighbours In Order", found->contiguity * 100, 1);
    ratio_print(file, "% Pages In Reserved Place", percent(found->pages_reserved, found->pages), 1);
    ratio_print(file, "% Free Slots Useless to a Batch", found->unusable * 100, 1);
    ratio_print(file, "Longest Free Run", (double)found->free_run_max, 0);
    if (found->free_runs > 0) {
        free_runs_print(found, file);
    }
}

static void read_ahead_print(const struct outcome *outcome, FILE *file)
{
    struct read_ahead ahead;
    char number[NUMBER_TEXT_BYTES];

    outcome_read_ahead(outcome, &ahead);
    if (ahead.pages == 0) {
        return;
    }
    rule_print(file, "Read Ahead");
    row_print(file, "  %-*s%16s", NAME_WIDTH, "Pages", number_print(ahead.pages, number));
    ratio_print(file, "% Accuracy: Used of Them", ahead.accuracy * 100, 1);
    ratio_print(file, "% Coverage: Hard Faults Spared", ahead.coverage * 100, 1);
    ratio_print(file, "% Late: Waited for", ahead.lateness * 100, 1);
    ratio_print(file, "% Pollution: Hard Faults Made", ahead.pollution * 100, 1);
    ratio_print(file, "Pages per Read", ahead.pages_per_read, 2);
}

/* ---- latencies and locks ------------------------------------------------------------------- */

static void latencies_print(const struct outcome *outcome, FILE *file)
{
    rule_print(file, "Latency, us           Count      Mean       p50       p90       p99     "
                     "p99.9        Max");
    for (size_t i = 0; i < outcome->latencies; i++) {
        const struct mm_latency *latency = &outcome->latency[i];
        char count[NUMBER_TEXT_BYTES];

        if (latency->count == 0) {
            row_print(file, "  %s", latency->name);
            continue;
        }
        row_print(file, "  %-13s%12s%10.2f%10.2f%10.2f%10.2f%10.2f%11.1f", latency->name,
                  cell(latency->count, count), (double)latency->mean_ns / 1e3,
                  (double)latency->p50_ns / 1e3, (double)latency->p90_ns / 1e3,
                  (double)latency->p99_ns / 1e3, (double)latency->p999_ns / 1e3,
                  (double)latency->max_ns / 1e3);
    }
}

/* A row for each kind of fault that was timed, a column for each phase: its mean. */
static void phases_print(const struct outcome *outcome, FILE *file)
{
    const struct mm_phase *row = outcome->phase;
    size_t columns = 0;
    bool titled = false;

    while (columns < outcome->phases && strcmp(row[columns].fault, row[0].fault) == 0) {
        columns++;
    }
    for (size_t i = 0; i < outcome->phases; i += columns) {
        char count[NUMBER_TEXT_BYTES];

        if (row[i].faults == 0) {
            continue;
        }
        if (!titled) {
            titled = true;
            fprintf(file, "\nFault by phase, us    Timed");
            for (size_t phase = 0; phase < columns; phase++) {
                fprintf(file, "%10s", row[phase].title);
            }
            fputc('\n', file);
        }
        fprintf(file, "  %-13s%12s", row[i].fault, cell(row[i].faults, count));
        for (size_t phase = i; phase < i + columns; phase++) {
            fprintf(file, "%10.2f", (double)row[phase].ns / (double)row[i].faults / 1e3);
        }
        fputc('\n', file);
    }
}

static void lock_print(const struct mm_lock_statistics *lock, const char *before, FILE *file)
{
    char acquired[NUMBER_TEXT_BYTES], contended[NUMBER_TEXT_BYTES], name[24];

    snprintf(name, sizeof(name), "%s%s", before, lock->name);
    if (lock->acquired == 0) {
        row_print(file, "  %s", name);
        return;
    }
    row_print(file, "  %-14s%16s%16s%9.3f%13.2f%13.2f", name, cell(lock->acquired, acquired),
              cell(lock->contended, contended),
              (double)lock->contended * 100 / (double)lock->acquired, (double)lock->wait_ns / 1e6,
              (double)lock->hold_ns / 1e6);
}

/* The page lists' locks one by one under their sum, those that were used. */
static void locks_print(const struct outcome *outcome, FILE *file)
{
    if (outcome->locks == 0) {
        return;
    }
    rule_print(file, "Locks                   Acquired       Contended        %     Wait, ms     "
                     "Held, ms");
    for (size_t i = 0; i < outcome->locks; i++) {
        lock_print(&outcome->lock[i], "", file);
        if (strcmp(outcome->lock[i].name, "list") != 0) {
            continue;
        }
        for (size_t j = 0; j < outcome->list_locks; j++) {
            if (outcome->list_lock[j].acquired > 0) {
                lock_print(&outcome->list_lock[j], "  ", file);
            }
        }
    }
}

/* ---- verdict ------------------------------------------------------------------------------- */

static void forms_print(const struct outcome *outcome, FILE *file)
{
    const uint64_t *by_form = outcome->checked.by_form;
    char text[4][NUMBER_TEXT_BYTES];

    fprintf(file, "  found valid %s, transition %s, page file %s, demand zero %s\n",
            number_print(by_form[MM_FORM_VALID], text[0]),
            number_print(by_form[MM_FORM_TRANSITION], text[1]),
            number_print(by_form[MM_FORM_PAGE_FILE], text[2]),
            number_print(by_form[MM_FORM_DEMAND_ZERO], text[3]));
}

static void verdict_print(const struct outcome *outcome, FILE *file)
{
    char text[3][NUMBER_TEXT_BYTES];

    fputc('\n', file);
    if (outcome->options->value[OPTION_VERIFY].number != 0) {
        fprintf(file, "Verification: %s  %s accesses and %s pages checked, %s errors\n",
                outcome->wrong->count > 0 ? "WRONG DATA" : "good",
                number_print(outcome->accesses, text[0]),
                number_print(outcome->checked.checked, text[1]),
                number_print(outcome->wrong->count, text[2]));
        forms_print(outcome, file);
    } else {
        fprintf(file, "Verification: off, %s failed accesses\n",
                number_print(outcome->wrong->count, text[0]));
    }
    fprintf(file, "Audit: %s  %s checks, %s violations\n",
            outcome->audit.violations > 0 ? "BROKEN INVARIANTS" : "good",
            number_print(outcome->audit.checks, text[0]),
            number_print(outcome->audit.violations, text[1]));
}

void report_text(const struct outcome *outcome, FILE *file)
{
    head_print(outcome, file);
    lists_print(outcome, file);
    commit_print(outcome, file);
    counters_print(outcome, file);
    store_print(outcome, file);
    read_ahead_print(outcome, file);
    fragmentation_print(outcome, file);
    latencies_print(outcome, file);
    phases_print(outcome, file);
    locks_print(outcome, file);
    verdict_print(outcome, file);
}

void report_line(const struct outcome *outcome, FILE *file)
{
    fprintf(file,
            "%s: %" PRIu64 " accesses and %" PRIu64 " pages, %" PRIu64 " errors; audit of %" PRIu64
            " checks, %" PRIu64 " violations%s\n",
            outcome->exit_code != EXIT_GOOD                      ? "WRONG"
            : outcome->options->value[OPTION_VERIFY].number != 0 ? "verified"
                                                                 : "not verified",
            outcome->accesses, outcome->checked.checked, outcome->wrong->count,
            outcome->audit.checks, outcome->audit.violations,
            outcome->interrupted ? "; interrupted" : "");
}
