/*
 * report.c - what many worlds did together, and which of them failed; as text and as JSON.
 */
#include "sim/report.h"

#include "sim/faults.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PROGRESS_NS 200000000u

static uint64_t clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void report_begin(struct report *report, const struct command *command)
{
    *report = (struct report){.command = command};
    report->begin_ns = report->shown_ns = clock_ns();
}

void report_command(const struct command *command, uint64_t seed, char ret_text[SIM_COMMAND_BYTES])
{
    struct sim_options options = command->options;

    options.seed = seed;
    sim_command_print(&options, command->called, ret_text);
}

/* ---- one world ---- */

static bool is_terminal(const struct report *report)
{
    return !report->command->quiet && isatty(STDERR_FILENO);
}

static void erase_progress(const struct report *report)
{
    if (is_terminal(report) && report->command->many)
        fputs("\r\033[K", stderr);
}

static void show_progress(struct report *report)
{
    uint64_t now_ns = clock_ns(), done = report->passed + report->failed;

    if (!is_terminal(report) || !report->command->many || now_ns - report->shown_ns < PROGRESS_NS)
        return;
    report->shown_ns = now_ns;
    fprintf(stderr, "\r\033[K%" PRIu64 " of %" PRIu64 " seeds, %" PRIu64 " failed, %.0f a second",
            done, report->command->last - report->command->first + 1, report->failed,
            (double)done * 1e9 / (double)(now_ns - report->begin_ns));
}

static void add_counts(struct sim_result *sum, const struct sim_result *result)
{
    sum->steps += result->steps;
    sum->switches += result->switches;
    sum->operations += result->operations;
    sum->checks += result->checks;
    sum->hard_faults += result->hard_faults;
    sum->rescues += result->rescues;
    sum->demand_zero += result->demand_zero;
    sum->page_errors += result->page_errors;
    sum->slots_retired += result->slots_retired;
    sum->extensions += result->extensions;
    sum->refused += result->refused;
    sum->unchanged += result->unchanged;
    sum->slots_moved += result->slots_moved;
    sum->slot_moves_aborted += result->slot_moves_aborted;
    sum->runs_emptied += result->runs_emptied;
    sum->prefetched += result->prefetched;
    sum->prefetch_used += result->prefetch_used;
    sum->prefetch_wasted += result->prefetch_wasted;
    for (unsigned i = 0; i < ARRAY_COUNT(sum->read_back); i++)
        sum->read_back[i] += result->read_back[i];
    for (unsigned i = 0; i < FAULT_CLASSES; i++)
        sum->injected[i] += result->injected[i];
}

bool report_world(void *context, const struct sim_result *result)
{
    struct report *report = context;
    char command[SIM_COMMAND_BYTES];

    add_counts(&report->sum, result);
    moves_add(&report->moves, &result->moves);
    if (!result->failed) {
        report->passed++;
        report->sum.hash = result->hash;
        show_progress(report);
        return true;
    }
    report->system += strncmp(result->kind, "system:", 7) == 0;
    if (report->failed < FAILURES_KEPT) {
        report->failures[report->failed] = *result;
        report_command(report->command, result->seed, command);
        erase_progress(report);
        fprintf(stderr, "memman: seed %" PRIu64 ": %s; repeat with: %s\n", result->seed,
                result->text, command);
    }
    report->failed++;
    return report->system == 0;
}

/* ---- the end ---- */

static void print_injected(const struct report *report)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < FAULT_CLASSES; i++)
        sum += report->sum.injected[i];
    printf("%" PRIu64 " injected faults", sum);
    for (unsigned i = 0, shown = 0; i < FAULT_CLASSES; i++) {
        if (report->sum.injected[i] != 0)
            printf("%s%" PRIu64 " %s", shown++ == 0 ? " (" : ", ", report->sum.injected[i],
                   faulty_class_name((enum faulty_class)i));
    }
    fputs(sum == 0 ? "" : ")", stdout);
}

static void print_world(const struct report *report)
{
    struct sim_options options = report->command->options;

    sim_draw(&options);
    printf("world of seed %" PRIu64 ":", options.seed);
    for (unsigned option = 0; option < SIM_OPTION_COUNT; option++) {
        char value[SIM_VALUE_BYTES];

        sim_value_print(&options, (enum sim_option)option, value);
        printf("%s%s %s", option % 5 == 0 ? "\n  " : ", ", sim_option_table[option].name, value);
    }
    printf("\n%" PRIu64 " switches, %" PRIu64 " rescues, %" PRIu64 " demand-zero faults, schedule "
           "%016" PRIx64 "\n",
           report->sum.switches, report->sum.rescues, report->sum.demand_zero, report->sum.hash);
    printf("read back: %" PRIu64 " valid, %" PRIu64 " transition, %" PRIu64 " page file, %" PRIu64
           " demand zero, %" PRIu64 " not committed\n",
           report->sum.read_back[PTE_VALID], report->sum.read_back[PTE_TRANSITION],
           report->sum.read_back[PTE_PAGE_FILE], report->sum.read_back[PTE_DEMAND_ZERO],
           report->sum.read_back[PTE_DECOMMITTED] + report->sum.read_back[PTE_ZERO]);
}

static void print_text(const struct report *report)
{
    const struct sim_result *sum = &report->sum;

    if (!report->command->many && !report->command->quiet)
        print_world(report);
    if (report->command->many && !report->command->quiet)
        moves_print(&report->moves);
    printf("%" PRIu64 " passed, %" PRIu64 " failed; %" PRIu64 " steps, %" PRIu64
           " operations, %" PRIu64 " hard faults, %" PRIu64 " in-page errors, %" PRIu64
           " slots retired, %" PRIu64 " pages unchanged, %" PRIu64 " extensions, %" PRIu64
           " refused, %" PRIu64 " slots moved, %" PRIu64 " pages read ahead, ",
           report->passed, report->failed, sum->steps, sum->operations, sum->hard_faults,
           sum->page_errors, sum->slots_retired, sum->unchanged, sum->extensions, sum->refused,
           sum->slots_moved, sum->prefetched);
    print_injected(report);
    printf(", %" PRIu64 " checks\n", sum->checks);
}

/* ---- JSON ---- */

static void json_text(FILE *file, const char *key, const char *text)
{
    fprintf(file, "\"%s\": \"", key);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', file);
        if ((unsigned char)*text < 0x20)
            fprintf(file, "\\u%04x", (unsigned)*text);
        else
            fputc(*text, file);
    }
    fputc('"', file);
}

static void json_config(FILE *file, const struct command *command)
{
    struct sim_options options = command->options;
    unsigned shown = 0;

    if (!command->many)
        sim_draw(&options);
    fputs("  \"config\": {", file);
    for (unsigned option = 0; option < SIM_OPTION_COUNT; option++) {
        const struct sim_option_row *row = &sim_option_table[option];
        char value[SIM_VALUE_BYTES];

        if (command->many && !options.given[option])
            continue;
        sim_value_print(&options, (enum sim_option)option, value);
        fprintf(file, "%s\n    ", shown++ == 0 ? "" : ",");
        if (row->kind == SIM_CHOICE)
            json_text(file, row->name, value);
        else
            fprintf(file, "\"%s\": %" PRIu64, row->name,
                    options.value[option] * (row->kind == SIM_SIZE ? MM_PAGE_SIZE : 1));
    }
    fputs("\n  },\n", file);
}

static void json_failures(FILE *file, const struct report *report)
{
    fputs("  \"failures\": [", file);
    for (unsigned i = 0; i < MIN_OF(report->failed, FAILURES_KEPT); i++) {
        char command[SIM_COMMAND_BYTES];

        report_command(report->command, report->failures[i].seed, command);
        fprintf(file, "%s\n    {\"seed\": %" PRIu64 ", ", i == 0 ? "" : ",",
                report->failures[i].seed);
        json_text(file, "kind", report->failures[i].kind);
        fputs(", ", file);
        json_text(file, "text", report->failures[i].text);
        fputs(", ", file);
        json_text(file, "command", command);
        fputc('}', file);
    }
    fputs("\n  ]\n", file);
}

static void json_counts(FILE *file, const struct report *report)
{
    const struct sim_result *sum = &report->sum;

    fprintf(file,
            "  \"seeds\": {\"first\": %" PRIu64 ", \"last\": %" PRIu64 ", \"passed\": %" PRIu64
            ", \"failed\": %" PRIu64 "},\n",
            report->command->first, report->command->last, report->passed, report->failed);
    fprintf(file,
            "  \"seconds\": %.3f,\n  \"steps\": %" PRIu64 ",\n  \"switches\": %" PRIu64
            ",\n  \"operations\": %" PRIu64 ",\n  \"checks\": %" PRIu64 ",\n",
            (double)(clock_ns() - report->begin_ns) / 1e9, sum->steps, sum->switches,
            sum->operations, sum->checks);
    fprintf(
        file,
        "  \"faults\": {\"demand_zero\": %" PRIu64 ", \"hard\": %" PRIu64
        ", \"in_page_error\": %" PRIu64 "},\n  \"slots_retired\": %" PRIu64
        ",\n  \"unchanged\": %" PRIu64 ",\n  \"pagefile\": {\"extensions\": %" PRIu64
        ", \"refused\": %" PRIu64 "},\n  \"defrag\": {\"moved\": %" PRIu64 ", \"aborted\": %" PRIu64
        ", \"emptied\": %" PRIu64 "},\n  \"prefetch\": {\"pages\": %" PRIu64 ", \"used\": %" PRIu64
        ", \"wasted\": %" PRIu64 "},\n  \"injected\": {",
        sum->demand_zero, sum->hard_faults, sum->page_errors, sum->slots_retired, sum->unchanged,
        sum->extensions, sum->refused, sum->slots_moved, sum->slot_moves_aborted, sum->runs_emptied,
        sum->prefetched, sum->prefetch_used, sum->prefetch_wasted);
    for (unsigned i = 0; i < FAULT_CLASSES; i++)
        fprintf(file, "%s\"%s\": %" PRIu64, i == 0 ? "" : ", ",
                faulty_class_name((enum faulty_class)i), sum->injected[i]);
    fputs("},\n", file);
    moves_json(&report->moves, file);
    if (!report->command->many)
        fprintf(file, "  \"schedule\": \"%016" PRIx64 "\",\n", sum->hash);
}

/* What --json names; opened before any work, so that none is done in vain. NULL: nothing. */
static FILE *json_file;

static bool json_is_standard(const struct command *command)
{
    return command->json != NULL && strcmp(command->json, "-") == 0;
}

bool report_open(const struct command *command)
{
    if (command->json == NULL)
        return true;
    json_file = json_is_standard(command) ? stdout : fopen(command->json, "we");
    if (json_file != NULL)
        return true;
    fprintf(stderr, "memman: --json %s: cannot be opened: %s\n", command->json, strerror(errno));
    return false;
}

static bool json_close(const struct command *command)
{
    bool good = fflush(json_file) == 0 && !ferror(json_file);
    int error = errno;

    if (!json_is_standard(command) && fclose(json_file) != 0) {
        error = good ? errno : error;
        good = false;
    }
    json_file = NULL;
    if (!good)
        fprintf(stderr, "memman: --json %s: cannot be written: %s\n", command->json,
                strerror(error));
    return good;
}

static bool json_write(const struct report *report)
{
    fputs("{\n", json_file);
    json_config(json_file, report->command);
    json_counts(json_file, report);
    json_failures(json_file, report);
    fputs("}\n", json_file);
    return json_close(report->command);
}

bool report_flush(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return true;
    fprintf(stderr, "memman: standard output cannot be written: %s\n", strerror(errno));
    return false;
}

int report_end(struct report *report)
{
    erase_progress(report);
    if (!json_is_standard(report->command))
        print_text(report);
    if (json_file != NULL && !json_write(report))
        return 3;
    if (!report_flush())
        return 3;
    return report->system != 0 ? 3 : report->failed != 0 ? 1 : 0;
}

/* ---- --cpus ---- */

static double cpu_ns_each(const struct scaling *row)
{
    return (double)row->cpu_ns / (double)row->accesses;
}

static void scaling_json(FILE *file, const struct scaling *rows, uint32_t count)
{
    fputs("{\n  \"cpus\": [", file);
    for (uint32_t i = 0; i < count; i++)
        fprintf(file,
                "%s\n    {\"cpus\": %u, \"accesses\": %" PRIu64 ", \"hard_faults\": %" PRIu64
                ", \"cpu_ns_per_access\": %.1f, \"ratio\": %.4f, \"elapsed_ns\": %" PRIu64
                ", \"costliest_line\": \"%s\", \"costliest_line_ns\": %" PRIu64 "}",
                i == 0 ? "" : ",", rows[i].cpus, rows[i].accesses, rows[i].hard_faults,
                cpu_ns_each(&rows[i]), cpu_ns_each(&rows[i]) / cpu_ns_each(&rows[0]),
                rows[i].elapsed_ns, rows[i].costliest, rows[i].costliest_ns);
    fputs("\n  ]\n}\n", file);
}

/* The last column: where time goes that processors cost each other, and how much of all of it. */
static void scaling_text(const struct command *command, const struct scaling *rows, uint32_t count)
{
    if (!command->quiet)
        puts("  CPUs      accesses   hard faults   CPU ns/access   ratio   costliest line");
    for (uint32_t i = command->quiet ? count - 1 : 0; i < count; i++) {
        const struct scaling *row = &rows[i];

        printf("%6u  %12" PRIu64 "  %12" PRIu64 "  %14.1f  %6.3f", row->cpus, row->accesses,
               row->hard_faults, cpu_ns_each(row), cpu_ns_each(row) / cpu_ns_each(&rows[0]));
        if (row->costliest_ns > 0)
            printf("   %s: %.1f %%", row->costliest,
                   100 * (double)row->costliest_ns / (double)row->cpu_ns);
        putchar('\n');
    }
}

int report_scaling(const struct command *command, const struct scaling *rows, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (rows[i].text[0] != '\0') {
            fprintf(stderr, "memman: --cpus %u: %s\n", rows[i].cpus, rows[i].text);
            return 1;
        }
    }
    if (!json_is_standard(command))
        scaling_text(command, rows, count);
    if (json_file != NULL) {
        scaling_json(json_file, rows, count);
        if (!json_close(command))
            return 3;
    }
    return report_flush() ? 0 : 3;
}
