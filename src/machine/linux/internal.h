/*
 * internal.h - the Linux machine's own state, shared by the files of this directory only.
 *
 * content of page p = bytes p*4096.. of `file`, present or a hole. A mapping of it is made by
 * userfaultfd and taken away by madvise; the file never loses a page but by release().
 * The state lies in memory of its own: the program's heap may itself be managed memory, and the
 * pager must never fault.
 */
#ifndef MM_MACHINE_LINUX_INTERNAL_H
#define MM_MACHINE_LINUX_INTERNAL_H

#include "contract/world.h"
#include "machine/linux/linux.h"
#include "machine/linux/uffd.h"

#include <stdatomic.h>
#include <sys/types.h>
#include <sys/uio.h>

#define HANDLERS_MAX 64
#define MARKS_MAX    64  /* pages marked as failed that are remembered */
#define MARK_MS      100 /* how long a mark stays; whoever waits for the page has met it by then */
/* Ranges in one process_madvise() call, and pages of zeros in one source: both bounded by Linux. */
#define VECTORS_MAX 1024
#define ZERO_PAGES  64
/* How long the kernel may answer "again" before somebody must be told. */
#define RETRY_LIMIT_NS (10 * 1000000000ull)
#define PIDFD_NONE     INT_MIN

/* What this kernel grants (probe.c). */
struct linux_features {
    uint64_t bits;
    bool write_protect; /* on shared memory, and kept by CONTINUE: a dirty bit is possible */
    bool poison;
};

/* One fault-handler thread. `served` is odd while it serves a message. */
struct linux_handler {
    struct world_thread *thread;
    struct linux_machine *machine;
    _Atomic pid_t tid;
    _Atomic uint64_t served;
    uint64_t served_seen; /* by the guard, a second ago */
} CACHE_ALIGNED;

struct linux_machine {
    char *base;
    size_t bytes;
    page_number pages;
    enum linux_faults faults;
    struct linux_features features;
    bool dirty_tracking;
    bool forked; /* we are the child of a fork: nothing here is ours any more */

    int uffd;
    int file;
    int stop_fd; /* eventfd: readable from the moment the machine is to stop */
    int pidfd;   /* for process_madvise; PIDFD_NONE: madvise each range */
    bool remove_by_vector;
    dev_t file_device; /* which file `file` must be: a reused number must not be read */
    ino_t file_inode;
    uffd_ioctl *ioctl;
    uint64_t retry_limit_ns;

    char *windows; /* threads_max * windows_each() pages */
    uint32_t windows_count;
    uint32_t transfer; /* of them at once */
    uint32_t threads_max;
    struct iovec *vectors; /* VECTORS_MAX per thread */
    char *zeros;           /* ZERO_PAGES pages, never written */

    struct linux_entry entry;
    bool started;
    struct world_thread *guard;
    _Atomic uint32_t guard_state; /* GUARD_... */
    struct linux_handler handlers[HANDLERS_MAX];
    uint32_t handlers_wanted;
    uint32_t handlers_count;
    _Atomic uint64_t violation_last; /* thread id << 32 | page, see fault_thread.c */
    _Atomic uint32_t violation_repeats;
    /* Pages marked as failed, see poison.c. */
    _Atomic uint32_t marks_set; /* no less than there are marks */
    _Atomic uint64_t marks[MARKS_MAX];
};

enum { GUARD_STARTING, GUARD_READY, GUARD_REFUSED };

/* A bounded wait for a kernel that says "again". Zero-initialise; zero again after progress. */
struct linux_retry {
    uint64_t deadline_ns;
    unsigned round;
};

/* The kernel may give another answer next time. */
static inline bool linux_is_transient(int error)
{
    return error == EAGAIN || error == EINTR || error == ENOMEM;
}

/* Transfer windows of a thread: those the engine knows, and one for what nobody wants. */
static inline uint32_t windows_each(const struct linux_machine *machine)
{
    return machine->windows_count + 1;
}

static inline uint64_t page_address(const struct linux_machine *machine, page_number page)
{
    return (uintptr_t)machine->base + ((uint64_t)page << PAGE_SHIFT);
}

/* ops.c */
extern const struct machine_ops linux_ops;
/* End the process, naming what failed, where, and errno. Async-signal-safe. */
_Noreturn void linux_fail(const char *what, page_number page, int error);
/* Pause, or give up when the limit has passed. */
void linux_retry_pause(struct linux_machine *machine, struct linux_retry *retry, const char *what,
                       page_number page, int error);
/* Wake who waits for the page; nothing to do where no one can wait. */
void linux_wake(struct linux_machine *machine, page_number page);
/* Try once to give up the content of a range. 0 or errno, of the call that is named. */
int linux_punch(struct linux_machine *machine, page_number first, page_number count,
                const char **ret_call);
/* Whether `file` still is the file we made. */
bool linux_file_is_ours(const struct linux_machine *machine);

/* linux.c: the system call itself. */
int ioctl_plain(int fd, unsigned long request, void *argument);

/* probe.c */
int linux_open_uffd(enum linux_faults faults, int *ret_uffd, struct linux_features *ret_features,
                    char *ret_text, size_t text_size);
int linux_register(struct linux_machine *machine, char *ret_text, size_t text_size);
void linux_probe_calls(struct linux_machine *machine);

/* Take a page's mapping away, or whatever stands in its place. */
void linux_unmap_range(struct linux_machine *machine, page_number first, page_number count);

/* poison.c: pages marked as failed. */
/* Errors for who touches the page from now on; false: this kernel has no such mark. */
bool poison_set(struct linux_machine *machine, page_number page);
/* Take away the marks that are due. How long till the next one is, in ms; -1: there is none. */
int poison_lift_due(struct linux_machine *machine);
void linux_mark_failed(void *machine, uint32_t thread, page_number page);

/* table.c: the live machines. */
int table_add(struct linux_machine *machine);
void table_remove(struct linux_machine *machine);
struct linux_machine *table_find(uintptr_t address);

/* guard.c */
int guard_start(struct linux_machine *machine);
/* End the process for any message but a fault. */
_Noreturn void fault_event_abort(void);

/* fault_signal.c, fault_thread.c */
int fault_signal_start(void);
void fault_signal_stop(void);
/* Whether this processor tells a handler reads from writes. */
bool linux_signal_knows_writes(void);
int fault_thread_start(struct linux_machine *machine);
void fault_thread_stop(struct linux_machine *machine);
bool fault_thread_is_handler(const struct linux_machine *machine, pid_t tid);

#endif
