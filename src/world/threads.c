/*
 * threads.c - the world of real threads: pthreads, futexes, the monotonic clock, membarrier.
 *
 * Everything except starting and joining threads is a system call or a few instructions, keeps
 * errno as it was and may be used in a signal handler: faults of the Linux machine arrive there.
 */
#include "world/threads.h"

#include "base/text.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S    1000000000ull
#define STACK_BYTES ((size_t)256 << 10)

/* A pause is at most 2^6 instructions, 1 to 3 us on most processors: about one system call. */
#define PAUSE_SHIFT_MAX       6u
#define PAUSE_ROUNDS_SPINNING 10u
/* Without back-off the holder may still need our processor: yield now and then. */
#define PAUSE_ROUNDS_PER_YIELD 256u

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    if (clock_gettime(clock, &now) != 0)
        return 0;
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t world_now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

static inline void pause_once(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
    __asm__ __volatile__("yield" ::: "memory");
#else
    __asm__ __volatile__("" ::: "memory");
#endif
}

void world_pause(unsigned round, bool backoff)
{
    if (!backoff) {
        if (round % PAUSE_ROUNDS_PER_YIELD == PAUSE_ROUNDS_PER_YIELD - 1)
            sched_yield();
        else
            pause_once();
        return;
    }
    if (round >= PAUSE_ROUNDS_SPINNING) {
        sched_yield();
        return;
    }
    for (unsigned left = 1u << MIN_OF(round, PAUSE_SHIFT_MAX); left > 0; left--)
        pause_once();
}

void world_wait(_Atomic uint32_t *word, uint32_t expected, uint64_t timeout_ns)
{
    struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / NS_PER_S),
                               .tv_nsec = (long)(timeout_ns % NS_PER_S)};
    int errno_before = errno;

    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected,
            timeout_ns == UINT64_MAX ? NULL : &timeout, NULL, 0);
    errno = errno_before;
}

void world_wake(_Atomic uint32_t *word, uint32_t count)
{
    int errno_before = errno;

    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, (int)MIN_OF(count, (uint32_t)INT_MAX), NULL, NULL,
            0);
    errno = errno_before;
}

static bool membarrier_call(int command)
{
    return syscall(SYS_membarrier, command, 0, 0) == 0;
}

static _Noreturn void fail_fence(int error)
{
    struct text text = {0};

    text_add(&text, "memman: the kernel refuses membarrier (Linux 4.3 or newer is needed, and a "
                    "seccomp filter must let it pass): errno ");
    text_add_number(&text, (uint64_t)error);
    world_abort(text.bytes);
}

/*
 * The expedited barrier interrupts the processors that run this process, some microseconds. The
 * kernel refuses it until the process has registered, so that the first call, in any thread, is the
 * one that registers. The global barrier waits for every processor of the machine, milliseconds,
 * but has been there longer and needs nothing.
 */
void world_fence_all(void)
{
    int errno_before = errno;

    if (!membarrier_call(MEMBARRIER_CMD_PRIVATE_EXPEDITED)) {
        bool fenced = membarrier_call(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) &&
                      membarrier_call(MEMBARRIER_CMD_PRIVATE_EXPEDITED);

        if (!fenced && !membarrier_call(MEMBARRIER_CMD_GLOBAL))
            fail_fence(errno);
    }
    errno = errno_before;
}

uint64_t world_random(void)
{
    int errno_before = errno;
    uint64_t number;

    /* Early in boot, or filtered: time and an address that changes from run to run. */
    if (getrandom(&number, sizeof(number), GRND_NONBLOCK) != (ssize_t)sizeof(number))
        number = world_now_ns() * 0x9e3779b97f4a7c15ull ^ (uint64_t)(uintptr_t)&number;
    errno = errno_before;
    return number;
}

struct world_thread {
    pthread_t thread;
    world_thread_main *main;
    void *argument;
    char name[16];
    _Atomic uint64_t cpu_ns_final; /* 0 while it runs */
};

static void *thread_run(void *argument)
{
    struct world_thread *self = argument;
    uint64_t cpu_ns;

    pthread_setname_np(pthread_self(), self->name);
    self->main(self->argument);
    cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    atomic_store_explicit(&self->cpu_ns_final, MAX_OF(cpu_ns, 1u), memory_order_release);
    return NULL;
}

/* The new thread inherits the mask, so that there is no moment in which it takes signals. */
static int thread_create_masked(struct world_thread *thread)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    int error = pthread_attr_init(&attributes);

    if (error != 0)
        return -error;
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&thread->thread, &attributes, thread_run, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return -error;
}

int world_thread_start(world_thread_main *main, void *argument, const char *name,
                       struct world_thread **ret_thread)
{
    struct world_thread *thread = calloc(1, sizeof(*thread));
    int error;

    if (thread == NULL)
        return -ENOMEM;
    thread->main = main;
    thread->argument = argument;
    memcpy(thread->name, name, strnlen(name, sizeof(thread->name) - 1));
    error = thread_create_masked(thread);
    if (error != 0) {
        free(thread);
        return error;
    }
    *ret_thread = thread;
    return 0;
}

void world_thread_join(struct world_thread *thread)
{
    pthread_join(thread->thread, NULL);
    free(thread);
}

/*
 * The clock is read before the final value: a thread that ended in between makes the clock
 * meaningless (the C library then answers with the caller's), but has stored its final value.
 */
uint64_t world_thread_cpu_ns(const struct world_thread *thread)
{
    clockid_t clock;
    uint64_t running_ns = 0, final_ns;

    if (pthread_getcpuclockid(thread->thread, &clock) == 0)
        running_ns = clock_ns(clock);
    final_ns = atomic_load_explicit(&thread->cpu_ns_final, memory_order_acquire);
    return final_ns != 0 ? final_ns : running_ns;
}

_Noreturn void world_abort(const char *text)
{
    /* The cast: iovec has no const, and writev() does not write. */
    struct iovec lines[] = {{(void *)(uintptr_t)text, strlen(text)}, {(char[]){'\n'}, 1}};

    if (writev(STDERR_FILENO, lines, (int)ARRAY_COUNT(lines)) < 0) {
        /* Nothing is left to say it with; the abort below still tells. */
    }
    abort();
}
