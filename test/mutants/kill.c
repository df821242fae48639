/*
 * kill.c - runs the tests against each planted bug and says which test found it, and how fast.
 *
 * A killer is a program of the mutants' build that ends with 0 when all is well. For each bug the
 * expected killer runs first, then the others, from fast to slow, until one fails, dies or hangs,
 * or the bug's time is over: then it survives, and this program ends with 1. A killer counts only
 * if it passes with no bug alive, which is seen first; how long that takes says when it hangs. One
 * that seems to hang runs once more without the bug, at once, and then with it, for three times as
 * long as the one took at least, and what it does then counts. If it does not pass without the bug
 * either, the machine is slow just now, and the killer is asked again, with more time.
 *
 * A killer made with cmocka ends itself at the first check that fails: to this program it dies then.
 * A few children at a time, each in a process group of its own. One thread, no shared state.
 */
#include "base/mutant.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BUDGET_S    60.0  /* for one bug, over all killers */
#define HEALTHY_S   240.0 /* a killer with no bug alive, on a busy machine */
#define JOBS_MAX    16
#define ARGS_MAX    24
#define KILLERS_MAX 64

/* ---- tables ------------------------------------------------------------------------------------ */

struct mutant_row {
    const char *name, *hint, *breaks, *what;
};

static const struct mutant_row mutants[MUTANT_COUNT] = {
    [MUTANT_NONE] = {"none", "", "", ""},
#define X(name, hint, breaks, what) [MUTANT_##name] = {#name, hint, breaks, what},
#include "base/mutants.def"
#undef X
};

/* From fast to slow. The program is named from the build directory on. */
struct killer {
    const char *name;
    const char *command[ARGS_MAX];
    int refused; /* exit status that means: the system does not allow it here */
};

#define MEMMAN   "test/memman-mutants", "run", "--quiet", "--seconds", "3"
#define SMALL    "--memory", "4M", "--frames", "1M", "--threads", "4"
#define PRESSURE "--memory", "2M", "--frames", "256K", "--threads", "8"
#define WORKERS  "--trimmers", "3", "--writers", "3"

static const struct killer killers[] = {
    {"pte", {"test/mutant-pte"}, 77},
    {"store", {"test/mutant-store"}, 77},
    {"store-ram", {"test/mutant-store-ram"}, 77},
    {"store-checked", {"test/mutant-store-checked"}, 77},
    {"joined", {"test/mutant-joined"}, 77},
    {"file", {"test/mutant-file"}, 77},
    {"remote", {"test/mutant-remote"}, 77},
    {"compressed", {"test/mutant-compressed"}, 77},
    {"encrypted", {"test/mutant-encrypted"}, 77},
    {"secrets", {"test/mutant-secrets"}, 77},
    {"promises", {"test/mutant-promises"}, 77},
    {"inpage", {"test/mutant-inpage"}, 77},
    {"readrun", {"test/mutant-readrun"}, 77},
    {"prefetch", {"test/mutant-prefetch"}, 77},
    {"guess", {"test/mutant-guess"}, 77},
    {"engine", {"test/mutant-engine"}, 77},
    {"audit", {"test/mutant-audit"}, 77},
    {"colours", {"test/mutant-colours"}, 77},
    {"growth", {"test/mutant-growth"}, 77},
    {"model", {"test/mutant-model"}, 77},
    {"slots", {"test/mutant-slots"}, 77},
    {"moves", {"test/mutant-moves"}, 77},
    {"defrag", {"test/mutant-defrag"}, 77},
    {"machine", {"test/mutant-machine"}, 77},
    {"writer", {"test/mutant-writer"}, 77},
    {"retire", {"test/mutant-retire"}, 77},
    {"together", {"test/mutant-together"}, 77},
    {"unwatched", {"test/mutant-unwatched"}, 77},
    {"soft", {"test/mutant-soft"}, 77},
    {"records", {"test/mutant-records"}, 77},
    {"scenarios-promises", {"test/mutant-scenarios-promises"}, 77},
    {"scenarios-growth", {"test/mutant-scenarios-growth"}, 77},
    {"scenarios-fault", {"test/mutant-scenarios-fault"}, 77},
    {"scenarios-defrag", {"test/mutant-scenarios-defrag"}, 77},
    {"sim", {"test/memman-sim-mutants", "--seeds", "1..300", "--quiet"}, 3},
    {"frames", {"test/mutant-frames"}, 77},
    {"lock", {"test/mutant-lock"}, 77},
    {"memory", {"test/mutant-memory"}, 77},
    {"manager", {"test/mutant-manager"}, 77},
    {"errors", {"test/mutant-errors"}, 77},
    {"linux-fault", {"test/mutant-linux-fault"}, 77},
    {"linux-kernel", {"test/mutant-linux-kernel"}, 77},
    {"pin", {"test/mutant-pin"}, 77},
    {"space", {"test/mutant-space"}, 77},
    {"states", {"test/mutant-states"}, 77},
    {"run-soft", {MEMMAN, "--machine", "soft", SMALL}, 3},
    {"run-linux", {MEMMAN, "--machine", "linux", SMALL}, 3},
    {"run-late", {MEMMAN, "--machine", "soft", PRESSURE, "--store", "ram:latency=50000"}, 3},
    {"run-pressure", {MEMMAN, "--machine", "soft", PRESSURE, WORKERS}, 3},
    {"run-pressure-linux", {MEMMAN, "--machine", "linux", PRESSURE, WORKERS}, 3},
};

/* What a healthy run of each killer showed. */
static struct health {
    bool known, usable;
    double seconds;
} healths[KILLERS_MAX];

/* ---- jobs -------------------------------------------------------------------------------------- */

enum doubt { SURE, WITHOUT_BUG, ONCE_MORE };

/* One bug (or none) and the killers it meets, in order. */
struct job {
    enum mutant mutant;
    unsigned order[KILLERS_MAX], count, next;
    double spent_s;
    /* the outcome */
    const char *how; /* NULL: every killer passed, or the time was over */
    unsigned killer;
    bool refused;
    /* while a child runs */
    pid_t child;
    double begin_s, limit_s;
    bool last;        /* its limit is what is left of the budget */
    enum doubt doubt; /* it took too long: was it the bug? */
};

static const char *build_directory = "build";
static unsigned jobs_at_once = 2;
static volatile sig_atomic_t interrupted;

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* What the children say is kept in the build directory, for whoever wants to know why. */
static void redirect_output(const struct job *job, const char *killer)
{
    char path[1024];
    int output;

    snprintf(path, sizeof(path), "%s/mutants", build_directory);
    mkdir(path, 0777);
    snprintf(path, sizeof(path), "%s/mutants/%s-%s%s.log", build_directory,
             mutants[job->mutant].name, killer, job->doubt == WITHOUT_BUG ? "-without" : "");
    output = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (output < 0) {
        perror(path);
        _exit(125);
    }
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
}

static _Noreturn void become_killer(const struct job *job, const struct killer *killer)
{
    struct rlimit core;
    char path[1024], *arguments[ARGS_MAX + 1] = {NULL};
    sigset_t none;

    setpgid(0, 0);
    redirect_output(job, killer->name);
    getrlimit(RLIMIT_CORE, &core);
    core.rlim_cur = 0; /* a test that wants a core may raise it again */
    setrlimit(RLIMIT_CORE, &core);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setenv("MEMMAN_MUTANT",
           job->mutant == MUTANT_NONE || job->doubt == WITHOUT_BUG ? "" : mutants[job->mutant].name,
           1);
    setenv("CMOCKA_TEST_ABORT", "1", 1); /* the first check that fails is enough */
    snprintf(path, sizeof(path), "%s/%s", build_directory, killer->command[0]);
    arguments[0] = path;
    for (unsigned i = 1; i < ARGS_MAX && killer->command[i] != NULL; i++)
        arguments[i] = (char *)(uintptr_t)killer->command[i];
    execv(path, arguments);
    perror(path);
    _exit(126);
}

/* The next killer; its limit is three times as long as it takes when all is well. */
static void job_turn(struct job *job)
{
    const struct health *health;
    double left_s = (job->mutant == MUTANT_NONE ? HEALTHY_S : BUDGET_S) - job->spent_s;

    job->killer = job->order[job->next++];
    health = &healths[job->killer];
    job->limit_s = health->known ? MAX_OF(3.0, 2.0 + 3 * health->seconds) : HEALTHY_S;
    job->last = job->limit_s > left_s;
    job->limit_s = MIN_OF(job->limit_s, left_s);
}

static void job_begin(struct job *job)
{
    if (job->doubt == SURE)
        job_turn(job);
    job->begin_s = now_s();
    job->child = fork();
    if (job->child == 0)
        become_killer(job, &killers[job->killer]);
    if (job->child < 0) {
        perror("fork");
        exit(2);
    }
    setpgid(job->child, job->child);
}

/* The killer seemed to hang, and has run again without the bug. */
static void job_judge_doubt(struct job *job, bool well)
{
    double took_s = now_s() - job->begin_s;
    struct health *health = &healths[job->killer];

    health->seconds = MAX_OF(health->seconds, took_s);
    job->limit_s = MAX_OF(job->limit_s, 3 * took_s); /* the machine may have become slow */
    job->doubt = well ? ONCE_MORE : SURE;
    job->next -= !well; /* its turn again, with more time */
}

/* The child ended, or had to be ended. */
static void job_judge(struct job *job, int status, bool hung)
{
    const struct killer *killer = &killers[job->killer];
    bool sure = job->mutant == MUTANT_NONE || job->doubt == ONCE_MORE;

    job->child = 0;
    if (job->doubt == WITHOUT_BUG) {
        job_judge_doubt(job, !hung && status == 0);
        return;
    }
    job->doubt = SURE;
    job->spent_s += now_s() - job->begin_s;
    if (hung && sure)
        job->how = "hangs";
    else if (hung && job->last)
        job->next = job->count; /* its time is over, whatever this killer would have said */
    else if (hung)
        job->doubt = WITHOUT_BUG;
    else if (WIFSIGNALED(status))
        job->how = "dies";
    else if (WEXITSTATUS(status) == killer->refused || WEXITSTATUS(status) == 125 ||
             WEXITSTATUS(status) == 126)
        job->refused = true; /* 125, 126: it could not be started, and has seen nothing */
    else if (WEXITSTATUS(status) != 0)
        job->how = "fails";
}

static bool job_over(const struct job *job)
{
    return job->child == 0 && job->doubt == SURE &&
           (job->how != NULL || job->next == job->count || job->spent_s >= BUDGET_S);
}

/* What was not ended by now is; a child's own children go with it. */
static void jobs_reap(struct job *jobs, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct job *job = &jobs[i];
        bool late = job->child != 0 && (interrupted || now_s() - job->begin_s > job->limit_s);
        int status = 0;

        if (job->child == 0)
            continue;
        if (late)
            kill(-job->child, SIGKILL);
        if (waitpid(job->child, &status, late ? 0 : WNOHANG) == job->child) {
            kill(-job->child, SIGKILL);
            job_judge(job, status, late);
        }
    }
}

static void jobs_run(struct job *jobs, unsigned count, void (*tell)(const struct job *))
{
    const struct timespec moment = {0, 20000000};
    bool told[MUTANT_COUNT + KILLERS_MAX] = {false};
    unsigned over = 0;

    while (over < count && !interrupted) {
        unsigned running = 0;

        jobs_reap(jobs, count);
        over = 0;
        for (unsigned i = 0; i < count; i++) {
            running += jobs[i].child != 0;
            over += job_over(&jobs[i]);
            if (job_over(&jobs[i]) && !told[i]) {
                told[i] = true;
                tell(&jobs[i]);
            }
        }
        for (unsigned i = 0; i < count && running < jobs_at_once; i++) {
            if (jobs[i].child == 0 && !job_over(&jobs[i])) {
                job_begin(&jobs[i]);
                running++;
            }
        }
        nanosleep(&moment, NULL);
    }
    jobs_reap(jobs, count);
    if (interrupted)
        exit(130);
}

/* ---- the healthy runs -------------------------------------------------------------------------- */

static unsigned sick; /* killers that fail with no bug alive */

static void tell_health(const struct job *job)
{
    struct health *health = &healths[job->killer];

    health->known = true;
    health->usable = job->how == NULL && !job->refused;
    health->seconds = job->spent_s;
    if (job->how != NULL) {
        sick++;
        printf("%-34s %s with no bug alive: its verdicts would mean nothing\n",
               killers[job->killer].name, job->how);
    } else if (job->refused) {
        printf("%-34s is refused by this system, and left out\n", killers[job->killer].name);
    } else {
        printf("%-34s healthy in %5.2f s\n", killers[job->killer].name, job->spent_s);
    }
    fflush(stdout);
}

/* Those of `wanted` that were not seen yet. */
static void check_health(const bool *wanted)
{
    static struct job jobs[KILLERS_MAX];
    unsigned count = 0;

    for (unsigned k = 0; k < ARRAY_COUNT(killers); k++)
        if (wanted[k] && !healths[k].known)
            jobs[count++] = (struct job){.mutant = MUTANT_NONE, .order = {k}, .count = 1};
    jobs_run(jobs, count, tell_health);
}

/* ---- the bugs ---------------------------------------------------------------------------------- */

static struct job bugs[MUTANT_COUNT];
static unsigned bug_count;

static void tell_bug(const struct job *job)
{
    if (job->how != NULL)
        printf("%-34s killed by %-16s %-6s %6.2f s\n", mutants[job->mutant].name,
               killers[job->killer].name, job->how, job->spent_s);
    fflush(stdout);
}

static unsigned killer_named(const char *name)
{
    for (unsigned k = 0; k < ARRAY_COUNT(killers); k++)
        if (strcmp(killers[k].name, name) == 0)
            return k;
    fprintf(stderr, "mutants.def: there is no killer '%s'\n", name);
    exit(2);
}

static void add_killer(struct job *job, unsigned killer)
{
    for (unsigned i = 0; i < job->count; i++)
        if (job->order[i] == killer)
            return;
    if (healths[killer].usable)
        job->order[job->count++] = killer;
}

static void meet_expected(void)
{
    bool wanted[KILLERS_MAX] = {false};

    for (unsigned i = 0; i < bug_count; i++)
        wanted[killer_named(mutants[bugs[i].mutant].hint)] = true;
    check_health(wanted);
    for (unsigned i = 0; i < bug_count; i++)
        add_killer(&bugs[i], killer_named(mutants[bugs[i].mutant].hint));
    jobs_run(bugs, bug_count, tell_bug);
}

static void meet_others(void)
{
    static struct job left[MUTANT_COUNT];
    unsigned at[MUTANT_COUNT], count = 0;
    bool wanted[KILLERS_MAX];

    for (unsigned i = 0; i < bug_count; i++)
        if (bugs[i].how == NULL)
            at[count++] = i;
    if (count == 0)
        return;
    memset(wanted, true, sizeof(wanted));
    check_health(wanted);
    for (unsigned i = 0; i < count; i++) {
        left[i] = bugs[at[i]];
        for (unsigned k = 0; k < ARRAY_COUNT(killers); k++)
            add_killer(&left[i], k);
    }
    jobs_run(left, count, tell_bug);
    for (unsigned i = 0; i < count; i++)
        bugs[at[i]] = left[i];
}

/* ---- results ----------------------------------------------------------------------------------- */

static int compare_seconds(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

static double median_s(void)
{
    double seconds[MUTANT_COUNT] = {0};
    unsigned count = 0;

    for (unsigned i = 0; i < bug_count; i++)
        if (bugs[i].how != NULL)
            seconds[count++] = bugs[i].spent_s;
    qsort(seconds, count, sizeof(seconds[0]), compare_seconds);
    return count == 0 ? 0 : seconds[count / 2];
}

static unsigned count_survivors(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < bug_count; i++)
        count += bugs[i].how == NULL;
    return count;
}

static void write_table(const char *path)
{
    FILE *file = fopen(path, "w");

    if (file == NULL) {
        perror(path);
        exit(2);
    }
    fprintf(file,
            "# Planted bugs\n\n`./dev mutants --write docs/mutants.md` writes this page: every "
            "bug of `src/base/mutants.def`, and the test that found it.\n\n");
    fprintf(file, "%u of %u killed, median %.1f s.\n\n", bug_count - count_survivors(), bug_count,
            median_s());
    fprintf(file,
            "| bug | breaks | what it does | killed by | s |\n| --- | --- | --- | --- | --- |\n");
    for (unsigned i = 0; i < bug_count; i++) {
        const struct mutant_row *row = &mutants[bugs[i].mutant];

        fprintf(file, "| %s | %s | %s | ", row->name, row->breaks, row->what);
        if (bugs[i].how != NULL)
            fprintf(file, "%s %s | %.1f |\n", killers[bugs[i].killer].name, bugs[i].how,
                    bugs[i].spent_s);
        else
            fprintf(file, "**nothing** | |\n");
    }
    if (fclose(file) != 0) {
        perror(path);
        exit(2);
    }
}

static int finish(void)
{
    unsigned survivors = count_survivors();

    for (unsigned i = 0; i < bug_count; i++)
        if (bugs[i].how == NULL)
            printf("%-34s SURVIVES: %s\n", mutants[bugs[i].mutant].name,
                   mutants[bugs[i].mutant].what);
    printf("%u of %u planted bugs killed, median %.2f s\n", bug_count - survivors, bug_count,
           median_s());
    if (sick > 0)
        printf("%u killers fail with no bug alive\n", sick);
    return survivors > 0 || sick > 0;
}

/* ---- command line ------------------------------------------------------------------------------ */

#define REFUSE(...)                                                                                \
    do {                                                                                           \
        fprintf(stderr, "mutants: " __VA_ARGS__);                                                  \
        fputc('\n', stderr);                                                                       \
        exit(2);                                                                                   \
    } while (0)

static void choose(enum mutant mutant)
{
    for (unsigned i = 0; i < bug_count; i++)
        if (bugs[i].mutant == mutant)
            REFUSE("%s is named twice; once is enough", mutants[mutant].name);
    bugs[bug_count++] = (struct job){.mutant = mutant};
}

static void choose_named(const char *name)
{
    for (unsigned m = MUTANT_NONE + 1; m < MUTANT_COUNT; m++) {
        if (strcmp(mutants[m].name, name) == 0) {
            choose((enum mutant)m);
            return;
        }
    }
    REFUSE("there is no '%s'; src/base/mutants.def lists them", name);
}

/* The next `count` each day, so that all have their turn. */
static void choose_rotating(unsigned count)
{
    time_t now = time(NULL);
    unsigned all = MUTANT_COUNT - 1, days = (unsigned)(now / 86400);
    unsigned first = (unsigned)((uint64_t)days * count % all);

    for (unsigned i = 0; i < count; i++)
        choose((enum mutant)(1 + (first + i) % all));
    printf("%u of %u planted bugs, by the day: from %s on\n", bug_count, all,
           mutants[bugs[0].mutant].name);
}

static void choose_all(void)
{
    for (unsigned m = MUTANT_NONE + 1; m < MUTANT_COUNT; m++)
        choose((enum mutant)m);
}

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

static unsigned number_of(const char *option, const char *text, unsigned max)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end != '\0' || number == 0 || number > max)
        REFUSE("%s %s: must be a number from 1 to %u", option, text, max);
    return (unsigned)number;
}

/* What the words say. */
struct wish {
    const char *jobs, *rotate, *write;
};

/* The value of an option, which may be given once. */
static void take_value(const char **wish, int count, char **arguments, int *at)
{
    const char *option = arguments[*at];

    if (*wish != NULL)
        REFUSE("%s is given twice; once is enough", option);
    if (++*at == count)
        REFUSE("%s needs a value; ./dev help says which", option);
    *wish = arguments[*at];
}

static void take_words(struct wish *wish, int count, char **arguments)
{
    for (int i = 2; i < count; i++) {
        const char *word = arguments[i];
        const char **option = strcmp(word, "--jobs") == 0     ? &wish->jobs
                              : strcmp(word, "--rotate") == 0 ? &wish->rotate
                              : strcmp(word, "--write") == 0  ? &wish->write
                                                              : NULL;

        if (option != NULL)
            take_value(option, count, arguments, &i);
        else if (word[0] == '-')
            REFUSE("%s: there are --jobs N, --write FILE, and --rotate N or names", word);
        else
            choose_named(word);
    }
    if (wish->rotate != NULL && bug_count > 0)
        REFUSE("--rotate chooses by the day: it goes with no name");
}

int main(int count, char **arguments)
{
    struct wish wish = {NULL};

    if (count < 2 || arguments[1][0] == '-')
        REFUSE("the first word must be the build directory");
    build_directory = arguments[1];
    take_words(&wish, count, arguments);
    if (wish.jobs != NULL)
        jobs_at_once = number_of("--jobs", wish.jobs, JOBS_MAX);
    if (wish.rotate != NULL)
        choose_rotating(number_of("--rotate", wish.rotate, MUTANT_COUNT - 1));
    else if (bug_count == 0)
        choose_all();
    signal(SIGINT, on_interrupt);
    signal(SIGTERM, on_interrupt);
    meet_expected();
    meet_others();
    if (wish.write != NULL)
        write_table(wish.write);
    return finish();
}
