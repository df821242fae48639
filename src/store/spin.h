/*
 * spin.h - the lock of stores: held for a few instructions, from any thread, in a fault as well.
 */
#ifndef MM_STORE_SPIN_H
#define MM_STORE_SPIN_H

#include "contract/world.h"

static inline void spin_acquire(_Atomic uint32_t *locked)
{
    for (unsigned round = 0; atomic_exchange_explicit(locked, 1, memory_order_acquire) != 0;
         round++)
        world_pause(round, true);
}

static inline void spin_release(_Atomic uint32_t *locked)
{
    atomic_store_explicit(locked, 0, memory_order_release);
}

#endif
