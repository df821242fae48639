/*
 * torture_test.c - the real machine under everything a program and its kernel may do at once.
 *
 * For each fault mode one child is tortured (ordeal.c) in a memory cgroup whose limit is the frames,
 * the page file and the declared overhead. This parent only waits, judges, and clears away:
 * cgroup, settings of the kernel's page merging, and the child, also when it is ended itself.
 *
 * Usage: torture_test [SECONDS [SEED [signal|thread]]]; the seconds are shared by the modes.
 */
#include "torture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define KSM_RUN     "/sys/kernel/mm/ksm/run"
#define PATIENCE_NS 90000000000u /* for what a child does beside its seconds */

static struct {
    struct budget *budget;
    pid_t child;
    char ksm_before; /* 0: not ours to change */
} held;

/* ---- what must be put back ---- */

static char ksm_exchange(char value)
{
    char before = 0;
    int file = open(KSM_RUN, O_RDWR | O_CLOEXEC);
    if (file >= 0) {
        if (read(file, &before, 1) != 1 || pwrite(file, &value, 1, 0) != 1) {
            before = 0;
        }
        close(file);
    }
    return before;
}

static void clear_away(void)
{
    if (held.child > 0) {
        kill(held.child, SIGKILL);
        waitpid(held.child, NULL, 0);
        held.child = 0;
    }
    if (held.budget != NULL) {
        budget_remove(held.budget);
        held.budget = NULL;
    }
    if (held.ksm_before != 0) {
        ksm_exchange(held.ksm_before);
        held.ksm_before = 0;
    }
}

static void on_end(int signal)
{
    clear_away();
    _exit(128 + signal);
}

/* ---- one mode ---- */

static void wait_for_child(double seconds, int *ret_status)
{
    uint64_t end_ns = now_ns() + (uint64_t)(seconds * 1e9) + PATIENCE_NS;
    while (waitpid(held.child, ret_status, WNOHANG) == 0) {
        if (now_ns() > end_ns) {
            fprintf(stderr, "torture: the child hangs and is killed\n");
            kill(held.child, SIGKILL);
            waitpid(held.child, ret_status, 0);
            break;
        }
        if (held.budget != NULL) {
            budget_sample(held.budget);
        }
        pause_ns(5000000);
    }
    held.child = 0;
}

/* What the cgroup saw; kills are failures whatever the child says. */
static bool judge_budget(const struct budget *budget, const char *mode)
{
    char uses[256];
    uint64_t kills = budget_kills(budget), peak = budget_peak(budget);
    printf("  cgroup (%s): peak %llu KiB of %llu KiB (frames %llu, page file %llu, overhead %llu), "
           "refused %llu times, %llu killed\n",
           mode, (unsigned long long)(peak >> 10), (unsigned long long)(budget_limit(budget) >> 10),
           (unsigned long long)(FRAMES * PAGE >> 10),
           (unsigned long long)(MEMORY_PAGES * PAGE >> 10),
           (unsigned long long)((budget_limit(budget) - (FRAMES + MEMORY_PAGES) * PAGE) >> 10),
           (unsigned long long)budget_refusals(budget), (unsigned long long)kills);
    budget_describe_peak(budget, uses, sizeof(uses));
    printf("  cgroup (%s): %s\n", mode, uses);
    if (kills != 0) {
        fprintf(stderr, "torture (%s): the cgroup killed the child: out of memory\n", mode);
    }
    return kills == 0;
}

/* The exit status of the mode. */
static int run_mode(enum mm_faults faults, double seconds, uint64_t seed)
{
    const char *mode = faults == MM_FAULTS_THREAD ? "thread" : "signal";
    char reason[4400];
    int status = -1;
    held.budget = budget_make(ordeal_declared_bytes(), reason, sizeof(reason));
    if (held.budget == NULL) {
        printf("torture (%s): no memory cgroup: %s\n", mode, reason);
    }
    fflush(NULL);
    held.child = fork();
    if (held.child == 0) {
        signal(SIGTERM, SIG_DFL);
        signal(SIGINT, SIG_DFL);
        signal(SIGHUP, SIG_DFL);
        ordeal_run(faults, seconds, seed, held.budget);
    }
    if (held.child < 0) {
        fprintf(stderr, "torture: fork failed: %s\n", strerror(errno));
        return 1;
    }
    wait_for_child(seconds, &status);
    bool good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    bool skipped = WIFEXITED(status) && WEXITSTATUS(status) == STATUS_SKIP;
    if (WIFSIGNALED(status)) {
        fprintf(stderr, "torture (%s, seed %llu): the child died of signal %d (%s)\n", mode,
                (unsigned long long)seed, WTERMSIG(status), strsignal(WTERMSIG(status)));
    }
    if (held.budget != NULL && !skipped) {
        good = judge_budget(held.budget, mode) && good;
    }
    clear_away();
    return skipped ? STATUS_SKIP : good ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--nothing") == 0) {
        return 0; /* a program to be spawned */
    }
    double seconds = argc > 1 && atof(argv[1]) > 0 ? atof(argv[1]) : 60;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    const char *only = argc > 3 ? argv[3] : NULL;
    struct rlimit no_core = {0, 0};
    int signal_status = STATUS_SKIP, thread_status = STATUS_SKIP;
    if (only != NULL && strcmp(only, "signal") != 0 && strcmp(only, "thread") != 0) {
        fprintf(stderr, "torture: the fault mode '%s' is unknown; there is: signal, thread\n",
                only);
        return 2;
    }
    setrlimit(RLIMIT_CORE, &no_core);
    signal(SIGTERM, on_end);
    signal(SIGINT, on_end);
    signal(SIGHUP, on_end);
    atexit(clear_away);
    seconds /= only == NULL ? 2 : 1;
    for (unsigned mode = 0; mode < 2; mode++) {
        const char *name = mode == 0 ? "signal" : "thread";
        if (only != NULL && strcmp(only, name) != 0) {
            continue;
        }
        held.ksm_before = ksm_exchange('1');
        *(mode == 0 ? &signal_status : &thread_status) =
            run_mode(mode == 0 ? MM_FAULTS_SIGNAL : MM_FAULTS_THREAD, seconds, seed);
    }
    if (signal_status == 1 || thread_status == 1) {
        return 1;
    }
    return signal_status == STATUS_SKIP && thread_status == STATUS_SKIP ? STATUS_SKIP : 0;
}
