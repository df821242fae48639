/*
 * process.c - starts `memman run`, reads what it reports, and tells how it ended.
 */
#include "compare/process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stop.h"

#define LOOK_MILLISECONDS 250

/* Room for "--", a name, "=" and a value. */
struct words {
    char text[OPTION_COUNT][32 + OPTION_VALUE_BYTES];
    char *word[OPTION_COUNT + 8];
    unsigned count;
};

static void word_add(struct words *words, const char *word)
{
    words->word[words->count++] = (char *)(uintptr_t)word; /* execv() changes nothing */
    words->word[words->count] = NULL;
}

/* What was given, and that alone: the run makes its own choices, as anybody's run does. */
static void words_make(struct words *words, const struct options *options)
{
    words->count = 0;
    word_add(words, "memman");
    word_add(words, "run");
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        const enum option option = (enum option)i;
        char value[OPTION_VALUE_BYTES];

        if (!options->value[option].given || option_table[option].kind == OPTION_FILE) {
            continue;
        }
        option_value_print(options, option, value);
        snprintf(words->text[i], sizeof(words->text[i]),
                 option_table[option].kind == OPTION_FLAG ? "--%s" : "--%s=%s",
                 option_table[option].name, value);
        word_add(words, words->text[i]);
    }
    word_add(words, "--json");
    word_add(words, "-");
}

/*
 * In the child. A group of its own: what is typed on the terminal reaches this program first, which
 * passes it on once. It may write to the terminal all the same, and does not outlive this program.
 */
static _Noreturn void child_become(const struct words *words, pid_t parent, int output)
{
    setpgid(0, 0);
    signal(SIGTTOU, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() == parent && dup2(output, STDOUT_FILENO) >= 0) {
        execv("/proc/self/exe", words->word);
    }
    line_complain("compare: memman cannot be run: %s; /proc must be there", strerror(errno));
    _exit(EXIT_REFUSED);
}

/* All of it, up to the end of what the child writes; false if it is too long or cannot be read. */
static bool report_read(int input, pid_t child, process_watch *watch, void *context,
                        char ret_report[PROCESS_REPORT_BYTES])
{
    size_t used = 0;
    bool told = false;

    for (;;) {
        struct pollfd ready = {.fd = input, .events = POLLIN};
        const int events = poll(&ready, 1, LOOK_MILLISECONDS);

        if (stop_interrupted() && !told) {
            kill(child, SIGTERM);
            told = true;
        }
        watch(context);
        if (events <= 0) {
            continue;
        }
        const ssize_t got = read(input, ret_report + used, PROCESS_REPORT_BYTES - 1 - used);
        if (got <= 0) {
            ret_report[used] = '\0';
            return got == 0 && used < PROCESS_REPORT_BYTES - 1;
        }
        used += (size_t)got;
    }
}

/* Who is told to stop before it can listen dies of it: that is a run that was stopped. */
static bool died_of_stop(int status)
{
    return stop_interrupted() && WTERMSIG(status) == SIGTERM;
}

static enum exit_code end_of(pid_t child, const char *name)
{
    int status;

    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) {
            line_complain("compare: %s: cannot be waited for: %s", name, strerror(errno));
            return EXIT_REFUSED;
        }
    }
    if (WIFSIGNALED(status) && died_of_stop(status)) {
        return EXIT_GOOD;
    }
    if (WIFSIGNALED(status)) {
        line_complain("compare: %s: the run was ended by signal %d (%s)", name, WTERMSIG(status),
                      strsignal(WTERMSIG(status)));
        return EXIT_WRONG;
    }
    return (enum exit_code)WEXITSTATUS(status);
}

enum exit_code process_run(const struct options *options, const char *name, process_watch *watch,
                           void *context, char ret_report[PROCESS_REPORT_BYTES])
{
    const pid_t parent = getpid();
    static struct words words; /* large, and one run at a time */
    int ends[2];

    words_make(&words, options);
    if (pipe(ends) != 0) {
        line_complain("compare: %s: no pipe: %s", name, strerror(errno));
        return EXIT_REFUSED;
    }
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        child_become(&words, parent, ends[1]);
    }
    close(ends[1]);
    if (child < 0) {
        line_complain("compare: %s: no process: %s", name, strerror(errno));
        close(ends[0]);
        return EXIT_REFUSED;
    }
    const bool whole = report_read(ends[0], child, watch, context, ret_report);
    close(ends[0]); /* a run that goes on writing ends */
    const enum exit_code code = end_of(child, name);
    if (code == EXIT_GOOD && !whole) {
        line_complain("compare: %s: its report cannot be read", name);
        return EXIT_REFUSED;
    }
    return code;
}
