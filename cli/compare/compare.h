/*
 * compare.h - `memman compare`: configurations of a run side by side.
 */
#ifndef MM_CLI_COMPARE_COMPARE_H
#define MM_CLI_COMPARE_COMPARE_H

#include "exit.h"

/* The words behind `compare`. */
enum exit_code compare_command(int count, char *const words[]);

#endif
