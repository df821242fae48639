/*
 * main.c - memman-sim: the engine in a deterministic world. `memman sim` runs it.
 */
#include "sim/command.h"
#include "sim/report.h"
#include "sim/seeds.h"
#include "sim/shrink.h"
#include "sim/trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int refuse_processes(int error)
{
    fprintf(stderr, "memman: sim needs child processes and gets none: %s\n", strerror(-error));
    return 3;
}

/* ---- --cpus ---- */

static int predict(const struct command *command)
{
    struct scaling rows[CPUS_MAX + 1];
    uint32_t count = 0;

    if (command->cpus[0] != 1) /* what the others are compared with */
        scaling_run(&command->options, 1, &rows[count++]);
    for (uint32_t i = 0; i < command->cpu_count; i++)
        scaling_run(&command->options, command->cpus[i], &rows[count++]);
    return report_scaling(command, rows, count);
}

/* ---- --shrink ---- */

static bool keep_result(void *context, const struct sim_result *result)
{
    *(struct sim_result *)context = *result;
    return true;
}

static void show_smaller(void *context, const struct sim_options *options, uint64_t tries)
{
    const struct command *command = context;

    if (!command->quiet && isatty(STDERR_FILENO))
        fprintf(stderr,
                "\r\033[K%" PRIu64 " worlds tried; %" PRIu64 " users, %" PRIu64 " frames, %" PRIu64
                " operations",
                tries, options->value[SIM_THREADS], options->value[SIM_FRAMES],
                options->value[SIM_OPERATIONS]);
}

static int shrink_seed(struct command *command)
{
    static struct report report;
    struct sim_options smallest = command->options;
    struct sim_result result = {0};
    int error =
        seeds_run(&command->options, command->first, command->first, NULL, keep_result, &result);

    if (error != 0)
        return refuse_processes(error);
    if (result.failed && strncmp(result.kind, "system:", 7) != 0) {
        char kind[SIM_KIND];

        memcpy(kind, result.kind, sizeof(kind));
        sim_draw(&smallest);
        error = shrink(&smallest, kind, show_smaller, command, &result);
        if (error != 0)
            return refuse_processes(error);
        if (!command->quiet && isatty(STDERR_FILENO))
            fputs("\r\033[K", stderr);
        command->options = smallest;
        command->first = command->last = smallest.seed;
    } else if (!result.failed) {
        fprintf(stderr,
                "memman: --shrink: seed %" PRIu64 " passes; there is nothing to make small\n",
                command->first);
    }
    report_begin(&report, command);
    report_world(&report, &result);
    return report_end(&report);
}

/* ---- --seed, --seeds ---- */

static int run_seeds(const struct command *command)
{
    static struct report report;
    struct trace trace = {.file = command->json != NULL ? stderr : stdout,
                          .of_frame = command->trace_frame,
                          .number = command->trace_number};
    int error;

    report_begin(&report, command);
    error = seeds_run(&command->options, command->first, command->last,
                      command->trace ? &trace : NULL, report_world, &report);
    return error != 0 ? refuse_processes(error) : report_end(&report);
}

int main(int count, char *words[])
{
    static struct command command;

    if (!command_parse(&command, count, words))
        return 2;
    if (command.help) {
        command_help();
        return report_flush() ? 0 : 3;
    }
    if (!report_open(&command))
        return 3;
    if (command.cpu_count > 0)
        return predict(&command);
    return command.shrink ? shrink_seed(&command) : run_seeds(&command);
}
