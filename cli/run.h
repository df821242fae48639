/*
 * run.h - `memman run`: a workload on the engine, checked and reported.
 */
#ifndef MM_CLI_RUN_H
#define MM_CLI_RUN_H

#include "exit.h"

/* The words behind `run`. */
enum exit_code run_command(int count, char *const words[]);

#endif
