/*
 * sim.c - `memman sim`: hands over to memman-sim, the program beside this one.
 *
 * Its engine is compiled for the deterministic world, so it cannot live in this program.
 */
#include "sim.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM "memman-sim"

/* The folder this program is in, with its last slash. */
static bool find_folder(char ret_path[PATH_MAX])
{
    const ssize_t length = readlink("/proc/self/exe", ret_path, PATH_MAX - sizeof(PROGRAM));
    char *slash;

    if (length <= 0) {
        return false;
    }
    ret_path[length] = '\0';
    slash = strrchr(ret_path, '/');
    if (slash != NULL) {
        slash[1] = '\0';
    }
    return slash != NULL;
}

enum exit_code sim_command(const char *called, int count, char *words[])
{
    char path[PATH_MAX], name[PATH_MAX];
    char **arguments = calloc((size_t)count + 2, sizeof(*arguments));

    if (arguments == NULL || !find_folder(path)) {
        fprintf(stderr, "memman: sim: cannot find " PROGRAM ": %s\n", strerror(errno));
        free(arguments);
        return EXIT_REFUSED;
    }
    strcat(path, PROGRAM);
    snprintf(name, sizeof(name), "%.*s sim", PATH_MAX - 8, called); /* it is said to repeat a run */
    arguments[0] = name;
    memcpy(arguments + 1, words, (size_t)count * sizeof(*arguments));
    execv(path, arguments);
    fprintf(stderr, "memman: sim: %s cannot be run: %s; it is built and installed beside memman\n",
            path, strerror(errno));
    free(arguments);
    return EXIT_REFUSED;
}
