/*
 * sweep_test.c - fails the n-th call of everything that can fail, for every n, and looks how it ends.
 *
 * Usage: test-sweep soft|signal|thread|auto         sweep the machine
 *        test-sweep MACHINE today                   the eighth part whose turn it is today
 *        test-sweep MACHINE SITE PHASE N once|ever ERRNO[p]
 *                                                   play one combination, its errors on the terminal
 *
 * First a scene is played in which nothing fails, to learn how often each site is called in each
 * phase. Then, for each rule of the table below, each n (in the running phase a selection of them)
 * and each of once and for ever, a scene is played in a process of its own. The rule says which ends
 * are right: nothing was noticed; a clean refusal; or a process that ended itself with a text that
 * names the call and the errno. A signal other than that, a hang, a leak or a wrong byte never is.
 * A site that was called and for which there is no rule fails the test.
 *
 * A day's part has each eighth n of each rule, beginning with another one each day and for each rule:
 * in eight days each n has its turn, and in the running phase of each rule one n every day.
 */
#include "fail.h"
#include "scene.h"

#include "base/types.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_S 5
#define RUN_N_MAX  4u /* n tried in the running phase, for each rule and mode */
#define TEXT_BYTES 4096
#define PARTS      8u /* days in which everything has its turn */

/* Right ends. */
enum {
    NOTHING = 1,   /* nobody noticed */
    REFUSAL = 2,   /* a clean error, and everything as before */
    DEATH = 4,     /* a text with the names of the call and of the errno */
    IMPOSSIBLE = 0 /* not tried: the kernel does not do this */
};

struct rule {
    enum site site;
    unsigned phases;
    int error;
    unsigned once, for_ever; /* right ends */
    struct order with;       /* fails as well */
};

#define IN_CREATE  (1u << PHASE_CREATE)
#define IN_RUN     (1u << PHASE_RUN)
#define IN_DESTROY (1u << PHASE_DESTROY)
#define EVERYWHERE (IN_CREATE | IN_RUN | IN_DESTROY)

/* A resource that is needed: refused. One that is only good to have: nothing. */
#define NEEDED(site, phases, error)                                                                \
    {                                                                                              \
        SITE_##site, phases, error, REFUSAL, REFUSAL,                                              \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }
#define LUXURY(site, phases, error)                                                                \
    {                                                                                              \
        SITE_##site, phases, error, NOTHING, NOTHING,                                              \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }
/* "Again" is tried again, but not for ever. */
#define AGAIN(site, error)                                                                         \
    {                                                                                              \
        SITE_##site, IN_RUN, error, NOTHING, DEATH,                                                \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }
/* Of several pages: they are two mappings. Of one: its mapping is gone. */
#define SPLIT(site, error)                                                                         \
    {                                                                                              \
        SITE_##site, IN_RUN, error, NOTHING | DEATH, DEATH,                                        \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }
/* What nobody foresaw. */
#define UNKNOWN(site, phases, error)                                                               \
    {                                                                                              \
        SITE_##site, phases, error, DEATH, DEATH,                                                  \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }

static const struct rule rules[] = {
    NEEDED(CALLOC, IN_CREATE | IN_RUN, ENOMEM),
    NEEDED(ALIGNED_ALLOC, IN_CREATE, ENOMEM),
    NEEDED(POSIX_MEMALIGN, IN_CREATE, ENOMEM),
    NEEDED(MMAP, IN_CREATE, ENOMEM),
    NEEDED(THREAD_CREATE, IN_CREATE | IN_RUN, EAGAIN),
    NEEDED(THREAD_CREATE, IN_CREATE | IN_RUN, EPERM),
    NEEDED(ATTR_INIT, IN_CREATE | IN_RUN, ENOMEM),
    NEEDED(KEY_CREATE, IN_CREATE, EAGAIN),
    NEEDED(SETSPECIFIC, IN_RUN, ENOMEM),
    NEEDED(ATFORK, IN_CREATE, ENOMEM),
    LUXURY(CPU_CLOCK, IN_RUN, ESRCH),
    LUXURY(FOPEN, IN_CREATE, EMFILE),
    LUXURY(FGETS, IN_CREATE, EIO),
    LUXURY(GETRLIMIT, IN_CREATE, EPERM),
    LUXURY(GETRANDOM, EVERYWHERE, EAGAIN),

    /* The soft machine's frames are needed; the rest is wishes. */
    LUXURY(MADV_HUGEPAGE, IN_CREATE, EINVAL),
    LUXURY(MADV_HUGEPAGE, IN_CREATE, ENOMEM),
    LUXURY(MADV_DONTDUMP, IN_CREATE, ENOMEM),
    {SITE_MADV_POPULATE, IN_CREATE, EINVAL, NOTHING, NOTHING, {0}}, /* a kernel before 5.14 */
    NEEDED(MADV_POPULATE, IN_CREATE, ENOMEM),
    {SITE_MADV_DONTFORK, IN_CREATE, ENOMEM, NOTHING | REFUSAL, NOTHING | REFUSAL, {0}},
    {SITE_MADV_DONTFORK, IN_CREATE, EAGAIN, NOTHING | REFUSAL, NOTHING | REFUSAL, {0}},
    LUXURY(MADV_NOHUGEPAGE, IN_CREATE, EINVAL), /* a kernel without huge pages */
    NEEDED(MADV_NOHUGEPAGE, IN_CREATE, ENOMEM),

    NEEDED(MEMFD_CREATE, IN_CREATE, EMFILE),
    NEEDED(MEMFD_CREATE, IN_CREATE, ENOMEM),
    NEEDED(EVENTFD, IN_CREATE, EMFILE),
    NEEDED(FTRUNCATE, IN_CREATE, ENOMEM),
    NEEDED(FTRUNCATE, IN_CREATE, EINTR),
    LUXURY(FCNTL_DUP, IN_CREATE, EMFILE),
    NEEDED(FCNTL_SEAL, IN_CREATE, EPERM),
    NEEDED(FSTAT, IN_CREATE, ENOMEM),
    NEEDED(SIGACTION, IN_CREATE, EINVAL),
    NEEDED(UFFD_OPEN, IN_CREATE, ENOSYS),
    NEEDED(UFFD_OPEN, IN_CREATE, EPERM),
    NEEDED(UFFD_OPEN, IN_CREATE, EMFILE),
    NEEDED(UFFD_OPEN, IN_CREATE, EINVAL),
    NEEDED(UFFD_API, IN_CREATE, EINVAL),
    NEEDED(UFFD_API, IN_CREATE, EPERM),
    NEEDED(UFFD_REGISTER, IN_CREATE, ENOMEM),
    NEEDED(UFFD_REGISTER, IN_CREATE, EINVAL),
    LUXURY(PROCESS_MADVISE, IN_CREATE, ENOSYS),
    LUXURY(PROCESS_MADVISE, IN_CREATE, EPERM),
    LUXURY(PROCESS_MADVISE, IN_CREATE, EBADF),
    {SITE_PIDFD_OPEN,
     IN_CREATE,
     EMFILE,
     NOTHING,
     NOTHING,
     {SITE_PROCESS_MADVISE, PHASE_CREATE, 1, true, EBADF}},
    {SITE_PIDFD_OPEN,
     IN_CREATE,
     ENOSYS,
     NOTHING,
     NOTHING,
     {SITE_PROCESS_MADVISE, PHASE_CREATE, 1, true, ENOSYS}},
    NEEDED(CLOSE_RANGE, IN_CREATE, ENOSYS),
    NEEDED(CLOSE_RANGE, IN_CREATE, ENOMEM),
    /* The device is asked when the call is refused. */
    {SITE_OPEN,
     IN_CREATE,
     EACCES,
     REFUSAL,
     REFUSAL,
     {SITE_UFFD_OPEN, PHASE_CREATE, 1, true, EPERM}},
    {SITE_UFFD_NEW,
     IN_CREATE,
     ENOMEM,
     REFUSAL,
     REFUSAL,
     {SITE_UFFD_OPEN, PHASE_CREATE, 1, true, EPERM}},

    /* Creation tries on page 0 what the kernel can; a refusal is the kernel that cannot. */
    LUXURY(UFFD_COPY, IN_CREATE, ENOMEM),
    LUXURY(UFFD_COPY, IN_CREATE, EAGAIN),
    LUXURY(UFFD_CONTINUE, IN_CREATE, EINVAL),
    LUXURY(UFFD_CONTINUE, IN_CREATE, ENOMEM),
    LUXURY(UFFD_PROTECT, IN_CREATE, ENOENT),
    LUXURY(UFFD_PROTECT, IN_CREATE, EAGAIN),
    LUXURY(MADV_DONTNEED, IN_CREATE, EAGAIN),
    {SITE_MADV_REMOVE, IN_CREATE, EINTR, NOTHING, REFUSAL, {0}},
    LUXURY(MADV_REMOVE, IN_CREATE, EACCES),
    {SITE_MADV_REMOVE, IN_CREATE, EIO, REFUSAL, REFUSAL, {0}},

    /* Paging. */
    AGAIN(UFFD_COPY, EAGAIN),
    AGAIN(UFFD_COPY, EINTR),
    AGAIN(UFFD_COPY, ENOMEM),
    AGAIN(UFFD_COPY, EEXIST),
    SPLIT(UFFD_COPY, ENOENT),
    UNKNOWN(UFFD_COPY, IN_RUN, EFAULT),
    UNKNOWN(UFFD_COPY, IN_RUN, EINVAL),
    UNKNOWN(UFFD_COPY, IN_RUN, ESRCH),
    UNKNOWN(UFFD_COPY, IN_RUN, ENOSPC),
    AGAIN(UFFD_ZEROPAGE, EAGAIN),
    AGAIN(UFFD_ZEROPAGE, ENOMEM),
    AGAIN(UFFD_ZEROPAGE, EEXIST),
    SPLIT(UFFD_ZEROPAGE, ENOENT),
    UNKNOWN(UFFD_ZEROPAGE, IN_RUN, EFAULT),
    UNKNOWN(UFFD_ZEROPAGE, IN_RUN, EINVAL),
    AGAIN(UFFD_CONTINUE, EAGAIN),
    AGAIN(UFFD_CONTINUE, EINTR),
    AGAIN(UFFD_CONTINUE, ENOMEM),
    SPLIT(UFFD_CONTINUE, ENOENT),
    /* "It is mapped", of a page that faults, for ever: no kernel says that. */
    {SITE_UFFD_CONTINUE, IN_RUN, EEXIST, NOTHING, IMPOSSIBLE, {0}},
    {SITE_UFFD_CONTINUE, IN_RUN, EAGAIN | PARTLY, NOTHING, NOTHING, {0}},
    UNKNOWN(UFFD_CONTINUE, IN_RUN, EFAULT),
    UNKNOWN(UFFD_CONTINUE, IN_RUN, EINVAL),
    UNKNOWN(UFFD_CONTINUE, IN_RUN, ESRCH),
    AGAIN(UFFD_PROTECT, EAGAIN),
    AGAIN(UFFD_PROTECT, EINTR),
    AGAIN(UFFD_PROTECT, ENOMEM),
    UNKNOWN(UFFD_PROTECT, IN_RUN, ENOENT),
    UNKNOWN(UFFD_PROTECT, IN_RUN, EINVAL),
    UNKNOWN(UFFD_WAKE, IN_RUN, EINVAL),
    LUXURY(PROCESS_MADVISE, IN_RUN, EAGAIN),
    LUXURY(PROCESS_MADVISE, IN_RUN, EINTR),
    LUXURY(PROCESS_MADVISE, IN_RUN, EPERM),
    LUXURY(PROCESS_MADVISE, IN_RUN, EIO),
    LUXURY(PROCESS_MADVISE, IN_RUN, EAGAIN | PARTLY),
    AGAIN(MADV_DONTNEED, EAGAIN),
    AGAIN(MADV_DONTNEED, EINTR),
    LUXURY(MADV_DONTNEED, IN_RUN, EINVAL), /* the program locked it */
    UNKNOWN(MADV_DONTNEED, IN_RUN, EBADF),
    {SITE_MADV_DONTNEED,
     IN_RUN,
     EAGAIN,
     NOTHING,
     DEATH,
     {SITE_PROCESS_MADVISE, PHASE_RUN, 1, true, EIO}},
    AGAIN(MADV_REMOVE, EAGAIN),
    AGAIN(MADV_REMOVE, EINTR),
    AGAIN(MADV_REMOVE, ENOMEM),
    LUXURY(MADV_REMOVE, IN_RUN, EACCES),
    LUXURY(MADV_REMOVE, IN_RUN, EINVAL),
    UNKNOWN(MADV_REMOVE, IN_RUN, EIO),
    {SITE_MADV_REMOVE,
     IN_RUN,
     EAGAIN,
     NOTHING,
     DEATH,
     {SITE_PROCESS_MADVISE, PHASE_RUN, 1, true, EIO}},
    {SITE_FALLOCATE, IN_RUN, EINTR, NOTHING, DEATH, {SITE_MADV_REMOVE, PHASE_RUN, 1, true, EACCES}},
    {SITE_FALLOCATE,
     IN_RUN,
     ENOMEM,
     NOTHING,
     DEATH,
     {SITE_MADV_REMOVE, PHASE_RUN, 1, true, EACCES}},
    {SITE_FALLOCATE,
     IN_RUN,
     EIO,
     DEATH,
     IMPOSSIBLE,
     {SITE_MADV_REMOVE, PHASE_RUN, 1, true, EACCES}},
    {SITE_FSTAT, IN_RUN, EBADF, DEATH, IMPOSSIBLE, {0}},
    AGAIN(PREADV, EINTR),
    AGAIN(PREADV, EAGAIN),
    AGAIN(PREADV, ENOMEM),
    LUXURY(PREADV, IN_RUN, EAGAIN | PARTLY),
    UNKNOWN(PREADV, IN_RUN, EIO),
    UNKNOWN(PREADV, IN_RUN, EBADF),
    AGAIN(PWRITE, EINTR),
    AGAIN(PWRITE, ENOMEM),
    LUXURY(PWRITE, IN_RUN, EAGAIN | PARTLY),
    UNKNOWN(PWRITE, IN_RUN, EIO),
    UNKNOWN(PWRITE, IN_RUN, EBADF),
    NEEDED(MPROTECT, IN_RUN, ENOMEM),
    NEEDED(MPROTECT, IN_RUN, EACCES),
    {SITE_MPROTECT, IN_RUN, ENOMEM | PARTLY, REFUSAL, IMPOSSIBLE, {0}},

    /* Sleeping and watching. Signals are blocked in our threads: no EINTR without an end. */
    LUXURY(FUTEX_WAIT, EVERYWHERE, EINTR),
    LUXURY(FUTEX_WAIT, EVERYWHERE, EAGAIN),
    LUXURY(FUTEX_WAIT, EVERYWHERE, ETIMEDOUT),
    {SITE_MEMBARRIER, IN_RUN, EPERM, NOTHING, DEATH, {0}}, /* not registered yet */
    {SITE_MEMBARRIER, IN_RUN, ENOSYS, NOTHING, DEATH, {0}},
    {SITE_POLL, EVERYWHERE, EINTR, NOTHING, IMPOSSIBLE, {0}},
    {SITE_POLL, IN_RUN, EBADF, DEATH, IMPOSSIBLE, {0}},
    {SITE_READ, EVERYWHERE, EAGAIN, NOTHING, IMPOSSIBLE, {0}},
    {SITE_READ, EVERYWHERE, EINTR, NOTHING, IMPOSSIBLE, {0}},
    {SITE_READ, IN_RUN, EIO, DEATH, IMPOSSIBLE, {0}},

    /* An end has nobody to refuse. */
    LUXURY(MPROTECT, IN_DESTROY, ENOMEM),
    LUXURY(UFFD_UNREGISTER, IN_CREATE | IN_DESTROY, ENOMEM),
    LUXURY(SIGACTION, IN_DESTROY, EINVAL),
    UNKNOWN(WRITE, IN_DESTROY, EBADF),
};

/* Called, and not failed here. */
static const struct {
    enum site site;
    unsigned phases;
    const char *because;
} spared[] = {
    {SITE_UFFD_WAKE, IN_CREATE | IN_DESTROY, "a fault of nobody"},
    {SITE_MADV_DONTNEED, IN_DESTROY, "a worker in its last round, as in IN_RUN"},
    {SITE_MADV_REMOVE, IN_DESTROY, "as above"},
    {SITE_PROCESS_MADVISE, IN_DESTROY, "as above"},
    {SITE_PREADV, IN_DESTROY, "as above"},
    {SITE_PWRITE, IN_DESTROY, "as above"},
    {SITE_FSTAT, IN_DESTROY, "as above"},
    {SITE_MEMBARRIER, IN_CREATE | IN_DESTROY, "as above"},
    {SITE_SETSPECIFIC, IN_CREATE | IN_DESTROY, "no thread attaches there"},
    {SITE_CPU_CLOCK, IN_DESTROY, "as in IN_RUN"},
};

/* ---- one scene ------------------------------------------------------------------------------ */

struct end {
    int status;
    char text[TEXT_BYTES];
};

struct shared {
    site_counts counts;
    _Atomic uint32_t obeyed;
};

static struct shared *shared;
static enum scene_machine machine;

static void note_obeyed(void)
{
    atomic_store(&shared->obeyed, fail_obeyed());
}

static _Noreturn void play_in_child(const struct order *order, const struct order *with, int output)
{
    static const struct rlimit no_core = {0, 0};

    setrlimit(RLIMIT_CORE, &no_core);
    alarm(PATIENCE_S);
    if (output >= 0)
        dup2(output, STDERR_FILENO);
    fail_count_into(&shared->counts);
    fail_order(0, order);
    fail_order(1, with);
    atexit(note_obeyed);
    scene_play(machine);
}

static struct end play(const struct order *order, const struct order *with)
{
    struct end end = {0};
    int output = memfd_create("stderr", MFD_CLOEXEC);
    ssize_t length;

    memset(shared, 0, sizeof(*shared));
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        play_in_child(order, with, output);
    while (waitpid(child, &end.status, 0) < 0 && errno == EINTR) {
    }
    length = pread(output, end.text, sizeof(end.text) - 1, 0);
    end.text[length > 0 ? length : 0] = '\0';
    close(output);
    return end;
}

/* Which of the ends it was; 0: none that can be right. */
static unsigned judge_end(const struct end *end, const struct order *order)
{
    char number[32];
    int error = order->error & ~PARTLY;

    if (WIFEXITED(end->status) && WEXITSTATUS(end->status) == SCENE_GOOD)
        return NOTHING;
    if (WIFEXITED(end->status) && WEXITSTATUS(end->status) == SCENE_REFUSED)
        return REFUSAL;
    if (!WIFSIGNALED(end->status) || WTERMSIG(end->status) != SIGABRT)
        return 0;
    snprintf(number, sizeof(number), "errno %d\n", error);
    return strstr(end->text, site_names[order->site]) != NULL && strstr(end->text, number) != NULL
               ? DEATH
               : 0;
}

/* ---- all of them ---------------------------------------------------------------------------- */

static const char *const phase_names[] = {"none", "create", "run", "destroy"};
static const char *const machine_names[] = {"soft", "signal", "thread", "auto"};
static unsigned played, failures, deaths, refusals, unreached;
static bool part_only; /* what is not today's is left out */
static uint32_t today;

static void describe(const struct order *order, const struct end *end)
{
    printf("test-sweep %s '%s' %s %u %s %d%s: ", machine_names[machine], site_names[order->site],
           phase_names[order->phase], order->first, order->for_ever ? "ever" : "once",
           order->error & ~PARTLY, order->error & PARTLY ? "p" : "");
    if (WIFSIGNALED(end->status))
        printf("%s",
               WTERMSIG(end->status) == SIGALRM ? "a hang" : strsignal(WTERMSIG(end->status)));
    else
        printf("exit %d", WEXITSTATUS(end->status));
    printf("\n%s\n", end->text);
}

static void play_rule(const struct rule *rule, const struct order *order, unsigned right)
{
    struct end end = play(order, &rule->with);
    unsigned found = judge_end(&end, order);

    played++;
    /* Faults do not come in the same number each time: the last n may never come. */
    if (found == NOTHING && atomic_load(&shared->obeyed) == 0) {
        unreached++;
        return;
    }
    deaths += found == DEATH;
    refusals += found == REFUSAL;
    /* AUTO has another machine to turn to. */
    if (machine == SCENE_AUTO && (right & REFUSAL))
        right |= NOTHING;
    /* Faults by thread have a second door, the device, whose rules are those with OPEN. */
    if (machine == SCENE_THREAD && order->site == SITE_UFFD_OPEN)
        right |= NOTHING;
    if ((found & right) == 0) {
        failures++;
        describe(order, &end);
    }
}

static void sweep_rule(const struct rule *rule, enum phase phase, uint32_t calls)
{
    uint32_t step = 1, turn = (uint32_t)(rule - rules) + today;

    if (phase == PHASE_RUN && calls > RUN_N_MAX)
        step = (calls + RUN_N_MAX - 1) / RUN_N_MAX;
    for (uint32_t n = 1; n <= calls; n += step) {
        struct order order = {rule->site, phase, n, false, rule->error};

        if (part_only && turn++ % PARTS != 0)
            continue;
        if (rule->once != IMPOSSIBLE)
            play_rule(rule, &order, rule->once);
        order.for_ever = true;
        if (rule->for_ever != IMPOSSIBLE)
            play_rule(rule, &order, rule->for_ever);
    }
}

static bool has_rule(enum site site, enum phase phase)
{
    for (size_t i = 0; i < ARRAY_COUNT(rules); i++)
        if (rules[i].site == site && (rules[i].phases & 1u << phase) != 0)
            return true;
    for (size_t i = 0; i < ARRAY_COUNT(spared); i++)
        if (spared[i].site == site && (spared[i].phases & 1u << phase) != 0)
            return true;
    return false;
}

/* How often each site is called when only `with` fails. False: this system has no such machine. */
static bool learn(const struct order *with, uint32_t ret_counts[PHASE_COUNT][SITE_COUNT])
{
    static const struct order none;
    struct end end = play(&none, with);
    bool ended = WIFEXITED(end.status);

    for (unsigned phase = 0; phase < PHASE_COUNT; phase++)
        for (unsigned site = 0; site < SITE_COUNT; site++)
            ret_counts[phase][site] = atomic_load(&shared->counts[phase][site]);
    if (ended && WEXITSTATUS(end.status) == SCENE_IMPOSSIBLE)
        return false;
    if (with->first == 0 && (!ended || WEXITSTATUS(end.status) != SCENE_GOOD)) {
        failures++;
        printf("with nothing failing: ");
        describe(&none, &end);
    }
    return true;
}

static bool sweep(void)
{
    static uint32_t calls[PHASE_COUNT][SITE_COUNT], calls_with[PHASE_COUNT][SITE_COUNT];
    static const struct order none;

    if (!learn(&none, calls))
        return false;
    for (unsigned phase = PHASE_CREATE; phase < PHASE_COUNT; phase++)
        for (unsigned site = 0; site < SITE_COUNT; site++)
            if (calls[phase][site] > 0 && !has_rule((enum site)site, (enum phase)phase)) {
                printf("%s is called %u times in phase %s and has no rule\n", site_names[site],
                       calls[phase][site], phase_names[phase]);
                failures++;
            }
    for (size_t i = 0; i < ARRAY_COUNT(rules); i++) {
        bool compound = rules[i].with.first != 0;

        if (compound)
            learn(&rules[i].with, calls_with);
        for (unsigned phase = PHASE_CREATE; phase < PHASE_COUNT; phase++)
            if ((rules[i].phases & 1u << phase) != 0 &&
                (machine != SCENE_AUTO || phase == PHASE_CREATE)) /* else as by signal */
                sweep_rule(&rules[i], (enum phase)phase,
                           (compound ? calls_with : calls)[phase][rules[i].site]);
    }
    return true;
}

/* ---- one by hand ----------------------------------------------------------------------------- */

static int find_name(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0)
            return (int)i;
    fprintf(stderr, "test-sweep: '%s' is unknown; see the names in fail.h and the usage in %s\n",
            name, __FILE__);
    exit(2);
}

static _Noreturn void play_one(char **arguments)
{
    static const struct order none;
    char *end;
    struct order order = {
        .site = (enum site)find_name(arguments[0], site_names, SITE_COUNT),
        .phase = (enum phase)find_name(arguments[1], phase_names, PHASE_COUNT),
        .first = (uint32_t)strtoul(arguments[2], NULL, 10),
        .for_ever = strcmp(arguments[3], "ever") == 0,
    };

    order.error = (int)strtol(arguments[4], &end, 10) | (*end == 'p' ? PARTLY : 0);
    play_in_child(&order, &none, -1);
}

int main(int count, char **arguments)
{
    struct timespec begin, end;

    part_only = count == 3 && strcmp(arguments[2], "today") == 0;
    if (count != 2 && !part_only && count != 7) {
        fprintf(stderr, "usage: test-sweep soft|signal|thread|auto "
                        "[today | SITE PHASE N once|ever ERRNO[p]]\n");
        return 2;
    }
    today = (uint32_t)(time(NULL) / 86400);
    machine = (enum scene_machine)find_name(arguments[1], machine_names, SCENE_MACHINES);
    fail_exempt(true);
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    fail_exempt(false);
    scene_warm_up();
    if (count == 7)
        play_one(arguments + 2);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    if (!sweep()) {
        printf("this system has no %s machine\n", machine_names[machine]);
        return 77;
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("%s: %u combinations of call, n, errno and mode%s in %ld s: %u refused, %u ended with a "
           "text, %u did not come to pass; %u wrong\n",
           machine_names[machine], played, part_only ? ", today's part," : "",
           (long)(end.tv_sec - begin.tv_sec), refusals, deaths, unreached, failures);
    return failures > 0;
}
