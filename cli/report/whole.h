/*
 * whole.h - a report that has its name only when it is whole: it is written beside, then renamed.
 */
#ifndef MM_CLI_REPORT_WHOLE_H
#define MM_CLI_REPORT_WHOLE_H

#include <limits.h>
#include <stdio.h>

#include "exit.h"
#include "options.h"

struct whole_file {
    FILE *file;
    char path[PATH_MAX], beside[PATH_MAX]; /* beside: empty for a device, which is written itself */
    const char *name;                      /* of the option */
};

/*
 * Could the file at `path`, which the option --name gave, be written? A refusal and one line to
 * stderr where not; leaves no trace. Good where the path is NULL: it was not given.
 */
enum exit_code whole_try(const char *name, const char *path);
/* Then, after the work. */
enum exit_code whole_begin(const char *name, const char *path, struct whole_file *ret_whole);
/* As report_close(): what failed is said, and is a refusal unless `code` is worse; nothing is left. */
enum exit_code whole_end(struct whole_file *whole, enum exit_code code);

#endif
