/*
 * linux_rig.h - a Linux machine under the fake engine, and scenes that end their process.
 *
 * A scene is a function run in a program of its own (this one, executed again): what it proves is
 * how that program ends. A scene that survives what it should not says so by SCENE_SURVIVED.
 */
#ifndef MM_TEST_LINUX_RIG_H
#define MM_TEST_LINUX_RIG_H

#include "fake_engine.h"
#include "machine/linux/internal.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define RIG_PAGES         64u
#define TESTER            13u
#define SCENE_SURVIVED    33
#define SCENE_REFUSED     77
#define SCENE_PATIENCE_MS 30000

struct rig {
    struct fake_engine fake;
    struct linux_machine *machine;
    char *base;
};

struct scene {
    const char *name;
    void (*play)(enum linux_faults faults);
};

struct outcome {
    int status;
    uint64_t ns;
    char text[4096]; /* standard error */
};

/* Fault handlers of the machines to come. */
static uint32_t rig_handlers = 2;
/* Their size. */
static page_number rig_pages = RIG_PAGES;

/* 0, or why not; in `ret_text` too. */
static inline int rig_make(struct rig *rig, enum linux_faults faults, char *ret_text, size_t size)
{
    struct linux_config config = {
        .pages = rig_pages,
        .threads_max = FAKE_THREADS,
        .windows = FAKE_WINDOWS,
        .faults = faults,
        .handlers = rig_handlers,
        .dirty_tracking = true,
    };
    int error;

    memset(rig, 0, sizeof(*rig));
    error = linux_create(&config, &rig->machine, &rig->fake.machine, ret_text, size);
    if (error != 0)
        return error;
    {
        struct machine machine = rig->fake.machine;

        fake_init(&rig->fake, rig_pages);
        rig->fake.machine = machine;
    }
    atomic_store(&rig->fake.number_taken[TESTER], true);
    rig->base = linux_base(rig->machine);
    return 0;
}

static inline int rig_start(struct rig *rig)
{
    struct linux_entry entry = {
        .fault = fake_fault,
        .engine = &rig->fake,
        .thread_enter = fake_thread_enter,
        .thread_leave = fake_thread_leave,
        .context = &rig->fake,
    };
    int error = linux_start(rig->machine, &entry);

    return error != 0
               ? error
               : rig->fake.machine.ops->protect(rig->machine, 0, rig_pages, MACHINE_READ_WRITE);
}

static inline void rig_end(struct rig *rig)
{
    linux_destroy(rig->machine);
    fake_free(&rig->fake);
}

static inline _Atomic uint64_t *rig_word(struct rig *rig, page_number page)
{
    return (_Atomic uint64_t *)(rig->base + ((size_t)page << PAGE_SHIFT));
}

static inline uint64_t rig_read(struct rig *rig, page_number page)
{
    return atomic_load_explicit(rig_word(rig, page), memory_order_relaxed);
}

static inline void rig_write(struct rig *rig, page_number page, uint64_t value)
{
    atomic_store_explicit(rig_word(rig, page), value, memory_order_relaxed);
}

static inline void rig_evict(struct rig *rig, page_number page)
{
    fake_evict(&rig->fake, TESTER, 1, &page);
}

static inline void rig_unmap(struct rig *rig, page_number page)
{
    fake_unmap(&rig->fake, TESTER, 1, &page);
}

/* For scenes: a machine, or the end of the scene. */
static inline void rig_must_make(struct rig *rig, enum linux_faults faults)
{
    char text[256] = "";

    /* The sanitizers' and the test library's handlers would turn a signal into a report. */
    signal(SIGSEGV, SIG_DFL);
    signal(SIGBUS, SIG_DFL);
    signal(SIGABRT, SIG_DFL);
    if (rig_make(rig, faults, text, sizeof(text)) != 0) {
        fprintf(stderr, "%s\n", text);
        _exit(SCENE_REFUSED);
    }
}

static inline void rig_must_start(struct rig *rig, enum linux_faults faults,
                                  void (*on_fault)(struct fake_engine *, page_number))
{
    rig_must_make(rig, faults);
    rig->fake.on_fault = on_fault;
    if (rig_start(rig) != 0)
        _exit(SCENE_REFUSED);
}

/* Run by main() before any test: the scene of the command line, if it names one. */
static inline void scene_main(int argc, char **argv, const struct scene *scenes, size_t count)
{
    if (argc != 4 || strcmp(argv[1], "--scene") != 0)
        return;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(argv[2], scenes[i].name) == 0) {
            scenes[i].play((enum linux_faults)atoi(argv[3]));
            _exit(SCENE_SURVIVED);
        }
    }
    _exit(2);
}

static inline void read_text(int pipe_end, char *ret_text, size_t size)
{
    struct pollfd watched = {.fd = pipe_end, .events = POLLIN};
    size_t used = 0;
    ssize_t got;

    while (poll(&watched, 1, SCENE_PATIENCE_MS) > 0) {
        char bytes[256];

        got = read(pipe_end, bytes, sizeof(bytes));
        if (got <= 0)
            break;
        for (ssize_t i = 0; i < got && used + 1 < size; i++)
            ret_text[used++] = bytes[i];
    }
    ret_text[used] = '\0';
}

extern char **environ;

/* Play a scene in a program of its own. One that hangs is killed, and shows as such. */
static inline struct outcome scene_play(const char *name, enum linux_faults faults)
{
    struct outcome outcome = {.status = -1};
    char mode[2] = {(char)('0' + (int)faults), '\0'};
    char *argv[] = {(char[]){"scene"}, (char[]){"--scene"}, strdup(name), mode, NULL};
    posix_spawn_file_actions_t actions;
    uint64_t begin_ns = world_now_ns();
    int ends[2];
    pid_t child;

    if (pipe2(ends, O_CLOEXEC) != 0)
        abort();
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
    if (posix_spawn(&child, "/proc/self/exe", &actions, NULL, argv, environ) != 0)
        abort();
    close(ends[1]);
    read_text(ends[0], outcome.text, sizeof(outcome.text));
    close(ends[0]);
    posix_spawn_file_actions_destroy(&actions);
    free(argv[2]);
    while (waitpid(child, &outcome.status, WNOHANG) == 0) {
        if (world_now_ns() - begin_ns > SCENE_PATIENCE_MS * 1000000ull)
            kill(child, SIGKILL);
        usleep(1000);
    }
    outcome.ns = world_now_ns() - begin_ns;
    return outcome;
}

static inline bool refused(const struct outcome *outcome)
{
    return WIFEXITED(outcome->status) && WEXITSTATUS(outcome->status) == SCENE_REFUSED;
}

static inline bool died_of(const struct outcome *outcome, int signal)
{
    if (!WIFSIGNALED(outcome->status) || WTERMSIG(outcome->status) != signal) {
        fprintf(stderr, "scene ended with status %#x, not signal %d: %s\n",
                (unsigned)outcome->status, signal, outcome->text);
        return false;
    }
    return true;
}

/* ---- signals caught in the test itself ------------------------------------------------------ */

static sigjmp_buf caught_jump;
static volatile sig_atomic_t caught_signal;
static volatile sig_atomic_t caught_code;
static void *volatile caught_address;

static inline void on_caught(int signal, siginfo_t *info, void *context)
{
    (void)context;
    caught_signal = signal;
    caught_code = info->si_code;
    caught_address = info->si_addr;
    siglongjmp(caught_jump, 1);
}

static inline void catch_signal(int signal)
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_sigaction = on_caught;
    action.sa_flags = SA_SIGINFO;
    sigaction(signal, &action, NULL);
}

/* The signal that an expression raises, or 0. */
#define SIGNAL_OF(expression)                                                                      \
    ({                                                                                             \
        caught_signal = 0;                                                                         \
        if (sigsetjmp(caught_jump, 1) == 0)                                                        \
            (void)(expression);                                                                    \
        (int)caught_signal;                                                                        \
    })

#endif
