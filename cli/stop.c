/*
 * stop.c - signals, and the main thread's bell.
 */
#include "stop.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

bool stop_wanted_now;
static volatile sig_atomic_t interrupted;
static int bell = -1;

static void signal_default(void)
{
    const struct sigaction action = {.sa_handler = SIG_DFL};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static void signal_take(int number)
{
    const int errno_before = errno;

    (void)number;
    interrupted = 1;
    signal_default();
    stop_request();
    stop_notify();
    errno = errno_before;
}

static void signals_mask(int how)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(how, &signals, NULL);
}

void stop_signals_block(void)
{
    signals_mask(SIG_BLOCK);
}

void stop_signals_unblock(void)
{
    signals_mask(SIG_UNBLOCK);
}

void stop_signals_catch(void)
{
    struct sigaction action = {.sa_handler = signal_take};

    /* Without a bell stop_wait() still returns in time. */
    bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    sigfillset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

void stop_request(void)
{
    __atomic_store_n(&stop_wanted_now, true, __ATOMIC_RELAXED);
}

bool stop_interrupted(void)
{
    return interrupted != 0;
}

void stop_notify(void)
{
    const uint64_t one = 1;
    /* Full means rung already. */
    const ssize_t written = write(bell, &one, sizeof(one));

    (void)written;
}

void stop_wait(unsigned milliseconds_max)
{
    struct pollfd bells = {.fd = bell, .events = POLLIN};
    uint64_t rung;

    if (poll(&bells, 1, (int)milliseconds_max) > 0) {
        const ssize_t taken = read(bell, &rung, sizeof(rung));
        (void)taken;
    }
}
