/*
 * report.h - what many worlds did together, and which of them failed; as text and as JSON.
 */
#ifndef MM_SIM_REPORT_H
#define MM_SIM_REPORT_H

#include "sim/command.h"
#include "sim/moves.h"
#include "sim/scaling.h"
#include "sim/sim.h"

#define FAILURES_KEPT 16u

struct report {
    const struct command *command;
    uint64_t passed, failed, system; /* system: the world could not be made */
    struct sim_result sum;           /* of the counts */
    struct moves_sum moves;
    struct sim_result failures[FAILURES_KEPT];
    uint64_t begin_ns, shown_ns;
};

/* Opens what --json names, before any work; false: it cannot be, and a line says why. */
bool report_open(const struct command *command);
void report_begin(struct report *report, const struct command *command);
/* One world ended: it is counted, a failure printed at once. A seeds_report. */
bool report_world(void *report, const struct sim_result *result);
/* The last line, and JSON where it was asked for. Returns the exit code. */
int report_end(struct report *report);
/* The command that repeats a seed with what was given. */
void report_command(const struct command *command, uint64_t seed, char ret_text[SIM_COMMAND_BYTES]);

/* The table of --cpus. Returns the exit code. */
int report_scaling(const struct command *command, const struct scaling *rows, uint32_t count);

/* Everything printed is out; false: it is not, and a line says why. */
bool report_flush(void);

#endif
