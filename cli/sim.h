/*
 * sim.h - `memman sim`: hands over to memman-sim, the program beside this one.
 */
#ifndef MM_CLI_SIM_H
#define MM_CLI_SIM_H

#include "exit.h"

/*
 * `called` is how this program was, `words` are those after "sim". Returns only where memman-sim
 * cannot be run.
 */
enum exit_code sim_command(const char *called, int count, char *words[]);

#endif
