/*
 * command.h - the command line of memman sim.
 */
#ifndef MM_SIM_COMMAND_H
#define MM_SIM_COMMAND_H

#include "sim/options.h"

#define CPUS_MAX 16u

struct command {
    const char *called;         /* the words that call this program */
    struct sim_options options; /* what is given; the seed where there is one */
    uint64_t first, last;       /* seeds; first == last for --seed */
    bool seeded, many;          /* --seed or --seeds; --seeds */
    bool shrink, quiet, help;
    bool trace, trace_frame;
    uint32_t trace_number;
    uint32_t cpus[CPUS_MAX], cpu_count; /* --cpus */
    const char *faults;                 /* NULL, or the value of --faults */
    const char *json;                   /* NULL, a file, or "-" */
};

/*
 * `words` begin with how this program is called. One line on stderr and false where the others are
 * no command.
 */
bool command_parse(struct command *ret_command, int count, char *const words[]);
void command_help(void);

#endif
