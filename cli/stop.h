/*
 * stop.h - the end of a run: by its threads, by time or by Ctrl-C.
 *
 * The first SIGINT or SIGTERM asks the threads to stop; the second one ends the process at once,
 * because the first gives both signals back to the system.
 */
#ifndef MM_CLI_STOP_H
#define MM_CLI_STOP_H

#include <stdbool.h>

/* The threads of the manager and the user threads must not take the signals: block, then start. */
void stop_signals_block(void);
void stop_signals_catch(void);
void stop_signals_unblock(void);

/* Set by the first signal or by stop_request(); read by every user thread at every access. */
extern bool stop_wanted_now;
static inline bool stop_wanted(void)
{
    return __atomic_load_n(&stop_wanted_now, __ATOMIC_RELAXED);
}
void stop_request(void);
bool stop_interrupted(void);

/* Wake stop_wait(). */
void stop_notify(void);
/* Until stop_notify(), a signal, or the time is over. */
void stop_wait(unsigned milliseconds_max);

#endif
