/*
 * json.c - the report for scripts. Keys may be added, none is ever renamed.
 */
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "report/json_writer.h"
#include "report/outcome.h"

/* A flag and a file are about the report, not about the run. */
static bool option_is_shown(enum option option)
{
    return option_table[option].kind != OPTION_FILE && option != OPTION_QUIET;
}

static void config_write(struct json_writer *json, const struct options *options)
{
    json_begin(json, "config", '{');
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        const enum option option = (enum option)i;
        const struct option_value *value = &options->value[option];
        char key[OPTION_KEY_BYTES], text[OPTION_VALUE_BYTES];

        if (!option_is_shown(option)) {
            continue;
        }
        option_key_print(option, key);
        if (!value->present) {
            json_string(json, key, NULL);
            continue;
        }
        switch (option_table[option].kind) {
        case OPTION_CHOICE:
        case OPTION_TEXT:
            option_value_print(options, option, text);
            json_string(json, key, text);
            break;
        case OPTION_REAL:
            json_real(json, key, value->real);
            break;
        case OPTION_RANGE:
            json_number(json, key, value->number);
            snprintf(text, sizeof(text), "%s_max", key);
            json_number(json, text, value->number_max);
            break;
        default:
            json_number(json, key, value->number);
        }
    }
    json_end(json, '}');
}

static void host_write(struct json_writer *json, const struct options *options)
{
    const bool plain = options->value[OPTION_MACHINE].number == 0;
    const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    char text[OPTION_VALUE_BYTES];
    struct utsname name;

    json_begin(json, "host", '{');
    json_number(json, "cpus", cpus > 0 ? (uint64_t)cpus : 1);
    json_string(json, "kernel", uname(&name) == 0 ? name.release : NULL);
    option_value_print(options, OPTION_MACHINE, text);
    json_string(json, "machine", text);
    option_value_print(options, OPTION_FAULTS, text);
    /* On the soft machine a fault is a function call. */
    json_string(json, "faults", plain ? text : NULL);
    json_end(json, '}');
}

/* faults, rescues, moves, io and whatever else is counted: each group once, with all its keys. */
static void counters_write(struct json_writer *json, const struct outcome *outcome)
{
    for (size_t i = 0; i < outcome->counters; i++) {
        const char *group = outcome->counter[i].group;
        size_t first = 0;

        while (strcmp(outcome->counter[first].group, group) != 0) {
            first++;
        }
        if (first < i) {
            continue;
        }
        json_begin(json, group, '{');
        for (size_t j = i; j < outcome->counters; j++) {
            if (strcmp(outcome->counter[j].group, group) == 0) {
                json_number(json, outcome->counter[j].key, outcome->counter[j].value);
            }
        }
        json_end(json, '}');
    }
}

static void pages_write(struct json_writer *json, const struct outcome *outcome)
{
    const struct mm_pages *pages = &outcome->pages;
    const struct mm_commit_info *commit = &outcome->commit;

    json_begin(json, "pages", '{');
    json_number(json, "zeroed", pages->zeroed);
    json_number(json, "free", pages->free);
    json_number(json, "standby", pages->standby);
    json_number(json, "modified", pages->modified);
    json_number(json, "active", pages->active);
    json_number(json, "transition", pages->transition);
    json_number(json, "bad", pages->bad);
    json_end(json, '}');
    json_begin(json, "standby_by_priority", '[');
    for (unsigned i = 0; i < 8; i++) {
        json_number(json, NULL, pages->standby_by_priority[i]);
    }
    json_end(json, ']');
    json_begin(json, "commit", '{');
    json_number(json, "charge", commit->charge);
    json_number(json, "limit", commit->limit);
    json_number(json, "frames", commit->frames);
    json_number(json, "slots", commit->slots);
    json_number(json, "slots_max", commit->slots_max);
    json_number(json, "reserve", commit->reserve);
    json_number(json, "retired", commit->retired);
    json_number(json, "left", commit->left);
    json_end(json, '}');
}

/* Sizes with no free run are left out. */
static void free_runs_write(struct json_writer *json, const struct mm_fragmentation *found)
{
    json_begin(json, "free_runs", '[');
    for (unsigned i = 0; i < MM_FREE_RUN_SIZES; i++) {
        if (found->free_runs_by_size[i] == 0) {
            continue;
        }
        json_begin(json, NULL, '{');
        json_number(json, "slots_min", (uint64_t)1 << i);
        json_number(json, "slots_max", ((uint64_t)2 << i) - 1);
        json_number(json, "runs", found->free_runs_by_size[i]);
        json_number(json, "slots", found->free_slots_by_size[i]);
        json_end(json, '}');
    }
    json_end(json, ']');
}

/* null without a page file. */
static void fragmentation_write(struct json_writer *json, const struct mm_fragmentation *found)
{
    if (found->slots == 0) {
        json_string(json, "fragmentation", NULL);
        return;
    }
    json_begin(json, "fragmentation", '{');
    json_real(json, "pages_per_write", found->pages_per_write);
    json_real(json, "pages_per_read", found->pages_per_read);
    json_begin(json, "writes_per_batch", '{');
    json_number(json, "batches", found->batches);
    json_number(json, "p50", found->batch_writes_p50);
    json_number(json, "p99", found->batch_writes_p99);
    json_number(json, "max", found->batch_writes_max);
    json_end(json, '}');
    json_number(json, "slots", found->slots);
    json_number(json, "slots_used", found->slots_used);
    json_real(json, "occupancy", (double)found->slots_used / (double)found->slots);
    free_runs_write(json, found);
    json_number(json, "free_run_max", found->free_run_max);
    json_number(json, "free_for_batch", found->free_for_batch);
    json_real(json, "unusable", found->unusable);
    json_number(json, "pages", found->pages);
    json_number(json, "pages_reserved", found->pages_reserved);
    json_number(json, "pairs", found->pairs);
    json_number(json, "pairs_in_order", found->pairs_in_order);
    json_real(json, "contiguity", found->contiguity);
    json_number(json, "pages_moved", found->pages_moved);
    json_real(json, "write_amplification", found->write_amplification);
    json_end(json, '}');
}

static void latencies_write(struct json_writer *json, const struct outcome *outcome)
{
    json_begin(json, "latency_ns", '{');
    for (size_t i = 0; i < outcome->latencies; i++) {
        const struct mm_latency *latency = &outcome->latency[i];
        json_begin(json, latency->name, '{');
        json_number(json, "count", latency->count);
        json_number(json, "mean", latency->mean_ns);
        json_number(json, "p50", latency->p50_ns);
        json_number(json, "p90", latency->p90_ns);
        json_number(json, "p99", latency->p99_ns);
        json_number(json, "p999", latency->p999_ns);
        json_number(json, "max", latency->max_ns);
        json_end(json, '}');
    }
    json_end(json, '}');
}

/* The mean of each phase over the faults that were timed so; null without one. */
static void phases_write(struct json_writer *json, const struct outcome *outcome)
{
    const char *fault = NULL;

    json_begin(json, "phases_ns", '{');
    for (size_t i = 0; i < outcome->phases; i++) {
        const struct mm_phase *phase = &outcome->phase[i];

        if (fault == NULL || strcmp(fault, phase->fault) != 0) {
            if (fault != NULL) {
                json_end(json, '}');
            }
            fault = phase->fault;
            json_begin(json, fault, '{');
            json_number(json, "count", phase->faults);
        }
        json_real(json, phase->phase, (double)phase->ns / (double)phase->faults);
    }
    if (fault != NULL) {
        json_end(json, '}');
    }
    json_end(json, '}');
}

static void locks_write(struct json_writer *json, const char *key,
                        const struct mm_lock_statistics locks[], size_t count)
{
    json_begin(json, key, '[');
    for (size_t i = 0; i < count; i++) {
        const struct mm_lock_statistics *lock = &locks[i];
        json_begin(json, NULL, '{');
        json_string(json, "name", lock->name);
        json_number(json, "acquired", lock->acquired);
        json_number(json, "contended", lock->contended);
        json_number(json, "wait_ns", lock->wait_ns);
        json_number(json, "hold_ns", lock->hold_ns);
        json_end(json, '}');
    }
    json_end(json, ']');
}

static void complaints_write(struct json_writer *json, const struct complaints *complaints)
{
    json_begin(json, "complaints", '[');
    for (unsigned i = 0; i < COMPLAINTS_KEPT && i < complaints->count; i++) {
        json_string(json, NULL, complaints->text[i]);
    }
    json_end(json, ']');
}

static void verdict_write(struct json_writer *json, const struct outcome *outcome)
{
    const bool checked = outcome->options->value[OPTION_VERIFY].number != 0;
    const uint64_t *by_form = outcome->checked.by_form;

    json_begin(json, "verify", '{');
    json_number(json, "accesses", checked ? outcome->accesses : 0);
    json_number(json, "pages", outcome->checked.checked);
    json_number(json, "errors", outcome->wrong->count);
    json_begin(json, "forms", '{');
    json_number(json, "demand_zero", by_form[MM_FORM_DEMAND_ZERO]);
    json_number(json, "valid", by_form[MM_FORM_VALID]);
    json_number(json, "transition", by_form[MM_FORM_TRANSITION]);
    json_number(json, "page_file", by_form[MM_FORM_PAGE_FILE]);
    json_end(json, '}');
    complaints_write(json, outcome->wrong);
    json_end(json, '}');
    json_begin(json, "audit", '{');
    json_number(json, "checks", outcome->audit.checks);
    json_number(json, "violations", outcome->audit.violations);
    complaints_write(json, outcome->broken);
    json_end(json, '}');
    json_bool(json, "interrupted", outcome->interrupted);
    json_number(json, "exit_code", outcome->exit_code);
    json_string(json, "exit_reason", outcome_reason(outcome));
}

/* Shares; null where there is nothing to share. */
static void read_ahead_write(struct json_writer *json, const struct outcome *outcome)
{
    struct read_ahead ahead;

    outcome_read_ahead(outcome, &ahead);
    json_begin(json, "read_ahead", '{');
    json_number(json, "pages", ahead.pages);
    json_real(json, "accuracy", ahead.accuracy);
    json_real(json, "coverage", ahead.coverage);
    json_real(json, "lateness", ahead.lateness);
    json_real(json, "pollution", ahead.pollution);
    json_real(json, "pages_per_read", ahead.pages_per_read);
    json_end(json, '}');
}

void report_json(const struct outcome *outcome, FILE *file)
{
    struct json_writer json = {.file = file};

    json_begin(&json, NULL, '{');
    json_string(&json, "version", MM_VERSION);
    config_write(&json, outcome->options);
    host_write(&json, outcome->options);
    json_real(&json, "seconds", outcome->seconds);
    json_begin(&json, "cpu_seconds", '{');
    json_real(&json, "users", outcome->cpu_users);
    json_real(&json, "workers", outcome->cpu_workers);
    json_end(&json, '}');
    json_number(&json, "accesses", outcome->accesses);
    run_frames_print_json(&outcome->frames, &json);
    counters_write(&json, outcome);
    pages_write(&json, outcome);
    read_ahead_write(&json, outcome);
    fragmentation_write(&json, &outcome->fragmentation);
    latencies_write(&json, outcome);
    phases_write(&json, outcome);
    locks_write(&json, "locks", outcome->lock, outcome->locks);
    locks_write(&json, "list_locks", outcome->list_lock, outcome->list_locks);
    run_curves_print(&outcome->curves, &json);
    verdict_write(&json, outcome);
    json_end(&json, '}');
}
