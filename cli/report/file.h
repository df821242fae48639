/*
 * file.h - where a report goes: a file that is made before any work, or standard output.
 */
#ifndef MM_CLI_REPORT_FILE_H
#define MM_CLI_REPORT_FILE_H

#include <stdio.h>

#include "exit.h"
#include "options.h"

/* Opens what the option names; `-` is standard output. Stays NULL where the option is not given. */
enum exit_code report_open(const struct options *options, enum option option, FILE **ret_file);
/* A report that did not arrive is a refusal, unless there is something worse to say: `code`. */
enum exit_code report_close(FILE *file, const char *name, enum exit_code code);

#endif
