/*
 * crash.c - the last line of a process that aborts.
 */
#include "crash.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "exit.h"

static const char *repeat_command;

/* Nothing but system calls: any lock may be held, also those of stderr. */
static void line_write(const char *text)
{
    const ssize_t written = write(STDERR_FILENO, text, strlen(text));

    (void)written;
}

static void abort_take(int number)
{
    (void)number;
    line_write("memman: repeat with: ");
    line_write(repeat_command);
    line_write("\n");
    _exit(EXIT_WRONG);
}

void crash_prepare(const char *command)
{
    const struct sigaction action = {.sa_handler = abort_take};

    repeat_command = command;
    sigaction(SIGABRT, &action, NULL);
}
