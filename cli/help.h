/*
 * help.h - what the command can do, as text.
 */
#ifndef MM_CLI_HELP_H
#define MM_CLI_HELP_H

#include <stdio.h>

#include "exit.h"

enum exit_code help_print(FILE *file);

#endif
