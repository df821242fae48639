/*
 * table.c - the live machines, found by address from a signal handler; and what a fork does.
 *
 * Lock-free to read: a slot's base is written last and cleared first, and a reader believes what
 * it read only if the base is the same afterwards. The machine of an address that faults cannot
 * go away meanwhile (linux_destroy: no fault under way).
 *
 * A child of fork has no managed memory (MADV_DONTFORK): its touch is SIGSEGV, never a zero. The
 * descriptors it inherited could change its parent's memory, so they are closed at once.
 */
#include "machine/linux/internal.h"

#include "base/mutant.h"

#include <pthread.h>
#include <unistd.h>

#define MACHINES_MAX 64

struct table_slot {
    _Atomic uintptr_t base; /* 0: empty or being changed */
    _Atomic uintptr_t bytes;
    _Atomic(struct linux_machine *) machine; /* not NULL: taken */
};

static struct table_slot slots[MACHINES_MAX];

static void forget_in_child(void)
{
    for (size_t i = 0; i < ARRAY_COUNT(slots); i++) {
        struct linux_machine *machine = atomic_load(&slots[i].machine);

        if (machine == NULL)
            continue;
        atomic_store(&slots[i].base, 0);
        atomic_store(&slots[i].machine, NULL);
        machine->forked = true;
        if (MUTANT(LINUX_CHILD_KEEPS_DESCRIPTORS))
            continue;
        close(machine->uffd);
        close(machine->file);
        close(machine->stop_fd);
        if (machine->pidfd >= 0)
            close(machine->pidfd);
        machine->uffd = machine->file = machine->stop_fd = -1;
        machine->pidfd = PIDFD_NONE;
    }
}

/* From the first machine on, for ever. 0 or -errno. */
static int watch_forks(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static bool watched;
    int error = 0;

    pthread_mutex_lock(&lock);
    if (!watched)
        error = pthread_atfork(NULL, NULL, forget_in_child);
    watched = error == 0;
    pthread_mutex_unlock(&lock);
    return -error;
}

int table_add(struct linux_machine *machine)
{
    int error = watch_forks();

    if (error != 0)
        return error;
    for (size_t i = 0; i < ARRAY_COUNT(slots); i++) {
        struct linux_machine *none = NULL;

        if (atomic_compare_exchange_strong(&slots[i].machine, &none, machine)) {
            atomic_store(&slots[i].bytes, machine->bytes);
            atomic_store(&slots[i].base, (uintptr_t)machine->base);
            return 0;
        }
    }
    return -EMFILE;
}

void table_remove(struct linux_machine *machine)
{
    for (size_t i = 0; i < ARRAY_COUNT(slots); i++) {
        if (atomic_load(&slots[i].machine) == machine) {
            atomic_store(&slots[i].base, 0);
            atomic_store(&slots[i].machine, NULL);
        }
    }
}

struct linux_machine *table_find(uintptr_t address)
{
    for (size_t i = 0; i < ARRAY_COUNT(slots); i++) {
        uintptr_t base = atomic_load(&slots[i].base);
        uintptr_t bytes = atomic_load(&slots[i].bytes);
        struct linux_machine *machine = atomic_load(&slots[i].machine);

        if (base != 0 && address - base < bytes && atomic_load(&slots[i].base) == base)
            return machine;
    }
    return NULL;
}
