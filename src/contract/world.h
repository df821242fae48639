/*
 * world.h - contract: who runs when. Locks, waits, threads, time and random numbers.
 *
 * The engine and the machines never call an operating system: whatever can switch threads or tell
 * the time goes through these functions. world/threads.c implements them with real threads,
 * world/fibers.c with fibers under a seed, where atomic accesses are points as well
 * (world/atomics.h).
 *
 * Thread-safety: everything here may be called from any thread. Nothing here allocates except
 * world_thread_start().
 */
#ifndef MM_CONTRACT_WORLD_H
#define MM_CONTRACT_WORLD_H

#include "base/types.h"

#include <stdatomic.h>

/*
 * Bytes are about to be copied or cleared: a point that no atomic access makes, and time that only
 * a world with a clock of its own has to be told of. Nothing in the world of real threads.
 */
enum world_work { WORLD_ACCESS, WORLD_COPY_PAGE, WORLD_CLEAR_PAGE, WORLD_FENCE, WORLD_WORKS };
#ifdef MM_WORLD_FIBERS
void world_work(enum world_work work, uint32_t count);
#else
static inline void world_work(enum world_work work, uint32_t count)
{
    (void)work, (void)count;
}
#endif

/* Monotonic time in nanoseconds. */
uint64_t world_now_ns(void);

/*
 * Pause in a spin loop. `round` is how often the caller has paused already; the pause grows
 * exponentially with it to a bound and then gives the processor away. `backoff` off pauses the
 * shortest time every round (an ablation: it shows what back-off buys).
 */
void world_pause(unsigned round, bool backoff);

/*
 * Wait until *word differs from `expected`, or somebody wakes the word, or `timeout_ns` has passed
 * (UINT64_MAX: no timeout). May return early for no reason; the caller re-checks under the lock
 * its condition depends on. Async-signal-safe.
 */
void world_wait(_Atomic uint32_t *word, uint32_t expected, uint64_t timeout_ns);

/* Wake up to `count` waiters of the word. Async-signal-safe. */
void world_wake(_Atomic uint32_t *word, uint32_t count);

/*
 * Asymmetric fence: on return every other thread of the process has executed a full memory fence
 * after the call began. The other side needs only a compiler barrier (atomic_signal_fence).
 */
void world_fence_all(void);

/* A number that differs from run to run; only for seeds that the user left open. */
uint64_t world_random(void);

/* Threads of the engine itself (workers, fault handlers). All signals are blocked in them. */
struct world_thread;
typedef void world_thread_main(void *argument);

/* Start a thread; `name` has at most 15 characters. 0, or a negative errno with nothing started. */
int world_thread_start(world_thread_main *main, void *argument, const char *name,
                       struct world_thread **ret_thread);
/* Wait for the end of a thread and free it. */
void world_thread_join(struct world_thread *thread);

/* End the process: a broken promise was found. Prints the text to standard error. */
_Noreturn void world_abort(const char *text);

#endif
