/*
 * main.c - the memman command: finds the command that was meant.
 */
#include <stdio.h>
#include <string.h>

#include "compare/compare.h"
#include "exit.h"
#include "help.h"
#include "judge/command.h"
#include "memman.h"
#include "options.h"
#include "record/record.h"
#include "run.h"
#include "sim.h"
#include "states.h"
#include "trace/command.h"

static enum exit_code version_print(void)
{
    puts("memman " MM_VERSION);
    return fflush(stdout) == 0 ? EXIT_GOOD : EXIT_REFUSED;
}

static enum exit_code command_complain(const char *word)
{
    static const char *const names[] = {"run",   "sim",    "compare", "record",
                                        "trace", "states", "help"};
    const char *nearest = name_nearest(word, names, sizeof(names) / sizeof(names[0]));

    if (nearest) {
        usage_complain(word, "no such command; did you mean %s?", nearest);
    } else {
        usage_complain(
            word, "no such command; there are run, sim, compare, record, trace, states and help");
    }
    return EXIT_USAGE;
}

int main(int count, char *words[])
{
    if (count < 2) {
        fputs("memman: no command; there are run, sim, compare, record, trace, states and help\n",
              stderr);
        return EXIT_USAGE;
    }
    if (strcmp(words[1], "run") == 0) {
        return (int)run_command(count - 2, words + 2);
    }
    if (strcmp(words[1], "sim") == 0) {
        return (int)sim_command(words[0], count - 2, words + 2);
    }
    if (strcmp(words[1], "compare") == 0) {
        return (int)(judge_command_wanted(count - 2, words + 2)
                         ? judge_command(count - 2, words + 2)
                         : compare_command(count - 2, words + 2));
    }
    if (strcmp(words[1], "record") == 0) {
        return record_command(count - 2, words + 2);
    }
    if (strcmp(words[1], "trace") == 0) {
        return (int)trace_command(count - 2, words + 2);
    }
    if (strcmp(words[1], "states") == 0) {
        return (int)states_command(count - 2, words + 2);
    }
    if (strcmp(words[1], "help") == 0 || strcmp(words[1], "--help") == 0 ||
        strcmp(words[1], "-h") == 0) {
        return (int)help_print(stdout);
    }
    if (strcmp(words[1], "version") == 0 || strcmp(words[1], "--version") == 0) {
        return (int)version_print();
    }
    return (int)command_complain(words[1]);
}
