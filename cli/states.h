/*
 * states.h - `memman states`: the tables of states, moves and locks that the engine runs on.
 */
#ifndef MM_CLI_STATES_H
#define MM_CLI_STATES_H

#include "exit.h"

/* The words behind `states`. */
enum exit_code states_command(int count, char *const words[]);

#endif
