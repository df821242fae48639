/*
 * program.h - what a program is: where it is found, who runs it.
 */
#ifndef MM_CLI_RECORD_PROGRAM_H
#define MM_CLI_RECORD_PROGRAM_H

#include <limits.h>
#include <stdbool.h>

#define PROGRAM_EXIT_REFUSED   126 /* as shells have it: found, but cannot be run */
#define PROGRAM_EXIT_NOT_FOUND 127
#define PROGRAM_WORDS_ADDED    8 /* by scripts of scripts */

struct program {
    char path[PATH_MAX];                        /* of the machine code */
    char **words;                               /* its arguments from argv[0] on, NULL behind */
    char script[PROGRAM_WORDS_ADDED][PATH_MAX]; /* what words of scripts point to */
    unsigned scripts;
};

/* Looks for a name in PATH as a shell does; false: errno. */
bool program_find(const char *name, char ret_path[PATH_MAX]);
/*
 * Resolves scripts to their interpreters, refuses machine code that is not this machine's. 0, or
 * the exit code after one line to stderr.
 */
int program_resolve(int count, char *words[], struct program *ret_program);
void program_free(struct program *program);

#endif
