/*
 * seeds.c - many worlds, in child processes.
 *
 * A child takes seeds from a counter in shared memory and reports through a pipe, one whole result
 * in one write. One that dies is replaced; what it was at is in shared memory, and is reported
 * as a crash of that seed.
 */
#include "sim/seeds.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOBS_MAX 64u
/* Of processor time for one seed; drawn ones take milliseconds, longer ones are asked for. */
#define HANG_SECONDS   5u
#define STEPS_A_SECOND 100000u
#define TWICE_EVERY    100u

_Static_assert(sizeof(struct sim_result) <= 4096, "a result goes through the pipe in one piece");

struct shared {
    _Atomic uint64_t next;
    _Atomic bool stop;
    struct {
        uint64_t seed;
        bool busy;
    } at[JOBS_MAX];
};

struct seeds {
    const struct sim_options *options;
    struct trace *trace;
    struct shared *shared;
    uint64_t last;
    uint32_t jobs, running;
    pid_t children[JOBS_MAX];
    int pipe[2];
    seeds_report *report;
    void *context;
};

static unsigned patience_s(const struct seeds *seeds)
{
    return HANG_SECONDS + (unsigned)(seeds->options->value[SIM_STEPS] / STEPS_A_SECOND);
}

/* ---- in a child ---- */

/* A run under a trace is one run: it is not repeated. */
static void run_one(const struct seeds *seeds, uint64_t seed, struct sim_result *ret_result)
{
    struct sim_options options = *seeds->options;
    struct sim_result again;

    options.seed = seed;
    sim_draw(&options);
    sim_run(&options, seeds->trace, ret_result);
    if (seed % TWICE_EVERY != 0 || ret_result->failed || seeds->trace != NULL)
        return;
    sim_run(&options, NULL, &again);
    if (again.hash != ret_result->hash || again.steps != ret_result->steps) {
        ret_result->failed = true;
        snprintf(ret_result->kind, SIM_KIND, "determinism: two runs of one seed differ");
        snprintf(ret_result->text, sizeof(ret_result->text),
                 "%s: %llu steps and %llu steps, schedules %016llx and %016llx", ret_result->kind,
                 (unsigned long long)ret_result->steps, (unsigned long long)again.steps,
                 (unsigned long long)ret_result->hash, (unsigned long long)again.hash);
    }
}

static _Noreturn void child_main(const struct seeds *seeds, uint32_t job)
{
    const struct itimerval patience = {.it_value = {.tv_sec = patience_s(seeds)}};
    struct shared *shared = seeds->shared;
    struct sim_result result;

    while (!atomic_load(&shared->stop)) {
        uint64_t seed = atomic_fetch_add(&shared->next, 1);

        if (seed > seeds->last)
            break;
        shared->at[job].seed = seed;
        shared->at[job].busy = true;
        setitimer(ITIMER_PROF, &patience, NULL);
        run_one(seeds, seed, &result);
        if (write(seeds->pipe[1], &result, sizeof(result)) != (ssize_t)sizeof(result))
            _exit(3);
        shared->at[job].busy = false;
    }
    fflush(NULL);
    _exit(0);
}

/* ---- in the parent ---- */

static volatile sig_atomic_t interrupted;

/* The first one ends the work after the seeds under way; the second ends the process, and so all. */
static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

static int start_child(struct seeds *seeds, uint32_t job)
{
    pid_t child;

    fflush(NULL);
    seeds->shared->at[job].busy = false;
    child = fork();
    if (child < 0)
        return -errno;
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGINT, SIG_IGN); /* the parent stops us after the seed under way */
        close(seeds->pipe[0]);
        child_main(seeds, job);
    }
    seeds->children[job] = child;
    seeds->running++;
    return 0;
}

static void tell(struct seeds *seeds, const struct sim_result *result)
{
    if (!seeds->report(seeds->context, result))
        atomic_store(&seeds->shared->stop, true);
}

static void tell_crash(struct seeds *seeds, uint32_t job, int status)
{
    struct sim_result result = {.seed = seeds->shared->at[job].seed, .failed = true};
    int number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;

    if (number == SIGPROF)
        snprintf(result.kind, SIM_KIND, "hang: no end");
    else if (number != 0)
        snprintf(result.kind, SIM_KIND, "crash: %s", strsignal(number));
    else
        snprintf(result.kind, SIM_KIND, "crash: the process ended with status %d",
                 WEXITSTATUS(status));
    snprintf(result.text, sizeof(result.text), "%s", result.kind);
    if (number == SIGPROF)
        snprintf(result.text, sizeof(result.text), "%s after %u seconds", result.kind,
                 patience_s(seeds));
    tell(seeds, &result);
}

/* A child has ended. One that crashed makes place for another. */
static int bury_child(struct seeds *seeds, pid_t child, int status)
{
    uint32_t job = 0;

    while (job < seeds->jobs && seeds->children[job] != child)
        job++;
    if (job == seeds->jobs)
        return 0;
    seeds->running--;
    seeds->children[job] = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE)
        raise(SIGPIPE); /* nobody reads the trace any more: no fault of the seed */
    if (seeds->shared->at[job].busy)
        tell_crash(seeds, job, status);
    return atomic_load(&seeds->shared->stop) ? 0 : start_child(seeds, job);
}

/* Results as they come; the pipe ends when the last child has gone. */
static int collect(struct seeds *seeds)
{
    struct sim_result result;
    int error = 0;

    while (seeds->running > 0 && error == 0) {
        ssize_t got = read(seeds->pipe[0], &result, sizeof(result));
        int status;
        pid_t child;

        if (interrupted)
            atomic_store(&seeds->shared->stop, true);
        if (got == (ssize_t)sizeof(result)) {
            tell(seeds, &result);
        } else if (got < 0 && errno == EAGAIN) {
            child = waitpid(-1, &status, WNOHANG);
            if (child > 0) {
                while (read(seeds->pipe[0], &result, sizeof(result)) == (ssize_t)sizeof(result))
                    tell(seeds, &result);
                error = bury_child(seeds, child, status);
            } else {
                usleep(2000);
            }
        } else if (got < 0 && errno != EINTR) {
            error = -errno;
        }
    }
    return error;
}

static uint32_t count_jobs(uint64_t seeds)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    return (uint32_t)MIN_OF(MIN_OF(cpus > 0 ? (uint64_t)cpus : 1u, seeds), JOBS_MAX);
}

int seeds_run(const struct sim_options *options, uint64_t first, uint64_t last, struct trace *trace,
              seeds_report *report, void *context)
{
    struct seeds seeds = {.options = options,
                          .trace = trace,
                          .last = last,
                          .jobs = count_jobs(last - first + 1),
                          .report = report,
                          .context = context};
    const struct sigaction stop = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
    struct sigaction before;
    int error = 0;

    if (pipe2(seeds.pipe, O_CLOEXEC) != 0)
        return -errno;
    fcntl(seeds.pipe[0], F_SETFL, O_NONBLOCK);
    seeds.shared = mmap(NULL, sizeof(*seeds.shared), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (seeds.shared == MAP_FAILED) {
        error = -errno;
    } else {
        atomic_store(&seeds.shared->next, first);
        sigaction(SIGINT, &stop, &before);
        for (uint32_t job = 0; job < seeds.jobs && error == 0; job++)
            error = start_child(&seeds, job);
        if (error == 0)
            error = collect(&seeds);
        for (uint32_t job = 0; job < seeds.jobs && error != 0; job++) {
            if (seeds.children[job] != 0) {
                kill(seeds.children[job], SIGKILL);
                waitpid(seeds.children[job], NULL, 0);
            }
        }
        sigaction(SIGINT, &before, NULL);
        munmap(seeds.shared, sizeof(*seeds.shared));
    }
    close(seeds.pipe[0]);
    close(seeds.pipe[1]);
    return error;
}
