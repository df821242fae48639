/*
 * threads.h - what the world of real threads can tell beyond contract/world.h.
 */
#ifndef MM_WORLD_THREADS_H
#define MM_WORLD_THREADS_H

#include "contract/world.h"

/*
 * CPU time the thread has used. After its end, until world_thread_join(), the final value.
 * Any thread may ask.
 */
uint64_t world_thread_cpu_ns(const struct world_thread *thread);

#endif
