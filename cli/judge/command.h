/*
 * command.h - `memman compare TRACE...`: policies judged on recorded references.
 */
#ifndef MM_CLI_JUDGE_COMMAND_H
#define MM_CLI_JUDGE_COMMAND_H

#include <stdbool.h>
#include <stdio.h>

#include "exit.h"

/* The words behind `compare` are about traces: the first is a file, or - for standard input. */
bool judge_command_wanted(int count, char *const words[]);
enum exit_code judge_command(int count, char *words[]);
/* A line of help for each policy. */
void judge_help_print(FILE *file);

#endif
