/*
 * guard.c - one thread that keeps a dead pager from turning into zeros.
 *
 * When the last descriptor of a userfaultfd is closed, the kernel lets every waiting and every
 * later touch through to a zero page. Programs do close descriptors they do not own (closefrom),
 * so the guard holds the userfaultfd in a descriptor table of its own, out of their reach. Then
 * touches still come to us, our ioctl finds its number gone, and the process ends with a text.
 *
 * It also watches what nobody else can: in signal mode the kernel's notice that the program moved
 * or unmapped managed memory; in thread mode that all handlers wait on each other, because the
 * pager itself touched managed memory.
 */
#include "machine/linux/internal.h"

#include "base/text.h"

#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WATCH_MS 1000

#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE (1u << 1)
#endif

/*
 * A table of our own with nothing but these two in it: a copy of the program's pipe in here would
 * keep its reader waiting for the end for ever. 0 or -errno.
 */
static int own_table(int one, int other)
{
    unsigned low = (unsigned)MIN_OF(one, other);
    unsigned high = (unsigned)MAX_OF(one, other);

    if (syscall(SYS_close_range, high + 1, UINT_MAX, CLOSE_RANGE_UNSHARE) != 0)
        return -errno;
    if (high - low > 1 && syscall(SYS_close_range, low + 1, high - 1, 0) != 0)
        return -errno;
    if (low > 0 && syscall(SYS_close_range, 0u, low - 1, 0) != 0)
        return -errno;
    return 0;
}

/* The guard's table has no standard error: it borrows the program's for its last words. */
static _Noreturn void guard_abort(const char *text)
{
    int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
    int output = (int)syscall(SYS_pidfd_getfd, self, STDERR_FILENO, 0);

    if (output >= 0)
        dup2(output, STDERR_FILENO);
    world_abort(text);
}

static _Noreturn void guard_fail(const char *call, int error)
{
    struct text text = {0};

    text_add(&text, "linux machine: the guard: ");
    text_add(&text, call);
    text_add(&text, " failed with errno ");
    text_add_number(&text, (uint64_t)error);
    guard_abort(text.bytes);
}

/*
 * Notice of mremap or munmap. Whoever made the call may run on for a moment; what it touches at
 * either address is SIGSEGV or comes to us, and is never a zero.
 */
static const char moved_text[] = "linux machine: the program moved or unmapped managed memory "
                                 "(mremap, munmap), which would lose its pages";

_Noreturn void fault_event_abort(void)
{
    world_abort(moved_text);
}

/*
 * Every handler has been busy with one fault for a whole period. If the fault that nobody reads
 * comes from a handler, nobody ever will. Else it is a slow store: a message is only a hint, so
 * the toucher is sent back to fault again.
 */
static void watch_handlers(struct linux_machine *machine)
{
    struct uffd_msg message;

    for (uint32_t i = 0; i < machine->handlers_wanted; i++) {
        uint64_t served = atomic_load(&machine->handlers[i].served);
        bool stuck = served % 2 == 1 && served == machine->handlers[i].served_seen;

        machine->handlers[i].served_seen = served;
        if (!stuck)
            return;
    }
    if (read(machine->uffd, &message, sizeof(message)) != sizeof(message))
        return;
    if (message.event != UFFD_EVENT_PAGEFAULT)
        guard_abort(moved_text);
    if (fault_thread_is_handler(machine, (pid_t)message.arg.pagefault.feat.ptid))
        guard_abort("linux machine: the pager touched managed memory and waits for itself");
    uffd_wake(machine->ioctl, machine->uffd, message.arg.pagefault.address & ~(MM_PAGE_SIZE - 1),
              MM_PAGE_SIZE);
}

static void guard_main(void *argument)
{
    struct linux_machine *machine = argument;
    bool by_signal = machine->faults == LINUX_FAULTS_SIGNAL;
    int error = own_table(machine->uffd, machine->stop_fd);

    atomic_store(&machine->guard_state, error == 0 ? GUARD_READY : GUARD_REFUSED);
    world_wake(&machine->guard_state, UINT32_MAX);
    while (error == 0) {
        struct pollfd watched[] = {
            {.fd = machine->stop_fd, .events = POLLIN},
            {.fd = by_signal ? machine->uffd : -1, .events = POLLIN},
        };
        struct uffd_msg message;

        if (poll(watched, ARRAY_COUNT(watched), by_signal ? -1 : WATCH_MS) < 0 && errno != EINTR)
            guard_fail("poll", errno);
        if (watched[0].revents != 0)
            return;
        if (!by_signal)
            watch_handlers(machine);
        else if (watched[1].revents != 0 &&
                 read(machine->uffd, &message, sizeof(message)) == sizeof(message))
            guard_abort(moved_text);
    }
}

int guard_start(struct linux_machine *machine)
{
    int error = world_thread_start(guard_main, machine, "mm-guard", &machine->guard);

    if (error != 0)
        return error;
    /* Nobody may touch the memory before it is guarded. */
    while (atomic_load(&machine->guard_state) == GUARD_STARTING)
        world_wait(&machine->guard_state, GUARD_STARTING, UINT64_MAX);
    return atomic_load(&machine->guard_state) == GUARD_READY ? 0 : -EPERM;
}
